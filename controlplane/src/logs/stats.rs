//! Figures from the access records: how many exchanges ended how, and where their time went.
//!
//! The log thread writes them, the admin thread shows them; they share one lock, which is held for a batch of
//! records or for one page, never over a write to the log.

use crate::view::{HistogramFamily, Labels, MetricsText, Unit};
use dataplane::access::{AccessRecord, Ended, Kind, Refusal, Wait};
use hdrhistogram::Histogram;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Classes of traffic.
const CLASSES: usize = 5;
/// Longest time told apart, in µs: an hour. What took longer counts as this.
const SPAN_US_MAX: u64 = 3_600_000_000;
/// Two figures: one per cent, and 25 KiB a histogram.
const SIGNIFICANT_FIGURES: u8 = 2;
/// Upper bounds of the histograms on the metrics page, in µs: from a front-end's own answer (refusals take under
/// 100 µs) to the longest time-outs, about three a decade.
const BOUNDS_US: [u64; 17] = [
    100, 250, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];
const QUANTILES: [(&str, f64); 3] = [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99)];
const ENDINGS: usize = 9;

/// Figures since the start, shared between the log thread and whoever shows them.
#[derive(Debug)]
pub struct RecordStats {
    figures: Mutex<Figures>,
}

impl RecordStats {
    pub(crate) fn new() -> Self {
        Self { figures: Mutex::new(Figures::new()) }
    }

    /// A panic elsewhere leaves sums that are at worst one record old: better shown than lost.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the families made of access records, `longhaul_exchanges…` and `longhaul_access_log…`.
    pub fn metrics(&self, text: &mut MetricsText) {
        let figures = self.lock();
        figures.exchange_metrics(text);
        figures.span_metrics(text);
        figures.log_metrics(text);
    }

    /// The same for the status page: totals and the quantiles of each span.
    pub fn status(&self) -> serde_json::Value {
        let figures = self.lock();
        let by_class: Vec<_> = figures.total.iter().map(Span::status).collect();
        serde_json::json!({
            "exchanges": figures.endings.iter().flatten().flatten().sum::<u64>(),
            "http_total_by_class": by_class,
            "queue": figures.queue.status(),
            "tunnel": figures.tunnel.status(),
            "origin_first_byte": figures.origin_first_byte.status(),
            "access_log": {
                "lines_written": figures.log.lines_written,
                "lost_in_rings": figures.log.lost_in_rings,
                "lost_at_output": figures.log.lost_at_output,
                "write_errors": figures.log.write_errors,
            },
        })
    }
}

/// How the log itself fares.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogFigures {
    /// Lines that the output has.
    pub(crate) lines_written: u64,
    /// Records that found their worker's ring full.
    pub(crate) lost_in_rings: u64,
    /// Lines that the output did not take.
    pub(crate) lost_at_output: u64,
    /// Writes that failed.
    pub(crate) write_errors: u64,
    /// Reopenings that failed.
    pub(crate) reopen_errors: u64,
    /// Records that were none: a mistake of ours.
    pub(crate) unreadable: u64,
}

/// The figures behind the lock.
#[derive(Debug)]
pub(crate) struct Figures {
    endings: [[[u64; ENDINGS]; CLASSES]; Kind::ALL.len()],
    statuses: [u64; 6],
    waits: [u64; Wait::ALL.len()],
    refusals: [u64; Refusal::ALL.len()],
    request_body_bytes: u64,
    response_body_bytes: u64,
    total: [Span; CLASSES],
    queue: Span,
    tunnel: Span,
    origin_first_byte: Span,
    /// Set by the log thread.
    pub(crate) log: LogFigures,
}

impl Figures {
    fn new() -> Self {
        Self {
            endings: [[[0; ENDINGS]; CLASSES]; Kind::ALL.len()],
            statuses: [0; 6],
            waits: [0; Wait::ALL.len()],
            refusals: [0; Refusal::ALL.len()],
            request_body_bytes: 0,
            response_body_bytes: 0,
            total: [(); CLASSES].map(|()| Span::new()),
            queue: Span::new(),
            tunnel: Span::new(),
            origin_first_byte: Span::new(),
            log: LogFigures::default(),
        }
    }

    /// Counts a record. The total time counts for HTTP alone: how long a plain connection stays says nothing about
    /// how fast anything was.
    pub(crate) fn record(&mut self, record: &AccessRecord<'_>) {
        let class = usize::from(record.class);
        self.endings[record.kind as usize][class][ending_index(record.ended)] += 1;
        match record.ended {
            Ended::TimedOut(wait) => self.waits[wait as usize] += 1,
            Ended::Refused(refusal) => self.refusals[refusal as usize] += 1,
            _ => {}
        }
        if record.kind == Kind::Http {
            self.statuses[usize::from(record.status / 100).min(5)] += 1;
            self.total[class].record(record.timings.total_us);
        }
        self.request_body_bytes += record.request_body_bytes;
        self.response_body_bytes += record.response_body_bytes;
        self.queue.record(record.timings.queue_us);
        self.tunnel.record(record.timings.tunnel_us);
        self.origin_first_byte.record(record.timings.origin_first_byte_us);
    }

    fn exchange_metrics(&self, text: &mut MetricsText) {
        let mut family = text.counter("longhaul_exchanges", Unit::None, "Finished exchanges.");
        for kind in Kind::ALL {
            for (class, endings) in self.endings[*kind as usize].iter().enumerate() {
                for (ended, count) in endings.iter().enumerate().filter(|(_, count)| **count > 0) {
                    let ended = ENDING_NAMES[ended];
                    family.value(&[("kind", &kind.name()), ("class", &class), ("ended", &ended)], *count);
                }
            }
        }
        let mut family = text.counter("longhaul_responses", Unit::None, "HTTP responses; 0xx is none sent.");
        for (hundred, count) in self.statuses.iter().enumerate() {
            family.value(&[("status", &format_args!("{hundred}xx"))], *count);
        }
        let mut family = text.counter("longhaul_timeouts", Unit::None, "Exchanges ended by a wait.");
        for wait in Wait::ALL {
            family.value(&[("wait", &wait.name())], self.waits[*wait as usize]);
        }
        let mut family = text.counter("longhaul_refusals", Unit::None, "Exchanges refused.");
        for refusal in Refusal::ALL {
            family.value(&[("reason", &refusal.name())], self.refusals[*refusal as usize]);
        }
        text.counter("longhaul_request_body_bytes", Unit::Bytes, "Body bytes from clients.")
            .value(&[], self.request_body_bytes);
        text.counter("longhaul_response_body_bytes", Unit::Bytes, "Body bytes to clients.")
            .value(&[], self.response_body_bytes);
    }

    fn span_metrics(&self, text: &mut MetricsText) {
        let name = "longhaul_http_total_seconds";
        let mut family = text.histogram(name, Unit::Seconds, "First request byte to last response byte.");
        for (class, span) in self.total.iter().enumerate() {
            span.put(&mut family, &[("class", &class)]);
        }
        let spans = [
            ("longhaul_queue_seconds", "Wait for room in the tunnel.", &self.queue),
            ("longhaul_tunnel_seconds", "Time in the tunnel, there and back.", &self.tunnel),
            ("longhaul_origin_first_byte_seconds", "Wait for the origin.", &self.origin_first_byte),
        ];
        for (name, help, span) in spans {
            span.put(&mut text.histogram(name, Unit::Seconds, help), &[]);
        }
    }

    fn log_metrics(&self, text: &mut MetricsText) {
        let log = &self.log;
        text.counter("longhaul_access_log_lines", Unit::None, "Lines written.").value(&[], log.lines_written);
        text.counter("longhaul_access_log_lost", Unit::None, "Exchanges missing in the log, by place.")
            .value(&[("at", &"ring")], log.lost_in_rings)
            .value(&[("at", &"output")], log.lost_at_output);
        text.counter("longhaul_access_log_errors", Unit::None, "What went wrong with the log.")
            .value(&[("what", &"write")], log.write_errors)
            .value(&[("what", &"reopen")], log.reopen_errors)
            .value(&[("what", &"unreadable_record")], log.unreadable);
    }
}

const ENDING_NAMES: [&str; ENDINGS] = [
    "complete",
    "client_aborted",
    "origin_unreachable",
    "origin_invalid",
    "origin_truncated",
    "tunnel_lost",
    "stopped",
    "timeout",
    "refused",
];

/// The place of an ending in [`ENDING_NAMES`]; a test holds the two together.
const fn ending_index(ended: Ended) -> usize {
    match ended {
        Ended::Complete => 0,
        Ended::ClientAborted => 1,
        Ended::OriginUnreachable => 2,
        Ended::OriginInvalid => 3,
        Ended::OriginTruncated => 4,
        Ended::TunnelLost => 5,
        Ended::Stopped => 6,
        Ended::TimedOut(_) => 7,
        Ended::Refused(_) => 8,
    }
}

/// The distribution of one span of time, in µs.
#[derive(Debug)]
struct Span {
    histogram: Histogram<u64>,
    sum_us: u64,
}

impl Span {
    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, SPAN_US_MAX, SIGNIFICANT_FIGURES);
        Self { histogram: histogram.expect("the bounds are in order"), sum_us: 0 }
    }

    fn record(&mut self, span_us: Option<u64>) {
        if let Some(us) = span_us {
            self.histogram.saturating_record(us);
            self.sum_us = self.sum_us.saturating_add(us);
        }
    }

    fn put(&self, family: &mut HistogramFamily<'_>, labels: Labels<'_>) {
        let mut counts = [0; BOUNDS_US.len() + 1];
        for step in self.histogram.iter_recorded() {
            let bucket = BOUNDS_US.partition_point(|bound| *bound < step.value_iterated_to());
            counts[bucket] += step.count_at_value();
        }
        let mut cumulative = 0;
        let up_to = |(bound, count): (&u64, u64)| {
            cumulative += count;
            (*bound as f64 / 1e6, cumulative)
        };
        let buckets: Vec<_> = BOUNDS_US.iter().zip(counts).map(up_to).collect();
        family.value(labels, &buckets, self.sum_us as f64 / 1e6, self.histogram.len());
    }

    fn status(&self) -> serde_json::Value {
        let quantiles =
            QUANTILES.map(|(name, quantile)| (name.to_owned(), self.histogram.value_at_quantile(quantile)));
        let mut status: serde_json::Map<_, _> =
            quantiles.into_iter().map(|(name, us)| (name, serde_json::Value::from(us))).collect();
        status.insert("count".to_owned(), self.histogram.len().into());
        status.insert("max_us".to_owned(), self.histogram.max().into());
        serde_json::Value::Object(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_openmetrics;
    use dataplane::access::Timings;

    fn record(ended: Ended) -> AccessRecord<'static> {
        let timings = Timings { total_us: Some(20_000), tunnel_us: Some(u64::MAX - 1), ..Timings::default() };
        let blank = AccessRecord::blank(0, 0, Kind::Http, "192.0.2.1:1".parse().unwrap());
        AccessRecord { status: 200, class: 3, response_body_bytes: 5, timings, ended, ..blank }
    }

    #[test]
    fn endings_have_the_names_of_their_places() {
        let endings = [
            Ended::Complete,
            Ended::ClientAborted,
            Ended::OriginUnreachable,
            Ended::OriginInvalid,
            Ended::OriginTruncated,
            Ended::TunnelLost,
            Ended::Stopped,
            Ended::TimedOut(Wait::Idle),
            Ended::Refused(Refusal::Overload),
        ];
        for (index, ended) in endings.into_iter().enumerate() {
            assert_eq!((ending_index(ended), ENDING_NAMES[index]), (index, ended.name()));
        }
    }

    #[test]
    fn what_was_recorded_is_shown() {
        let stats = RecordStats::new();
        stats.lock().record(&record(Ended::Complete));
        stats.lock().record(&record(Ended::TimedOut(Wait::Idle)));
        let mut text = MetricsText::new();
        stats.metrics(&mut text);
        let text = text.finish();
        assert_eq!(check_openmetrics(&text), Ok(()), "{text}");
        for line in [
            "longhaul_exchanges_total{kind=\"http\",class=\"3\",ended=\"timeout\"} 1\n",
            "longhaul_responses_total{status=\"2xx\"} 2\n",
            "longhaul_timeouts_total{wait=\"idle\"} 1\n",
            "longhaul_response_body_bytes_total 10\n",
            "longhaul_http_total_seconds_bucket{class=\"3\",le=\"0.01\"} 0\n",
            "longhaul_http_total_seconds_bucket{class=\"3\",le=\"0.025\"} 2\n",
            "longhaul_http_total_seconds_sum{class=\"3\"} 0.04\n",
            "longhaul_tunnel_seconds_bucket{le=\"60.0\"} 0\n",
            "longhaul_tunnel_seconds_count 2\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let status = stats.status();
        assert_eq!(
            (&status["exchanges"], &status["http_total_by_class"][3]["count"]),
            (&2.into(), &2.into())
        );
    }
}
