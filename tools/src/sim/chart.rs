//! A film as plots: per direction of the tunnel a time–sequence diagram, and when each exchange was asked and ended.

use crate::plot::{Axis, Plot, Series, Shape};
use crate::sim::film::{Fate, Film, Sight, WAYS, seconds};

/// After the last exchange the plots go on for this share of the time before.
const AFTER_SHARE: f64 = 0.05;

/// Time–sequence diagrams (where there is a tunnel) and the exchanges.
pub fn plots(seed: u64, film: &Film) -> Vec<Plot> {
    let ended = film.notes.iter().filter(|(_, what, ..)| *what == "exchange ended");
    let last_s = ended.map(|(at_us, ..)| seconds(*at_us)).fold(0.001, f64::max) * (1.0 + AFTER_SHARE);
    let mut plots = Vec::new();
    if !film.datagrams.is_empty() {
        plots.extend((0..WAYS.len()).map(|way| sequence(seed, film, way, last_s)));
    }
    plots.push(exchanges(seed, film, last_s));
    plots
}

fn time_axis(last_s: f64) -> Axis {
    Axis { to: Some(last_s), ..Axis::linear("time, s") }
}

fn dots(label: &str, points: Vec<(f64, f64)>, last_s: f64) -> Series {
    let points = points.into_iter().filter(|(x, _)| *x <= last_s).collect();
    Series { label: label.to_owned(), shape: Shape::Points, points }
}

/// Each datagram at the bytes that had left before it: when it was sent, when it came, or that it did not.
fn sequence(seed: u64, film: &Film, way: usize, last_s: f64) -> Plot {
    let mut sent_kb = 0.0;
    let (mut sent, mut came, mut gone, mut again) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut last: Option<Sight> = None;
    for sight in film.datagrams.iter().filter(|sight| sight.way == way) {
        let x = seconds(sight.at_us);
        let is_copy = last.is_some_and(|last| (last.at_us, last.number) == (sight.at_us, sight.number));
        if !is_copy {
            sent_kb += sight.bytes as f64 / 1e3;
            sent.push((x, sent_kb));
        }
        match sight.fate {
            Fate::Arrives(at_us) if is_copy => again.push((seconds(at_us), sent_kb)),
            Fate::Arrives(at_us) => came.push((seconds(at_us), sent_kb)),
            Fate::Lost | Fate::Overflowed | Fate::TooLarge => gone.push((x, sent_kb)),
        }
        last = Some(*sight);
    }
    came.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
    again.sort_by(|a: &(f64, f64), b| a.0.total_cmp(&b.0));
    let title = format!("seed {seed}: {}, time and sequence", WAYS[way]);
    Plot::new(&title, time_axis(last_s), Axis::linear("bytes sent, kB"))
        .with(dots("sent", sent, last_s))
        .with(dots("arrived", came, last_s))
        .with(dots("a second copy arrived", again, last_s))
        .with(dots("never arrived (when sent)", gone, last_s))
}

fn exchanges(seed: u64, film: &Film, last_s: f64) -> Plot {
    let of = |name: &str| {
        let notes = film.notes.iter().filter(|(_, what, ..)| *what == name);
        notes.map(|(at_us, _, exchange, _)| (seconds(*at_us), *exchange as f64)).collect::<Vec<_>>()
    };
    let incidents = of("action").into_iter().map(|(x, _)| (x, 0.0)).collect();
    Plot::new(&format!("seed {seed}: exchanges"), time_axis(last_s), Axis::linear("exchange"))
        .with(dots("client asks", of("client asks"), last_s))
        .with(dots("origin is asked", of("origin asked"), last_s))
        .with(dots("ended", of("exchange ended"), last_s))
        .with(dots("incident or restart", incidents, last_s))
}
