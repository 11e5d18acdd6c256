//! Proof of address under load: the busy responder gives a cookie, the initiator signs its INIT with it. [TMP-70]
//!
//! The responder keeps nothing per initiator: a cookie is a code over the sender's address under a secret
//! that changes. It travels sealed (XChaCha20-Poly1305) under a key that only who knows the responder's
//! public key has, bound to the first code of the INIT, so that nobody can slip in a cookie from aside.

use crate::time::Instant;
use crate::tmp::handshake::{INIT_MAC1_AT, INIT_MAC2_AT};
use crate::tmp::id::ReceiverId;
use crate::tmp::key::PublicKey;
use crate::tmp::limits::{COOKIE_SECRET_PERIOD, INITS_PER_SECOND_PROVEN, INITS_PER_SECOND_UNPROVEN};
use crate::tmp::mac::{equal, hash, mac16};
use crate::tmp::packet::{COOKIE, COOKIE_BYTES, INIT_BYTES, MAC_BYTES, write_answer_header};
use crate::tmp::random::Random;
use crate::tmp::rate::Rate;
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use core::net::{IpAddr, SocketAddr};

const NONCE_AT: usize = 8;
const NONCE_BYTES: usize = 24;
const SEALED_AT: usize = NONCE_AT + NONCE_BYTES;
const TAG_AT: usize = SEALED_AT + MAC_BYTES;

const _: () = assert!(TAG_AT + MAC_BYTES == COOKIE_BYTES);

/// A proof of address.
pub(in crate::tmp) type Cookie = [u8; MAC_BYTES];

/// What to do with an INIT whose first code is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) enum Admission {
    /// Work on it.
    Admit,
    /// Send a cookie instead.
    Challenge,
    /// Even proven senders are too many.
    Refuse,
}

/// The responder's side: decides who must prove its address, and checks the proof.
pub(in crate::tmp) struct Gate {
    secrets: [[u8; 32]; 2],
    drawn_at: Instant,
    cipher: XChaCha20Poly1305,
    /// Of the next COOKIE: 16 random bytes of this process, and a count. The operating system is too slow to be asked for each.
    nonce: [u8; NONCE_BYTES],
    unproven: Rate,
    proven: Rate,
}

impl Gate {
    /// An open gate of this responder.
    pub(in crate::tmp) fn new(responder: &PublicKey, random: &mut dyn Random) -> Self {
        let mut secrets = [[0; 32]; 2];
        secrets.iter_mut().for_each(|secret| random.fill(secret));
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        Self {
            secrets,
            drawn_at: Instant::ORIGIN,
            cipher: cipher(responder),
            nonce,
            unproven: Rate::new(INITS_PER_SECOND_UNPROVEN),
            proven: Rate::new(INITS_PER_SECOND_PROVEN),
        }
    }

    /// Judges an INIT that came from `from`.
    pub(in crate::tmp) fn judge(
        &mut self,
        now: Instant,
        from: SocketAddr,
        init: &[u8; INIT_BYTES],
    ) -> Admission {
        if self.unproven.allow(now) {
            Admission::Admit
        } else if !self.is_proven(from, init) {
            Admission::Challenge
        } else if self.proven.allow(now) {
            Admission::Admit
        } else {
            Admission::Refuse
        }
    }

    /// Makes the COOKIE that answers an INIT.
    pub(in crate::tmp) fn challenge(
        &mut self,
        now: Instant,
        (from, init, sender): (SocketAddr, &[u8; INIT_BYTES], ReceiverId),
        random: &mut dyn Random,
    ) -> [u8; COOKIE_BYTES] {
        if now.since(self.drawn_at) >= COOKIE_SECRET_PERIOD {
            self.secrets[1] = self.secrets[0];
            random.fill(&mut self.secrets[0]);
            self.drawn_at = now;
        }
        let mut out = [0; COOKIE_BYTES];
        write_answer_header(&mut out, COOKIE, sender);
        out[NONCE_AT..SEALED_AT].copy_from_slice(&self.next_nonce());
        let mut cookie = cookie_of(&self.secrets[0], from);
        let aad = &init[INIT_MAC1_AT..INIT_MAC2_AT];
        let tag = self
            .cipher
            .encrypt_in_place_detached(out[NONCE_AT..SEALED_AT].into(), aad, &mut cookie)
            .expect("a cookie is shorter than the cipher's limit");
        out[SEALED_AT..TAG_AT].copy_from_slice(&cookie);
        out[TAG_AT..].copy_from_slice(&tag);
        out
    }

    /// No two COOKIEs of one key have the same: 2^64 of a process, and 2^128 beginnings.
    fn next_nonce(&mut self) -> [u8; NONCE_BYTES] {
        let [.., count] = self.nonce.as_chunks_mut::<8>().0 else { return self.nonce };
        *count = u64::from_le_bytes(*count).wrapping_add(1).to_le_bytes();
        self.nonce
    }

    fn is_proven(&self, from: SocketAddr, init: &[u8; INIT_BYTES]) -> bool {
        let mut code = [0; MAC_BYTES];
        code.copy_from_slice(&init[INIT_MAC2_AT..]);
        // Most INITs of a flood are not signed at all: they cost no further code. [TMP-71.2]
        code != [0; MAC_BYTES]
            && self.secrets.iter().any(|secret| equal(&code, &mac2(&cookie_of(secret, from), init)))
    }
}

/// Opens a COOKIE that answers `init`; `None` if it does not.
pub(in crate::tmp) fn open_cookie(
    datagram: &[u8],
    init: &[u8; INIT_BYTES],
    responder: &PublicKey,
) -> Option<Cookie> {
    let mut cookie: Cookie = datagram.get(SEALED_AT..TAG_AT)?.try_into().ok()?;
    let tag: [u8; MAC_BYTES] = datagram.get(TAG_AT..)?.try_into().ok()?;
    let aad = &init[INIT_MAC1_AT..INIT_MAC2_AT];
    cipher(responder)
        .decrypt_in_place_detached(datagram[NONCE_AT..SEALED_AT].into(), aad, &mut cookie, &tag.into())
        .ok()?;
    Some(cookie)
}

/// Writes the second code of an INIT.
pub(in crate::tmp) fn sign_with_cookie(init: &mut [u8; INIT_BYTES], cookie: &Cookie) {
    let code = mac2(cookie, init);
    init[INIT_MAC2_AT..].copy_from_slice(&code);
}

/// [TMP-71.2]
fn mac2(cookie: &Cookie, init: &[u8; INIT_BYTES]) -> [u8; MAC_BYTES] {
    let key = hash("longhaul tmp mac2", &[cookie]);
    mac16(&key, &[&init[..INIT_MAC2_AT]])
}

fn cipher(responder: &PublicKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&hash("longhaul tmp cookie", &[responder.bytes()]).into())
}

fn cookie_of(secret: &[u8; 32], from: SocketAddr) -> Cookie {
    let ip = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    mac16(secret, &[&ip.octets(), &from.port().to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::key::PrivateKey;
    use crate::tmp::random::PredictableRandom;

    fn from(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::from([192, 0, 2, 1]), port)
    }

    fn busy(responder: &PublicKey, random: &mut dyn Random, now: Instant) -> Gate {
        let mut gate = Gate::new(responder, random);
        while gate.judge(now, from(9), &[0; INIT_BYTES]) == Admission::Admit {}
        gate
    }

    /// [TMP-71]
    #[test]
    fn under_load_a_cookie_admits_its_own_address_for_two_periods() {
        let mut random = PredictableRandom::new(1);
        let responder = PrivateKey::generate(&mut random).public();
        let now = Instant::from_us(1_000_000_000);
        let mut gate = busy(&responder, &mut random, now);
        let mut init = [3; INIT_BYTES];
        assert_eq!(gate.judge(now, from(1), &init), Admission::Challenge);
        let packet = gate.challenge(now, (from(1), &init, ReceiverId(5)), &mut random);
        let cookie = open_cookie(&packet, &init, &responder).unwrap();
        sign_with_cookie(&mut init, &cookie);
        assert_eq!(gate.judge(now, from(1), &init), Admission::Admit);
        assert_eq!(gate.judge(now, from(2), &init), Admission::Challenge);
        for (turn, admission) in [(1, Admission::Admit), (2, Admission::Challenge)] {
            let later = now + COOKIE_SECRET_PERIOD * turn;
            gate.challenge(later, (from(1), &init, ReceiverId(5)), &mut random);
            while gate.judge(later, from(9), &[0; INIT_BYTES]) == Admission::Admit {}
            assert_eq!(gate.judge(later, from(1), &init), admission);
        }
    }

    /// [TMP-71.1]
    #[test]
    fn a_cookie_for_another_init_or_from_another_responder_does_not_open() {
        let mut random = PredictableRandom::new(2);
        let responder = PrivateKey::generate(&mut random).public();
        let stranger = PrivateKey::generate(&mut random).public();
        let mut gate = Gate::new(&responder, &mut random);
        let init = [3; INIT_BYTES];
        let now = Instant::ORIGIN;
        let packet = gate.challenge(now, (from(1), &init, ReceiverId(5)), &mut random);
        assert!(open_cookie(&packet, &[4; INIT_BYTES], &responder).is_none());
        assert!(open_cookie(&packet, &init, &stranger).is_none());
        assert!(open_cookie(&packet[..63], &init, &responder).is_none());
    }

    /// [TMP-70]
    #[test]
    fn proven_senders_are_bounded_too() {
        let mut random = PredictableRandom::new(3);
        let responder = PrivateKey::generate(&mut random).public();
        let now = Instant::from_us(1);
        let mut gate = busy(&responder, &mut random, now);
        let mut init = [3; INIT_BYTES];
        sign_with_cookie(&mut init, &cookie_of(&gate.secrets[0], from(1)));
        let admitted =
            (0..10_000).take_while(|_| gate.judge(now, from(1), &init) == Admission::Admit).count();
        assert_eq!(admitted as u64, INITS_PER_SECOND_PROVEN);
        assert_eq!(gate.judge(now, from(1), &init), Admission::Refuse);
    }
}
