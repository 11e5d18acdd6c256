//! Whether a target is up: so many bad probes in a row make it down, so many good ones up again. Who flaps is slow to come
//! back, never slow to go: each fall of late beyond the first doubles the good probes that are asked for.
//!
//! ```text
//!            first probe good            fall bad ones in a row
//! unknown ──────────────────────► up ──────────────────────────► down
//!    └────────── first probe bad ──────────────────────────────►  │
//!                                 ▲── rise × 2^falls of late ─────┘
//! ```

use crate::probe::limits::{FLAP_DOUBLINGS_MAX, FLAP_WINDOW};
use crate::probe::target::Pace;
use dataplane::time::Instant;

/// A target's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    is_up: Option<bool>,
    /// Probes in a row that speak against the state.
    against: u32,
    /// When it fell of late.
    falls: Vec<Instant>,
}

impl TargetState {
    /// Whether it is up; `None` before the first probe.
    pub const fn is_up(&self) -> Option<bool> {
        self.is_up
    }

    /// Takes what came of a probe; whether the state has changed.
    pub fn take(&mut self, pace: &Pace, is_good: bool, now: Instant) -> bool {
        let Some(is_up) = self.is_up else {
            self.is_up = Some(is_good);
            return true;
        };
        if is_good == is_up {
            self.against = 0;
            return false;
        }
        self.against += 1;
        self.falls.retain(|fell| now.since(*fell) < FLAP_WINDOW);
        let wanted = if is_up { pace.fall.max(1) } else { self.rise(pace) };
        if self.against < wanted {
            return false;
        }
        (self.is_up, self.against) = (Some(!is_up), 0);
        if is_up {
            self.falls.push(now);
        }
        true
    }

    /// Good probes in a row that are asked for now.
    fn rise(&self, pace: &Pace) -> u32 {
        let doublings = (self.falls.len() as u32).saturating_sub(1).min(FLAP_DOUBLINGS_MAX);
        pace.rise.max(1) << doublings
    }

    /// Whether it is slow to come back because it flaps.
    pub fn is_damped(&self, now: Instant) -> bool {
        self.falls.iter().filter(|fell| now.since(**fell) < FLAP_WINDOW).count() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::time::Duration;

    const PACE: Pace = Pace {
        interval: Duration::from_secs(1),
        jitter_ppm: 0,
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
    };

    /// The changes that a row of probes makes, one a second: `+` good, `-` bad; `U`, `D` or the same sign.
    fn run(state: &mut TargetState, from_s: u64, probes: &str) -> String {
        let one = |(at, probe): (usize, char)| {
            let changed = state.take(&PACE, probe == '+', Instant::from_us((from_s + at as u64) * 1_000_000));
            match (changed, state.is_up()) {
                (true, Some(true)) => 'U',
                (true, _) => 'D',
                (false, _) => probe,
            }
        };
        probes.chars().enumerate().map(one).collect()
    }

    #[test]
    fn rise_and_fall_count_in_a_row() {
        let mut state = TargetState::default();
        assert_eq!(run(&mut state, 0, "+--+---+-++"), "U--+--D+-+U");
        assert_eq!(run(&mut TargetState::default(), 0, "-++"), "D+U", "the first one counts at once");
    }

    #[test]
    fn who_flaps_is_slow_to_come_back_and_quick_to_go() {
        let mut state = TargetState::default();
        assert_eq!(run(&mut state, 0, "+---++---++++"), "U--D+U--D+++U");
        assert!(state.is_damped(Instant::from_us(13_000_000)));
        assert_eq!(run(&mut state, 13, "---+++++++"), "--D+++++++", "eight are asked for now");
        assert_eq!(run(&mut state, 23, "+"), "U");
        // After a quiet time it is as it was.
        assert_eq!(run(&mut state, 400, "---++"), "--D+U");
    }

    /// Whatever came before, `fall` bad ones in a row are enough.
    #[test]
    fn no_history_keeps_a_dead_target_up() {
        let mut random = dataplane::stdx::prng::Prng::new(3);
        for _ in 0..2_000 {
            let mut state = TargetState::default();
            let mut now = Instant::ORIGIN;
            for _ in 0..random.below(200) {
                now += Duration::from_secs(1);
                state.take(&PACE, random.below(4) > 0, now);
            }
            for _ in 0..PACE.fall {
                now += Duration::from_secs(1);
                state.take(&PACE, false, now);
            }
            assert_eq!(state.is_up(), Some(false));
        }
    }
}
