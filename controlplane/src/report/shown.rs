//! What operators see of reports: the part of a name server's `/status` and `/metrics` that is about nodes, votes and tunnels.

use crate::probe::outcome::Cause;
use crate::probe::resolvers::Outcome;
use crate::report::expected::ExpectedNode;
use crate::report::findings::{age_s, is_silent};
use crate::report::ledger::{Ledger, NodeLine};
use crate::report::poll::Vote;
use crate::report::refusal::Refusal;
use crate::view::{MetricsText, Unit};
use serde_json::{Map, Value, json};

/// All of it as JSON.
pub fn status(ledger: &Ledger, now_us: u64) -> Value {
    let nodes = ledger.expected().nodes.iter().zip(ledger.nodes());
    json!({
        "nodes": nodes.map(|(node, line)| one_node(node, line, now_us)).collect::<Vec<_>>(),
        "targets": targets(ledger, now_us),
        "networks": ledger.latencies().all().count(),
        "forecasts": ledger.grades().status(),
        "resolvers": resolvers(ledger),
        "refused": counts(ledger.refused()),
    })
}

/// Resolvers that probers are asked for; null where nobody probes them.
fn resolvers(ledger: &Ledger) -> Value {
    let cold = ledger.cold();
    if !cold.manners().is_on {
        return Value::Null;
    }
    let (waiting, asked, refused) = cold.counts();
    let results = Outcome::ALL.iter().zip(cold.results());
    let results: Map<_, _> =
        results.map(|(outcome, count)| (outcome.name().to_owned(), (*count).into())).collect();
    json!({ "unknown": waiting, "asked": asked, "refused": refused, "results": results })
}

fn counts(refused: &[u64]) -> Value {
    let some = Refusal::ALL.iter().zip(refused).filter(|(_, count)| **count > 0);
    Value::Object(
        some.map(|(reason, count)| (reason.name().to_owned(), (*count).into())).collect::<Map<_, _>>(),
    )
}

fn one_node(node: &ExpectedNode, line: &NodeLine, now_us: u64) -> Value {
    let tunnels = line.tunnels.iter().filter_map(|(to, watch)| {
        let (entry, at_us) = watch.last()?;
        Some(json!({
            "to": to, "up": entry.is_up, "sour": watch.sour().map(|sour| sour.name()),
            "for_s": age_s(watch.since_us(), now_us), "age_s": age_s(at_us, now_us),
            "rtt_us": entry.rtt_us, "rtt_usual_us": watch.usual_us(), "loss": watch.loss(), "loss_steady": watch.steady_loss(),
            "queue_us": entry.queue_us, "headroom_kbps": entry.headroom_kbps, "peer_loss_ppm": entry.peer_loss_ppm,
        }))
    });
    json!({
        "name": node.name, "silent": is_silent(line.heard_us, now_us),
        "heard_s": line.heard_us.map(|heard_us| age_s(heard_us, now_us)),
        "reports": line.taken, "lost": line.lost(), "refused": counts(&line.refused),
        "pressure": line.pressure.map(|(pressure, _)| {
            json!({ "cpu": pressure.cpu, "memory": pressure.memory, "io": pressure.io })
        }),
        "tunnels": tunnels.collect::<Vec<_>>(),
    })
}

fn targets(ledger: &Ledger, now_us: u64) -> Vec<Value> {
    let expected = ledger.expected();
    let all = expected.targets.iter().zip(ledger.polls());
    let one = |(target, poll): (&crate::report::expected::ExpectedTarget, &crate::report::poll::Poll)| {
        let is_fresh = |vote: &Vote| now_us.saturating_sub(vote.at_us) <= target.rules.stale_us;
        let vote = |(place, vote): (usize, &Option<Vote>)| {
            let node = &expected.nodes[target.lookers[place]].name;
            let Some(vote) = vote else { return json!({ "node": node, "up": null }) };
            json!({
                "node": node, "up": vote.is_up, "age_s": age_s(vote.at_us, now_us), "counts": is_fresh(vote),
                "cause": Cause::of_number(vote.cause).map(Cause::name), "total_us": vote.total_us,
                "connect_us": vote.connect_us, "load": vote.load, "lag_s": vote.lag_s,
                "outvoted_s": vote.against_us.map(|since_us| age_s(since_us, now_us)),
            })
        };
        json!({
            "name": target.name, "server": target.server.map(|server| &expected.servers[server]),
            "up": poll.verdict, "for_s": poll.verdict.map(|_| age_s(poll.since_us, now_us)),
            "votes": poll.votes.iter().enumerate().map(vote).collect::<Vec<_>>(),
        })
    };
    all.map(one).collect()
}

/// All of it as metrics.
pub fn metrics(ledger: &Ledger, text: &mut MetricsText, now_us: u64) {
    let nodes = || ledger.expected().nodes.iter().zip(ledger.nodes());
    let mut samples = text.counter("longhaul_reports", Unit::None, "Reports taken.");
    for (node, line) in nodes() {
        samples.value(&[("node", &node.name)], line.taken);
    }
    let mut samples =
        text.counter("longhaul_reports_lost", Unit::None, "Reports that never came, by their numbers.");
    for (node, line) in nodes() {
        samples.value(&[("node", &node.name)], line.lost());
    }
    let mut samples = text.gauge("longhaul_report_node_silent", Unit::None, "Whether a node is not heard.");
    for (node, line) in nodes() {
        samples.value(&[("node", &node.name)], f64::from(u8::from(is_silent(line.heard_us, now_us))));
    }
    let help = "Reports or parts that were refused, by reason; without a node where nobody can be believed to have sent it.";
    let mut samples = text.counter("longhaul_reports_refused", Unit::None, help);
    let nobody = String::new();
    let all = core::iter::once((&nobody, ledger.refused()))
        .chain(nodes().map(|(node, line)| (&node.name, &line.refused)));
    for (node, refused) in all {
        for (reason, count) in Refusal::ALL.iter().zip(refused).filter(|(_, count)| **count > 0) {
            samples.value(&[("node", node), ("reason", &reason.name())], *count);
        }
    }
    disagreement(ledger, text, now_us);
    ledger.grades().metrics(text);
    resolver_metrics(ledger, text);
    let mut samples =
        text.gauge("longhaul_report_tunnel_sour", Unit::None, "Whether a way to an origin has soured.");
    for (node, line) in nodes() {
        for (to, watch) in &line.tunnels {
            let is_sour = f64::from(u8::from(watch.sour().is_some()));
            samples.value(&[("node", &node.name), ("to", to)], is_sour);
        }
    }
}

fn resolver_metrics(ledger: &Ledger, text: &mut MetricsText) {
    let (waiting, asked, refused) = ledger.cold().counts();
    let help = "Networks of resolvers whose distance nobody knows, or knows no more, and that are asked for.";
    text.gauge("longhaul_dns_resolvers_unknown", Unit::None, help).value(&[], waiting as f64);
    let help = "Resolvers that probers were asked for.";
    text.counter("longhaul_dns_resolvers_asked", Unit::None, help).value(&[], asked);
    let help = "Resolvers that were not noted for want of room.";
    text.counter("longhaul_dns_resolvers_refused", Unit::None, help).value(&[], refused);
    let help = "Probes of resolvers that nodes told of, by outcome.";
    let mut samples = text.counter("longhaul_report_resolvers", Unit::None, help);
    for (node, line) in ledger.expected().nodes.iter().zip(ledger.nodes()) {
        for (outcome, count) in Outcome::ALL.iter().zip(line.resolvers).filter(|(_, count)| *count > 0) {
            samples.value(&[("node", &node.name), ("outcome", &outcome.name())], count);
        }
    }
}

fn disagreement(ledger: &Ledger, text: &mut MetricsText, now_us: u64) {
    let expected = ledger.expected();
    let mut outvoted = vec![0u64; expected.nodes.len()];
    for (target, poll) in expected.targets.iter().zip(ledger.polls()) {
        for (place, vote) in poll.fresh(target.rules, now_us) {
            outvoted[target.lookers[place]] += u64::from(vote.against_us.is_some());
        }
    }
    let help = "Targets of which a node says otherwise than what holds.";
    let mut samples = text.gauge("longhaul_report_outvoted", Unit::None, help);
    for (node, count) in expected.nodes.iter().zip(outvoted) {
        samples.value(&[("node", &node.name)], count as f64);
    }
    let mut samples =
        text.gauge("longhaul_report_target_up", Unit::None, "Whether a target is up, as k of n decide.");
    for (target, poll) in expected.targets.iter().zip(ledger.polls()) {
        if let Some(verdict) = poll.verdict {
            samples.value(&[("target", &target.name)], f64::from(u8::from(verdict)));
        }
    }
}
