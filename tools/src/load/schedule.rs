//! When requests start. Closed loop: whenever a connection is free. Open loop: at fixed times, and a request that
//! finds no free connection keeps the time at which it should have started.

use dataplane::time::{Duration, Instant};

/// The starts of one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    /// µs between two starts of this thread; zero in a closed loop.
    interval_us: f64,
    /// µs by which this thread's starts are shifted against the first thread's.
    shift_us: f64,
    /// No request starts at or after this.
    end: Option<Instant>,
    limit: u64,
    issued: u64,
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
    /// The schedule of one thread, beginning at `start`.
    pub(crate) fn new(
        start: Instant,
        rate_per_second: Option<f64>,
        duration: Option<Duration>,
        requests: Option<u64>,
        share: Share,
    ) -> Self {
        let between_us = rate_per_second.map_or(0.0, |rate| 1e6 / rate);
        Self {
            start,
            interval_us: between_us * share.count as f64,
            shift_us: between_us * share.index as f64,
            end: duration.map(|duration| start + duration),
            limit: requests.map_or(u64::MAX, |requests| share.of(requests)),
            issued: 0,
        }
    }

    /// Takes the next request that is due: when it should have started.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let intended = self.intended(now)?;
        let due = intended <= now;
        self.issued += u64::from(due);
        due.then_some(intended)
    }

    /// When the next request is due, if there is one: not later than `now` in a closed loop.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        self.intended(now)
    }

    /// Whether requests are started whether or not others have been answered.
    pub(crate) fn is_open_loop(&self) -> bool {
        self.interval_us > 0.0
    }

    /// Requests that were due at `now` and have not been taken.
    pub(crate) fn overdue(&self, now: Instant) -> u64 {
        let mut rest = *self;
        let mut count = 0;
        while rest.is_open_loop() && rest.next(now).is_some() {
            count += 1;
        }
        count
    }

    fn intended(&self, now: Instant) -> Option<Instant> {
        let intended = if self.is_open_loop() {
            let offset_us = self.shift_us + self.interval_us * self.issued as f64;
            self.start + Duration::from_micros(offset_us as u64)
        } else {
            now.max(self.start)
        };
        let within = self.issued < self.limit && self.end.is_none_or(|end| intended < end);
        within.then_some(intended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Share = Share { index: 0, count: 1 };

    #[test]
    fn a_closed_loop_is_bounded_by_count_and_time() {
        let start = Instant::from_us(100);
        let mut schedule = Schedule::new(start, None, Some(Duration::from_micros(50)), Some(2), ALONE);
        assert_eq!(schedule.next(Instant::from_us(120)), Some(Instant::from_us(120)));
        assert_eq!(schedule.next(Instant::from_us(150)), None);
        assert_eq!(schedule.next(Instant::from_us(149)), Some(Instant::from_us(149)));
        assert_eq!(schedule.next(Instant::from_us(149)), None);
        assert_eq!(schedule.overdue(Instant::from_us(149)), 0);
    }

    #[test]
    fn an_open_loop_keeps_the_times_it_should_have_kept() {
        let mut schedule =
            Schedule::new(Instant::ORIGIN, Some(1000.0), Some(Duration::from_millis(10)), None, ALONE);
        let late = Instant::from_us(7_500);
        assert_eq!(schedule.overdue(late), 8);
        let starts: Vec<_> = core::iter::from_fn(|| schedule.next(late)).map(Instant::as_us).collect();
        assert_eq!(starts, [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]);
        assert_eq!(schedule.due_at(late), Some(Instant::from_us(8_000)));
        assert_eq!(schedule.overdue(Instant::from_us(1_000_000)), 2);
    }

    #[test]
    fn threads_interleave_and_share_out() {
        let share = |index| Share { index, count: 3 };
        let starts: Vec<_> = (0..3)
            .flat_map(|index| {
                let mut schedule = Schedule::new(Instant::ORIGIN, Some(1e6), None, Some(7), share(index));
                core::iter::from_fn(move || schedule.next(Instant::from_us(100))).map(Instant::as_us)
            })
            .collect();
        assert_eq!(starts, [0, 3, 6, 1, 4, 2, 5]);
    }
}
