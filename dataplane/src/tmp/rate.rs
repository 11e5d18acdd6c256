//! How often something may happen: a bucket of tokens that fills with time.

use crate::time::Instant;

const MICRO: u64 = 1_000_000;

/// Lets `per_second` events through in the long run and as many at once after a rest.
#[derive(Clone, Debug)]
pub(in crate::tmp) struct Rate {
    per_second: u64,
    /// Millionths of a token.
    level: u64,
    filled_at: Instant,
}

impl Rate {
    /// A full bucket.
    pub(in crate::tmp) const fn new(per_second: u64) -> Self {
        Self { per_second, level: per_second * MICRO, filled_at: Instant::ORIGIN }
    }

    /// Takes one token, if there is one.
    pub(in crate::tmp) fn allow(&mut self, now: Instant) -> bool {
        let gained = now.us_since(self.filled_at).saturating_mul(self.per_second);
        self.level = self.level.saturating_add(gained).min(self.per_second * MICRO);
        self.filled_at = now;
        let allowed = self.level >= MICRO;
        if allowed {
            self.level -= MICRO;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let mut rate = Rate::new(10);
        let at = Instant::from_us(5 * MICRO);
        assert_eq!((0..50).filter(|_| rate.allow(at)).count(), 10);
        let in_two_seconds = (1..=200).filter(|tick| rate.allow(Instant::from_us(5 * MICRO + tick * 10_000)));
        assert_eq!(in_two_seconds.count(), 20);
    }
}
