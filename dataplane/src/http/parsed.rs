//! The three answers of a parser. `Partial` is not an error: the same bytes with more after them may be whole.

use crate::http::refusal::Refusal;

/// What a parser found at the start of the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A whole head.
    Complete {
        /// What it says.
        head: T,
        /// How many bytes it took; the body, if any, starts there.
        bytes: usize,
    },
    /// A valid beginning. Call again with these bytes and more.
    Partial,
    /// No continuation can make this acceptable. Answer and close.
    Invalid(Refusal),
}

/// Why a scan stopped before its end, so that `?` can carry both reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The bytes ran out.
    Partial,
    /// The bytes are wrong.
    Invalid(Refusal),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Invalid(refusal)
    }
}

impl<T> Parsed<T> {
    /// The answer to a scan of `bytes_seen` bytes under a bound on the head: what ran out at the bound
    /// has no room left to become whole.
    pub(crate) fn from_scan(
        outcome: Result<(T, usize), Halt>,
        bytes_seen: usize,
        head_bytes_max: usize,
    ) -> Self {
        match outcome {
            Ok((head, bytes)) => Self::Complete { head, bytes },
            Err(Halt::Partial) if bytes_seen >= head_bytes_max => Self::Invalid(Refusal::HeadLong),
            Err(Halt::Partial) => Self::Partial,
            Err(Halt::Invalid(refusal)) => Self::Invalid(refusal),
        }
    }
}
