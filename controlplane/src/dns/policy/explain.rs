//! A decision in words, for people: every member, its score by parts, the age of each figure, what became of it and why.

use crate::dns::policy::decide::{Decision, Fate, Judged, Rule, Standing};
use crate::dns::policy::figures::Basis;
use crate::dns::policy::model::{Kind, Override, Persistence, Policy};
use crate::dns::policy::steering::Steering;
use core::fmt::Write;
use jiff::Timestamp;

/// The words.
pub fn text(steering: &Steering, policy: &Policy, decision: &Decision, now_s: u64) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!("policy    {} ({})", policy.name, kind(&policy.kind)));
    line(format!("rule      {}", rule(decision.rule)));
    let place = [decision.place.country, decision.place.continent].map(|code| {
        code.map_or_else(|| "unknown".to_owned(), |code| String::from_utf8_lossy(&code).into_owned())
    });
    if matches!(policy.kind, Kind::Geo(_)) {
        line(format!("place     country {}, continent {}", place[0], place[1]));
    }
    line(format!("ttl       {} s", policy.ttl_s));
    line(format!("scope     the first {} bits of the client's address", decision.scope));
    line(format!("stays     {}", persistence(policy.persistence)));
    line(format!("decision  {:016x}", decision.id));
    line(String::new());
    let name = |one: &&Judged| steering.server(one.server).name.len();
    let width = decision.judged.iter().map(|one| name(&one)).max().unwrap_or(0).max(6);
    for one in in_order(&decision.judged) {
        let words = member(steering, decision, one, now_s);
        line(format!("{:width$}  {words}", steering.server(one.server).name));
        for source in steering.figures().sources(one.server) {
            line(format!("{:width$}    {source}", ""));
        }
    }
    text
}

/// The chosen first, then the others as they stand in the policy.
fn in_order(judged: &[Judged]) -> Vec<&Judged> {
    let mut all: Vec<&Judged> = judged.iter().collect();
    all.sort_by_key(|one| match one.fate {
        Fate::Chosen(place) => place,
        _ => u8::MAX,
    });
    all
}

/// How a policy chooses, in words.
pub fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Best(_) => "best: the lowest score",
        Kind::Weighted => "weighted: by shares",
        Kind::Failover => "failover: the first that is up",
        Kind::Geo(_) => "geo: by the client's place",
        Kind::Static => "static: all, whatever was measured",
    }
}

/// What made an answer, in words.
pub fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Policy => "the policy's own, among servers that are up",
        Rule::AmongUnknown => {
            "none is known to be up: the policy's own, among those of which nothing is known"
        }
        Rule::AllDownAll => "all are down: all of them, as if they were up",
        Rule::AllDownServFail => "all are down: SERVFAIL",
        Rule::AllDownNothing => "all are down: no address",
        Rule::AllDownFallback => "all are down: the fallback addresses",
    }
}

fn persistence(persistence: Persistence) -> String {
    match persistence {
        Persistence::Off => "not at all: every answer is drawn anew".to_owned(),
        Persistence::Seconds(seconds) => format!("for {seconds} s, while its server is up"),
        Persistence::Forever => "while its server is up".to_owned(),
    }
}

fn member(steering: &Steering, decision: &Decision, one: &Judged, now_s: u64) -> String {
    let mut words = format!("{:10} {}", fate(one), standing(steering, one));
    if let Some(score) = one.score {
        let age =
            score.latency_age_s.map_or_else(|| "nobody knows".to_owned(), |age_s| format!("{age_s} s old"));
        let basis = score.basis.filter(|basis| *basis != Basis::Own);
        let client = decision.client.filter(|_| basis == Some(Basis::Sum));
        let over = client.and_then(|client| {
            steering.figures().over(client.address, client.bits, usize::from(one.server.0))
        });
        let over = over.map_or_else(String::new, |over| format!(" over {over}"));
        let sum = basis.map_or_else(String::new, |basis| format!(", {}{over}", basis.words()));
        // Writing to a string does not fail.
        let _ = write!(
            words,
            "; score {:.1} ms = (latency {:.1} ({age}{sum}) + load {:.1} + loss {:.1} + soured {:.1} + cost {:.1}) / weight {}",
            score.total_ms,
            score.latency_ms,
            score.load_ms,
            score.loss_ms,
            score.soured_ms,
            score.cost_ms,
            one.weight
        );
        let health = steering.figures().health(one.server);
        let server = steering.server(one.server);
        if one.weight < server.weight {
            let (whole, slow_s) = (server.weight, server.slow_start_s);
            let up_s = health.up_since_s.map_or(0, |since_s| now_s.saturating_sub(since_s));
            let _ = write!(words, " of {whole} (slow start: up for {up_s} of {slow_s} s)");
        }
        for (what, age_s) in
            [("load", health.load), ("loss", health.loss)].map(|(w, f)| (w, f.map(|f| f.age_s(now_s))))
        {
            if let Some(age_s) = age_s {
                let _ = write!(words, "; {what} {age_s} s old");
            }
        }
    }
    words
}

fn fate(one: &Judged) -> String {
    match one.fate {
        Fate::Chosen(place) => format!("answer {}", place + 1),
        Fate::NotUp => "out".to_owned(),
        Fate::NoAddress => "no address".to_owned(),
        Fate::Worse => "worse".to_owned(),
        Fate::Outdrawn => "outdrawn".to_owned(),
        Fate::Behind => "behind".to_owned(),
        Fate::Elsewhere => "elsewhere".to_owned(),
        Fate::SameDomain => "same domain".to_owned(),
    }
}

fn standing(steering: &Steering, one: &Judged) -> String {
    let order = steering.server(one.server).order.as_ref().map_or_else(String::new, ordered);
    match one.standing {
        Standing::Up(age_s) => format!("up, {age_s} s ago"),
        Standing::OrderedUp => format!("up by order: {order}"),
        Standing::Unmeasured => "never measured".to_owned(),
        Standing::Stale(age_s) => format!("unknown: measured {age_s} s ago, too old"),
        Standing::Down(age_s) => format!("down, {age_s} s ago"),
        Standing::OrderedDown => format!("down by order: {order}"),
        Standing::Drained => format!("drained: {order}"),
    }
}

/// An order's reason, its end and where it comes from.
fn ordered(order: &Override) -> String {
    let end = order.until_s.and_then(moment).map_or_else(String::new, |end| format!(" until {end}"));
    let by = order.by_uid.map_or_else(|| "the tree".to_owned(), |uid| format!("uid {uid} through ctl"));
    format!("{} (by {by}{end})", order.reason)
}

/// Unix seconds as people and the tree write them.
pub fn moment(unix_s: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(unix_s).ok()?).ok()
}
