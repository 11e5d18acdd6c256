//! Every bound of the name server's protocol side, with its unit and its reason.

/// Bytes of a domain name in wire form, its root label included (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of one label (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// Labels of a name, without the root: one byte of length and one of text each.
pub const LABELS_MAX: usize = (NAME_BYTES_MAX - 1) / 2;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 12;

/// Bytes of an answer over UDP to a client without EDNS (RFC 1035 §4.2.1).
pub const UDP_BYTES_MIN: usize = 512;

/// Bytes of an answer over UDP at most, unless a flag says otherwise: what crosses every path without fragments (DNS flag
/// day 2020).
pub const UDP_BYTES_DEFAULT: u16 = 1_232;

/// Bytes of any message: the length in front of it over TCP has 16 bits.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Bytes of a request that is looked at; a question with every option that we know is under 600.
pub const REQUEST_BYTES_MAX: usize = 4_096;

/// Aliases that one answer follows inside its zone. Longer chains are an operator's mistake; the answer ends there and the
/// resolver goes on by itself.
pub const ALIASES_MAX: usize = 8;

/// Names that an answer may point back to when it compresses; more names than these are written in full.
pub const COMPRESSION_PLACES: usize = 64;

/// Targets whose addresses an answer brings along without being asked.
pub const ADDITIONAL_MAX: usize = 16;

/// Bytes of a name server identifier (NSID); what fits beside a question in the smallest answer.
pub const NSID_BYTES_MAX: usize = 128;

/// Bytes of the text behind an extended error.
pub const ERROR_TEXT_BYTES_MAX: usize = 96;

/// Seconds that a server cookie is taken after it was made (RFC 9018 §4.3).
pub const COOKIE_AGE_S_MAX: u32 = 3_600;

/// Seconds that a server cookie may come from the future: the servers of a group share a secret and not a clock.
pub const COOKIE_AHEAD_S_MAX: u32 = 300;

/// Largest time to live (RFC 2181 §8).
pub const TTL_S_MAX: u32 = 0x7fff_ffff;

const _: () = assert!(UDP_BYTES_MIN <= UDP_BYTES_DEFAULT as usize);
const _: () = assert!(UDP_BYTES_MIN > HEADER_BYTES + NAME_BYTES_MAX + 4 + 11 + NSID_BYTES_MAX);
