//! Sends that end within the enter that submits them, and of which nothing is heard when the kernel took them whole.
//!
//! A completion for every send would end the very wait that the same call begins: it costs a turn of the loop, and, where
//! the receiver runs on this core, two changes of thread. With MSG_DONTWAIT a send never outlives its enter. With
//! MSG_WAITALL a stream socket that takes only a part counts as a failure, and of failures a completion is posted though
//! IOSQE_CQE_SKIP_SUCCESS is set. So once everything is submitted and all posted completions are taken, silence is success.
//!
//! ```text
//!   push ──► queued ──enter──► submitted ──completion: failed or short──► (refuse)
//!                                  └──────nothing heard───────────────► take
//! ```
//! Unit: bytes.

use crate::reactor::operation::Name;

/// The sends whose fate is open, oldest first; those that are submitted stand in front.
#[derive(Debug)]
pub(crate) struct AtOnce {
    sends: Vec<(Name, usize)>,
    submitted: usize,
}

impl AtOnce {
    /// Room for the sends of `queued` entries of a submission queue, and as many that are submitted: beyond that it allocates.
    pub(crate) fn for_queue(queued: usize) -> Self {
        Self { sends: Vec::with_capacity(2 * queued), submitted: 0 }
    }

    /// Notes a send that is queued.
    pub(crate) fn push(&mut self, name: Name, bytes: usize) {
        self.sends.push((name, bytes));
    }

    /// All that is queued has been submitted, and what became of it has been posted.
    pub(crate) fn submitted(&mut self) {
        self.submitted = self.sends.len();
    }

    /// A completion says that the kernel did not take the send whole.
    pub(crate) fn refuse(&mut self, name: Name) {
        let at = self.sends.iter().position(|(queued, _)| *queued == name);
        assert!(at.is_some_and(|at| at < self.submitted), "only what was submitted is refused");
        if let Some(at) = at {
            self.sends.remove(at);
            self.submitted -= 1;
        }
    }

    /// A send that was taken whole, and its bytes. Ask only when every posted completion has been taken.
    pub(crate) fn take(&mut self) -> Option<(Name, usize)> {
        self.submitted = self.submitted.checked_sub(1)?;
        // Their order says nothing, so the last of them fills the gap.
        Some(self.sends.swap_remove(self.submitted))
    }

    /// Whether the fate of any is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::operation::Kind;

    #[test]
    fn what_is_not_submitted_or_was_refused_is_not_taken() {
        let name = |at| Name::of_index(Kind::TrainAtOnce, at);
        let mut sends = AtOnce::for_queue(1);
        (0..3).for_each(|at| sends.push(name(at), at));
        assert_eq!(sends.take(), None);
        sends.submitted();
        sends.push(name(3), 3);
        sends.refuse(name(1));
        let mut taken: Vec<usize> = core::iter::from_fn(|| sends.take()).map(|(_, bytes)| bytes).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 2]);
        assert!(!sends.is_empty());
        sends.submitted();
        assert_eq!((sends.take(), sends.is_empty()), (Some((name(3), 3)), true));
    }

    #[test]
    #[should_panic(expected = "only what was submitted is refused")]
    fn what_was_never_submitted_cannot_be_refused() {
        AtOnce::for_queue(1).refuse(Name::of_index(Kind::TrainAtOnce, 1));
    }
}
