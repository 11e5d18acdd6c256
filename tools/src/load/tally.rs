//! What one thread counts, by class, and how the threads' counts become a report. A tally is of one second; the whole
//! run is the sum of its seconds.

use crate::load::report::{ClassReport, Errors, Latency, LoadReport};
use dataplane::time::Instant;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Significant decimal digits of latencies.
const LATENCY_DIGITS: u8 = 3;

/// The longest latency that is told apart, µs: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Failures that are kept in words.
const FAILURES_MAX: usize = 8;

/// Names of DNS answer codes (RFC 1035 §4.1.1, RFC 2136).
const RCODES: [&str; 16] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "NOTZONE", "RCODE11", "RCODE12", "RCODE13", "RCODE14", "RCODE15",
];

/// Codes that are answers and no errors.
const PROPER: [&str; 2] = ["NOERROR", "NXDOMAIN"];

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

/// An empty histogram of µs.
pub(crate) fn histogram() -> Histogram<u64> {
    let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS);
    let Ok(histogram) = histogram else { panic!("the histogram's bounds are constants that it takes") };
    histogram
}

/// The counts of one class.
#[derive(Clone, Debug)]
pub(crate) struct ClassTally {
    /// Of the answered requests, µs.
    pub(crate) latency_us: Histogram<u64>,
    /// Everything else; name, rates and latency stay empty until the end.
    pub(crate) counts: ClassReport,
    rcodes: [u64; 16],
}

/// The counts.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// By class.
    pub(crate) classes: Vec<ClassTally>,
    /// How late requests were started, µs.
    pub(crate) scheduling_us: Histogram<u64>,
    /// When the last request ended.
    last_at: Instant,
    failures: Vec<String>,
}

impl Tally {
    /// Nothing counted yet, for so many classes.
    pub(crate) fn new(classes: usize) -> Self {
        let class = ClassTally { latency_us: histogram(), counts: ClassReport::default(), rcodes: [0; 16] };
        Self {
            classes: vec![class; classes],
            scheduling_us: histogram(),
            last_at: Instant::ORIGIN,
            failures: Vec::new(),
        }
    }

    /// What was counted; it counts from nothing again.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self { failures: self.failures.clone(), ..Self::new(self.classes.len()) };
        core::mem::replace(self, next)
    }

    /// The counters of a class.
    pub(crate) fn of(&mut self, class: usize) -> &mut ClassReport {
        &mut self.classes[class].counts
    }

    /// A request was started so long after it should have been.
    pub(crate) fn started_late(&mut self, us: u64) {
        self.scheduling_us.saturating_record(us);
    }

    /// The run ended now, whether or not a request did.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.last_at = self.last_at.max(now);
    }

    /// A request was cut off on purpose.
    pub(crate) fn aborted(&mut self, class: usize, now: Instant) {
        self.of(class).aborted += 1;
        self.last_at = self.last_at.max(now);
    }

    /// A request was answered whole.
    pub(crate) fn answered(
        &mut self,
        class: usize,
        status: u16,
        verified: bool,
        since: Instant,
        now: Instant,
    ) {
        let tally = &mut self.classes[class];
        tally.counts.requests += 1;
        tally.counts.verified += u64::from(verified);
        tally.latency_us.saturating_record(now.us_since(since));
        self.last_at = self.last_at.max(now);
        if status >= 400 {
            *tally.counts.errors.status.entry(status).or_default() += 1;
        }
    }

    /// A question was answered with this code.
    pub(crate) fn answered_dns(&mut self, class: usize, rcode: u8, since: Instant, now: Instant) {
        self.classes[class].rcodes[usize::from(rcode & 15)] += 1;
        self.answered(class, 0, false, since, now);
    }

    /// A request failed; `words` are asked for as long as there is room for them.
    pub(crate) fn failed(
        &mut self,
        class: usize,
        failure: Failure,
        now: Instant,
        words: impl FnOnce() -> String,
    ) {
        let errors = &mut self.of(class).errors;
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
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(words());
        }
    }

    /// Adds another tally.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            add(&mut mine.latency_us, &theirs.latency_us);
            add_counts(&mut mine.counts, &theirs.counts);
            mine.rcodes.iter_mut().zip(theirs.rcodes).for_each(|(mine, theirs)| *mine += theirs);
        }
        add(&mut self.scheduling_us, &other.scheduling_us);
        self.last_at = self.last_at.max(other.last_at);
        for words in &other.failures {
            if self.failures.len() < FAILURES_MAX && !self.failures.contains(words) {
                self.failures.push(words.clone());
            }
        }
    }

    /// From `start` to the end of the last request.
    pub(crate) fn seconds(&self, start: Instant) -> f64 {
        self.last_at.us_since(start) as f64 / 1e6
    }

    /// The report of a run that began at `start`; `names` are those of the classes.
    pub(crate) fn report<'a>(self, start: Instant, names: impl Iterator<Item = &'a str>) -> LoadReport {
        let seconds = self.seconds(start);
        let mut report = LoadReport { seconds, failures: self.failures, ..LoadReport::default() };
        let (mut all, mut total, mut codes) = (histogram(), ClassReport::default(), [0; 16]);
        for (tally, name) in self.classes.into_iter().zip(names) {
            add(&mut all, &tally.latency_us);
            codes.iter_mut().zip(tally.rcodes).for_each(|(sum, count)| *sum += count);
            let mut class = tally.counts;
            class.errors.rcode = by_code(&tally.rcodes);
            class.errors.rcode.retain(|code, _| !PROPER.contains(&code.as_str()));
            add_counts(&mut total, &class);
            (class.name, class.latency) = (name.to_owned(), latency(&tally.latency_us));
            set_rates(&mut class, seconds);
            report.classes.push(class);
        }
        set_rates(&mut total, seconds);
        report.requests = total.requests;
        report.bytes = total.bytes;
        report.uploaded_bytes = total.uploaded_bytes;
        report.verified = total.verified;
        report.aborted = total.aborted;
        report.unsent = total.unsent;
        report.unfinished = total.unfinished;
        report.connections = total.connections;
        report.errors = total.errors;
        report.rate_per_second = total.rate_per_second;
        report.bytes_per_second = total.bytes_per_second;
        report.latency = latency(&all);
        report.rcodes = by_code(&codes);
        report.scheduling = (!self.scheduling_us.is_empty()).then(|| latency(&self.scheduling_us));
        report
    }
}

fn by_code(counts: &[u64; 16]) -> BTreeMap<String, u64> {
    let counted = RCODES.iter().zip(counts).filter(|(_, count)| **count > 0);
    counted.map(|(code, count)| ((*code).to_owned(), *count)).collect()
}

fn set_rates(class: &mut ClassReport, seconds: f64) {
    if seconds > 0.0 {
        class.rate_per_second = class.requests as f64 / seconds;
        class.bytes_per_second = (class.bytes + class.uploaded_bytes) as f64 / seconds;
    }
}

/// Quantiles of a histogram.
pub(crate) fn latency(us: &Histogram<u64>) -> Latency {
    let quantile = |part: f64| us.value_at_quantile(part);
    Latency {
        mean_us: us.mean(),
        p50_us: quantile(0.5),
        p90_us: quantile(0.9),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        max_us: us.max(),
    }
}

/// Adds `more` to `sum`.
pub(crate) fn add(sum: &mut Histogram<u64>, more: &Histogram<u64>) {
    let added = sum.add(more);
    assert!(added.is_ok(), "all histograms have the same bounds");
}

fn add_counts(mine: &mut ClassReport, theirs: &ClassReport) {
    mine.requests += theirs.requests;
    mine.bytes += theirs.bytes;
    mine.uploaded_bytes += theirs.uploaded_bytes;
    mine.verified += theirs.verified;
    mine.aborted += theirs.aborted;
    mine.unsent += theirs.unsent;
    mine.unfinished += theirs.unfinished;
    mine.connections += theirs.connections;
    add_errors(&mut mine.errors, &theirs.errors);
}

fn add_errors(mine: &mut Errors, theirs: &Errors) {
    mine.connect += theirs.connect;
    mine.reset += theirs.reset;
    mine.timeout += theirs.timeout;
    mine.truncated += theirs.truncated;
    mine.wrong_body += theirs.wrong_body;
    mine.malformed += theirs.malformed;
    for (status, count) in &theirs.status {
        *mine.status.entry(*status).or_default() += count;
    }
    for (code, count) in &theirs.rcode {
        *mine.rcode.entry(code.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let (mut a, mut b) = (Tally::new(2), Tally::new(2));
        let at = Instant::from_us;
        a.answered(0, 200, true, at(0), at(100));
        b.answered(1, 503, false, at(0), at(2_000_000));
        b.failed(1, Failure::Reset, at(1), || "reset".into());
        b.answered_dns(0, 2, at(0), at(100));
        a.add(&b.take());
        a.add(&b);
        let report = a.report(Instant::ORIGIN, ["pages", "images"].into_iter());
        assert_eq!((report.requests, report.verified, report.errors.total()), (3, 1, 3));
        assert_eq!((report.errors.status[&503], report.errors.rcode["SERVFAIL"]), (1, 1));
        assert_eq!((report.seconds, report.rate_per_second), (2.0, 1.5));
        assert_eq!((report.latency.p50_us, report.classes[1].latency.p50_us), (100, 2_000_895));
        assert_eq!((report.classes[1].requests, report.classes[0].errors.total()), (1, 1));
        assert_eq!(report.failures, ["reset"]);
    }
}
