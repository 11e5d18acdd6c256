//! How many streams had bytes to send lately: N of the congestion window. Unit: µs.
//!
//! Time is cut into epochs of half a second or two round trips. A stream counts if it was seen in this epoch or in
//! the one before, also when it is closed by now: a new one counts at once, one that fell silent for half a second to
//! a second more. No list and no timer: each stream keeps the epoch in which it was seen last.

use crate::time::{Duration, Instant};

/// Half of the time that a stream counts.
const EPOCH_US_MIN: u64 = 500_000;

/// The count.
#[derive(Clone, Debug)]
pub struct Activity {
    epoch: u32,
    epoch_ends: Instant,
    now: u32,
    before: u32,
    /// Streams that are in both counts.
    both: u32,
}

/// When a stream was seen last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen(u32);

impl Default for Activity {
    fn default() -> Self {
        Self::new()
    }
}

impl Activity {
    /// Nobody was seen.
    pub const fn new() -> Self {
        // Nought and one stand for never: an epoch and the one before it are later.
        Self { epoch: 2, epoch_ends: Instant::ORIGIN, now: 0, before: 0, both: 0 }
    }

    /// Time passes.
    pub fn advance(&mut self, now: Instant, rtt_us: u64) {
        if now < self.epoch_ends {
            return;
        }
        let span = Duration::from_micros(EPOCH_US_MIN.max(2 * rtt_us));
        let was_silent = now >= self.epoch_ends + span;
        self.epoch = self.epoch.wrapping_add(if was_silent { 2 } else { 1 }).max(2);
        (self.before, self.now, self.both) = (if was_silent { 0 } else { self.now }, 0, 0);
        self.epoch_ends = now + span;
    }

    /// A stream has bytes to send.
    pub const fn note(&mut self, seen: &mut Seen) {
        if seen.0 == self.epoch {
            return;
        }
        self.now += 1;
        self.both += (seen.0 + 1 == self.epoch) as u32;
        seen.0 = self.epoch;
    }

    /// Streams seen lately.
    pub const fn count(&self) -> u32 {
        self.now + self.before - self.both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_us(ms * 1_000)
    }

    #[test]
    fn a_stream_counts_for_half_a_second_to_a_second() {
        let (mut activity, mut a, mut b) = (Activity::new(), Seen::default(), Seen::default());
        activity.advance(at(10), 50_000);
        activity.note(&mut a);
        activity.note(&mut a);
        assert_eq!(activity.count(), 1);
        activity.advance(at(520), 50_000);
        assert_eq!(activity.count(), 1);
        activity.note(&mut a);
        activity.note(&mut b);
        assert_eq!(activity.count(), 2, "seen in both epochs, counted once");
        activity.advance(at(1_030), 50_000);
        assert_eq!(activity.count(), 2);
        activity.advance(at(1_540), 50_000);
        assert_eq!(activity.count(), 0);
        activity.note(&mut a);
        activity.advance(at(9_000), 50_000);
        assert_eq!(activity.count(), 0, "after a silence nobody is left");
    }

    #[test]
    fn long_paths_count_longer() {
        let (mut activity, mut seen) = (Activity::new(), Seen::default());
        activity.advance(at(1), 700_000);
        activity.note(&mut seen);
        activity.advance(at(1_300), 700_000);
        assert_eq!(activity.count(), 1);
    }
}
