//! One request made ready: its bytes, and what the answer must be.

use crate::content::Object;
use crate::http1::Body;
use ring::digest::{Context, SHA256};

/// A sha256 in hexadecimal.
const HASH_BYTES: usize = 64;

/// How the answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An HTTP/1.1 answer; true if it has no body whatever its head says (HEAD).
    Http(bool),
    /// As many bytes as were sent, on a connection that stays.
    Echo,
    /// All until the server ends the connection, after we ended ours.
    Bulk,
    /// A datagram of a nameserver, or a message over TCP where that was cut off (`question`).
    Dns,
}

/// The body that an answer must have.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// Anything: only its framing is looked at.
    Anything,
    /// The seeded object.
    Seeded(Box<Object>),
    /// The hash of what was sent.
    Hash([u8; HASH_BYTES]),
}

impl Expected {
    /// Where `bytes`, found at `offset`, first differ from what is expected.
    pub(crate) fn first_difference(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        match self {
            Self::Anything => None,
            Self::Seeded(object) => object.first_difference(offset, bytes),
            Self::Hash(hash) => {
                let rest = &hash[(offset as usize).min(HASH_BYTES)..];
                let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                (same < bytes.len()).then_some(offset + same as u64)
            }
        }
    }

    /// How long the body must be.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Anything => None,
            Self::Seeded(object) => Some(object.size_bytes()),
            Self::Hash(_) => Some(HASH_BYTES as u64),
        }
    }
}

/// The request.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// How its answer is read.
    pub(crate) reply: Reply,
    /// The head, or nothing.
    pub(crate) head: Vec<u8>,
    /// The body.
    pub(crate) upload: Option<Body>,
    /// The status of a proper answer, where the path tells.
    pub(crate) status: u16,
    /// Not only that status is proper: a range or a condition was asked for, and 206 or 304 may come.
    pub(crate) is_conditional: bool,
    /// The first and the last byte of each range that was asked for and lies in the object.
    pub(crate) ranges: Vec<(u64, u64)>,
    /// The body of a proper answer; `Anything` unless verifying.
    pub(crate) expected: Expected,
    /// How long the answer's body probably is: where aborts are placed.
    pub(crate) size_bytes_likely: u64,
}

impl Target {
    /// Bytes of the request in all.
    pub(crate) fn request_bytes(&self) -> u64 {
        self.head.len() as u64 + self.upload.as_ref().map_or(0, Body::wire_bytes)
    }
}

/// The sha256 of an upload's data, made piece by piece.
pub(crate) fn hash(upload: Option<&Body>) -> [u8; HASH_BYTES] {
    let mut context = Context::new(&SHA256);
    if let Some(object) = upload.map(Body::object) {
        let mut piece = [0; 8_192];
        let mut offset = 0;
        while offset < object.size_bytes() {
            let count = (object.size_bytes() - offset).min(piece.len() as u64) as usize;
            object.fill(offset, &mut piece[..count]);
            context.update(&piece[..count]);
            offset += count as u64;
        }
    }
    let mut text = [0; HASH_BYTES];
    for (two, byte) in text.chunks_mut(2).zip(context.finish().as_ref()) {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        two.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_known() {
        assert!(hash(None).starts_with(b"e3b0c44298fc1c14"));
        let expected = Expected::Hash(hash(None));
        assert_eq!(expected.first_difference(0, b"e3b0c5"), Some(5));
        assert_eq!(expected.first_difference(60, &hash(None)[60..]), None);
        assert_eq!(expected.first_difference(64, b"x"), Some(64));
    }
}
