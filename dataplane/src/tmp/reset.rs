//! Telling a peer that its packet named nothing we know, in a way that only that peer believes. [TMP-90]
//!
//! A process that has lost its state answers an unknown DATA packet with RESET. Each token is a code under a
//! key that both ends derive from their static-static secret, over the unknown id and the very packet that
//! is answered (its number and tag). So no third party can make one, and none that was provoked earlier or
//! by an invented packet is of use: the peer believes only in an answer to what it has really sent.
//! The restarted process cannot know whose packet it was and puts in one token per peer it has.

use crate::tmp::id::ReceiverId;
use crate::tmp::key::PublicKey;
use crate::tmp::limits::{RESET_TOKENS_MAX, TAG_BYTES, TAGS_REMEMBERED};
use crate::tmp::mac::{equal, mac16, mac32};
use crate::tmp::packet::{MAC_BYTES, RESET_HEADER_BYTES, write_reset_header};
use zeroize::Zeroizing;

/// Longest RESET.
pub(in crate::tmp) const RESET_BYTES_MAX: usize = RESET_HEADER_BYTES + RESET_TOKENS_MAX * MAC_BYTES;

/// Makes and judges the tokens between two machines.
#[derive(Clone)]
pub(in crate::tmp) struct ResetKey(Zeroizing<[u8; 32]>);

impl ResetKey {
    /// From the static-static secret.
    pub(in crate::tmp) fn new(shared: &[u8; 32]) -> Self {
        Self(Zeroizing::new(mac32(shared, &[b"longhaul tmp reset"])))
    }

    fn token(&self, author: &PublicKey, trigger: &Trigger) -> [u8; MAC_BYTES] {
        let id = trigger.unknown.0.to_be_bytes();
        let number = trigger.mark.to_be_bytes();
        // The author's key keeps a token from being turned round on its author.
        mac16(&self.0, &[author.bytes(), &id, &number, &trigger.tag.to_be_bytes()])
    }
}

impl core::fmt::Debug for ResetKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResetKey(..)")
    }
}

/// The packet that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) struct Trigger {
    /// The id that named nothing.
    pub(in crate::tmp) unknown: ReceiverId,
    /// Its path and number as in the header.
    pub(in crate::tmp) mark: u32,
    /// The first half of its tag.
    pub(in crate::tmp) tag: u64,
}

/// The half of a packet's tag that is remembered.
pub(in crate::tmp) fn half_tag(packet: &[u8]) -> u64 {
    let tag = packet.len().checked_sub(TAG_BYTES).and_then(|at| packet[at..].first_chunk());
    tag.map_or(0, |half| u64::from_be_bytes(*half))
}

/// Writes a RESET by `author` that is no longer than `longest`, with tokens of the first keys that have room.
pub(in crate::tmp) fn write_reset<'a>(
    out: &mut [u8; RESET_BYTES_MAX],
    longest: usize,
    author: &PublicKey,
    trigger: &Trigger,
    keys: impl Iterator<Item = &'a ResetKey>,
) -> usize {
    write_reset_header(out, trigger.unknown, trigger.mark);
    let mut at = RESET_HEADER_BYTES;
    for key in keys {
        if at + MAC_BYTES > longest.min(RESET_BYTES_MAX) {
            break;
        }
        out[at..at + MAC_BYTES].copy_from_slice(&key.token(author, trigger));
        at += MAC_BYTES;
    }
    at
}

/// Whether one token of `datagram` (a RESET by its length and first byte) is `author`'s answer to `trigger`.
pub(in crate::tmp) fn reset_is_genuine(
    datagram: &[u8],
    key: &ResetKey,
    author: &PublicKey,
    trigger: &Trigger,
) -> bool {
    let expected = key.token(author, trigger);
    let (tokens, _) = datagram[RESET_HEADER_BYTES..].as_chunks::<MAC_BYTES>();
    tokens.iter().fold(false, |found, token| found | equal(token, &expected))
}

/// The tags of the packets sent last, by number. [TMP-92]
#[derive(Debug)]
pub(in crate::tmp) struct SentTags(Box<[(u32, u64)]>);

impl SentTags {
    /// None yet.
    pub(in crate::tmp) fn new() -> Self {
        Self(vec![(0, 0); TAGS_REMEMBERED].into_boxed_slice())
    }

    /// Remembers the tag of a packet that is about to leave.
    pub(in crate::tmp) fn remember(&mut self, mark: u32, packet: &[u8]) {
        self.0[mark as usize % TAGS_REMEMBERED] = (mark, half_tag(packet));
    }

    /// The tag of the packet with this number, if it is among the last.
    pub(in crate::tmp) fn get(&self, mark: u32) -> Option<u64> {
        let (number, tag) = self.0[mark as usize % TAGS_REMEMBERED];
        (number == mark && tag != 0).then_some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::key::PrivateKey;
    use crate::tmp::limits::DATA_BYTES_MIN;
    use crate::tmp::packet::Packet;
    use crate::tmp::random::PredictableRandom;

    fn key(a: &PrivateKey, b: &PrivateKey) -> ResetKey {
        ResetKey::new(&a.shared(&b.public()).unwrap())
    }

    /// [TMP-90] [TMP-92]
    #[test]
    fn only_the_peer_who_answers_that_packet_is_believed() {
        let mut random = PredictableRandom::new(1);
        let [us, peer, other] = [(); 3].map(|()| PrivateKey::generate(&mut random));
        let trigger = Trigger { unknown: ReceiverId(7), mark: 8, tag: 9 };
        let mut out = [0; RESET_BYTES_MAX];
        let keys = [key(&peer, &other), key(&peer, &us)];
        let len = write_reset(&mut out, DATA_BYTES_MIN, &peer.public(), &trigger, keys.iter());
        assert_eq!(len, DATA_BYTES_MIN);
        assert_eq!(Packet::parse(&out[..len]), Some(Packet::Reset { unknown: ReceiverId(7), mark: 8 }));
        let ours = key(&us, &peer);
        let genuine =
            |trigger, author: &PrivateKey| reset_is_genuine(&out[..len], &ours, &author.public(), &trigger);
        assert!(genuine(trigger, &peer));
        assert!(!genuine(trigger, &us), "a token is not turned round");
        assert!(!genuine(Trigger { tag: 10, ..trigger }, &peer));
        assert!(!genuine(Trigger { mark: 9, ..trigger }, &peer));
        assert!(!genuine(Trigger { unknown: ReceiverId(8), ..trigger }, &peer));
    }

    /// [TMP-92]
    #[test]
    fn tags_are_remembered_for_the_last_packets() {
        let mut tags = SentTags::new();
        assert_eq!(tags.get(0), None);
        let mut packet = [0; DATA_BYTES_MIN];
        for number in 0..300u32 {
            packet[DATA_BYTES_MIN - TAG_BYTES + 7] = (number % 251 + 1) as u8;
            tags.remember(number, &packet);
        }
        assert_eq!((tags.get(43), tags.get(44), tags.get(299)), (None, Some(45), Some(49)));
        tags.remember(5, &[0; DATA_BYTES_MIN]);
        assert_eq!(tags.get(261), None, "a tag that was overwritten is forgotten");
    }
}
