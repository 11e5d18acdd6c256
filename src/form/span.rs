//! Spans of time: `250us`, `500ms`, `30s`, `2m`, `1h`; `off` where a flag allows it. A bare number is refused: nobody
//! should have to guess its unit.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use core::time::Duration;

/// A span longer than nothing.
pub(crate) struct Span;

/// A span, or `off`, which becomes zero.
pub(crate) struct SpanOrOff;

/// The longest span: beyond it a typing error is likelier than a wish.
const SPAN_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Units with their µs, those first whose names end like a shorter one's.
const UNITS: [(&str, u64); 5] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

impl Form for Span {
    type Value = Duration;

    fn read(text: &str) -> Result<Duration, Wrong> {
        let span =
            read(text).ok_or_else(|| wrong("write a number and its unit, such as 500ms, 30s or 2m"))?;
        match span {
            Duration::ZERO => Err(Wrong::new("leaves no time at all", "give at least 1us")),
            span if span > SPAN_MAX => Err(Wrong::new("is longer than a week", "give less")),
            span => Ok(span),
        }
    }
}

impl Written for Span {
    fn write(value: &Duration) -> String {
        write(*value)
    }
}

impl Form for SpanOrOff {
    type Value = Duration;

    fn read(text: &str) -> Result<Duration, Wrong> {
        if text == "off" { Ok(Duration::ZERO) } else { Span::read(text) }
    }
}

impl Written for SpanOrOff {
    fn write(value: &Duration) -> String {
        if value.is_zero() { "off".to_owned() } else { write(*value) }
    }
}

fn wrong(instead: &str) -> Wrong {
    Wrong::new("is no span of time", instead)
}

fn read(text: &str) -> Option<Duration> {
    let (unit, us) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text.strip_suffix(unit)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = if is_number { digits.parse().ok()? } else { return None };
    count.checked_mul(*us).map(Duration::from_micros)
}

fn write(span: Duration) -> String {
    let us = span.as_micros();
    let fits = |(_, unit_us): &&(&str, u64)| us.is_multiple_of(u128::from(*unit_us));
    // Minutes and hours are left out: 60s is read at a glance beside 10s and 300s.
    let (unit, unit_us) = UNITS[..3].iter().rev().find(fits).unwrap_or(&UNITS[0]);
    format!("{}{unit}", us / u128::from(*unit_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_carry_their_unit() {
        let cases = [("250us", 250), ("500ms", 500_000), ("30s", 30_000_000), ("2m", 120_000_000)];
        for (text, us) in cases {
            assert_eq!(Span::read(text), Ok(Duration::from_micros(us)), "{text}");
        }
        assert_eq!(Span::write(&Duration::from_secs(60)), "60s");
        assert_eq!(Span::write(&Duration::from_micros(1_500)), "1500us");
        assert_eq!(SpanOrOff::read("off"), Ok(Duration::ZERO));
        assert_eq!(SpanOrOff::write(&Duration::ZERO), "off");
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "30", "s", "0s", "1.5s", "-1s", "30 s", "8000h", "off", "99999999999999999h"] {
            assert!(Span::read(text).is_err(), "{text}");
        }
    }
}
