//! Plots that are written as JSON: what a script that measured hands over to have it drawn.
//!
//! ```text
//! [{"title": "...", "x": {"label": "time, s", "scale": "linear"}, "y": {...}, "categories": ["a", "b"],
//!   "series": [{"label": "...", "shape": "line", "points": [[0.0, 1.5], [1.0, 2.0]]}]}]
//! ```
//! Scales: `linear`, `log`, `percentile`. Shapes: `line`, `steps`, `points`, `bars`. `categories` may be left out.

use crate::plot::figure::{Axis, Plot, Series, Shape};
use serde::Deserialize;

/// Reads plots; the error says where in the text.
pub fn read(json: &str) -> Result<Vec<Plot>, String> {
    let written: Vec<WrittenPlot> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(written.into_iter().map(Into::into).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPlot {
    title: String,
    x: WrittenAxis,
    y: WrittenAxis,
    #[serde(default)]
    categories: Vec<String>,
    series: Vec<WrittenSeries>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAxis {
    label: String,
    scale: WrittenScale,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenScale {
    Linear,
    Log,
    Percentile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSeries {
    label: String,
    shape: WrittenShape,
    points: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenShape {
    Line,
    Steps,
    Points,
    Bars,
}

impl From<WrittenPlot> for Plot {
    fn from(written: WrittenPlot) -> Self {
        let WrittenPlot { title, x, y, categories, series } = written;
        let series = series.into_iter().map(Into::into).collect();
        Self { title, x: x.into(), y: y.into(), categories, series }
    }
}

impl From<WrittenAxis> for Axis {
    fn from(WrittenAxis { label, scale }: WrittenAxis) -> Self {
        match scale {
            WrittenScale::Linear => Self::linear(&label),
            WrittenScale::Log => Self::log(&label),
            WrittenScale::Percentile => Self::percentile(&label),
        }
    }
}

impl From<WrittenSeries> for Series {
    fn from(WrittenSeries { label, shape, points }: WrittenSeries) -> Self {
        let shape = match shape {
            WrittenShape::Line => Shape::Line,
            WrittenShape::Steps => Shape::Steps,
            WrittenShape::Points => Shape::Points,
            WrittenShape::Bars => Shape::Bars,
        };
        Self { label, shape, points }
    }
}
