//! How values become places on an axis, and which values are written beside it.

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences take equal room.
    Linear,
    /// Equal ratios take equal room.
    Log,
    /// Percentiles: 90, 99, 99.9 … stand at equal distances.
    Percentile,
}

/// The highest percentile that has a place of its own; 100 is shown here.
const PERCENTILE_MAX: f64 = 99.9999;

/// A value with a line through the plot, and what is written there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The value.
    pub(crate) at: f64,
    /// Its label; empty for a fine line.
    pub(crate) label: String,
}

impl Scale {
    /// Where a value stands, in the scale's own measure; `None` if it has no place.
    pub(crate) fn place(self, value: f64) -> Option<f64> {
        let place = match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::Percentile => -(1.0 - value.clamp(0.0, PERCENTILE_MAX) / 100.0).log10(),
        };
        (place.is_finite() && !value.is_nan()).then_some(place)
    }

    /// A range that holds `from` to `to` and is not empty.
    pub(crate) fn range(self, from: f64, to: f64) -> (f64, f64) {
        match self {
            Self::Linear if to > from => (from, to),
            Self::Linear => (from, from + 1.0),
            Self::Log => log_range(from, to),
            Self::Percentile => (from.clamp(0.0, 99.0), to.clamp(90.0, PERCENTILE_MAX)),
        }
    }

    /// The ticks of a range, ascending.
    pub(crate) fn ticks(self, from: f64, to: f64) -> Vec<Tick> {
        match self {
            Self::Linear => linear_ticks(from, to),
            Self::Log => log_ticks(from, to),
            Self::Percentile => percentile_ticks(from, to),
        }
    }
}

/// Whole thirds of decades: 1, 2, 5, 10.
fn log_range(from: f64, to: f64) -> (f64, f64) {
    let steps = || (-12..=15).flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)));
    let low = steps().rfind(|step| *step <= from).unwrap_or(from);
    let high = steps().find(|step| *step >= to && *step > low).unwrap_or(low * 10.0);
    (low, high)
}

fn linear_ticks(from: f64, to: f64) -> Vec<Tick> {
    let span = to - from;
    let rough = span / 6.0;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let first = (from / step).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    let places = (-step.log10().floor()).max(0.0) as usize;
    (first..=last)
        .map(|count| {
            let at = count as f64 * step;
            Tick { at, label: number(at, places) }
        })
        .collect()
}

fn log_ticks(from: f64, to: f64) -> Vec<Tick> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    // With few decades there is room for labels between them.
    let dense = last - first <= 4;
    let all = (first..=last).flat_map(|decade| (1..10).map(move |step| (decade, step)));
    all.filter_map(|(decade, step)| {
        let at = f64::from(step) * 10f64.powi(decade);
        let inside = at >= from * (1.0 - 1e-9) && at <= to * (1.0 + 1e-9);
        let labelled = step == 1 || dense && (step == 2 || step == 5);
        let label = if labelled { number(at, (-decade).max(0) as usize) } else { String::new() };
        inside.then_some(Tick { at, label })
    })
    .collect()
}

fn percentile_ticks(from: f64, to: f64) -> Vec<Tick> {
    let known = [0.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999];
    let inside = known.into_iter().filter(|at| *at >= from && *at <= to);
    inside.map(|at| Tick { at, label: format!("{at}") }).collect()
}

/// A number as people read it: `1.5M`, `20k`, `0.25`.
fn number(value: f64, places: usize) -> String {
    for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value.abs() >= unit * if unit > 1e3 { 1.0 } else { 10.0 } {
            return format!("{}{name}", trimmed(value / unit, 3));
        }
    }
    format!("{value:.places$}")
}

fn trimmed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, from: f64, to: f64) -> Vec<String> {
        let ticks = scale.ticks(from, to).into_iter().map(|tick| tick.label);
        ticks.filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::Linear, 0.0, 10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(Scale::Linear, 0.0, 0.6), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6"]);
        assert_eq!(labels(Scale::Linear, 0.0, 3e5), ["0", "50k", "100k", "150k", "200k", "250k", "300k"]);
        assert_eq!(labels(Scale::Log, 0.05, 2.0), ["0.05", "0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(labels(Scale::Percentile, 0.0, 99.95), ["0", "50", "75", "90", "99", "99.9"]);
    }

    #[test]
    fn nines_stand_at_equal_distances() {
        let place = |value| Scale::Percentile.place(value).unwrap();
        assert!((place(90.0) - 1.0).abs() < 1e-9 && (place(99.0) - 2.0).abs() < 1e-9);
        assert!(place(100.0) > place(99.999) && place(0.0) == 0.0);
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        assert_eq!((Scale::Log.place(0.0), Scale::Log.place(-1.0)), (None, None));
        assert_eq!((Scale::Linear.place(f64::NAN), Scale::Percentile.place(f64::NAN)), (None, None));
    }

    #[test]
    fn ranges_are_never_empty() {
        assert_eq!(Scale::Linear.range(3.0, 3.0), (3.0, 4.0));
        assert_eq!(Scale::Log.range(30.0, 700.0), (20.0, 1000.0));
        let (low, high) = Scale::Log.range(1.0, 1.0);
        assert!(low < high);
    }
}
