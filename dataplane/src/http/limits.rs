//! Every bound of this module, with unit, default and the reason for the default. The caller may set them;
//! constants that no operator needs to touch stand here too.

/// What a peer may ask us to hold or to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head, blank line included; beyond it 431. 32 KiB holds the largest cookie jars that
    /// browsers send to one site (about 180 cookies of 4 KiB are legal, 16 KiB is seen) and fits one buffer.
    pub head_bytes_max: usize,
    /// Fields of a head; beyond it 431. Browsers send about 20, chains of proxies about 40.
    pub fields_max: usize,
    /// Bytes of a request target; beyond it 414. RFC 9112 §3 recommends at least 8,000.
    pub target_bytes_max: usize,
    /// Interim answers (1xx) before the final one; the role counts them and refuses with
    /// [`Refusal::InterimMany`](crate::http::Refusal::InterimMany). An origin sends one or two.
    pub interim_max: u8,
    /// Bytes of all trailer lines of one body, dropped ones included; beyond it 431.
    /// Trailers carry digests and timings: tens of bytes.
    pub trailer_bytes_max: usize,
    /// Trailer lines of one body, dropped ones included; beyond it 431.
    pub trailer_fields_max: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 32 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            interim_max: 8,
            trailer_bytes_max: 4 * 1024,
            trailer_fields_max: 32,
        }
    }
}

impl Limits {
    /// The limits for a head that a machine of ours sends on: the forwarding fields that we add must not make
    /// an acceptable head too long for our other machine. Host, Via, Forwarded and X-Forwarded lines take under
    /// 1,400 B (two names of 254 B in four places), the rest is for fields that a role adds.
    pub const fn of_next_hop(self) -> Self {
        Self {
            head_bytes_max: self.head_bytes_max + 4 * 1024,
            fields_max: self.fields_max + 16,
            target_bytes_max: self.target_bytes_max + 1,
            ..self
        }
    }
}

/// Bytes of a method; longer than any registered one (`UPDATEREDIRECTREF`, 17). Beyond it 501 (RFC 9112 §3).
pub(crate) const METHOD_BYTES_MAX: usize = 32;

/// Options named in the `Connection` fields of one message. Bounds the work of marking the fields that they
/// name, which is options times fields; honest messages name three.
pub(crate) const CONNECTION_OPTIONS_MAX: usize = 32;

/// Hexadecimal digits of a chunk size: what fits 64 bits, leading zeros counted.
pub(crate) const CHUNK_SIZE_DIGITS_MAX: u16 = 16;

/// Bytes of the extensions of one chunk, which nobody uses and which we drop.
pub(crate) const CHUNK_EXTENSION_BYTES_MAX: u16 = 256;

/// Bytes of chunk framing that a body may spend beyond a fair share (16 B per chunk plus twice its data)
/// before it is refused: one-byte chunks with long extensions cost us much and carry nothing.
pub(crate) const CHUNK_EXCESS_BYTES_MAX: u16 = 16 * 1024;

const _: () =
    assert!(CHUNK_EXCESS_BYTES_MAX as u32 + (CHUNK_EXTENSION_BYTES_MAX as u32 + 32) < u16::MAX as u32);
