//! The prober's table of the page: its targets, the time of each phase, why one is down.

use crate::probe::board::{Board, Entry};
use crate::probe::target::Target;
use crate::view::page::{Cell, Column, Table, Tone, ms, number, percent, span, text};
use dataplane::time::Instant;

const TARGETS: &[Column] = &[
    text("Target"),
    text("State"),
    text("Last probe"),
    number("Connect"),
    number("TLS"),
    number("First byte"),
    number("Total"),
    number("Load"),
];

/// The targets.
pub fn targets(board: &Board, now: Instant) -> Table {
    let what = ("probes", "Probes", "This node looks at nothing.");
    Table::of(what, TARGETS, board.lines(), |(target, entry)| one(target, entry, now))
}

fn one(target: &Target, entry: &Entry, now: Instant) -> Vec<Cell> {
    let since = || {
        let flaps = if entry.state.is_damped(now) { "; flaps, slow to come back" } else { "" };
        format!("for {}{flaps}", span(now.since(entry.since).as_secs()))
    };
    let state = match entry.state.is_up() {
        None => Cell::of("unknown").tone(Tone::Muted),
        Some(true) => Cell::of("up").tone(Tone::Good).detail(since()),
        Some(false) => Cell::of("down").tone(Tone::Bad).detail(since()),
    };
    let name = Cell::of(&target.name).detail(&target.url);
    let Some((at, last)) = &entry.last else {
        let mut cells = vec![name, state];
        cells.resize_with(TARGETS.len(), || Cell::maybe(None::<&str>));
        return cells;
    };
    let ago = format!("{} ago", span(now.since(*at).as_secs()));
    let said = match &last.failure {
        Some(failure) => {
            Cell::of(failure.cause.name()).tone(Tone::Bad).detail(format!("{ago}: {}", failure.what))
        }
        None => Cell::of("good").tone(Tone::Good).detail(ago),
    };
    let phase = |us: u32| Cell::maybe((us > 0).then(|| ms(us.into())));
    vec![
        name,
        state,
        said,
        phase(last.phases.connect_us),
        phase(last.phases.tls_us),
        phase(last.phases.first_byte_us),
        phase(last.phases.total_us),
        Cell::maybe(last.seen.load.map(|load| percent(load.into()))),
    ]
}
