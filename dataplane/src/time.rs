//! Time as the cores see it: microseconds since an origin that the driver chose.
//!
//! A core never reads a clock; it is handed `now`. The one reader of the OS clock is `reactor::clock`; the
//! simulator makes its own instants. Spans are `core::time::Duration`.

pub use core::time::Duration;

/// A point in time, in µs since the driver's origin. Never goes back within one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ORIGIN: Self = Self(0);

    /// The instant `us` microseconds after the origin.
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the origin.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// µs since `earlier`; zero if `earlier` is later.
    pub const fn us_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(us))
    }
}

impl core::ops::AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl core::ops::Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        let us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let t = Instant::from_us(5);
        assert_eq!((t + Duration::from_micros(7)).as_us(), 12);
        assert_eq!((t - Duration::from_secs(1)).as_us(), 0);
        assert_eq!((t + Duration::MAX).as_us(), u64::MAX);
        assert_eq!(t.since(Instant::from_us(9)), Duration::ZERO);
    }
}
