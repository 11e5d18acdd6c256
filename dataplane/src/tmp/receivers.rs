//! The table behind the receiver ids that we give out: slot bits of the id are the index, random bits the check. [TMP-11]
//!
//! Receipt is one index and one comparison; nothing is hashed.

use crate::stdx::slab::Slab;
use crate::tmp::id::{ReceiverId, TunnelId};
use crate::tmp::limits::RECEIVER_SLOTS_MAX;
use crate::tmp::random::{Random, random_u32};

/// What a receiver id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) enum Named {
    /// An INIT of this link waits for RESP or COOKIE.
    Dial(TunnelId),
    /// An epoch of this link.
    Epoch(TunnelId),
    /// Keys that nobody has used yet.
    Unconfirmed,
}

/// The ids of one endpoint.
#[derive(Debug)]
pub(in crate::tmp) struct Receivers {
    owner: u8,
    entries: Slab<(ReceiverId, Named)>,
}

impl Receivers {
    /// A table for `ids_max` ids.
    pub(in crate::tmp) fn new(owner: u8, ids_max: usize) -> Self {
        assert!(ids_max <= RECEIVER_SLOTS_MAX, "an id has twelve slot bits");
        Self { owner, entries: Slab::new(ids_max) }
    }

    /// Gives out an id; `None` if all are in use.
    pub(in crate::tmp) fn insert(&mut self, named: Named, random: &mut dyn Random) -> Option<ReceiverId> {
        let handle = self.entries.insert((ReceiverId(0), named)).ok()?;
        let id = ReceiverId::new(self.owner, handle.slot as u16, random_u32(random) as u16);
        *self.entries.get_mut(handle)? = (id, named);
        Some(id)
    }

    /// What `id` stands for.
    pub(in crate::tmp) fn get(&self, id: ReceiverId) -> Option<Named> {
        let handle = self.entries.handle_at(id.slot() as u32)?;
        self.entries.get(handle).filter(|entry| entry.0 == id).map(|entry| entry.1)
    }

    /// Lets a living id stand for something else.
    pub(in crate::tmp) fn rename(&mut self, id: ReceiverId, named: Named) {
        let handle = self.entries.handle_at(id.slot() as u32);
        let entry = handle.and_then(|handle| self.entries.get_mut(handle));
        let entry = entry.filter(|entry| entry.0 == id).expect("only living ids are renamed");
        entry.1 = named;
    }

    /// Takes an id back.
    pub(in crate::tmp) fn remove(&mut self, id: ReceiverId) {
        let handle = self.entries.handle_at(id.slot() as u32);
        let living = handle.filter(|handle| self.entries.get(*handle).is_some_and(|entry| entry.0 == id));
        let removed = living.and_then(|handle| self.entries.remove(handle));
        assert!(removed.is_some(), "an id is taken back once");
    }

    /// How many ids are in use.
    #[cfg(test)]
    pub(in crate::tmp) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::random::PredictableRandom;

    #[test]
    fn an_id_is_found_until_it_is_taken_back() {
        let mut random = PredictableRandom::new(1);
        let mut receivers = Receivers::new(9, 1);
        let id = receivers.insert(Named::Unconfirmed, &mut random).unwrap();
        assert_eq!((id.owner(), id.slot()), (9, 0));
        assert_eq!(receivers.insert(Named::Unconfirmed, &mut random), None);
        assert_eq!(receivers.get(ReceiverId(id.0 ^ 1)), None);
        receivers.rename(id, Named::Epoch(TunnelId::default()));
        assert_eq!(receivers.get(id), Some(Named::Epoch(TunnelId::default())));
        receivers.remove(id);
        assert_eq!((receivers.get(id), receivers.len()), (None, 0));
    }
}
