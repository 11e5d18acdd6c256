//! How a tunnel uses its paths, where it has several. The initiator chooses; it says so in its INIT. [TMP-160]

use crate::tmp::path_limits::PathLimits;

/// All that is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathUse {
    /// What is sent where.
    pub spread: Spread,
    /// When a path is left.
    pub limits: PathLimits,
}

/// What is sent where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// Everything on the first path that is good, in the order of their numbers.
    #[default]
    Failover,
    /// Each packet on the path on which it arrives first.
    Bond,
    /// As `Failover`, and urgent data on a second path too.
    Duplicate,
    /// Everything on the path with the shortest round trip, if it is clearly the shortest.
    Best,
}

impl From<Spread> for PathUse {
    fn from(spread: Spread) -> Self {
        Self { spread, limits: PathLimits::default() }
    }
}

impl Spread {
    /// As on the wire.
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Failover => 0,
            Self::Bond => 1,
            Self::Duplicate => 2,
            Self::Best => 3,
        }
    }

    /// The inverse; what is not known is the default.
    pub const fn from_u8(byte: u8) -> Self {
        match byte {
            1 => Self::Bond,
            2 => Self::Duplicate,
            3 => Self::Best,
            _ => Self::Failover,
        }
    }

    /// A word for flags, status and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Bond => "bond",
            Self::Duplicate => "duplicate",
            Self::Best => "best",
        }
    }
}
