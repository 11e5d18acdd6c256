//! The tables of the page that come of reports: nodes, targets with who disagrees, tunnels, how good forecasts were.

use crate::probe::outcome::Cause;
use crate::report::expected::{ExpectedNode, ExpectedTarget};
use crate::report::findings::{age_s, is_silent};
use crate::report::ledger::{Ledger, NodeLine};
use crate::report::poll::Poll;
use crate::report::tunnel_watch::TunnelWatch;
use crate::view::page::{Cell, Column, Table, Tone, count, ms, number, percent, span, text};

const NODES: &[Column] = &[
    text("Node"),
    text("Heard"),
    number("Reports"),
    number("Lost"),
    number("Refused"),
    number("Waits for a processor"),
    number("For memory"),
];
const TARGETS: &[Column] =
    &[text("Target"), text("Shows"), text("State"), text("Heard"), text("Who says otherwise")];
const TUNNELS: &[Column] = &[
    text("From"),
    text("To"),
    text("State"),
    number("Round trip"),
    number("Loss"),
    number("Queue"),
    number("Headroom"),
    text("Told"),
];
const FORECASTS: &[Column] = &[
    text("Server"),
    text("Rests on"),
    number("Off by, p50"),
    number("Off by, p90"),
    number("Share, p50"),
    number("Share, p90"),
    number("Graded of late"),
];

/// Who reports.
pub fn nodes(ledger: &Ledger, now_us: u64) -> Table {
    let what = ("nodes", "Nodes", "The tree has no nodes.");
    let all = ledger.expected().nodes.iter().zip(ledger.nodes());
    Table::of(what, NODES, all, |(node, line)| one_node(node, line, now_us))
}

fn one_node(node: &ExpectedNode, line: &NodeLine, now_us: u64) -> Vec<Cell> {
    let heard = match line.heard_us {
        None => Cell::of("never").tone(Tone::Muted),
        Some(at_us) if is_silent(line.heard_us, now_us) => {
            Cell::of("silent").tone(Tone::Bad).detail(format!("for {}", span(age_s(at_us, now_us))))
        }
        Some(at_us) => Cell::of(format!("{} ago", span(age_s(at_us, now_us)))).tone(Tone::Good),
    };
    let some = |number: u64| {
        let tone = if number > 0 { Tone::Warn } else { Tone::Plain };
        Cell::of(count(number)).tone(tone)
    };
    let pressure = line.pressure.map(|(pressure, _)| pressure);
    let share = |share: Option<f32>| Cell::maybe(share.map(|share| percent(share.into())));
    vec![
        Cell::of(&node.name),
        heard,
        Cell::of(count(line.taken)),
        some(line.lost()),
        some(line.refused.iter().sum()),
        share(pressure.and_then(|pressure| pressure.cpu)),
        share(pressure.and_then(|pressure| pressure.memory)),
    ]
}

/// What is probed.
pub fn targets(ledger: &Ledger, now_us: u64) -> Table {
    let what = ("probes", "Probes", "Nothing is probed.");
    let all = ledger.expected().targets.iter().zip(ledger.polls());
    Table::of(what, TARGETS, all, |(target, poll)| one_target(ledger, target, poll, now_us))
}

fn one_target(ledger: &Ledger, target: &ExpectedTarget, poll: &Poll, now_us: u64) -> Vec<Cell> {
    let expected = ledger.expected();
    let since = || format!("for {}", span(age_s(poll.since_us, now_us)));
    let state = match poll.verdict {
        None => Cell::of("unknown").tone(Tone::Muted),
        Some(true) => Cell::of("up").tone(Tone::Good).detail(since()),
        Some(false) => Cell::of("down").tone(Tone::Bad).detail(since()),
    };
    let heard = poll.fresh(target.rules, now_us).count();
    let against = poll.fresh(target.rules, now_us).filter_map(|(place, vote)| {
        let since_us = vote.against_us?;
        let cause = Cause::of_number(vote.cause).filter(|_| !vote.is_up).map(Cause::name);
        Some(format!(
            "{} says {}{} for {}",
            expected.nodes[target.lookers[place]].name,
            if vote.is_up { "up" } else { "down" },
            cause.map_or_else(String::new, |cause| format!(" ({cause})")),
            span(age_s(since_us, now_us))
        ))
    });
    let against: Vec<String> = against.collect();
    let nobody = Cell::of("nobody").tone(Tone::Muted);
    vec![
        Cell::of(&target.name),
        Cell::maybe(target.server.map(|server| &expected.servers[server])),
        state,
        Cell::of(format!("{heard} of {}", target.lookers.len())).tone(if heard == 0 {
            Tone::Warn
        } else {
            Tone::Plain
        }),
        if against.is_empty() { nobody } else { Cell::of(against.join("; ")).tone(Tone::Warn) },
    ]
}

/// The ways of front-ends to their back-ends.
pub fn tunnels(ledger: &Ledger, now_us: u64) -> Table {
    let what = ("tunnels", "Tunnels", "No front-end tells of a tunnel.");
    let of_node = |(node, line)| tunnels_of(node, line);
    let all = ledger.expected().nodes.iter().zip(ledger.nodes()).flat_map(of_node);
    Table::of(what, TUNNELS, all, |(node, to, watch)| one_tunnel(node, to, watch, now_us))
}

fn tunnels_of<'l>(
    node: &'l ExpectedNode,
    line: &'l NodeLine,
) -> impl Iterator<Item = (&'l str, &'l str, &'l TunnelWatch)> {
    line.tunnels.iter().map(|(to, watch)| (node.name.as_str(), to.as_str(), watch))
}

fn one_tunnel(node: &str, to: &str, watch: &TunnelWatch, now_us: u64) -> Vec<Cell> {
    let mut cells = vec![Cell::of(node), Cell::of(to)];
    let Some((entry, at_us)) = watch.last() else {
        cells.resize_with(TUNNELS.len(), || Cell::maybe(None::<&str>));
        return cells;
    };
    let since = span(age_s(watch.since_us(), now_us));
    cells.extend([
        match (entry.is_up, watch.sour()) {
            (false, _) => Cell::of("down").tone(Tone::Bad),
            (true, Some(sour)) => {
                Cell::of("soured").tone(Tone::Warn).detail(format!("by {}, for {since}", sour.name()))
            }
            (true, None) => Cell::of("good").tone(Tone::Good),
        },
        Cell::of(ms(entry.rtt_us.into())).detail(format!("usually {}", ms(u64::from(watch.usual_us())))),
        Cell::of(percent(watch.loss().into()))
            .detail(format!("{} of late", percent(watch.steady_loss().into()))),
        Cell::of(ms(entry.queue_us.into())),
        Cell::of(format!("{:.1} Mbit/s", f64::from(entry.headroom_kbps) / 1e3)),
        Cell::of(format!("{} ago", span(age_s(at_us, now_us)))),
    ]);
    cells
}

/// How good forecasts of latencies were.
pub fn forecasts(ledger: &Ledger) -> Table {
    let what = (
        "forecasts",
        "Forecasts",
        "No forecast was graded yet: no front-end has told of a network that an answer foretold.",
    );
    Table::of(what, FORECASTS, ledger.grades().all(), |(server, basis, grade)| {
        let share = |permille: u64| Cell::of(percent(permille as f64 / 1e3));
        vec![
            Cell::of(server),
            Cell::of(basis.words()),
            Cell::of(ms(grade.error_us[0])),
            Cell::of(ms(grade.error_us[1])),
            share(grade.permille[0]),
            share(grade.permille[1]),
            Cell::of(count(grade.recent)),
        ]
    })
    .note("What answers foretold of clients' latencies, against what front-ends measured then, over the last ten to twenty minutes.")
}
