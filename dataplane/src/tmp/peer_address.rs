//! Where a peer is on one path, and whether it has proven to be there. [TMP-85]
//!
//! The address follows authenticated packets with the highest number so far. Until the new address has
//! answered a PATH_CHALLENGE, at most three times the bytes received from it are sent to it; if it does
//! not answer in time, packets go to the last proven address again. A path that the peer has opened has none: there
//! the bound holds until it answers.

use crate::time::Instant;
use crate::tmp::limits::{CHALLENGE_EXPIRES, CHALLENGE_PAUSE, UNVALIDATED_BYTES_FACTOR};
use crate::tmp::place::Place;

/// What a packet did to the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) enum Move {
    /// Nothing.
    Stays,
    /// Another port of the same host: a NAT has forgotten its mapping, the path is the same.
    Port,
    /// Another host: what was learnt of the path is void.
    Host,
}

#[derive(Clone, Copy, Debug)]
struct Proof {
    token: u64,
    received_bytes: u64,
    sent_bytes: u64,
    began: Instant,
    challenge_at: Instant,
}

/// The address of one peer on one path.
#[derive(Debug)]
pub(in crate::tmp) struct PeerAddress {
    current: Place,
    proven: Option<Place>,
    proof: Option<Proof>,
}

impl PeerAddress {
    /// An address that the handshake has proven. [TMP-86.2]
    pub(in crate::tmp) const fn new(proven: Place) -> Self {
        Self { current: proven, proven: Some(proven), proof: None }
    }

    /// An address that the first packet of a path came from: nothing is proven.
    pub(in crate::tmp) const fn claimed(now: Instant, place: Place, token: u64) -> Self {
        let proof = Proof { token, received_bytes: 0, sent_bytes: 0, began: now, challenge_at: now };
        Self { current: place, proven: None, proof: Some(proof) }
    }

    /// Where to send.
    pub(in crate::tmp) const fn current(&self) -> Place {
        self.current
    }

    /// An authenticated packet came; `is_newest`: no higher number was seen before. `token` is a fresh random
    /// number in case a challenge begins.
    pub(in crate::tmp) fn heard(
        &mut self,
        now: Instant,
        from: Place,
        bytes: usize,
        is_newest: bool,
        token: impl FnOnce() -> u64,
    ) -> Move {
        if from == self.current {
            if let Some(proof) = &mut self.proof {
                proof.received_bytes += bytes as u64;
            }
            return Move::Stays;
        }
        if !is_newest {
            return Move::Stays;
        }
        let same_host = from.address.ip() == self.current.address.ip() && from.socket == self.current.socket;
        let moved = if same_host { Move::Port } else { Move::Host };
        self.current = from;
        self.proof = (Some(from) != self.proven).then(|| Proof {
            token: token(),
            received_bytes: bytes as u64,
            sent_bytes: 0,
            began: now,
            challenge_at: now,
        });
        moved
    }

    /// How many bytes may be sent now.
    pub(in crate::tmp) fn allowed_bytes(&self) -> u64 {
        self.proof.as_ref().map_or(u64::MAX, |proof| {
            (proof.received_bytes.saturating_mul(UNVALIDATED_BYTES_FACTOR)).saturating_sub(proof.sent_bytes)
        })
    }

    /// A datagram leaves.
    pub(in crate::tmp) fn sent(&mut self, bytes: usize) {
        if let Some(proof) = &mut self.proof {
            proof.sent_bytes += bytes as u64;
        }
    }

    /// The token to be sent in a PATH_CHALLENGE now, if one is due.
    pub(in crate::tmp) fn challenge(&mut self, now: Instant) -> Option<u64> {
        let proof = self.proof.as_mut().filter(|proof| proof.challenge_at <= now)?;
        proof.challenge_at = now + CHALLENGE_PAUSE;
        Some(proof.token)
    }

    /// A PATH_RESPONSE came.
    pub(in crate::tmp) fn answered(&mut self, token: u64) {
        if self.proof.as_ref().is_some_and(|proof| proof.token == token) {
            self.proof = None;
            self.proven = Some(self.current);
        }
    }

    /// Gives a silent new address up.
    pub(in crate::tmp) fn tick(&mut self, now: Instant) {
        let Some(proof) = self.proof.as_mut().filter(|proof| now.since(proof.began) >= CHALLENGE_EXPIRES)
        else {
            return;
        };
        match self.proven {
            Some(proven) => (self.current, self.proof) = (proven, None),
            None => proof.began = now,
        }
    }

    /// When `challenge` or `tick` has something to do.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        self.proof.as_ref().map(|proof| proof.challenge_at.min(proof.began + CHALLENGE_EXPIRES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_us(ms * 1000)
    }

    fn address(host: u8, port: u16) -> Place {
        core::net::SocketAddr::from(([192, 0, 2, host], port)).into()
    }

    /// [TMP-85]
    #[test]
    fn the_address_follows_the_newest_packet_only() {
        let mut peer = PeerAddress::new(address(1, 1));
        assert_eq!(peer.heard(at(0), address(2, 1), 100, false, || 7), Move::Stays);
        assert_eq!(peer.allowed_bytes(), u64::MAX);
        assert_eq!(peer.heard(at(0), address(1, 2), 100, true, || 7), Move::Port);
        assert_eq!(peer.heard(at(0), address(2, 2), 100, true, || 7), Move::Host);
        assert_eq!((peer.current(), peer.allowed_bytes()), (address(2, 2), 300));
        peer.sent(250);
        peer.heard(at(1), address(2, 2), 10, false, || 8);
        assert_eq!(peer.allowed_bytes(), 80);
    }

    /// [TMP-86] [TMP-86.1]
    #[test]
    fn an_answer_proves_the_address_and_silence_returns_to_the_old_one() {
        let mut peer = PeerAddress::new(address(1, 1));
        peer.heard(at(0), address(2, 1), 100, true, || 7);
        assert_eq!(
            (peer.challenge(at(0)), peer.challenge(at(1)), peer.challenge(at(500))),
            (Some(7), None, Some(7))
        );
        peer.answered(8);
        assert_eq!(peer.allowed_bytes(), 300);
        peer.answered(7);
        assert_eq!((peer.allowed_bytes(), peer.deadline()), (u64::MAX, None));
        peer.heard(at(600), address(3, 1), 100, true, || 9);
        peer.tick(at(3599));
        assert_eq!(peer.current(), address(3, 1));
        peer.tick(at(3600));
        assert_eq!(peer.current(), address(2, 1));
    }

    /// [TMP-160.1]
    #[test]
    fn a_path_of_the_peer_is_bounded_until_it_answers() {
        let mut peer = PeerAddress::claimed(at(0), address(1, 1), 7);
        peer.heard(at(0), address(1, 1), 100, true, || 8);
        peer.sent(280);
        peer.tick(at(10_000));
        assert_eq!((peer.current(), peer.allowed_bytes()), (address(1, 1), 20));
        peer.answered(7);
        assert_eq!(peer.allowed_bytes(), u64::MAX);
    }

    #[test]
    fn another_socket_of_ours_is_another_way() {
        let mut peer = PeerAddress::new(address(1, 1));
        let elsewhere = Place { socket: 1, ..address(1, 1) };
        assert_eq!(peer.heard(at(0), elsewhere, 100, true, || 7), Move::Host);
        assert_eq!(peer.current(), elsewhere);
    }

    #[test]
    fn going_back_to_the_proven_address_needs_no_proof() {
        let mut peer = PeerAddress::new(address(1, 1));
        peer.heard(at(0), address(2, 1), 100, true, || 7);
        assert_eq!(peer.heard(at(0), address(1, 1), 100, true, || 8), Move::Host);
        assert_eq!(peer.allowed_bytes(), u64::MAX);
    }
}
