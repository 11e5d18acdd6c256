//! What came of one probe: its time by phases, what was seen, or why it failed.

use core::fmt;

/// How long each part took, µs. A part that did not happen is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Finding the address of the name.
    pub name_us: u32,
    /// The connection.
    pub connect_us: u32,
    /// The TLS handshake.
    pub tls_us: u32,
    /// From the question to the answer's first byte.
    pub first_byte_us: u32,
    /// All of it.
    pub total_us: u32,
}

/// Why a probe failed. The numbers are those of reports: they are never used again for another cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The name has no address, or nobody could tell.
    Name = 1,
    /// The connection was refused.
    Refused = 2,
    /// There is no way to the address.
    Unreachable = 3,
    /// It took too long.
    TimeOut = 4,
    /// The TLS handshake failed.
    Tls = 5,
    /// The certificate is not good.
    Certificate = 6,
    /// The status was not one of those expected.
    Status = 7,
    /// The answer could not be understood.
    Malformed = 8,
    /// The expected text is not in the answer.
    Body = 9,
    /// The content is not what it should be.
    Digest = 10,
    /// The peer closed before its answer was whole.
    Closed = 11,
    /// The answer is longer than we read.
    TooLong = 12,
    /// Redirects run in a circle, are too many, or lead where we do not go.
    Redirect = 13,
    /// The answer has nothing in it.
    Empty = 14,
    /// Something on this machine: no socket, no descriptor.
    Local = 15,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Name,
        Self::Refused,
        Self::Unreachable,
        Self::TimeOut,
        Self::Tls,
        Self::Certificate,
        Self::Status,
        Self::Malformed,
        Self::Body,
        Self::Digest,
        Self::Closed,
        Self::TooLong,
        Self::Redirect,
        Self::Empty,
        Self::Local,
    ];

    /// Its word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimeOut => "timeout",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::Status => "status",
            Self::Malformed => "malformed",
            Self::Body => "body",
            Self::Digest => "digest",
            Self::Closed => "closed",
            Self::TooLong => "too_long",
            Self::Redirect => "redirect",
            Self::Empty => "empty",
            Self::Local => "local",
        }
    }

    /// The cause of a report's number.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| *cause as u8 == number)
    }
}

/// A failure: its cause, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cause.
    pub cause: Cause,
    /// What happened.
    pub what: String,
}

impl Failure {
    /// Both.
    pub fn new(cause: Cause, what: impl Into<String>) -> Self {
        Self { cause, what: what.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// SHA-256 of a whole body.
pub type Digest = [u8; 32];

/// What was seen, as far as the kind of probe shows it; also of an answer that failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The status of HTTP, the last code of FTP.
    pub status: Option<u16>,
    /// Bytes of the body.
    pub bytes: u64,
    /// The body's digest, if it was whole and somebody wanted to know.
    pub digest: Option<Digest>,
    /// How busy the target says it is, 0 to 1.
    pub load: Option<f32>,
    /// Last-Modified, Unix seconds.
    pub modified_s: Option<u64>,
    /// ETag, as it came.
    pub etag: Option<String>,
    /// The end of the certificate's life, Unix seconds.
    pub certificate_until_s: Option<u64>,
    /// Redirects that were followed.
    pub redirects: u8,
    /// A word more: addresses that were answered, the greeting of a server, how a tunnel's end answered.
    pub said: String,
}

/// A whole outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How long it took.
    pub phases: Phases,
    /// What was seen.
    pub seen: Seen,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// Whether all was as expected.
    pub fn is_good(&self) -> bool {
        self.failure.is_none()
    }
}

/// Bytes as people compare them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_keep_their_numbers() {
        for (place, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!((cause as usize, Cause::of_number(cause as u8)), (place + 1, Some(cause)));
        }
        assert_eq!(Cause::of_number(0), None);
    }
}
