//! A run as plots: latency by percentile for each class, latency over time, answers per second.

use crate::load::collect::{Collected, SecondSum};
use crate::load::tally::ClassTally;
use crate::plot::{Axis, Plot, Series, Shape, page};

/// The steps of the curve halve the distance to 100 % so many times per nine; enough that no bend is lost.
const STEPS_PER_HALVING: u32 = 10;

/// The SVG of a run; `names` are those of its classes.
pub(crate) fn draw(collected: &Collected, names: &[String], title: &str) -> String {
    let classes = || collected.total.classes.iter().zip(names).enumerate();
    let mut percentiles = Plot::new(
        &format!("Latency by percentile: {title}"),
        Axis::percentile("percentile, %"),
        Axis::log("latency, ms"),
    );
    let mut over_time = Plot::new("Latency over time", Axis::linear("time, s"), Axis::log("latency, ms"));
    let mut rate = Plot::new("Answers per second", Axis::linear("time, s"), Axis::linear("requests/s"));
    for (index, (class, name)) in classes() {
        percentiles.series.push(Series::line(name, curve(class)));
        for (part, of) in [("p50", 0), ("p99", 1), ("max", 2)] {
            let latency = |second: &SecondSum| {
                let class = &second.classes[index];
                let us = [class.latency.p50_us, class.latency.p99_us, class.latency.max_us][of];
                if class.requests == 0 { f64::NAN } else { us as f64 / 1e3 }
            };
            over_time.series.push(Series::line(&format!("{name} {part}"), by_second(collected, latency)));
        }
        let answers = by_second(collected, |second| second.classes[index].requests as f64);
        rate.series.push(Series { label: name.clone(), shape: Shape::Steps, points: answers });
        if collected.seconds.iter().any(|second| second.classes[index].errors > 0) {
            let errors = by_second(collected, |second| second.classes[index].errors as f64);
            rate.series.push(Series { label: format!("{name} errors"), shape: Shape::Steps, points: errors });
        }
    }
    page(&[percentiles, over_time, rate])
}

/// Each second stands in its middle.
fn by_second(collected: &Collected, value: impl Fn(&SecondSum) -> f64) -> Vec<(f64, f64)> {
    // The last second is rarely a whole one, and would look like a collapse.
    let whole = collected.seconds.len().saturating_sub(1).max(1).min(collected.seconds.len());
    collected.seconds[..whole].iter().map(|second| (second.number as f64 + 0.5, value(second))).collect()
}

fn curve(class: &ClassTally) -> Vec<(f64, f64)> {
    let values = class.latency_us.iter_quantiles(STEPS_PER_HALVING);
    values
        .map(|value| (value.quantile_iterated_to() * 100.0, value.value_iterated_to() as f64 / 1e3))
        .collect()
}
