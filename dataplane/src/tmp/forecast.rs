//! What was expected of a path when data moved to it, and what came: so that an operator sees whether moves are worth it.
//! Units: µs, bytes per second.

use crate::time::{Duration, Instant};
use crate::tmp::id::PathId;

/// The outcome is looked at after so many round trips, and after so long.
const ROUNDS: u64 = 10;
const AFTER: Duration = Duration::from_secs(3);

/// A path as it is expected to be, or as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Round trip.
    pub rtt_us: u64,
    /// What arrives at the peer; expected is what is known to be possible, 0 if nothing is.
    pub bytes_per_s: u64,
}

/// The last move of all data to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Where the data went before.
    pub from: PathId,
    /// What was expected.
    pub expected: Quality,
    /// What came, as soon as it can be said; never if the data soon moved on.
    pub came: Option<Quality>,
    moved_at: Instant,
    delivered_bytes: u64,
}

impl Forecast {
    /// Data moves now, when so many bytes had ever been delivered over the path.
    pub const fn new(now: Instant, from: PathId, expected: Quality, delivered_bytes: u64) -> Self {
        Self { from, expected, came: None, moved_at: now, delivered_bytes }
    }

    /// Looks at the path that still has the data.
    pub fn look(&mut self, now: Instant, rtt_us: u64, delivered_bytes: u64) {
        let span_us = now.us_since(self.moved_at);
        let due_us = (ROUNDS * rtt_us).max(AFTER.as_micros() as u64);
        if self.came.is_none() && span_us >= due_us {
            let bytes = delivered_bytes.saturating_sub(self.delivered_bytes);
            let bytes_per_s = u128::from(bytes) * 1_000_000 / u128::from(span_us.max(1));
            let bytes_per_s = u64::try_from(bytes_per_s).unwrap_or(u64::MAX);
            self.came = Some(Quality { rtt_us, bytes_per_s });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_what_came_in_the_first_seconds() {
        let at = |ms: u64| Instant::from_us(ms * 1_000);
        let expected = Quality { rtt_us: 80_000, bytes_per_s: 1_000_000 };
        let mut forecast = Forecast::new(at(1_000), PathId(1), expected, 500);
        forecast.look(at(3_999), 90_000, 2_000_500);
        assert_eq!(forecast.came, None);
        forecast.look(at(4_000), 90_000, 3_000_500);
        forecast.look(at(9_000), 10_000, 9_000_000);
        assert_eq!(forecast.came, Some(Quality { rtt_us: 90_000, bytes_per_s: 1_000_000 }));
    }
}
