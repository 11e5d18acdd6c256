//! Keys that the responder has made and nobody has used yet: a bounded waiting room. [TMP-64]
//!
//! An INIT may be a replay, so answering one changes nothing but this room. Copies of an INIT get the same
//! RESP again: repeated INITs cost no second key exchange, and the first RESP stays good however long the path.

use crate::time::Instant;
use crate::tmp::epoch::Epoch;
use crate::tmp::id::{PeerId, ReceiverId, TunnelId};
use crate::tmp::limits::{PATHS_MAX, UNCONFIRMED_KEPT, UNCONFIRMED_PER_LANE_MAX};
use crate::tmp::packet::RESP_BYTES_MAX;
use crate::tmp::params::{Carried, RoleWord};
use crate::tmp::place::Place;
use crate::tmp::spread::PathUse;

/// One answered handshake.
#[derive(Debug)]
pub(in crate::tmp) struct Unconfirmed {
    pub(in crate::tmp) epoch: Epoch,
    pub(in crate::tmp) peer: PeerId,
    pub(in crate::tmp) lane: u32,
    /// The session that the keys are for; `None`: a new one.
    pub(in crate::tmp) continues: Option<TunnelId>,
    /// Where the RESP went.
    pub(in crate::tmp) place: Place,
    /// How the initiator wants the paths used.
    pub(in crate::tmp) chosen: PathUse,
    /// What the initiator remembers of the paths.
    pub(in crate::tmp) carried: [Option<Carried>; PATHS_MAX],
    /// What the initiator's role says.
    pub(in crate::tmp) role_word: Option<RoleWord>,
    pub(in crate::tmp) ephemeral: [u8; 32],
    pub(in crate::tmp) resp: [u8; RESP_BYTES_MAX],
    pub(in crate::tmp) resp_bytes: usize,
    pub(in crate::tmp) made_at: Instant,
}

impl Unconfirmed {
    /// Replays of old INITs name no living session, so they can only push out others that name none.
    fn competes_with(&self, peer: PeerId, lane: u32, continues: bool) -> bool {
        self.peer == peer && self.lane == lane && self.continues.is_some() == continues
    }
}

/// The waiting room, in the order of arrival.
#[derive(Debug)]
pub(in crate::tmp) struct WaitingRoom {
    waiting: Vec<Unconfirmed>,
    capacity: usize,
}

impl WaitingRoom {
    /// Room for `capacity`.
    pub(in crate::tmp) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a responder needs room for one");
        Self { waiting: Vec::with_capacity(capacity), capacity }
    }

    /// The RESP that answered this very INIT. [TMP-64.2]
    pub(in crate::tmp) fn resp_for(&self, ephemeral: &[u8; 32]) -> Option<&[u8]> {
        let found = self.waiting.iter().find(|waiting| waiting.ephemeral == *ephemeral)?;
        Some(&found.resp[..found.resp_bytes])
    }

    /// Makes room for one more and says whose id is thereby free: the older of too many for one lane, else the
    /// oldest of all if the room is full. [TMP-64.1]
    pub(in crate::tmp) fn evict(&mut self, peer: PeerId, lane: u32, continues: bool) -> Option<ReceiverId> {
        let competes = |waiting: &Unconfirmed| waiting.competes_with(peer, lane, continues);
        let rivals = self.waiting.iter().filter(|waiting| competes(waiting)).count();
        let index = if rivals >= UNCONFIRMED_PER_LANE_MAX {
            self.waiting.iter().position(competes)?
        } else if self.waiting.len() == self.capacity {
            0
        } else {
            return None;
        };
        Some(self.waiting.remove(index).epoch.own_id)
    }

    /// Lets one in; `evict` has made room.
    pub(in crate::tmp) fn push(&mut self, unconfirmed: Unconfirmed) {
        assert!(self.waiting.len() < self.capacity, "evict has made room");
        self.waiting.push(unconfirmed);
    }

    /// Takes the one with this id out.
    pub(in crate::tmp) fn take(&mut self, own_id: ReceiverId) -> Option<Unconfirmed> {
        let index = self.waiting.iter().position(|waiting| waiting.epoch.own_id == own_id)?;
        Some(self.waiting.remove(index))
    }

    /// Puts one back that the packet in hand did not confirm, in its old turn.
    pub(in crate::tmp) fn put_back(&mut self, unconfirmed: Unconfirmed) {
        let index = self.waiting.partition_point(|waiting| waiting.made_at <= unconfirmed.made_at);
        self.waiting.insert(index, unconfirmed);
    }

    /// Drops the oldest if its time is over and says whose id is thereby free.
    pub(in crate::tmp) fn expire_one(&mut self, now: Instant) -> Option<ReceiverId> {
        let is_over = self.deadline().is_some_and(|at| at <= now);
        is_over.then(|| self.waiting.remove(0).epoch.own_id)
    }

    /// When the oldest has waited long enough.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|oldest| oldest.made_at + UNCONFIRMED_KEPT)
    }

    /// How many wait.
    #[cfg(test)]
    pub(in crate::tmp) fn len(&self) -> usize {
        self.waiting.len()
    }
}
