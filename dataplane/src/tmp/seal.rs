//! Sealing and opening DATA packets in place: AES-256-GCM or ChaCha20-Poly1305 by `ring`. [TMP-23]
//!
//! Not here: whose keys these are (`epoch`) and how both ends came to them (`handshake`). A packet is
//! header 9 ‖ payload ‖ tag 16; the header is authenticated but clear. Nonce = IV xor (path 32 bits ‖ number 64 bits),
//! the construction of draft-ietf-quic-multipath.

use crate::tmp::limits::{
    DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, FORGED_PACKETS_MAX, REJECT_AFTER_PACKETS, TAG_BYTES,
};
use crate::tmp::mac::mac32;
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

/// The ciphers of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// Where both machines have AES in hardware.
    Aes256Gcm,
    /// Everywhere else.
    ChaCha20Poly1305,
}

impl Cipher {
    /// Whether this machine has what makes AES-GCM fast.
    pub fn aes_is_fast() -> bool {
        #[cfg(target_arch = "x86_64")]
        let fast =
            std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
        #[cfg(target_arch = "aarch64")]
        let fast = std::arch::is_aarch64_feature_detected!("aes")
            && std::arch::is_aarch64_feature_detected!("pmull");
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let fast = false;
        fast
    }
}

struct Keyed {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
}

impl Keyed {
    /// The key and the IV of one direction. [TMP-23.1]
    fn new(cipher: Cipher, secret: &[u8; 32]) -> Self {
        let key = Zeroizing::new(mac32(secret, &[b"tmp key"]));
        let mut iv_source = mac32(secret, &[b"tmp iv"]);
        let algorithm = match cipher {
            Cipher::Aes256Gcm => &AES_256_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, &*key).expect("both ciphers have keys of 32 bytes");
        let mut iv = [0; NONCE_LEN];
        iv.copy_from_slice(&iv_source[..NONCE_LEN]);
        iv_source.zeroize();
        Self { key: LessSafeKey::new(key), iv }
    }

    fn nonce(&self, path: u32, number: u64) -> Nonce {
        let mut nonce = self.iv;
        let counter = (u128::from(path) << 64 | u128::from(number)).to_be_bytes();
        for (byte, with) in nonce.iter_mut().zip(&counter[counter.len() - NONCE_LEN..]) {
            *byte ^= with;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals packets of one direction under one key. The caller never uses a number twice.
pub struct SealKey {
    keyed: Keyed,
    sealed_packets: u64,
}

impl SealKey {
    /// From one half of the handshake's split.
    pub fn new(cipher: Cipher, secret: &[u8; 32]) -> Self {
        Self { keyed: Keyed::new(cipher, secret), sealed_packets: 0 }
    }

    /// Packets sealed so far.
    pub const fn sealed_packets(&self) -> u64 {
        self.sealed_packets
    }

    /// Whether the key's limit was reached: `seal` must not be called any more.
    pub const fn is_spent(&self) -> bool {
        self.sealed_packets >= REJECT_AFTER_PACKETS
    }

    /// Seals `packet`, whose header is written and whose payload lies between header and room for the tag.
    pub fn seal(&mut self, path: u32, number: u64, packet: &mut [u8]) {
        assert!(packet.len() >= DATA_OVERHEAD_BYTES, "a packet has a header and room for a tag");
        assert!(!self.is_spent(), "a spent key seals nothing");
        self.sealed_packets += 1;
        let (header, rest) = packet.split_at_mut(DATA_HEADER_BYTES);
        let (payload, room) = rest.split_at_mut(rest.len() - TAG_BYTES);
        let nonce = self.keyed.nonce(path, number);
        let tag = self.keyed.key.seal_in_place_separate_tag(nonce, Aad::from(header), payload);
        room.copy_from_slice(tag.expect("a datagram is shorter than the ciphers' limit").as_ref());
    }
}

impl core::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SealKey({} packets)", self.sealed_packets)
    }
}

/// Opens packets of one direction under one key.
pub struct OpenKey {
    keyed: Keyed,
    forged_packets: u64,
}

impl OpenKey {
    /// From one half of the handshake's split.
    pub fn new(cipher: Cipher, secret: &[u8; 32]) -> Self {
        Self { keyed: Keyed::new(cipher, secret), forged_packets: 0 }
    }

    /// Opens `packet` and gives its payload; `None` if it is not authentic: the payload bytes are then garbage.
    pub fn open<'a>(&mut self, path: u32, number: u64, packet: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if packet.len() < DATA_OVERHEAD_BYTES || self.forged_packets >= FORGED_PACKETS_MAX {
            return None;
        }
        let (header, rest) = packet.split_at_mut(DATA_HEADER_BYTES);
        let nonce = self.keyed.nonce(path, number);
        match self.keyed.key.open_in_place(nonce, Aad::from(header), rest) {
            Ok(payload) => Some(payload),
            Err(ring::error::Unspecified) => {
                self.forged_packets += 1;
                None
            }
        }
    }
}

impl core::fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OpenKey({} forged)", self.forged_packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    const CIPHERS: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];

    fn sealed(cipher: Cipher, number: u64) -> Vec<u8> {
        let mut packet = vec![0x5a; 100];
        SealKey::new(cipher, &[1; 32]).seal(0, number, &mut packet);
        packet
    }

    #[test]
    fn what_was_sealed_opens_once_with_the_same_number_and_key_only() {
        for cipher in CIPHERS {
            let mut open = OpenKey::new(cipher, &[1; 32]);
            assert_eq!(open.open(0, 9, &mut sealed(cipher, 9)).unwrap(), [0x5a; 75]);
            assert!(open.open(0, 10, &mut sealed(cipher, 9)).is_none());
            assert!(open.open(1, 9, &mut sealed(cipher, 9)).is_none());
            assert!(OpenKey::new(cipher, &[2; 32]).open(0, 9, &mut sealed(cipher, 9)).is_none());
            assert!(open.open(0, 9, &mut [0; 24]).is_none());
            assert_eq!(open.forged_packets, 2);
        }
    }

    /// [TMP-23.2]
    #[test]
    fn path_and_number_stand_apart_in_the_nonce() {
        let keyed = Keyed::new(Cipher::Aes256Gcm, &[1; 32]);
        let mut nonce = *keyed.nonce(0x0102_0304, 0x0506_0708_090a_0b0c).as_ref();
        nonce.iter_mut().zip(keyed.iv).for_each(|(byte, iv)| *byte ^= iv);
        assert_eq!(nonce, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn a_spent_key_says_so() {
        let mut key = SealKey::new(Cipher::Aes256Gcm, &[1; 32]);
        key.sealed_packets = REJECT_AFTER_PACKETS - 1;
        assert!(!key.is_spent());
        key.seal(0, 0, &mut [0; 30]);
        assert!(key.is_spent());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(number in any::<u64>(), at in 0usize..100, bit in 0u8..8, which in 0usize..2) {
            let mut packet = sealed(CIPHERS[which], number);
            packet[at] ^= 1 << bit;
            assert!(OpenKey::new(CIPHERS[which], &[1; 32]).open(0, number, &mut packet).is_none());
        }
    }
}
