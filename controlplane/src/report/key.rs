//! Keys of reports: one secret of the network, which name servers hold, and from it one key per node (HMAC-SHA256 of the
//! node's name), which the node holds. Who breaks into a node can lie in its name and in nobody else's. Front-ends that take
//! reports hold no secret: each pair has a key of its own, by X25519.

use core::fmt;
use dataplane::tmp::key::{PrivateKey, PublicKey};
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};

/// Bytes of a secret and of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a code.
pub const CODE_BYTES: usize = 32;

/// Stands before a node's name, so that the secret makes nothing else that is the same.
const LABEL: &[u8] = b"longhaul report key ";

/// Names the use of a pair's secret.
const PAIR_LABEL: &str = "longhaul reports of a pair";

/// The network's secret.
#[derive(Clone)]
pub struct Secret([u8; KEY_BYTES]);

/// A node's key.
#[derive(Clone)]
pub struct ReportKey {
    bytes: [u8; KEY_BYTES],
    key: Key,
}

impl Secret {
    /// The secret of these bytes.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key of a node.
    pub fn of_node(&self, node: &str) -> ReportKey {
        let tag = sign(&Key::new(HMAC_SHA256, &self.0), &[LABEL, node.as_bytes()].concat());
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        ReportKey::new(bytes)
    }
}

impl ReportKey {
    /// The key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self { bytes, key: Key::new(HMAC_SHA256, &bytes) }
    }

    /// The key between a node and a front-end that takes its reports: only these two can make it, of their own private key
    /// and the other's public one. Who breaks into a front-end can lie to that one only.
    pub fn of_pair(own: &PrivateKey, other: &PublicKey) -> Option<Self> {
        own.pair_secret(other, PAIR_LABEL).map(|secret| Self::new(*secret))
    }

    /// Its bytes, for its file.
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// The code of a message.
    pub fn code(&self, message: &[u8]) -> Tag {
        sign(&self.key, message)
    }

    /// Whether a code is that of a message; takes as long for a wrong one.
    pub fn is_good(&self, message: &[u8], code: &[u8]) -> bool {
        verify(&self.key, message, code).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl fmt::Debug for ReportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReportKey")
    }
}

/// Reads 64 hexadecimal digits.
pub fn read(text: &str) -> Option<[u8; KEY_BYTES]> {
    let text = text.trim();
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; KEY_BYTES];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_its_own_key() {
        let secret = Secret::new([7; 32]);
        let (fra, nyc) = (secret.of_node("fra"), secret.of_node("nyc"));
        assert_ne!(fra.bytes(), nyc.bytes());
        assert_eq!(fra.bytes(), secret.of_node("fra").bytes());
        let code = fra.code(b"hello");
        assert!(fra.is_good(b"hello", code.as_ref()));
        assert!(!nyc.is_good(b"hello", code.as_ref()) && !fra.is_good(b"hallo", code.as_ref()));
        assert!(!fra.is_good(b"hello", &code.as_ref()[..16]) && !fra.is_good(b"hello", &[]));
        assert_eq!(read(&"07".repeat(32)), Some([7; 32]));
        assert!(read("07").is_none() && read(&"é".repeat(32)).is_none());
    }
}
