//! A run as plots: latency by percentile for each class, latency over time, answers per second.

use crate::load::collect::{Collected, SecondSum};
use crate::load::tally::ClassTally;
use crate::plot::{Axis, Plot, Series, Shape, page};

/// The steps of the curve halve the distance to 100 % so many times per nine; enough that no bend is lost.
const STEPS_PER_HALVING: u32 = 10;

/// With more classes than this, one line over time stands for each: more could not be told apart.
const CLASSES_IN_FULL: usize = 2;

/// Of the last second this share must have been part of the run; with less it would look like a collapse.
const LAST_SECOND_SHARE: f64 = 0.9;

/// The SVG of a run of so many seconds; `names` are those of its classes.
pub(crate) fn draw(collected: &Collected, names: &[String], title: &str, seconds: f64) -> String {
    let mut percentiles = Plot::new(
        &format!("Latency by percentile: {title}"),
        Axis::percentile("percentile, %"),
        Axis::log("latency, ms"),
    );
    percentiles.x.to = Some(last_percentile(collected));
    let mut over_time = Plot::new("Latency over time", Axis::linear("time, s"), Axis::log("latency, ms"));
    let mut rate = Plot::new("Answers per second", Axis::linear("time, s"), Axis::linear("requests/s"));
    for (index, (class, name)) in collected.total.classes.iter().zip(names).enumerate() {
        percentiles.series.push(Series::line(name, curve(class)));
        let parts = if names.len() <= CLASSES_IN_FULL { &["p50", "p99", "max"][..] } else { &["p99"] };
        for part in parts {
            let points = by_second(collected, seconds, 0.5, |second| latency_ms(second, index, part));
            over_time.series.push(Series::line(&format!("{name} {part}"), points));
        }
        let answers = |second: &SecondSum| second.classes[index].requests as f64;
        rate.series.push(steps(name, by_second(collected, seconds, 0.0, answers)));
        if collected.seconds.iter().any(|second| second.classes[index].errors > 0) {
            let errors = |second: &SecondSum| second.classes[index].errors as f64;
            rate.series.push(steps(&format!("{name} errors"), by_second(collected, seconds, 0.0, errors)));
        }
    }
    page(&[percentiles, over_time, rate])
}

/// Beyond this there is no value of its own: of 1,000 values the last stands for 99.9 %.
fn last_percentile(collected: &Collected) -> f64 {
    let most = collected.total.classes.iter().map(|class| class.latency_us.len()).max().unwrap_or(0);
    100.0 * (1.0 - 1.0 / most.max(10) as f64)
}

fn latency_ms(second: &SecondSum, class: usize, part: &str) -> f64 {
    let class = &second.classes[class];
    let us = match part {
        "p50" => class.latency.p50_us,
        "p99" => class.latency.p99_us,
        _ => class.latency.max_us,
    };
    if class.requests == 0 { f64::NAN } else { us as f64 / 1e3 }
}

/// A second's count holds to its end.
fn steps(label: &str, mut points: Vec<(f64, f64)>) -> Series {
    points.extend(points.last().map(|(second, count)| (second + 1.0, *count)));
    Series { label: label.to_owned(), shape: Shape::Steps, points }
}

/// A value of each second of a run of so many, at this place in it.
fn by_second(
    collected: &Collected,
    seconds: f64,
    place: f64,
    value: impl Fn(&SecondSum) -> f64,
) -> Vec<(f64, f64)> {
    let is_whole =
        |second: &&SecondSum| second.number as f64 + LAST_SECOND_SHARE <= seconds || second.number == 0;
    let whole = collected.seconds.iter().filter(is_whole);
    whole.map(|second| (second.number as f64 + place, value(second))).collect()
}

fn curve(class: &ClassTally) -> Vec<(f64, f64)> {
    let values = class.latency_us.iter_quantiles(STEPS_PER_HALVING);
    values
        .map(|value| (value.quantile_iterated_to() * 100.0, value.value_iterated_to() as f64 / 1e3))
        .collect()
}
