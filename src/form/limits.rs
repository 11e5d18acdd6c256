//! What is borne of a path: `rtt=150ms,loss=3%,queue=50ms,wait=200ms`, each once, in any order; or `off`.

use crate::form::given::{Form, Written};
use crate::form::span::Span;
use crate::problem::Wrong;
use core::time::Duration;
use dataplane::tmp::path_limits::PathLimits;

/// Limits of a path.
pub(crate) struct Limits;

const OFF: &str = "off";
const PPM_PER_PERCENT: f64 = 10_000.0;

impl Form for Limits {
    type Value = PathLimits;

    fn read(text: &str) -> Result<PathLimits, Wrong> {
        let mut limits = PathLimits::default();
        if text == OFF {
            return Ok(limits);
        }
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
            let (place, figure) = match name {
                "rtt" => (&mut limits.rtt_us, span_us(value)?),
                "wait" => (&mut limits.wait_us, span_us(value)?),
                "queue" => (&mut limits.queue_us, span_us(value)?),
                "loss" => (&mut limits.loss_ppm, loss_ppm(value)?),
                _ => return Err(wrong(part)),
            };
            if *place > 0 {
                return Err(Wrong::new(format!("has {name} twice"), "give each limit once"));
            }
            *place = figure;
        }
        Ok(limits)
    }
}

impl Written for Limits {
    fn write(limits: &PathLimits) -> String {
        let span = |us: u32| Span::write(&Duration::from_micros(u64::from(us)));
        let loss = |ppm: u32| format!("{}%", f64::from(ppm) / PPM_PER_PERCENT);
        let parts = [
            (limits.rtt_us > 0).then(|| format!("rtt={}", span(limits.rtt_us))),
            (limits.loss_ppm > 0).then(|| format!("loss={}", loss(limits.loss_ppm))),
            (limits.queue_us > 0).then(|| format!("queue={}", span(limits.queue_us))),
            (limits.wait_us > 0).then(|| format!("wait={}", span(limits.wait_us))),
        ];
        let given: Vec<String> = parts.into_iter().flatten().collect();
        if given.is_empty() { OFF.to_owned() } else { given.join(",") }
    }
}

fn wrong(part: &str) -> Wrong {
    Wrong::new(
        format!("has no limit in `{part}`"),
        "write some of rtt=150ms, loss=3%, queue=50ms and wait=200ms, with commas between them, or off",
    )
}

fn span_us(text: &str) -> Result<u32, Wrong> {
    u32::try_from(Span::read(text)?.as_micros())
        .map_err(|_| Wrong::new("bears more than an hour", "give less, or leave it out"))
}

fn loss_ppm(text: &str) -> Result<u32, Wrong> {
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    percent
        .filter(|percent| (0.01..100.0).contains(percent))
        .map(|percent| (percent * PPM_PER_PERCENT).round() as u32)
        .ok_or_else(|| Wrong::new(format!("has no loss in `{text}`"), "write 0.01% to 99%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        let all = PathLimits { rtt_us: 150_000, loss_ppm: 25_000, queue_us: 50_000, wait_us: 200_000 };
        assert_eq!(Limits::read("loss=2.5%,rtt=150ms,wait=200ms,queue=50ms"), Ok(all));
        assert_eq!(Limits::write(&all), "rtt=150ms,loss=2.5%,queue=50ms,wait=200ms");
        assert_eq!(Limits::read("off"), Ok(PathLimits::default()));
        assert_eq!(Limits::write(&PathLimits::default()), "off");
        assert_eq!(Limits::read("rtt=1s").map(|limits| limits.rtt_us), Ok(1_000_000));
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "rtt",
            "rtt=",
            "rtt=150",
            "loss=3",
            "loss=0%",
            "loss=100%",
            "loss=x%",
            "speed=3%",
            "rtt=1s,rtt=2s",
            "rtt=2h",
            "off,rtt=1s",
        ] {
            assert!(Limits::read(text).is_err(), "{text}");
        }
    }
}
