//! Plots as SVG: lines over axes, drawn here so that a report needs no other program and no network to be looked at.
//! Not a charting library: lines, steps and bars, one legend, one size.
//!
//! ```text
//! Plot { title, x: Axis, y: Axis, series } ── page(&[plot, …]) ──► one SVG document, plots below each other
//! ```
//! Every string is escaped, every coordinate is finite: where a point is not, or where a
//! logarithmic axis cannot show it, the line is broken.

mod canvas;
mod draw;
mod figure;
mod read;
mod scale;

pub use draw::page;
pub use figure::{Axis, Plot, Series, Shape};
pub use read::read;
pub use scale::Scale;

#[cfg(test)]
mod tests;
