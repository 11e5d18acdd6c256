//! Lays plots out on a canvas: frame, ticks, series, legend. Sizes are SVG user units (CSS pixels).

use crate::plot::canvas::{Anchor, Canvas};
use crate::plot::figure::{Axis, Plot, Series, Shape};
use crate::plot::scale::{Scale, Tick};

/// The page's width.
const WIDTH: f64 = 860.0;

/// One plot's height, its title and labels included; the legend comes on top.
const HEIGHT: f64 = 380.0;

/// Room for the vertical axis and its label.
const LEFT: f64 = 76.0;

/// Room at the right.
const RIGHT: f64 = 24.0;

/// Room for the title.
const TOP: f64 = 40.0;

/// Room for the horizontal axis and its label.
const BOTTOM: f64 = 52.0;

/// Height of a row of the legend.
const LEGEND_ROW: f64 = 18.0;

/// Entries in a row of the legend.
const LEGEND_COLUMNS: usize = 3;

/// Okabe and Ito's colours, told apart by colour-blind readers too; yellow is left out, it is faint on white.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444"];

/// Bars fill this share of a category's room.
const BARS_SHARE: f64 = 0.8;

/// Above the greatest value of a linear axis this share of its range is left free.
const AIR: f64 = 0.05;

/// The plots below each other, as one SVG document.
pub fn page(plots: &[Plot]) -> String {
    let height: f64 = plots.iter().map(|plot| HEIGHT + legend_height(plot)).sum();
    let title = plots.first().map_or("", |plot| &plot.title);
    let mut canvas = Canvas::new(WIDTH, height.max(1.0), title);
    let mut top = 0.0;
    for plot in plots {
        Frame::new(plot, top).draw(plot, &mut canvas);
        top += HEIGHT + legend_height(plot);
    }
    canvas.finish()
}

fn legend_height(plot: &Plot) -> f64 {
    plot.series.len().div_ceil(LEGEND_COLUMNS) as f64 * LEGEND_ROW
}

/// An axis with its range settled, and where its ends lie on the canvas.
#[derive(Clone, Debug)]
struct Ruler<'a> {
    axis: &'a Axis,
    range: (f64, f64),
    ends: (f64, f64),
}

impl<'a> Ruler<'a> {
    fn new(axis: &'a Axis, values: impl Iterator<Item = f64>, ends: (f64, f64)) -> Self {
        let shown = values.filter(|value| axis.scale.place(*value).is_some());
        let (low, high) = shown
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (1.0, 10.0) };
        let range = axis.scale.range(axis.from.unwrap_or(low), axis.to.unwrap_or(high));
        Self { axis, range, ends }
    }

    /// Where a value lies on the canvas; what is beyond an end lies at the end.
    fn at(&self, value: f64) -> Option<f64> {
        let place = |value| self.axis.scale.place(value);
        let (from, to) = (place(self.range.0)?, place(self.range.1)?);
        let share = ((place(value)? - from) / (to - from)).clamp(0.0, 1.0);
        Some(self.ends.0 + share * (self.ends.1 - self.ends.0))
    }

    fn ticks(&self) -> Vec<Tick> {
        self.axis.scale.ticks(self.range.0, self.range.1)
    }
}

struct Frame<'a> {
    top: f64,
    x: Ruler<'a>,
    y: Ruler<'a>,
}

impl<'a> Frame<'a> {
    fn new(plot: &'a Plot, top: f64) -> Self {
        let points = || plot.series.iter().flat_map(|series| series.points.iter().copied());
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let (high, low) = (top + TOP + legend_height(plot), top + legend_height(plot) + HEIGHT - BOTTOM);
        let mut x = Ruler::new(&plot.x, points().map(|(x, _)| x), (left, right));
        if !plot.categories.is_empty() {
            x.range = (-0.5, plot.categories.len() as f64 - 0.5);
        }
        let mut y = Ruler::new(&plot.y, points().map(|(_, y)| y), (low, high));
        if plot.y.scale == Scale::Linear && plot.y.to.is_none() {
            // A line along the frame would look cut off.
            y.range.1 += AIR * (y.range.1 - y.range.0);
        }
        Self { top, x, y }
    }

    fn draw(&self, plot: &Plot, canvas: &mut Canvas) {
        canvas.text((LEFT, self.top + 24.0), Anchor::Start, 15, &plot.title);
        self.legend(plot, canvas);
        self.grid(plot, canvas);
        let bars = plot.series.iter().filter(|series| series.shape == Shape::Bars).count();
        let mut bar = 0;
        for (series, colour) in plot.series.iter().zip(COLOURS.iter().cycle()) {
            match series.shape {
                Shape::Line => self.line(series, colour, canvas),
                Shape::Steps => canvas.polyline(&steps(&self.places(series)), colour),
                Shape::Points => self.places(series).into_iter().for_each(|at| canvas.dot(at, colour)),
                Shape::Bars => {
                    self.bars(series, (bar, bars), colour, canvas);
                    bar += 1;
                }
            }
        }
    }

    fn legend(&self, plot: &Plot, canvas: &mut Canvas) {
        let column = (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
        for (index, (series, colour)) in plot.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let x = LEFT + (index % LEGEND_COLUMNS) as f64 * column;
            let y = self.top + TOP + (index / LEGEND_COLUMNS) as f64 * LEGEND_ROW;
            canvas.rectangle((x, y - 8.0), (14.0, 4.0), colour);
            canvas.text((x + 20.0, y), Anchor::Start, 12, &series.label);
        }
    }

    fn grid(&self, plot: &Plot, canvas: &mut Canvas) {
        let ((left, right), (low, high)) = (self.x.ends, self.y.ends);
        for tick in self.y.ticks() {
            let Some(y) = self.y.at(tick.at) else { continue };
            canvas.line((left, y), (right, y), if tick.label.is_empty() { "#f2f2f2" } else { "#dcdcdc" });
            canvas.text((left - 8.0, y + 4.0), Anchor::End, 11, &tick.label);
        }
        for tick in if plot.categories.is_empty() { self.x.ticks() } else { Vec::new() } {
            let Some(x) = self.x.at(tick.at) else { continue };
            canvas.line((x, low), (x, high), if tick.label.is_empty() { "#f2f2f2" } else { "#dcdcdc" });
            canvas.text((x, low + 17.0), Anchor::Middle, 11, &tick.label);
        }
        for (index, category) in plot.categories.iter().enumerate() {
            let Some(x) = self.x.at(index as f64) else { continue };
            canvas.text((x, low + 17.0), Anchor::Middle, 11, category);
        }
        canvas.line((left, low), (right, low), "#888");
        canvas.line((left, low), (left, high), "#888");
        canvas.text(((left + right) / 2.0, low + 40.0), Anchor::Middle, 12, &plot.x.label);
        canvas.text_upwards((20.0, (low + high) / 2.0), &plot.y.label);
    }

    fn places(&self, series: &Series) -> Vec<(f64, f64)> {
        series.points.iter().filter_map(|(x, y)| Some((self.x.at(*x)?, self.y.at(*y)?))).collect()
    }

    fn line(&self, series: &Series, colour: &str, canvas: &mut Canvas) {
        let place = |(x, y): (f64, f64)| Some((self.x.at(x)?, self.y.at(y)?));
        let places: Vec<_> = series.points.iter().map(|point| place(*point)).collect();
        for run in places.split(Option::is_none) {
            let run: Vec<_> = run.iter().copied().flatten().collect();
            match run[..] {
                [alone] => canvas.dot(alone, colour),
                _ => canvas.polyline(&run, colour),
            }
        }
    }

    /// The bars of one series, the `number`-th of `count` that stand side by side.
    fn bars(&self, series: &Series, (number, count): (usize, usize), colour: &str, canvas: &mut Canvas) {
        let width = BARS_SHARE / count.max(1) as f64;
        let foot = self.y.ends.0;
        for (x, y) in &series.points {
            let left = x - BARS_SHARE / 2.0 + number as f64 * width;
            let (Some(from), Some(to), Some(head)) =
                (self.x.at(left), self.x.at(left + width), self.y.at(*y))
            else {
                continue;
            };
            canvas.rectangle((from, head), (to - from - 1.0, foot - head), colour);
        }
    }
}

fn steps(places: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut stepped = Vec::with_capacity(2 * places.len());
    for pair in places.windows(2) {
        stepped.extend([pair[0], (pair[1].0, pair[0].1)]);
    }
    stepped.extend(places.last());
    stepped
}
