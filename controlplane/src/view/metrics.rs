//! The metrics text: OpenMetrics 1.0 exposition, built family by family.
//!
//! Not a registry: nothing is kept between two scrapes, the source reads its counters and writes them down. Misuse
//! (a family twice, a bad name, a unit that is not the name's end) is a bug of ours and asserted.
//!
//! Source: OpenMetrics 1.0 (prometheus/OpenMetrics, specification/OpenMetrics.md). Quantities are in base units:
//! seconds and bytes.

use std::collections::HashSet;
use std::fmt::{self, Display, Write};

/// Label names with their values, in the order in which they are shown.
pub type Labels<'a> = &'a [(&'a str, &'a dyn Display)];

/// The unit of a family; its name ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count or a state; the name says of what.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share between 0 and 1.
    Ratio,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
        }
    }
}

/// Suffixes that the format gives to samples; a family that ended with one could collide with another's samples.
const SUFFIXES_RESERVED: [&str; 6] = ["_total", "_created", "_count", "_sum", "_bucket", "_info"];

/// The text under construction.
///
/// Open a family with [`counter`](Self::counter) and its siblings, add its samples through what that returns, then
/// open the next; [`finish`](Self::finish) ends the text. A family opened for several workers is opened once and
/// given one sample per worker, for the format wants all samples of a family together.
#[derive(Debug, Default)]
pub struct MetricsText {
    text: String,
    families: HashSet<String>,
}

impl MetricsText {
    /// The content type of the finished text.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// An empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a family of counters. `name` goes without `_total`; the sample gets it.
    pub fn counter<'t>(&'t mut self, name: &'t str, unit: Unit, help: &str) -> CounterFamily<'t> {
        CounterFamily { samples: self.open(name, "counter", unit, help) }
    }

    /// Opens a family of gauges.
    pub fn gauge<'t>(&'t mut self, name: &'t str, unit: Unit, help: &str) -> GaugeFamily<'t> {
        GaugeFamily { samples: self.open(name, "gauge", unit, help) }
    }

    /// Opens a family of histograms.
    pub fn histogram<'t>(&'t mut self, name: &'t str, unit: Unit, help: &str) -> HistogramFamily<'t> {
        HistogramFamily { samples: self.open(name, "histogram", unit, help) }
    }

    /// Opens a family of summaries.
    pub fn summary<'t>(&'t mut self, name: &'t str, unit: Unit, help: &str) -> SummaryFamily<'t> {
        SummaryFamily { samples: self.open(name, "summary", unit, help) }
    }

    /// Adds an info family with its one sample: what does not change, such as the version. `name` goes without
    /// `_info`.
    pub fn info(&mut self, name: &str, help: &str, labels: Labels<'_>) {
        self.open(name, "info", Unit::None, help).put("_info", labels, None, 1);
    }

    /// Ends the text and hands it out.
    pub fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }

    fn open<'t>(&'t mut self, name: &'t str, kind: &str, unit: Unit, help: &str) -> Samples<'t> {
        assert!(is_name(name), "a metric name: {name}");
        assert!(
            !SUFFIXES_RESERVED.iter().any(|suffix| name.ends_with(suffix)),
            "the format's suffix: {name}"
        );
        assert!(unit == Unit::None || name.ends_with(unit.name()), "the unit ends the name: {name}");
        assert!(self.families.insert(name.to_owned()), "a family is written once: {name}");
        self.line(format_args!("# TYPE {name} {kind}\n"));
        if unit != Unit::None {
            self.line(format_args!("# UNIT {name} {}\n", unit.name()));
        }
        self.line(format_args!("# HELP {name} {}\n", Escaped(help)));
        Samples { text: &mut self.text, name }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        put_fmt(&mut self.text, line);
    }
}

/// An open family of counters.
#[derive(Debug)]
pub struct CounterFamily<'t> {
    samples: Samples<'t>,
}

impl CounterFamily<'_> {
    /// Adds a sample; a label set is added once.
    pub fn value(&mut self, labels: Labels<'_>, value: u64) -> &mut Self {
        self.samples.put("_total", labels, None, value);
        self
    }

    /// Adds a sample that is kept in µs and shown in seconds.
    pub fn value_us(&mut self, labels: Labels<'_>, value_us: u64) -> &mut Self {
        self.samples.put("_total", labels, None, Number(seconds(value_us)));
        self
    }
}

/// An open family of gauges.
#[derive(Debug)]
pub struct GaugeFamily<'t> {
    samples: Samples<'t>,
}

impl GaugeFamily<'_> {
    /// Adds a sample; a label set is added once.
    pub fn value(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        self.samples.put("", labels, None, Number(value));
        self
    }

    /// Adds a sample that is kept in µs and shown in seconds.
    pub fn value_us(&mut self, labels: Labels<'_>, value_us: u64) -> &mut Self {
        self.value(labels, seconds(value_us))
    }
}

/// An open family of histograms.
#[derive(Debug)]
pub struct HistogramFamily<'t> {
    samples: Samples<'t>,
}

impl HistogramFamily<'_> {
    /// Adds one histogram. `buckets` are pairs of inclusive upper bound, ascending, and the number of values up to
    /// it; the bucket without a bound is added here and holds `count`.
    pub fn value(&mut self, labels: Labels<'_>, buckets: &[(f64, u64)], sum: f64, count: u64) -> &mut Self {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "buckets ascend and accumulate");
        assert!(buckets.last().is_none_or(|last| last.1 <= count), "no bucket holds more than all");
        for (bound, cumulative) in buckets {
            self.samples.put("_bucket", labels, Some(("le", Number(*bound))), cumulative);
        }
        self.samples.put("_bucket", labels, Some(("le", Number(f64::INFINITY))), count);
        self.samples.put("_count", labels, None, count);
        self.samples.put("_sum", labels, None, Number(sum));
        self
    }
}

/// An open family of summaries.
#[derive(Debug)]
pub struct SummaryFamily<'t> {
    samples: Samples<'t>,
}

impl SummaryFamily<'_> {
    /// Adds one summary. `quantiles` are pairs of quantile (0 to 1) and the value there.
    pub fn value(&mut self, labels: Labels<'_>, quantiles: &[(f64, f64)], sum: f64, count: u64) -> &mut Self {
        for (quantile, value) in quantiles {
            assert!((0.0..=1.0).contains(quantile), "a quantile is a share");
            self.samples.put("", labels, Some(("quantile", Number(*quantile))), Number(*value));
        }
        self.samples.put("_count", labels, None, count);
        self.samples.put("_sum", labels, None, Number(sum));
        self
    }
}

#[derive(Debug)]
struct Samples<'t> {
    text: &'t mut String,
    name: &'t str,
}

impl Samples<'_> {
    fn put(&mut self, suffix: &str, labels: Labels<'_>, last: Option<(&str, Number)>, value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (label, value) in labels {
            assert!(is_label(label), "a label name: {label}");
            put_fmt(self.text, format_args!("{separator}{label}=\"{}\"", Escaped(&value.to_string())));
            separator = ',';
        }
        if let Some((label, value)) = last {
            put_fmt(self.text, format_args!("{separator}{label}=\"{value}\""));
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        put_fmt(self.text, format_args!(" {value}\n"));
    }
}

/// µs as seconds.
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn put_fmt(text: &mut String, line: fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes every text");
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// `le` and `quantile` belong to the format, names in `__` to scrapers.
fn is_label(label: &str) -> bool {
    is_name(label) && !matches!(label, "le" | "quantile")
}

/// HELP texts and label values know the same three escapes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => out.write_str("\\\\")?,
                '"' => out.write_str("\\\"")?,
                '\n' => out.write_str("\\n")?,
                other => out.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A number as the format writes it: a decimal point always, infinities and the absent with their own names.
#[derive(Clone, Copy)]
struct Number(f64);

impl Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => out.write_str("+Inf"),
            f64::NEG_INFINITY => out.write_str("-Inf"),
            number if number.is_nan() => out.write_str("NaN"),
            number => write!(out, "{number:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check::check_openmetrics;

    #[test]
    fn every_kind_of_family_passes_the_check() {
        let mut text = MetricsText::new();
        text.info("longhaul_build", "What runs.", &[("version", &"0.1.0")]);
        text.counter("longhaul_requests", Unit::None, "Requests \"seen\".\nAll of them.")
            .value(&[("worker", &0), ("site", &"a\\b\"c\nd")], 12)
            .value(&[("worker", &1), ("site", &"é")], 0);
        text.counter("longhaul_busy_seconds", Unit::Seconds, "Time not asleep.").value_us(&[], 1_500_000);
        text.gauge("longhaul_memory_bytes", Unit::Bytes, "Memory.").value(&[], 1e-7);
        text.gauge("longhaul_rtt_seconds", Unit::Seconds, "Round trip.").value_us(&[("route", &"a")], 20_000);
        text.histogram("longhaul_duration_seconds", Unit::Seconds, "Durations.")
            .value(&[("class", &0)], &[(0.001, 1), (1.0, 4)], 2.5, 5)
            .value(&[("class", &1)], &[], 0.0, 0);
        text.summary("longhaul_wait_seconds", Unit::Seconds, "Waits.").value(
            &[],
            &[(0.5, 0.1), (0.99, 3.0)],
            9.0,
            4,
        );
        let text = text.finish();
        assert_eq!(check_openmetrics(&text), Ok(()), "{text}");
        assert!(
            text.contains("longhaul_requests_total{worker=\"0\",site=\"a\\\\b\\\"c\\nd\"} 12\n"),
            "{text}"
        );
        assert!(text.contains("longhaul_duration_seconds_bucket{class=\"0\",le=\"+Inf\"} 5\n"), "{text}");
        assert!(text.contains("longhaul_busy_seconds_total 1.5\n"), "{text}");
    }

    #[test]
    fn an_empty_text_is_complete() {
        assert_eq!(check_openmetrics(&MetricsText::new().finish()), Ok(()));
    }

    #[test]
    #[should_panic(expected = "a family is written once")]
    fn a_family_cannot_be_opened_twice() {
        let mut text = MetricsText::new();
        text.gauge("longhaul_a", Unit::None, "A.");
        text.gauge("longhaul_a", Unit::None, "A.");
    }

    #[test]
    #[should_panic(expected = "the unit ends the name")]
    fn a_unit_ends_the_name() {
        MetricsText::new().gauge("longhaul_a", Unit::Bytes, "A.");
    }
}
