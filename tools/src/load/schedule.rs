//! When requests start. Closed loop: whenever a connection is free. Open loop: at times of its own, and a request
//! that finds no free connection keeps the time at which it should have started.

use crate::spread::unit;
use dataplane::stdx::prng::Prng;
use dataplane::time::{Duration, Instant};

/// How the starts of an open loop lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    #[default]
    Constant,
    /// Independent of each other, as many users are: exponential distances (a Poisson process).
    Poisson,
}

/// The starts of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    /// µs between two starts of this thread, on average; zero in a closed loop.
    interval_us: f64,
    arrivals: Arrivals,
    random: Prng,
    /// µs after `start` at which the next request is due.
    next_us: f64,
    /// No request starts at or after this.
    end: Option<Instant>,
}

/// One thread's place among all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Which thread this is.
    pub(crate) index: u64,
    /// How many there are.
    pub(crate) count: u64,
}

impl Share {
    /// This thread's part of `total` things.
    pub(crate) fn of(self, total: u64) -> u64 {
        total / self.count + u64::from(self.index < total % self.count)
    }
}

impl Schedule {
    /// The schedule of one thread, beginning at `start`; `rate_per_second` is that of all threads.
    pub(crate) fn new(
        start: Instant,
        rate_per_second: Option<f64>,
        arrivals: Arrivals,
        duration: Option<Duration>,
        share: Share,
        seed: u64,
    ) -> Self {
        let between_us = rate_per_second.map_or(0.0, |rate| 1e6 / rate);
        let mut schedule = Self {
            start,
            interval_us: between_us * share.count as f64,
            arrivals,
            random: Prng::new(seed),
            next_us: between_us * share.index as f64,
            end: duration.map(|duration| start + duration),
        };
        if arrivals == Arrivals::Poisson && schedule.is_open_loop() {
            schedule.next_us = schedule.gap_us();
        }
        schedule
    }

    /// Takes the next request that is due: when it should have started.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let intended = self.due_at(now).filter(|intended| *intended <= now)?;
        self.next_us += self.gap_us();
        Some(intended)
    }

    /// When the next request is due, if there is one: not later than `now` in a closed loop.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let intended = if self.is_open_loop() {
            self.start + Duration::from_micros(self.next_us as u64)
        } else {
            now.max(self.start)
        };
        self.end.is_none_or(|end| intended < end).then_some(intended)
    }

    /// Whether requests are started whether or not others have been answered.
    pub(crate) fn is_open_loop(&self) -> bool {
        self.interval_us > 0.0
    }

    /// Requests that were due at `now` and have not been taken; no more than `limit`.
    pub(crate) fn overdue(&self, now: Instant, limit: u64) -> u64 {
        let mut rest = self.clone();
        let mut count = 0;
        while rest.is_open_loop() && count < limit && rest.next(now).is_some() {
            count += 1;
        }
        count
    }

    fn gap_us(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Constant => self.interval_us,
            Arrivals::Poisson => -self.interval_us * (1.0 - unit(&mut self.random)).ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Share = Share { index: 0, count: 1 };

    fn schedule(rate: Option<f64>, duration: Option<Duration>, share: Share) -> Schedule {
        Schedule::new(Instant::from_us(100), rate, Arrivals::Constant, duration, share, 1)
    }

    #[test]
    fn a_closed_loop_is_bounded_by_time() {
        let mut schedule = schedule(None, Some(Duration::from_micros(50)), ALONE);
        assert_eq!(schedule.next(Instant::from_us(120)), Some(Instant::from_us(120)));
        assert_eq!(schedule.next(Instant::from_us(150)), None);
        assert_eq!(schedule.next(Instant::from_us(149)), Some(Instant::from_us(149)));
        assert_eq!(schedule.overdue(Instant::from_us(149), 9), 0);
    }

    #[test]
    fn an_open_loop_keeps_the_times_it_should_have_kept() {
        let mut schedule = schedule(Some(1000.0), Some(Duration::from_millis(10)), ALONE);
        let late = Instant::from_us(7_600);
        assert_eq!((schedule.overdue(late, 99), schedule.overdue(late, 3)), (8, 3));
        let starts: Vec<_> = core::iter::from_fn(|| schedule.next(late)).map(Instant::as_us).collect();
        assert_eq!(starts, [100, 1_100, 2_100, 3_100, 4_100, 5_100, 6_100, 7_100]);
        assert_eq!(schedule.due_at(late), Some(Instant::from_us(8_100)));
        assert_eq!(schedule.overdue(Instant::from_us(1_000_000), 99), 2);
    }

    #[test]
    fn threads_interleave() {
        let starts: Vec<_> = (0..3)
            .flat_map(|index| {
                let mut schedule = schedule(Some(1e6), None, Share { index, count: 3 });
                core::iter::from_fn(move || schedule.next(Instant::from_us(106))).map(Instant::as_us)
            })
            .collect();
        assert_eq!(starts, [100, 103, 106, 101, 104, 102, 105]);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread() {
        let mut schedule = Schedule::new(Instant::ORIGIN, Some(1e4), Arrivals::Poisson, None, ALONE, 7);
        let starts: Vec<_> =
            core::iter::from_fn(|| schedule.next(Instant::from_us(10_000_000))).map(Instant::as_us).collect();
        // Four standard deviations of 100,000 arrivals.
        assert!((starts.len() as f64 - 1e5).abs() < 4.0 * 1e5f64.sqrt(), "{}", starts.len());
        let gaps: Vec<f64> = starts.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Of an exponential distribution mean and deviation are equal.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
