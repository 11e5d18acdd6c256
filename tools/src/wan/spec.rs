//! A path as it is written: `transatlantic,loss=1%,queue=50ms`. Parts are separated by commas, a preset comes first,
//! what stands later holds.
//!
//! ```text
//! rtt=80ms           half of it each way      reorder=1%[/5ms]      held back that long
//! delay=40ms         one way                  duplicate=0.1%
//! jitter=5ms         wanders so far           corrupt=0.01%         one bit turned over
//! rate=50mbit|off    bits of IP per second    mtu=1400
//! queue=bdp|64k|50ms                          blackout=10s+2s[/30s] begins, lasts, comes again; repeatable; off
//! loss=1%            each by itself           trace=FILE            Mahimahi's form, instead of a rate
//! burst-loss=1%/8    in bursts of 8 packets   gilbert-elliott=P/R[/BAD[/GOOD]]
//! ```

use crate::wan::preset::{PRESETS, preset};
use crate::wan::rules::{Blackout, GilbertElliott, Pace, QueueLimit, Rules};
use crate::wan::trace::Trace;
use crate::wan::way::Way;
use core::fmt;
use dataplane::time::Duration;
use std::sync::Arc;

/// The longest delay, jitter and queue: beyond it a typing error is likelier than a wish.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// The longest time of a schedule.
const SCHEDULE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The rates that make sense, bits per second: below, one packet takes minutes; above, no clock of ours counts it.
const RATE_BITS: core::ops::RangeInclusive<u64> = 1_000..=100_000_000_000;
/// The packet sizes that IP allows, bytes.
const MTU_BYTES: core::ops::RangeInclusive<usize> = 68..=65_535;
/// Black-outs of one link at most.
const BLACKOUTS_MAX: usize = 64;

/// The rules of both directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathRules {
    /// From the clients' side.
    pub up: Rules,
    /// Towards the clients.
    pub down: Rules,
}

/// Reads a spec that holds for both directions, then those of one each.
pub fn read(both: &str, up: &str, down: &str) -> Result<PathRules, SpecError> {
    let mut rules = PathRules::default();
    rules.apply(&Way::BOTH, both)?;
    rules.apply(&[Way::Up], up)?;
    rules.apply(&[Way::Down], down)?;
    Ok(rules)
}

impl PathRules {
    /// Changes the rules of `ways` as the spec says, part by part. After an error they are half changed.
    pub fn apply(&mut self, ways: &[Way], spec: &str) -> Result<(), SpecError> {
        for part in spec.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            for way in ways {
                let rules = match way {
                    Way::Up => &mut self.up,
                    Way::Down => &mut self.down,
                };
                apply(rules, part)?;
            }
        }
        Ok(())
    }
}

/// Which part of a spec cannot be read, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The part as it was written.
    pub part: String,
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.part, self.what, self.instead)
    }
}

impl core::error::Error for SpecError {}

/// What is wrong with a value, and what would be right.
type Wrong = (String, &'static str);

const A_SPAN: &str = "write a number and its unit, such as 250us, 40ms or 2s";
const A_SHARE: &str = "write a share such as 1% or 0.01";

fn apply(rules: &mut Rules, part: &str) -> Result<(), SpecError> {
    let error =
        |(what, instead): Wrong| SpecError { part: part.to_owned(), what, instead: instead.to_owned() };
    let Some((key, value)) = part.split_once('=') else {
        let named = preset(part).ok_or_else(|| unknown(part))?;
        *rules = Rules::default();
        return named.spec.split(',').try_for_each(|part| apply(rules, part));
    };
    set(rules, key, value).map_err(error)
}

fn unknown(part: &str) -> SpecError {
    let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
    SpecError {
        part: part.to_owned(),
        what: "is no path and no key=value".to_owned(),
        instead: format!("a path is one of {}", names.join(", ")),
    }
}

fn set(rules: &mut Rules, key: &str, value: &str) -> Result<(), Wrong> {
    match key {
        "rtt" => rules.delay = delay(value)? / 2,
        "delay" => rules.delay = delay(value)?,
        "jitter" => rules.jitter = delay(value)?,
        "rate" => rules.pace = rate(value)?,
        "trace" => rules.pace = trace(value)?,
        "queue" => rules.queue = queue(value)?,
        "loss" => rules.loss = share(value)?,
        "burst-loss" => rules.bursts = bursts(value)?,
        "gilbert-elliott" => rules.bursts = chain(value)?,
        "reorder" => (rules.reorder, rules.reorder_by) = reorder(value, rules.reorder_by)?,
        "duplicate" => rules.duplicate = share(value)?,
        "corrupt" => rules.corrupt = share(value)?,
        "mtu" => rules.mtu_bytes = mtu(value)?,
        "blackout" if value == "off" => rules.blackouts.clear(),
        "blackout" if rules.blackouts.len() == BLACKOUTS_MAX => {
            return Err((format!("is one more than {BLACKOUTS_MAX}"), "let one come again: 10s+2s/30s"));
        }
        "blackout" => rules.blackouts.push(blackout(value)?),
        _ => {
            let keys = "rtt, delay, jitter, rate, trace, queue, loss, burst-loss, gilbert-elliott, reorder, \
                        duplicate, corrupt, mtu, blackout";
            return Err((format!("there is no {key:?}"), keys));
        }
    }
    Ok(())
}

fn delay(value: &str) -> Result<Duration, Wrong> {
    let span = span(value)?;
    if span > DELAY_MAX { Err(("is longer than a minute".to_owned(), "give less")) } else { Ok(span) }
}

/// A number with the first unit that fits its end; the units that end like shorter ones come first.
fn number(value: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (unit, factor) = units.iter().find(|(unit, _)| value.ends_with(unit))?;
    let digits = value.strip_suffix(unit)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = if is_number { digits.parse().ok()? } else { return None };
    number.is_finite().then_some(number * factor)
}

fn span(value: &str) -> Result<Duration, Wrong> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    let seconds = if value == "0" { Some(0.0) } else { number(value, &units) };
    match seconds {
        None => Err(("is no span of time".to_owned(), A_SPAN)),
        Some(seconds) if seconds > SCHEDULE_MAX.as_secs_f64() => {
            Err(("is longer than a week".to_owned(), "give less"))
        }
        Some(seconds) => Ok(Duration::from_nanos((seconds * 1e9).round() as u64)),
    }
}

fn share(value: &str) -> Result<f64, Wrong> {
    let share = number(value, &[("%", 0.01), ("", 1.0)]);
    share.filter(|share| *share <= 1.0).ok_or_else(|| ("is no share of packets".to_owned(), A_SHARE))
}

fn rate(value: &str) -> Result<Pace, Wrong> {
    if value == "off" {
        return Ok(Pace::Unlimited);
    }
    let bits = number(value, &[("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1.0)]);
    let bits = bits.map(|bits| bits.round() as u64).filter(|bits| RATE_BITS.contains(bits));
    bits.map(Pace::Rate).ok_or_else(|| {
        ("is no usable rate".to_owned(), "write 1kbit to 100gbit, such as 50mbit, or off for no bound")
    })
}

fn trace(value: &str) -> Result<Pace, Wrong> {
    let instead = "give a file with one time in ms per line, each a chance to deliver 1500 bytes";
    let text =
        std::fs::read_to_string(value).map_err(|error| (format!("cannot be read: {error}"), instead))?;
    Trace::read(&text).map(|trace| Pace::Trace(Arc::new(trace))).map_err(|what| (what, instead))
}

fn queue(value: &str) -> Result<QueueLimit, Wrong> {
    if value == "bdp" {
        return Ok(QueueLimit::BandwidthDelay);
    }
    if value.ends_with('s') {
        return delay(value).map(QueueLimit::Time);
    }
    let bytes = number(value, &[("k", 1024.0), ("m", 1_048_576.0), ("", 1.0)]);
    bytes.map(|bytes| QueueLimit::Bytes(bytes as u64)).ok_or_else(|| {
        ("is no queue".to_owned(), "write bytes (64k), a time (50ms) or bdp for rate times round trip")
    })
}

fn bursts(value: &str) -> Result<Option<GilbertElliott>, Wrong> {
    if value == "off" {
        return Ok(None);
    }
    let instead = "write the share and the packets of a mean burst, such as 1%/8, or off";
    let (loss, packets) = value.split_once('/').ok_or_else(|| ("has no length".to_owned(), instead))?;
    let packets = number(packets, &[("", 1.0)]).filter(|packets| *packets >= 1.0);
    let packets = packets.ok_or_else(|| ("has no length of at least 1 packet".to_owned(), instead))?;
    let loss = Some(share(loss)?).filter(|share| *share < 1.0);
    let loss = loss.ok_or_else(|| ("lets nothing through".to_owned(), instead))?;
    Ok(Some(GilbertElliott::bursts(loss, packets)))
}

fn chain(value: &str) -> Result<Option<GilbertElliott>, Wrong> {
    if value == "off" {
        return Ok(None);
    }
    let shares = value.split('/').map(share).collect::<Result<Vec<_>, _>>()?;
    let (to_bad, to_good, loss_bad, loss_good) = match shares[..] {
        [to_bad, to_good] => (to_bad, to_good, 1.0, 0.0),
        [to_bad, to_good, loss_bad] => (to_bad, to_good, loss_bad, 0.0),
        [to_bad, to_good, loss_bad, loss_good] => (to_bad, to_good, loss_bad, loss_good),
        _ => {
            return Err((
                "has not two to four shares".to_owned(),
                "write P/R[/BAD[/GOOD]], such as 0.2%/20%",
            ));
        }
    };
    Ok(Some(GilbertElliott { to_bad, to_good, loss_bad, loss_good }))
}

fn reorder(value: &str, by: Duration) -> Result<(f64, Duration), Wrong> {
    match value.split_once('/') {
        Some((part, by)) => Ok((share(part)?, delay(by)?)),
        None => Ok((share(value)?, by)),
    }
}

fn mtu(value: &str) -> Result<usize, Wrong> {
    let bytes = value.parse().ok().filter(|bytes| MTU_BYTES.contains(bytes));
    bytes.ok_or_else(|| ("is no packet size of IP".to_owned(), "write 68 to 65535 bytes"))
}

fn blackout(value: &str) -> Result<Blackout, Wrong> {
    let instead = "write when it begins, how long it lasts and when it comes again, such as 10s+2s/30s";
    let (after, rest) = value.split_once('+').ok_or_else(|| ("is no schedule".to_owned(), instead))?;
    let (lasts, every) = match rest.split_once('/') {
        Some((lasts, every)) => (span(lasts)?, Some(span(every)?)),
        None => (span(rest)?, None),
    };
    if every.is_some_and(|every| every < lasts) {
        return Err(("comes again before it ends".to_owned(), instead));
    }
    Ok(Blackout { after: span(after)?, lasts, every })
}
