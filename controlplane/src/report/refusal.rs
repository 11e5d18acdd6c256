//! Why a datagram of reports, or a part of one, is not taken; and whether one whose code is good is new and of this time.

use crate::report::limits::{FUTURE_MAX, PAST_MAX};
use crate::report::window::{NotNew, Window};
use crate::report::wire::Head;

/// Why a report, or a part of one, is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// It is no report, or a part of it cannot be read.
    Malformed,
    /// The tree knows no node of this name.
    Stranger,
    /// Its code is wrong: somebody else made it, or the node has another key.
    Forged,
    /// It is from the future.
    Future,
    /// It is too old.
    Old,
    /// It came already.
    Replayed,
    /// It is of a process that was replaced since.
    EarlierBoot,
    /// The node may not say this.
    NotAllowed,
    /// There are too many of this.
    TooMany,
}

/// Counts of refusals, by reason.
pub type Refused = [u64; Refusal::ALL.len()];

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Stranger,
        Self::Forged,
        Self::Future,
        Self::Old,
        Self::Replayed,
        Self::EarlierBoot,
        Self::NotAllowed,
        Self::TooMany,
    ];

    /// Its word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Stranger => "stranger",
            Self::Forged => "forged",
            Self::Future => "future",
            Self::Old => "old",
            Self::Replayed => "replayed",
            Self::EarlierBoot => "earlier_boot",
            Self::NotAllowed => "not_allowed",
            Self::TooMany => "too_many",
        }
    }
}

/// Takes the number of a datagram whose code is good, if it is new and of this time.
pub fn admit(window: &mut Window, head: &Head<'_>, now_us: u64) -> Result<(), Refusal> {
    if head.at_us > now_us + FUTURE_MAX.as_micros() as u64 {
        return Err(Refusal::Future);
    }
    if head.at_us + (PAST_MAX.as_micros() as u64) < now_us {
        return Err(Refusal::Old);
    }
    // A process that begins in the future would shut out all that come after it.
    if head.boot_us > head.at_us + FUTURE_MAX.as_micros() as u64 {
        return Err(Refusal::Future);
    }
    window.take(head.boot_us, head.sequence).map_err(|not_new| match not_new {
        NotNew::Replayed => Refusal::Replayed,
        NotNew::EarlierBoot => Refusal::EarlierBoot,
    })
}
