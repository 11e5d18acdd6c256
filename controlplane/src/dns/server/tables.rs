//! The name server's own tables of the page: names and their policies, servers and how they stand, the last decisions.

use crate::dns::catalog::Catalog;
use crate::dns::policy::explain;
use crate::dns::policy::figures::Figure;
use crate::dns::policy::model::{Server, ServerId};
use crate::dns::policy::steering::Steering;
use crate::dns::server::decisions::{Decisions, Line};
use crate::view::page::{Cell, Column, Table, Tone, number, percent, span, text};
use jiff::Timestamp;

const NAMES: &[Column] =
    &[text("Name"), text("Policy"), text("Chooses"), text("Among"), number("Answers"), number("TTL")];
const SERVERS: &[Column] = &[
    text("Server"),
    text("Fails with"),
    text("State"),
    text("Way to the origins"),
    number("Load"),
    number("Loss"),
    text("Order"),
];
const DECISIONS: &[Column] = &[
    text("Time"),
    text("Name"),
    text("Client"),
    text("Sent to"),
    number("Latency"),
    text("Policy and rule"),
];

/// The names that a policy answers.
pub fn names(catalog: &Catalog, steering: &Steering) -> Table {
    let what = ("sites", "Sites", "No name is answered by a policy.");
    Table::of(what, NAMES, catalog.steered(), |(name, policy)| {
        let Some(policy) = steering.policies().get(policy as usize) else {
            return vec![
                Cell::of(name),
                Cell::of("none").tone(Tone::Bad),
                Cell::default(),
                Cell::default(),
                Cell::default(),
                Cell::default(),
            ];
        };
        let members: Vec<&str> =
            policy.members.iter().map(|member| steering.server(*member).name.as_str()).collect();
        vec![
            Cell::of(name),
            Cell::of(&policy.name),
            Cell::of(explain::kind(&policy.kind)),
            Cell::of(members.join(", ")),
            Cell::of(policy.answers),
            Cell::of(span(policy.ttl_s.into())),
        ]
    })
}

/// Those that clients can be sent to, and what is known of each.
pub fn servers(steering: &Steering, now_s: u64) -> Table {
    let what = ("servers", "Servers", "The tree has no servers.");
    let all = steering.servers().iter().enumerate();
    Table::of(what, SERVERS, all, |(place, server)| one_server(steering, place, server, now_s))
}

fn one_server(steering: &Steering, place: usize, server: &Server, now_s: u64) -> Vec<Cell> {
    let health = steering.figures().health(ServerId(place as u16));
    let age = |at_s| format!("{} ago", span(now_s.saturating_sub(at_s)));
    let state = match health.is_up {
        None => Cell::of("never measured").tone(Tone::Muted),
        Some(Figure { value: true, at_s }) => Cell::of("up").tone(Tone::Good).detail(age(at_s)),
        Some(Figure { value: false, at_s }) => Cell::of("down").tone(Tone::Bad).detail(age(at_s)),
    };
    let way = match health.soured {
        None => Cell::maybe(None::<&str>),
        Some(Figure { value: false, at_s }) => Cell::of("good").tone(Tone::Good).detail(age(at_s)),
        Some(Figure { value: true, at_s }) => Cell::of("soured").tone(Tone::Warn).detail(age(at_s)),
    };
    let share = |figure: Option<Figure<f32>>| Cell::maybe(figure.map(|figure| percent(figure.value.into())));
    let order = server.order.as_ref().map(|order| {
        let end =
            order.until_s.and_then(explain::moment).map_or_else(String::new, |end| format!(", until {end}"));
        Cell::of(order.action.name()).tone(Tone::Warn).detail(format!("{}{end}", order.reason))
    });
    vec![
        Cell::of(&server.name),
        Cell::of(&server.domain),
        state,
        way,
        share(health.load),
        share(health.loss),
        order.unwrap_or_else(|| Cell::maybe(None::<&str>)),
    ]
}

/// The last decisions, the newest first.
pub fn decisions(decisions: &Decisions) -> Table {
    let what = ("decisions", "Last decisions", "No answer was decided by a policy yet.");
    let note = "The last hundred, newest first; above a hundred a second, a sample of them. The reasons: longhaul explain dns NAME --client ADDRESS.";
    Table::of(what, DECISIONS, decisions.newest_first(), |line| one_decision(&line)).note(note)
}

fn one_decision(line: &Line) -> Vec<Cell> {
    let time = Timestamp::from_microsecond(line.at_us.cast_signed());
    let time = time.map_or_else(|_| String::new(), |time| time.strftime("%H:%M:%S%.3f").to_string());
    let client = if line.client.is_empty() { line.from.to_string() } else { line.client.clone() };
    let sent_to =
        if line.servers.is_empty() { Cell::of("nobody").tone(Tone::Bad) } else { Cell::of(&line.servers) };
    let latency = match line.latency {
        Some((ms, Some(basis))) => Cell::of(format!("{ms:.1} ms")).detail(basis.words()),
        Some((_, None)) => Cell::of("unknown").tone(Tone::Muted),
        None => Cell::maybe(None::<&str>),
    };
    vec![
        Cell::of(time),
        Cell::of(&line.name).detail(&line.rtype),
        Cell::of(client).detail(format!("asked by {}", line.from)),
        sent_to,
        latency,
        Cell::of(&line.policy).detail(line.rule),
    ]
}
