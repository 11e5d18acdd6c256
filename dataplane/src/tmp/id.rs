//! The names of things in the tunnel protocol: streams, receiver ids, tunnels and peers.
//!
//! A `StreamId` and a `ReceiverId` travel on the wire; a `TunnelId` and a `PeerId` are known in this process only.

use crate::stdx::slab::Handle;

/// One stream of a tunnel: a slot of the tunnel's table and how often the slot had been used. [TMP-41]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Index into the stream tables of both ends.
    pub slot: u16,
    /// Grows by one (wrapping) with each use of the slot.
    pub generation: u8,
}

impl StreamId {
    /// Length on the wire.
    pub const BYTES: usize = 3;

    /// As on the wire: slot (big-endian), generation.
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        let [high, low] = self.slot.to_be_bytes();
        [high, low, self.generation]
    }

    /// The inverse of `to_bytes`.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self { slot: u16::from_be_bytes([bytes[0], bytes[1]]), generation: bytes[2] }
    }
}

/// What the receiver of a packet calls the keys that open it: owner 8 bits, slot 12 bits, random 12 bits.
///
/// The owner is first, so it stands at byte 1 of the packet, where a socket filter finds it. [TMP-11]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReceiverId(pub u32);

impl ReceiverId {
    /// Length on the wire.
    pub const BYTES: usize = 4;

    /// Composes an id; only the low 12 bits of `slot` and of `random` count.
    pub const fn new(owner: u8, slot: u16, random: u16) -> Self {
        Self((owner as u32) << 24 | ((slot & 0xfff) as u32) << 12 | (random & 0xfff) as u32)
    }

    /// The worker that owns the session.
    pub const fn owner(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Index into the owner's table of receiver ids.
    pub const fn slot(self) -> usize {
        (self.0 >> 12 & 0xfff) as usize
    }
}

/// One tunnel of this endpoint. It outlives rekeys, roaming and (at the initiator) restarts of the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelId(pub Handle);

/// One peer that the endpoint knows: an index in the order of `add_peer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u32);

/// One path of a tunnel: from 0, below `PATHS_MAX`. [TMP-160]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub u8);

impl PathId {
    /// As an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which end of a tunnel this is; only the initiator opens streams. [TMP-2] [TMP-40]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Sends INIT and opens streams.
    Initiator,
    /// Answers INIT and accepts streams.
    Acceptor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_first_byte_of_a_receiver_id() {
        let id = ReceiverId::new(7, 0xabc, 0xdef);
        assert_eq!(id.0.to_be_bytes(), [7, 0xab, 0xcd, 0xef]);
        assert_eq!((id.owner(), id.slot()), (7, 0xabc));
    }

    #[test]
    fn stream_ids_round_trip() {
        let id = StreamId { slot: 0x1234, generation: 0xff };
        assert_eq!(id.to_bytes(), [0x12, 0x34, 0xff]);
        assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
    }
}
