//! Hashes and message authentication codes: BLAKE2s (RFC 7693), keyed for the latter. [TMP-3]
//!
//! Every key made here is bound to a label, so that no two uses share one.

use blake2::digest::consts::{U16, U32};
use blake2::digest::{Digest, FixedOutput, KeyInit, Update};
use blake2::{Blake2s256, Blake2sMac};

/// The hash of `label` and `parts`, one after the other.
pub(in crate::tmp) fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Blake2s256::new();
    Update::update(&mut state, label.as_bytes());
    for part in parts {
        Update::update(&mut state, part);
    }
    state.finalize_fixed().into()
}

/// A code of 16 bytes for `parts` under `key`.
pub(in crate::tmp) fn mac16(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut state = <Blake2sMac<U16> as KeyInit>::new(key.into());
    for part in parts {
        Update::update(&mut state, part);
    }
    state.finalize_fixed().into()
}

/// A code of 32 bytes for `parts` under `key`; also how one key is derived from another.
pub(in crate::tmp) fn mac32(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut state = <Blake2sMac<U32> as KeyInit>::new(key.into());
    for part in parts {
        Update::update(&mut state, part);
    }
    state.finalize_fixed().into()
}

/// Compares in a time that depends on the length only. [TMP-3.1]
pub(in crate::tmp) fn equal<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let difference = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
    core::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_rfc_7693() {
        let abc = hash("abc", &[]);
        assert_eq!(abc[..4], [0x50, 0x8c, 0x5e, 0x8c]);
        assert_eq!(hash("a", &[b"b", b"c"]), abc);
    }

    #[test]
    fn lengths_and_keys_are_told_apart() {
        let key = [7; 32];
        assert_ne!(mac16(&key, &[b"x"]), mac32(&key, &[b"x"])[..16]);
        assert_ne!(mac16(&key, &[b"x"]), mac16(&[8; 32], &[b"x"]));
        assert!(equal(&[1, 2], &[1, 2]) && !equal(&[1, 2], &[1, 3]));
    }
}
