//! What a plot is: axes, series, words. How it looks is `draw`'s affair.

use crate::plot::scale::Scale;

/// One axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is measured and its unit: `latency, ms`.
    pub label: String,
    /// How values become places.
    pub scale: Scale,
    /// Shown from here; `None` is the smallest value.
    pub from: Option<f64>,
    /// Shown up to here; `None` is the greatest value.
    pub to: Option<f64>,
}

impl Axis {
    /// From zero to the greatest value.
    pub fn linear(label: &str) -> Self {
        Self { label: label.into(), scale: Scale::Linear, from: Some(0.0), to: None }
    }

    /// Each decade takes the same room; shows values above 0 only.
    pub fn log(label: &str) -> Self {
        Self { label: label.into(), scale: Scale::Log, from: None, to: None }
    }

    /// Values are percentiles, 0 to below 100; each further nine takes the same room.
    pub fn percentile(label: &str) -> Self {
        Self { label: label.into(), scale: Scale::Percentile, from: Some(0.0), to: None }
    }
}

/// How the points of a series are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By straight lines, broken where a point has no place.
    Line,
    /// Each value holds until the next.
    Steps,
    /// Dots.
    Points,
    /// Columns from the foot of the axis; series stand side by side.
    Bars,
}

/// One line of a plot.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub label: String,
    /// How it is drawn.
    pub shape: Shape,
    /// x and y in the axes' units, x ascending.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A line through `points`.
    pub fn line(label: &str, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.into(), shape: Shape::Line, points }
    }
}

/// One plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows, above it.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What stands at x = 0, 1, 2 … instead of numbers: for bars.
    pub categories: Vec<String>,
    /// The lines, in the order of the legend.
    pub series: Vec<Series>,
}

impl Plot {
    /// A plot without lines.
    pub fn new(title: &str, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, categories: Vec::new(), series: Vec::new() }
    }

    /// The same with one more line.
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }
}
