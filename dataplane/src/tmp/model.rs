//! A rate model of the path, for losses that come without a queue: the largest rate at which the peer received lately,
//! and a little less than it as the pace. Units: bytes per second, µs, bytes.
//!
//! ```text
//!  StartUp ──rate no longer grows, or a queue──► Drain ──one BDP in flight──► Cruise: 1.10, 0.90, 6 × 0.95 per round
//! ```
//! The headroom of Cruise is what makes it harmless to neighbours; the probe of 1.10 finds more room, the 0.90 after it
//! removes the queue that the probe made. Losses do not slow it down, they are made up for. It does not know
//! whether it is in charge: that is decided by `congestion`, which also takes over when a queue stands.

use crate::tmp::delivery::RateSample;

/// Rounds over which the largest rate counts.
const ROUNDS: usize = 10;
/// The pace in StartUp and Drain, and round by round in Cruise, in percent of the rate. A rate that is known a round
/// late doubles with 2 / ln 2 (draft-ietf-ccwg-bbr §2.4), and there the window bounds what that may cost.
const START_UP_PERCENT: u64 = 277;
const DRAIN_PERCENT: u64 = 60;
const CRUISE_PERCENT: [u64; 8] = [110, 90, 95, 95, 95, 95, 95, 95];
/// The window in percent of rate × least rtt; the pace, not the window, bounds the queue.
const START_UP_WINDOW_PERCENT: u64 = 225;
const WINDOW_PERCENT: u64 = 120;
/// StartUp ends after so many rounds that did not gain a quarter, as in BBR.
const FLAT_ROUNDS: u32 = 3;
/// More than such a share of losses is not made up for, in ppm.
const MADE_UP_PPM_MAX: u64 = 200_000;

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    StartUp,
    Drain,
    Cruise(usize),
}

/// The model.
#[derive(Clone, Debug)]
pub struct Model {
    phase: Phase,
    rates: [u64; ROUNDS],
    at: usize,
    /// The round had a sample that we did not limit ourselves.
    is_round_full: bool,
    full_rate: u64,
    flat_rounds: u32,
    /// The last rate that the path, not we, limited.
    measured: Option<u64>,
    /// Share of packets lost lately, smoothed.
    loss_ppm: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// Nothing was measured.
    pub const fn new() -> Self {
        Self {
            phase: Phase::StartUp,
            rates: [0; ROUNDS],
            at: 0,
            is_round_full: false,
            full_rate: 0,
            flat_rounds: 0,
            measured: None,
            loss_ppm: 0,
        }
    }

    /// The largest rate of the last ten rounds; rounds in which we had little to send do not pass.
    pub fn rate_bytes_per_s(&self) -> u64 {
        self.rates.iter().copied().max().unwrap_or(0)
    }

    /// The last rate that the path limited, if it ever did.
    pub const fn measured_bytes_per_s(&self) -> Option<u64> {
        self.measured
    }

    /// Takes a sample.
    pub fn sampled(&mut self, sample: RateSample) {
        if sample.is_app_limited && sample.bytes_per_s <= self.rate_bytes_per_s() {
            return;
        }
        self.rates[self.at] = self.rates[self.at].max(sample.bytes_per_s);
        self.is_round_full |= !sample.is_app_limited;
    }

    /// A round has ended, in which so many packets were lost of so many sent.
    pub fn round_ended(&mut self, lost: u64, sent: u64) {
        let ppm = (lost * 1_000_000).checked_div(sent).unwrap_or(self.loss_ppm).min(1_000_000);
        self.loss_ppm = (7 * self.loss_ppm + ppm) / 8;
        if let Phase::Cruise(step) = &mut self.phase {
            *step = (*step + 1) % CRUISE_PERCENT.len();
        }
        if !core::mem::take(&mut self.is_round_full) {
            return;
        }
        self.measured = Some(self.rate_bytes_per_s());
        if self.phase == Phase::StartUp {
            self.check_growth();
        }
        self.at = (self.at + 1) % ROUNDS;
        self.rates[self.at] = 0;
    }

    /// A queue has begun to grow.
    pub fn queue_grew(&mut self) {
        if self.phase == Phase::StartUp {
            self.phase = Phase::Drain;
        }
    }

    /// So much is in flight; Drain ends when that is no more than the path holds.
    pub fn in_flight(&mut self, bytes: u64, rtt_us: u64) {
        if self.phase == Phase::Drain && bytes <= self.held_bytes(rtt_us) {
            // The probe comes last: the first thing to do with an empty queue is to keep it so.
            self.phase = Phase::Cruise(2);
        }
    }

    /// Begins to look for the rate.
    pub const fn start_up(&mut self) {
        (self.phase, self.full_rate, self.flat_rounds) = (Phase::StartUp, 0, 0);
    }

    /// Begins by emptying the queue; the rate is known.
    pub const fn drain(&mut self) {
        self.phase = Phase::Drain;
    }

    /// Forgets the rates: the path was gone.
    pub const fn forget(&mut self) {
        (self.rates, self.measured) = ([0; ROUNDS], None);
        self.start_up();
    }

    /// Whether the rate is still looked for.
    pub fn is_start_up(&self) -> bool {
        self.phase == Phase::StartUp
    }

    /// Whether the queue is being emptied.
    pub fn is_drain(&self) -> bool {
        self.phase == Phase::Drain
    }

    /// The pace.
    pub fn pace_bytes_per_s(&self) -> u64 {
        let percent = match self.phase {
            Phase::StartUp => START_UP_PERCENT,
            Phase::Drain => DRAIN_PERCENT,
            Phase::Cruise(step) => CRUISE_PERCENT[step],
        };
        self.made_up(self.rate_bytes_per_s().saturating_mul(percent) / 100)
    }

    /// The window; `rtt_us` is the least rtt and the time that acknowledgements may be held back.
    pub fn window_bytes(&self, rtt_us: u64) -> u64 {
        let percent = if self.phase == Phase::StartUp { START_UP_WINDOW_PERCENT } else { WINDOW_PERCENT };
        self.made_up(self.held_bytes(rtt_us).saturating_mul(percent) / 100)
    }

    /// What the path holds without a queue.
    fn held_bytes(&self, rtt_us: u64) -> u64 {
        let bytes = u128::from(self.rate_bytes_per_s()) * u128::from(rtt_us) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// The rate is what arrives; so much more has to be sent for it.
    fn made_up(&self, amount: u64) -> u64 {
        let arriving_ppm = 1_000_000 - self.loss_ppm.min(MADE_UP_PPM_MAX);
        u64::try_from(u128::from(amount) * 1_000_000 / u128::from(arriving_ppm)).unwrap_or(u64::MAX)
    }

    fn check_growth(&mut self) {
        let rate = self.rate_bytes_per_s();
        if rate >= self.full_rate + self.full_rate / 4 {
            (self.full_rate, self.flat_rounds) = (rate, 0);
            return;
        }
        self.flat_rounds += 1;
        if self.flat_rounds >= FLAT_ROUNDS {
            self.phase = Phase::Drain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(bytes_per_s: u64) -> RateSample {
        RateSample { bytes_per_s, is_app_limited: false }
    }

    #[test]
    fn start_up_doubles_until_the_rate_is_flat_then_drains_and_cruises_below() {
        let mut model = Model::new();
        for rate in [100, 200, 400, 800, 1_000, 1_000, 1_000] {
            assert!(model.is_start_up());
            model.sampled(full(rate * 1_000));
            assert_eq!(model.pace_bytes_per_s(), 2_770 * rate);
            model.round_ended(0, 100);
        }
        model.sampled(full(1_000_000));
        model.round_ended(0, 100);
        assert!(model.is_drain() && model.pace_bytes_per_s() == 600_000);
        model.in_flight(150_000, 100_000);
        assert!(model.is_drain());
        model.in_flight(100_000, 100_000);
        let paces: Vec<u64> = (0..8)
            .map(|_| {
                model.sampled(full(1_000_000));
                model.round_ended(0, 100);
                model.pace_bytes_per_s() / 10_000
            })
            .collect();
        assert_eq!(paces, [95, 95, 95, 95, 95, 110, 90, 95]);
        assert_eq!(model.window_bytes(100_000), 120_000);
    }

    #[test]
    fn the_largest_rate_counts_for_ten_rounds_and_for_ever_while_idle() {
        let mut model = Model::new();
        model.sampled(full(900));
        model.round_ended(0, 1);
        for _ in 0..50 {
            model.sampled(RateSample { bytes_per_s: 100, is_app_limited: true });
            model.round_ended(0, 1);
        }
        assert_eq!((model.rate_bytes_per_s(), model.measured_bytes_per_s()), (900, Some(900)));
        model.sampled(RateSample { bytes_per_s: 1_000, is_app_limited: true });
        assert_eq!(model.rate_bytes_per_s(), 1_000, "a lower bound that is higher counts");
        for _ in 0..11 {
            model.sampled(full(500));
            model.round_ended(0, 1);
        }
        assert_eq!(model.rate_bytes_per_s(), 500);
    }

    #[test]
    fn losses_are_made_up_for() {
        let mut model = Model::new();
        model.drain();
        model.in_flight(0, 1_000);
        for _ in 0..100 {
            model.sampled(full(1_000_000));
            model.round_ended(100, 1_000);
        }
        let pace = model.pace_bytes_per_s();
        assert!((1_040_000..1_230_000).contains(&pace), "{pace}");
    }
}
