//! When each target is probed next. No clock: it is told what time it is.
//!
//! A target's next probe starts one interval after the start of the last one, and up to `jitter` more, drawn anew each
//! time, so that many probers of one target do not march in step. First probes are spread over time.

use crate::probe::limits::FIRST_PER_SECOND;
use crate::probe::target::Pace;
use core::cmp::Reverse;
use dataplane::stdx::prng::Prng;
use dataplane::time::{Duration, Instant};
use std::collections::BinaryHeap;

/// The schedule.
#[derive(Debug)]
pub struct Schedule {
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    paces: Vec<Pace>,
    random: Prng,
}

impl Schedule {
    /// A schedule for targets with these paces, from `now` on.
    pub fn new(paces: Vec<Pace>, now: Instant, seed: u64) -> Self {
        let mut random = Prng::new(seed);
        let spread = Duration::from_micros(paces.len() as u64 * 1_000_000 / FIRST_PER_SECOND);
        let first = |(target, pace): (usize, &Pace)| {
            let within_us = spread.min(pace.interval).as_micros() as u64;
            Reverse((now + Duration::from_micros(random.between(0, within_us)), target))
        };
        let due = paces.iter().enumerate().map(first).collect();
        Self { due, paces, random }
    }

    /// The next target whose time has come, and when it should have been; its following probe is set at once.
    pub fn next(&mut self, now: Instant) -> Option<(usize, Instant)> {
        let Reverse((at, target)) = *self.due.peek().filter(|due| due.0.0 <= now)?;
        self.due.pop();
        let pace = &self.paces[target];
        let jitter_us = pace.interval.as_micros() as u64 * u64::from(pace.jitter_ppm) / 1_000_000;
        let pause = pace.interval + Duration::from_micros(self.random.between(0, jitter_us));
        // From when it was due, not from when we came to it: lateness does not add up. Who is a whole pause late skips.
        let next = if at + pause > now { at + pause } else { now + pause };
        self.due.push(Reverse((next, target)));
        Some((target, at))
    }

    /// When the next target is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.peek().map(|due| due.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(interval_ms: u64) -> Pace {
        Pace { interval: Duration::from_millis(interval_ms), ..Pace::default() }
    }

    /// 10,000 targets over ten minutes of virtual time: every pause within its bounds, no second with a crowd.
    #[test]
    fn pauses_are_jittered_and_spread() {
        let start = Instant::from_us(5_000_000);
        let mut schedule = Schedule::new(vec![pace(10_000); 10_000], start, 7);
        let mut last = vec![None; 10_000];
        let mut seconds = vec![0u32; 601];
        while let Some(now) = schedule.deadline().filter(|at| at.since(start) < Duration::from_secs(600)) {
            let (target, at) = schedule.next(now).unwrap();
            assert_eq!(at, now);
            if let Some(before) = last[target].replace(now) {
                let pause = now.since(before);
                assert!((10_000..=11_000).contains(&pause.as_millis()), "{pause:?}");
            }
            seconds[now.since(start).as_secs() as usize] += 1;
        }
        assert!(last.iter().all(Option::is_some));
        assert!(seconds[1..600].iter().all(|count| (500..1_500).contains(count)), "{seconds:?}");
    }

    #[test]
    fn who_comes_late_does_not_catch_up() {
        let mut schedule = Schedule::new(vec![pace(100)], Instant::ORIGIN, 1);
        let late = Instant::from_us(10_000_000);
        assert!(schedule.next(late).is_some());
        assert!(schedule.next(late).is_none(), "one probe, not a hundred");
        assert!(schedule.deadline().unwrap() > late);
    }
}
