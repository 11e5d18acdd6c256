//! The protocol version of a message (RFC 9110 §2.5, RFC 9112 §2.3). Only the two that differ in behaviour exist.

use crate::http::refusal::Refusal;

/// The version that governs how a message is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: closes by default, knows no chunks and no interim answers.
    Http10,
    /// HTTP/1.1, and every HTTP/1.x above it (RFC 9110 §2.5: read as the highest minor version we know).
    Http11,
}

/// Bytes of `HTTP/1.1`.
pub(crate) const VERSION_BYTES: usize = 8;

impl Version {
    /// Reads the eight bytes of a version; a part of them may be given, then only what is there is judged
    /// and `None` says that more is needed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Refusal> {
        const FORM: &[u8; VERSION_BYTES] = b"HTTP/0.0";
        for (&byte, &form) in bytes.iter().zip(FORM) {
            let fits = if form == b'0' { byte.is_ascii_digit() } else { byte == form };
            if !fits {
                return Err(Refusal::Version);
            }
        }
        if bytes.len() < VERSION_BYTES {
            return Ok(None);
        }
        match (bytes[5], bytes[7]) {
            (b'1', b'0') => Ok(Some(Self::Http10)),
            (b'1', _) => Ok(Some(Self::Http11)),
            _ => Err(Refusal::VersionUnsupported),
        }
    }

    /// The number as `Via` writes it.
    pub(crate) fn number(self) -> &'static [u8] {
        match self {
            Self::Http10 => b"1.0",
            Self::Http11 => b"1.1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_other_than_one_are_unsupported_and_minors_above_one_read_as_one() {
        assert_eq!(Version::parse(b"HTTP/1.0"), Ok(Some(Version::Http10)));
        assert_eq!(Version::parse(b"HTTP/1.1"), Ok(Some(Version::Http11)));
        assert_eq!(Version::parse(b"HTTP/1.7"), Ok(Some(Version::Http11)));
        assert_eq!(Version::parse(b"HTTP/2.0"), Err(Refusal::VersionUnsupported));
        assert_eq!(Version::parse(b"HTTP/0.9"), Err(Refusal::VersionUnsupported));
        assert_eq!(Version::parse(b"http/1.1"), Err(Refusal::Version));
        assert_eq!(Version::parse(b"HTTP/1"), Ok(None));
        assert_eq!(Version::parse(b"HTTX"), Err(Refusal::Version));
    }
}
