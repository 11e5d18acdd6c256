//! Round-trip time of a path: smoothed, its variation, and the least seen (RFC 9002 §5). Unit: µs.
//!
//! It does not decide when a packet is lost or a probe is due; it only answers with spans. The minimum is
//! kept over two periods of five minutes so that a longer route is learnt in the end, and no timeout ever
//! resets it: a minimum that became "unknown" has frozen other stacks at their least window.

use crate::time::{Duration, Instant};

/// Assumed before the first sample: 100 ms instead of the 333 ms of RFC 9002 §6.2.2, as a handshake has passed
/// and a probe that comes too early declares nothing lost.
pub const RTT_US_INITIAL: u64 = 100_000;
/// No estimate grows above this: a minute is longer than any path that is still worth using.
const RTT_US_MAX: u64 = 60_000_000;
/// Timers finer than this cannot be kept by the drivers, RFC 9002 §6.1.2: 1 ms.
pub const TIMER_US: u64 = 1_000;
/// How long one minimum lives before a younger one replaces it.
const MIN_PERIOD: Duration = Duration::from_secs(300);

/// The estimate.
#[derive(Clone, Debug)]
pub struct Rtt {
    latest_us: u64,
    smoothed_us: u64,
    variance_us: u64,
    /// Least of the running period and of the one before it.
    min_us: [u64; 2],
    period_ends: Instant,
    samples: u64,
}

impl Default for Rtt {
    fn default() -> Self {
        Self::new()
    }
}

impl Rtt {
    /// Nothing measured yet.
    pub const fn new() -> Self {
        Self {
            latest_us: RTT_US_INITIAL,
            smoothed_us: RTT_US_INITIAL,
            variance_us: RTT_US_INITIAL / 2,
            min_us: [u64::MAX; 2],
            period_ends: Instant::ORIGIN,
            samples: 0,
        }
    }

    /// Takes a sample: time from sending to the ack's arrival, and how long the peer says it held the ack.
    pub fn update(&mut self, now: Instant, sample_us: u64, ack_delay_us: u64) {
        let sample_us = sample_us.clamp(1, RTT_US_MAX);
        self.latest_us = sample_us;
        self.update_min(now, sample_us);
        // The delay is taken off only where the rest stays plausible, RFC 9002 §5.3.
        let adjusted_us =
            if sample_us >= self.min_us() + ack_delay_us { sample_us - ack_delay_us } else { sample_us };
        if self.samples == 0 {
            self.smoothed_us = adjusted_us;
            self.variance_us = adjusted_us / 2;
        } else {
            let difference_us = self.smoothed_us.abs_diff(adjusted_us);
            self.variance_us = (3 * self.variance_us + difference_us) / 4;
            self.smoothed_us = (7 * self.smoothed_us + adjusted_us) / 8;
        }
        self.samples += 1;
    }

    /// The last sample as measured.
    pub const fn latest_us(&self) -> u64 {
        self.latest_us
    }

    /// The smoothed estimate.
    pub const fn smoothed_us(&self) -> u64 {
        self.smoothed_us
    }

    /// Mean deviation.
    pub const fn variance_us(&self) -> u64 {
        self.variance_us
    }

    /// The least of the last five to ten minutes; the initial guess before the first sample.
    pub fn min_us(&self) -> u64 {
        match self.min_us[0].min(self.min_us[1]) {
            u64::MAX => RTT_US_INITIAL,
            least => least,
        }
    }

    /// How many samples were taken.
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Time after which an acknowledgement is overdue, RFC 9002 §6.2.1, without back-off.
    pub fn probe_timeout_us(&self, ack_delay_us_max: u64) -> u64 {
        self.smoothed_us + (4 * self.variance_us).max(TIMER_US) + ack_delay_us_max
    }

    fn update_min(&mut self, now: Instant, sample_us: u64) {
        if now >= self.period_ends {
            self.min_us = [u64::MAX, self.min_us[0]];
            self.period_ends = now + MIN_PERIOD;
        }
        self.min_us[0] = self.min_us[0].min(sample_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_table_of_the_rfc() {
        // sample, delay → smoothed, variance, min
        let table = [
            (100_000, 0, 100_000, 50_000, 100_000),
            (100_000, 0, 100_000, 37_500, 100_000),
            (140_000, 40_000, 100_000, 28_125, 100_000),
            // The delay would bring the sample below the minimum: it is not believed.
            (101_000, 40_000, 100_125, 21_343, 100_000),
            (60_000, 0, 95_109, 26_038, 60_000),
        ];
        let mut rtt = Rtt::new();
        assert_eq!(rtt.min_us(), RTT_US_INITIAL);
        for (row, (sample, delay, smoothed, variance, min)) in table.into_iter().enumerate() {
            rtt.update(Instant::from_us(row as u64), sample, delay);
            assert_eq!((rtt.smoothed_us(), rtt.variance_us(), rtt.min_us()), (smoothed, variance, min));
        }
    }

    #[test]
    fn a_longer_route_is_learnt_after_two_periods() {
        let mut rtt = Rtt::new();
        rtt.update(Instant::ORIGIN, 50, 0);
        for second in 1..=601 {
            rtt.update(Instant::from_us(second * 1_000_000), 900, 0);
        }
        assert_eq!(rtt.min_us(), 900);
    }

    #[test]
    fn the_probe_timeout_never_falls_below_the_timers() {
        let mut rtt = Rtt::new();
        for _ in 0..100 {
            rtt.update(Instant::ORIGIN, 50, 0);
        }
        assert_eq!(rtt.probe_timeout_us(5_000), 50 + TIMER_US + 5_000);
    }
}
