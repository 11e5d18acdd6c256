//! What one thread counts while it runs, and how the threads' counts become a report.

use crate::load::report::{Errors, Latency, LoadReport};
use dataplane::time::Instant;
use hdrhistogram::Histogram;

/// The longest latency that is told apart, µs: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Significant decimal digits of latencies.
const LATENCY_DIGITS: u8 = 3;

/// Failures that are kept in words.
const FAILURES_MAX: usize = 8;

/// Statuses have three digits.
const STATUSES: usize = 1_000;

/// One way for a request to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection could not be made.
    Connect,
    /// It was reset.
    Reset,
    /// Too late.
    Timeout,
    /// The end came before the end of the answer.
    Truncated,
    /// Right framing, wrong bytes or length.
    WrongBody,
    /// No HTTP/1.1.
    Malformed,
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Tally {
    latency_us: Histogram<u64>,
    status: Box<[u64]>,
    last_at: Instant,
    report: LoadReport,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS);
        let Ok(latency_us) = histogram else {
            panic!("the histogram's bounds are constants that it takes");
        };
        Self {
            latency_us,
            status: vec![0; STATUSES].into_boxed_slice(),
            last_at: Instant::ORIGIN,
            report: LoadReport::default(),
        }
    }

    /// A connection was made.
    pub(crate) fn connected(&mut self) {
        self.report.connections += 1;
    }

    /// Body bytes came.
    pub(crate) fn received(&mut self, bytes: u64) {
        self.report.bytes += bytes;
    }

    /// Body bytes of an upload left.
    pub(crate) fn uploaded(&mut self, bytes: u64) {
        self.report.uploaded_bytes += bytes;
    }

    /// A request was cut off on purpose.
    pub(crate) fn aborted(&mut self, now: Instant) {
        self.report.aborted += 1;
        self.last_at = self.last_at.max(now);
    }

    /// Requests were never sent.
    pub(crate) fn unsent(&mut self, count: u64) {
        self.report.unsent += count;
    }

    /// A request was answered whole.
    pub(crate) fn answered(&mut self, status: u16, verified: bool, since: Instant, now: Instant) {
        self.report.requests += 1;
        self.report.verified += u64::from(verified);
        self.latency_us.saturating_record(now.us_since(since));
        self.last_at = self.last_at.max(now);
        if status >= 400 {
            self.status[usize::from(status).min(STATUSES - 1)] += 1;
        }
    }

    /// A request failed; `words` are asked for as long as there is room for them.
    pub(crate) fn failed(&mut self, failure: Failure, now: Instant, words: impl FnOnce() -> String) {
        let errors = &mut self.report.errors;
        let counter = match failure {
            Failure::Connect => &mut errors.connect,
            Failure::Reset => &mut errors.reset,
            Failure::Timeout => &mut errors.timeout,
            Failure::Truncated => &mut errors.truncated,
            Failure::WrongBody => &mut errors.wrong_body,
            Failure::Malformed => &mut errors.malformed,
        };
        *counter += 1;
        self.last_at = self.last_at.max(now);
        if self.report.failures.len() < FAILURES_MAX {
            self.report.failures.push(words());
        }
    }

    /// Adds another thread's counts.
    pub(crate) fn add(&mut self, other: Self) {
        let added = self.latency_us.add(&other.latency_us);
        assert!(added.is_ok(), "all histograms have the same bounds");
        for (mine, theirs) in self.status.iter_mut().zip(&other.status) {
            *mine += theirs;
        }
        self.last_at = self.last_at.max(other.last_at);
        let (mine, theirs) = (&mut self.report, other.report);
        mine.requests += theirs.requests;
        mine.bytes += theirs.bytes;
        mine.uploaded_bytes += theirs.uploaded_bytes;
        mine.verified += theirs.verified;
        mine.aborted += theirs.aborted;
        mine.unsent += theirs.unsent;
        mine.connections += theirs.connections;
        add_errors(&mut mine.errors, &theirs.errors);
        mine.failures.extend(theirs.failures);
        mine.failures.truncate(FAILURES_MAX);
    }

    /// The report of a run that began at `start`.
    pub(crate) fn report(self, start: Instant) -> LoadReport {
        let mut report = self.report;
        report.seconds = self.last_at.us_since(start) as f64 / 1e6;
        report.rate_per_second =
            if report.seconds > 0.0 { report.requests as f64 / report.seconds } else { 0.0 };
        let counted = self.status.iter().enumerate().filter(|(_, count)| **count > 0);
        report.errors.status = counted.map(|(status, count)| (status as u16, *count)).collect();
        let quantile = |part: f64| self.latency_us.value_at_quantile(part);
        report.latency = Latency {
            mean_us: self.latency_us.mean(),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: self.latency_us.max(),
        };
        report
    }
}

fn add_errors(mine: &mut Errors, theirs: &Errors) {
    mine.connect += theirs.connect;
    mine.reset += theirs.reset;
    mine.timeout += theirs.timeout;
    mine.truncated += theirs.truncated;
    mine.wrong_body += theirs.wrong_body;
    mine.malformed += theirs.malformed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let (mut a, mut b) = (Tally::new(), Tally::new());
        let at = Instant::from_us;
        a.answered(200, true, at(0), at(100));
        b.answered(503, false, at(0), at(2_000_000));
        b.failed(Failure::Reset, at(1), || "reset".into());
        a.add(b);
        let report = a.report(Instant::ORIGIN);
        assert_eq!((report.requests, report.verified, report.errors.total()), (2, 1, 2));
        assert_eq!(report.errors.status[&503], 1);
        assert_eq!((report.seconds, report.rate_per_second), (2.0, 1.0));
        assert_eq!(report.latency.p50_us, 100);
        assert_eq!(report.failures, ["reset"]);
    }
}
