//! One pair of keys of a tunnel and how far it is used up. [TMP-80]

use crate::time::Instant;
use crate::tmp::handshake::Keys;
use crate::tmp::id::{PathId, ReceiverId};
use crate::tmp::limits::{REJECT_AFTER, REKEY_AFTER, REKEY_AFTER_PACKETS};

/// The keys that one handshake made.
#[derive(Debug)]
pub(in crate::tmp) struct Epoch {
    /// How the peer names these keys.
    pub(in crate::tmp) own_id: ReceiverId,
    /// How we name them towards the peer.
    pub(in crate::tmp) peer_id: ReceiverId,
    /// Boxed, because an epoch moves about before it is used, and key schedules are large.
    keys: Box<Keys>,
    began: Instant,
    opened_packets: u64,
}

impl Epoch {
    /// Fresh keys.
    pub(in crate::tmp) fn new(now: Instant, own_id: ReceiverId, peer_id: ReceiverId, keys: Keys) -> Self {
        Self { own_id, peer_id, keys: Box::new(keys), began: now, opened_packets: 0 }
    }

    /// When the initiator should begin to replace these keys, by age.
    pub(in crate::tmp) fn rekey_at(&self) -> Instant {
        self.began + REKEY_AFTER
    }

    /// Whether the initiator should replace these keys.
    pub(in crate::tmp) fn wants_rekey(&self, now: Instant) -> bool {
        now >= self.rekey_at()
            || self.keys.seal.sealed_packets() >= REKEY_AFTER_PACKETS
            || self.opened_packets >= REKEY_AFTER_PACKETS
    }

    fn is_too_old(&self, now: Instant) -> bool {
        now.since(self.began) >= REJECT_AFTER
    }

    /// Whether a packet may be sealed.
    pub(in crate::tmp) fn can_seal(&self, now: Instant) -> bool {
        !self.is_too_old(now) && !self.keys.seal.is_spent()
    }

    /// Seals a packet whose header and payload are written.
    pub(in crate::tmp) fn seal(&mut self, (path, number): (PathId, u64), packet: &mut [u8]) {
        self.keys.seal.seal(path.0.into(), number, packet);
    }

    /// Opens a packet and gives its payload.
    pub(in crate::tmp) fn open<'a>(
        &mut self,
        now: Instant,
        (path, number): (PathId, u64),
        packet: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        if self.is_too_old(now) {
            return None;
        }
        let payload = self.keys.open.open(path.0.into(), number, packet)?;
        self.opened_packets += 1;
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::seal::{Cipher, OpenKey, SealKey};

    fn epoch() -> Epoch {
        let cipher = Cipher::ChaCha20Poly1305;
        let keys = Keys { seal: SealKey::new(cipher, &[1; 32]), open: OpenKey::new(cipher, &[1; 32]) };
        Epoch::new(Instant::ORIGIN, ReceiverId(1), ReceiverId(2), keys)
    }

    /// [TMP-80] [TMP-80.1]
    #[test]
    fn age_ends_keys_in_two_steps() {
        let mut epoch = epoch();
        let mut packet = [0; 50];
        epoch.seal((PathId(0), 0), &mut packet);
        assert!(!epoch.wants_rekey(Instant::ORIGIN) && epoch.wants_rekey(Instant::ORIGIN + REKEY_AFTER));
        let end = Instant::ORIGIN + REJECT_AFTER;
        assert!(epoch.can_seal(Instant::ORIGIN + REKEY_AFTER) && !epoch.can_seal(end));
        assert!(epoch.open(end, (PathId(0), 0), &mut packet).is_none());
        assert!(epoch.open(Instant::ORIGIN, (PathId(0), 0), &mut packet).is_some());
    }

    #[test]
    fn packets_end_keys_too_in_either_direction() {
        let mut epoch = epoch();
        epoch.opened_packets = REKEY_AFTER_PACKETS - 1;
        assert!(!epoch.wants_rekey(Instant::ORIGIN));
        let mut packet = [0; 50];
        epoch.seal((PathId(0), 7), &mut packet);
        assert!(epoch.open(Instant::ORIGIN, (PathId(0), 7), &mut packet).is_some());
        assert!(epoch.wants_rekey(Instant::ORIGIN));
    }
}
