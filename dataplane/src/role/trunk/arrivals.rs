//! How densely datagrams arrive, and so how long a sleeping worker may let them gather: on a long path at a steady
//! rate each would wake it by itself, and half a millisecond more is nothing beside the round trip. Units: µs.

use crate::time::{Duration, Instant};

/// Over so long arrivals are counted.
const WINDOW: Duration = Duration::from_micros(16_000);
/// So many in a window are dense: one per ms.
const DENSE: u32 = 16;
/// The wait as a part of the least rtt: less than the tunnel's own timers are apart.
const RTT_PART: u64 = 128;

/// The count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arrivals {
    window_ends: Instant,
    count: u32,
    patience_us: u32,
}

impl Arrivals {
    /// So many datagrams have come.
    pub(crate) const fn came(&mut self, datagrams: u32) {
        self.count = self.count.saturating_add(datagrams);
    }

    /// Whether it is time for `judge`.
    pub(crate) fn is_judged_at(&self, now: Instant) -> bool {
        now >= self.window_ends
    }

    /// Begins another window. `rtt_us_min` is the least rtt of all tunnels.
    pub(crate) fn judge(&mut self, now: Instant, rtt_us_min: u64, patience_us_max: u32) {
        let is_recent = now < self.window_ends + WINDOW;
        let patience_us = u32::try_from(rtt_us_min / RTT_PART).unwrap_or(u32::MAX).min(patience_us_max);
        self.patience_us = if is_recent && self.count >= DENSE { patience_us } else { 0 };
        (self.window_ends, self.count) = (now + WINDOW, 0);
    }

    /// How long a sleeping worker may wait for more than one.
    pub(crate) const fn patience_us(&self) -> u32 {
        self.patience_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram every `pause_us` for a second; the patience then.
    fn after(pause_us: u64, rtt_us: u64) -> u32 {
        let mut arrivals = Arrivals::default();
        for at in (0..1_000_000).step_by(pause_us as usize) {
            let now = Instant::from_us(at);
            arrivals.came(1);
            if arrivals.is_judged_at(now) {
                arrivals.judge(now, rtt_us, 500);
            }
        }
        arrivals.patience_us()
    }

    #[test]
    fn only_dense_arrivals_over_a_long_path_may_gather() {
        assert_eq!([after(250, 100_000), after(250, 12_800), after(250, 100)], [500, 100, 0]);
        assert_eq!([after(2_000, 100_000), after(20_000, 100_000)], [0, 0]);
    }
}
