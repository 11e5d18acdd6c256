//! Whether a tunnel is full: what waits in it takes longer than the operator bears, and has for a while. [TMP-164.1]

use crate::time::{Duration, Instant};

/// Longer than borne for so long is no burst; and less than half of it for so long is room again.
const FOR: Duration = Duration::from_millis(300);

/// The judgement. Its figures are µs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fullness {
    is_full: bool,
    /// Since when the opposite would be true.
    since: Option<Instant>,
}

impl Fullness {
    /// Whether it is full.
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// What waits would be gone in `wait_us`; `limit_us` is borne.
    pub fn look(&mut self, now: Instant, wait_us: u64, limit_us: u64) {
        let is_other = if self.is_full { wait_us.saturating_mul(2) < limit_us } else { wait_us > limit_us };
        if !is_other {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(now);
        if now.since(since) >= FOR {
            *self = Self { is_full: !self.is_full, since: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_what_waits_too_long_for_a_while() {
        let mut fullness = Fullness::default();
        let mut at = |ms: u64, wait_us: u64| {
            fullness.look(Instant::from_us(ms * 1_000), wait_us, 100_000);
            fullness.is_full()
        };
        assert!(!at(0, 200_000) && !at(299, 200_000) && !at(300, 90_000), "a burst");
        assert!(!at(400, 200_000) && at(700, 100_001));
        assert!(at(800, 60_000) && at(1_200, 60_000), "half of it is room");
        assert!(at(1_300, 40_000) && !at(1_600, 0));
        assert!(!at(1_700, u64::MAX) && at(2_000, u64::MAX), "where nothing is known of the rate");
        assert!(at(2_400, u64::MAX));
    }
}
