//! What a person sees of a front-end or a back-end: facts, sites, tunnels.

use controlplane::report::pressure;
use controlplane::view::Reloads;
use controlplane::view::page::{Cell, Column, Page, Table, Tone, bytes, count, ms, number, percent, text};
use dataplane::exchange::link::Way;
use dataplane::node::WorkerView;
use dataplane::role::control::{Control, Stage};
use dataplane::role::plan::{Plan, Site};
use dataplane::role::status::TunnelStatus;

const SITES: &[Column] = &[text("Site"), text("Where its requests go")];
const ORIGINS: &[Column] = &[text("Site"), text("Origin")];
const TUNNELS: &[Column] = &[
    text("To"),
    text("State"),
    number("Round trip"),
    number("Loss"),
    number("Queue"),
    number("Window"),
    number("Streams"),
    number("Sent"),
    number("Received"),
];

/// What the page is made of.
pub(crate) struct Shown<'w> {
    pub(crate) end: &'static str,
    /// Its name in the tree; may be empty.
    pub(crate) node: &'w str,
    pub(crate) control: &'w Control,
    pub(crate) workers: &'w [WorkerView],
    pub(crate) listening: &'w [String],
    pub(crate) reloads: &'w Reloads,
    /// The tunnels, each with the name of its far end and whether it only waits for its last streams.
    pub(crate) tunnels: Vec<(String, bool, TunnelStatus)>,
}

/// The page.
pub(crate) fn page(shown: Shown<'_>) -> Page {
    let plan = shown.control.plan();
    let total = |wanted: &str| {
        let mut sum = 0;
        for view in shown.workers {
            view.counters.each(|name, _, _, value| sum += if name == wanted { value } else { 0 });
        }
        sum
    };
    let is_front = shown.end == "front";
    let mut page =
        Page::new(format!("{} {}", if is_front { "Front-end" } else { "Back-end" }, shown.node).trim_end());
    let stage = match shown.control.stage() {
        Stage::Running => Cell::of("running"),
        other => Cell::of(format!("{other:?}").to_lowercase()).tone(Tone::Warn),
    };
    let failures = total("failures");
    page.fact("Stage", stage)
        .fact("Listens on", Cell::of(shown.listening.join(", ")))
        .fact(
            "Exchanges",
            Cell::of(count(total("exchanges_open"))).detail(format!("{} answered", count(total("answers")))),
        )
        .fact("Failures", Cell::of(count(failures)).detail("answered 4xx or 5xx by us, or cut"));
    if is_front {
        let refused = format!("{} shed", count(total("clients_shed")));
        page.fact("Clients", Cell::of(count(total("clients"))).detail(refused));
    } else {
        let made =
            format!("{} made, {} failed", count(total("origin_connects")), count(total("origin_failures")));
        page.fact("Connections to origins", Cell::of(count(total("origin_connections"))).detail(made));
    }
    page.fact(
        "Generation",
        Cell::of(plan.generation).detail(shown.reloads.words()).tone(shown.reloads.tone()),
    )
    .fact("Waits for a processor", Cell::maybe(pressure::read().cpu.map(|share| percent(share.into()))))
    .fact("Version", Cell::of(env!("CARGO_PKG_VERSION")).detail(format!("workers: {}", shown.workers.len())));
    if plan.sites.iter().next().is_some() {
        page.table(sites(&plan));
    }
    if plan.origins.iter().next().is_some() {
        let of = plan.origins.iter().filter(|origin| origin.retired.is_none());
        page.table(Table::of(("origins", "Origins", "It has no origins."), ORIGINS, of, |origin| {
            vec![Cell::of(&origin.site), Cell::of(&origin.label)]
        }));
    }
    page.table(tunnels(shown.tunnels));
    page
}

fn sites(plan: &Plan) -> Table {
    let way = |way: &Way| match way {
        Way::Route(route) => plan.routes.get(usize::from(*route)).map(|route| format!("over {}", route.name)),
        Way::Origin(origin) => plan.origins.get(usize::from(*origin)).map(|origin| origin.label.clone()),
    };
    let all = plan.sites.iter().filter(|site| site.retired.is_none());
    Table::of(("sites", "Sites", "It has no sites."), SITES, all, |site: &Site| {
        let others: Vec<String> = site.others.iter().filter_map(way).collect();
        let otherwise = if others.is_empty() { String::new() } else { format!("else {}", others.join(", ")) };
        vec![Cell::of(&site.name), Cell::of(way(&site.way).unwrap_or_default()).detail(otherwise)]
    })
}

fn tunnels(tunnels: Vec<(String, bool, TunnelStatus)>) -> Table {
    let what = ("tunnels", "Tunnels", "No tunnel stands.");
    Table::of(what, TUNNELS, tunnels, |(to, is_closing, tunnel)| {
        let path = &tunnel.transport;
        let state = match (tunnel.is_up, is_closing) {
            (true, false) => Cell::of("up").tone(Tone::Good),
            (true, true) => Cell::of("closing").tone(Tone::Muted),
            (false, _) => Cell::of("down").tone(Tone::Bad),
        };
        let lost = path.counters.lost_packets.saturating_sub(path.counters.spurious_packets);
        vec![
            Cell::of(to),
            state,
            Cell::of(ms(path.srtt_us)).detail(format!("least {}", ms(path.min_rtt_us))),
            Cell::of(percent(f64::from(path.loss_ppm) / 1e6))
                .detail(format!("{} packets of all", count(lost))),
            Cell::of(ms(path.queue_us)),
            Cell::of(bytes(path.window_bytes)),
            Cell::of(count(tunnel.streams as u64)),
            Cell::of(bytes(path.counters.sent_bytes)),
            Cell::of(bytes(path.counters.received_bytes)),
        ]
    })
}
