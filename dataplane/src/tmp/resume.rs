//! A path that is known from before begins near what it carried then, carefully (RFC 9959). Units: bytes, µs.
//!
//! ```text
//!            first window acknowledged, in use,        one of the jump          all of the jump
//!            its round trip the one of then            is acknowledged          is acknowledged
//!  Known ───────────────────────────────────► Jumped ─────────────────► Judged ────────────────► Over
//!    │ a loss, another round trip,              │ a loss: back to what was proven │
//!    └ a window as large already ──► Over       └──────────────► Over ◄───────────┘
//! ```
//! The jump goes to half of what the path held. Pure policy: it is told what happens and answers what the window should be.

use crate::time::Instant;
use crate::tmp::learned::Learned;

/// The part of what the path held that is trusted.
const TRUSTED_PART: u64 = 2;

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// The window is this from now on, and slow start goes on.
    Window(u64),
    /// Slow start begins again with this window.
    Retreat(u64),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Known(Learned),
    /// Packets from `first` on may be more than the path takes.
    Jumped {
        first: u64,
    },
    /// Those below `end` are; so much of them has arrived.
    Judged {
        first: u64,
        end: u64,
        proven_bytes: u64,
    },
    Over,
}

/// The state.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    phase: Phase,
}

/// The path at an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The time.
    pub now: Instant,
    /// The least round trip.
    pub rtt_us: u64,
    /// The window.
    pub window_bytes: u64,
    /// The number that the next packet will have.
    pub number_next: u64,
    /// The window was in use when the packet was sent.
    pub used_window: bool,
}

impl Resume {
    /// Nothing is known.
    pub const fn nothing() -> Self {
        Self { phase: Phase::Over }
    }

    /// This is known.
    pub const fn from(learned: Learned) -> Self {
        Self { phase: Phase::Known(learned) }
    }

    /// What was known, if it was put to no test.
    pub const fn untried(&self) -> Option<Learned> {
        match self.phase {
            Phase::Known(learned) => Some(learned),
            Phase::Jumped { .. } | Phase::Judged { .. } | Phase::Over => None,
        }
    }

    /// A packet was acknowledged while so much was in flight with it.
    pub fn acked(&mut self, known: &Known, number: u64, bytes: u64, in_flight_bytes: u64) -> Step {
        match self.phase {
            Phase::Over => Step::Stay,
            Phase::Known(learned) => self.try_jump(known, &learned),
            Phase::Jumped { first } if number < first => Step::Stay,
            Phase::Jumped { first } => {
                self.phase = Phase::Judged { first, end: known.number_next, proven_bytes: bytes };
                // What was not used proves nothing.
                if in_flight_bytes < known.window_bytes { Step::Window(in_flight_bytes) } else { Step::Stay }
            }
            Phase::Judged { first, end, proven_bytes } => {
                let proven_bytes = proven_bytes + if number >= first { bytes } else { 0 };
                let is_over = number + 1 >= end;
                self.phase = if is_over { Phase::Over } else { Phase::Judged { first, end, proven_bytes } };
                Step::Stay
            }
        }
    }

    /// A packet was lost.
    pub fn lost(&mut self) -> Step {
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over | Phase::Known(_) => Step::Stay,
            Phase::Jumped { .. } => Step::Retreat(0),
            Phase::Judged { proven_bytes, .. } => Step::Retreat(proven_bytes / TRUSTED_PART),
        }
    }

    fn try_jump(&mut self, known: &Known, learned: &Learned) -> Step {
        let bytes = learned.held_bytes() / TRUSTED_PART;
        if !learned.fits(known.now, known.rtt_us) || bytes <= known.window_bytes {
            self.phase = Phase::Over;
            return Step::Stay;
        }
        if !known.used_window {
            return Step::Stay;
        }
        self.phase = Phase::Jumped { first: known.number_next };
        Step::Window(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEARNED: Learned =
        Learned { bytes_per_s: 10_000_000, peer_bytes_per_s: 0, rtt_us: 100_000, at: Instant::ORIGIN };

    fn known(window_bytes: u64, number_next: u64) -> Known {
        Known {
            now: Instant::from_us(1_000_000),
            rtt_us: 101_000,
            window_bytes,
            number_next,
            used_window: true,
        }
    }

    #[test]
    fn jumps_once_to_half_and_is_over_when_all_of_it_has_arrived() {
        let mut resume = Resume::from(LEARNED);
        let idle = Known { used_window: false, ..known(12_000, 10) };
        assert_eq!(resume.acked(&idle, 0, 1_200, 12_000), Step::Stay, "there is nothing to send");
        assert_eq!(resume.acked(&known(12_000, 10), 1, 1_200, 12_000), Step::Window(500_000));
        assert_eq!(resume.acked(&known(500_000, 300), 2, 1_200, 300_000), Step::Stay);
        assert_eq!(resume.acked(&known(500_000, 300), 10, 1_200, 300_000), Step::Window(300_000));
        assert_eq!(resume.acked(&known(300_000, 400), 299, 1_200, 1), Step::Stay);
        assert_eq!(resume.lost(), Step::Stay, "what is lost now is slow start's affair");
    }

    #[test]
    fn a_loss_leads_back_to_half_of_what_arrived() {
        let mut resume = Resume::from(LEARNED);
        resume.acked(&known(12_000, 10), 1, 1_200, 12_000);
        let mut early = resume;
        assert_eq!(early.lost(), Step::Retreat(0));
        for number in 10..20 {
            resume.acked(&known(500_000, 300), number, 1_200, 500_000);
        }
        assert_eq!((resume.lost(), resume.lost()), (Step::Retreat(6_000), Step::Stay));
    }

    #[test]
    fn what_does_not_fit_is_forgotten() {
        for other in [
            Known { rtt_us: 200_000, ..known(12_000, 10) },
            Known { rtt_us: 40_000, ..known(12_000, 10) },
            Known { now: Instant::from_us(700_000_000), ..known(12_000, 10) },
            known(500_000, 10),
        ] {
            let mut resume = Resume::from(LEARNED);
            assert_eq!(resume.acked(&other, 1, 1_200, 12_000), Step::Stay);
            assert_eq!(resume.acked(&known(12_000, 10), 2, 1_200, 12_000), Step::Stay);
        }
        let mut resume = Resume::from(LEARNED);
        assert_eq!(resume.lost(), Step::Stay);
        assert_eq!(resume.acked(&known(12_000, 10), 2, 1_200, 12_000), Step::Stay, "no jump after a loss");
    }
}
