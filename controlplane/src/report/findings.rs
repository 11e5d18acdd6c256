//! What the ledger comes to: figures for policies, each with the words that say where it comes from and who disagrees.

use crate::dns::policy::figures::{Basis, Figure, Health, Legs, Reported, Seen, Way, Ways};
use crate::probe::outcome::Cause;
use crate::report::expected::ExpectedTarget;
use crate::report::ledger::Ledger;
use crate::report::limits::SILENT_AFTER;
use crate::report::poll::{Poll, Vote};
use crate::report::tunnel_watch::TunnelWatch;
use std::sync::Arc;

/// What is believed of each server now. `ways` were made of the same ledger, now or before. Without words, which cost more
/// than all the rest: [`sources`] makes them for who asks.
pub fn reported(ledger: &Ledger, ways: Arc<Ways>, now_us: u64) -> Reported {
    let mut health = vec![Health::default(); ledger.expected().servers.len()];
    for (target, poll) in ledger.expected().targets.iter().zip(ledger.polls()) {
        let Some(server) = target.server else { continue };
        judge(&mut health[server], target, poll, now_us);
    }
    for (node, line) in ledger.expected().nodes.iter().zip(ledger.nodes()) {
        let Some(server) = node.server else { continue };
        let health = &mut health[server];
        if let Some((pressure, at_us)) = line.pressure
            && let Some(cpu) = pressure.cpu
        {
            // What a probe reads is what the operator asked for; pressure stands in where he asked for nothing.
            health.load = health.load.or(Some(Figure { value: cpu, at_s: at_us / 1_000_000 }));
        }
        for watch in line.tunnels.values() {
            let Some((_, at_us)) = watch.last() else { continue };
            let at_s = at_us / 1_000_000;
            let is_sour = health.soured.is_some_and(|soured| soured.value) || watch.sour().is_some();
            let newest_s = health.soured.map_or(at_s, |soured| soured.at_s.max(at_s));
            health.soured = Some(Figure { value: is_sour, at_s: newest_s });
            let loss = health.loss.map_or(0.0, |loss| loss.value).max(watch.steady_loss());
            health.loss = Some(Figure { value: loss, at_s });
        }
    }
    Reported { health, sources: Vec::new(), ways }
}

/// Where each server's figures come from, and who disagrees: lines for people.
pub fn sources(ledger: &Ledger, now_us: u64) -> Vec<Vec<String>> {
    let mut sources = vec![Vec::new(); ledger.expected().servers.len()];
    for (target, poll) in ledger.expected().targets.iter().zip(ledger.polls()) {
        if let Some(server) = target.server {
            sources[server].push(words(ledger, target, poll, now_us));
        }
    }
    for (node, line) in ledger.expected().nodes.iter().zip(ledger.nodes()) {
        let Some(server) = node.server else { continue };
        if let Some((pressure, at_us)) = line.pressure
            && let Some(cpu) = pressure.cpu
        {
            let age_s = age_s(at_us, now_us);
            sources[server].push(format!("pressure: cpu {cpu:.3}, {age_s} s ago, says {}", node.name));
        }
        let tunnels = line.tunnels.iter().filter_map(|(to, watch)| tunnel_words(to, watch, now_us));
        sources[server].extend(tunnels);
    }
    for (server, lines) in sources.iter_mut().enumerate() {
        lines.extend(ledger.grades().words(server));
    }
    sources
}

fn tunnel_words(to: &str, watch: &TunnelWatch, now_us: u64) -> Option<String> {
    let (entry, at_us) = watch.last()?;
    let state = watch.sour().map_or_else(
        || "good".to_owned(),
        |sour| format!("SOURED by {} {} s ago", sour.name(), age_s(watch.since_us(), now_us)),
    );
    Some(format!(
        "tunnel to {to}: {state}; rtt {:.1} ms (usually {:.1}), loss {:.1} % ({:.2} % of late), queue {:.1} ms, headroom \
         {:.1} Mbit/s, {} s ago",
        f64::from(entry.rtt_us) / 1e3,
        f64::from(watch.usual_us()) / 1e3,
        watch.loss() * 100.0,
        watch.steady_loss() * 100.0,
        f64::from(entry.queue_us) / 1e3,
        f64::from(entry.headroom_kbps) / 1e3,
        age_s(at_us, now_us)
    ))
}

/// A server is up if all its targets are; one that nobody knows of does not count.
fn judge(health: &mut Health, target: &ExpectedTarget, poll: &Poll, now_us: u64) {
    let Some((is_up, said_us)) = poll.verdict.zip(poll.said_us()) else { return };
    let at_s = said_us / 1_000_000;
    let figure = match health.is_up {
        None => Figure { value: is_up, at_s },
        // The one that decides has the age; where all are up, the oldest is what the whole is worth.
        Some(known) if known.value != is_up => {
            if is_up {
                known
            } else {
                Figure { value: false, at_s }
            }
        }
        Some(known) if is_up => Figure { value: true, at_s: known.at_s.min(at_s) },
        Some(known) => Figure { value: false, at_s: known.at_s.max(at_s) },
    };
    health.is_up = Some(figure);
    // All its targets are up since the last of them is.
    let since_s = poll.since_us / 1_000_000;
    health.up_since_s = figure.value.then(|| health.up_since_s.unwrap_or(0).max(since_s));
    if let Some(load) = poll.middle(target.rules, now_us, |vote| vote.load, f32::total_cmp) {
        let load = health.load.map_or(load, |known| known.value.max(load));
        health.load = Some(Figure { value: load, at_s });
    }
}

/// A target's votes in words: what holds, by whom, and who says otherwise.
pub fn words(ledger: &Ledger, target: &ExpectedTarget, poll: &Poll, now_us: u64) -> String {
    let name = |place: usize| &ledger.expected().nodes[target.lookers[place]].name;
    let fresh: Vec<(usize, &Vote)> = poll.fresh(target.rules, now_us).collect();
    let state = |is_up: bool| if is_up { "up" } else { "down" };
    let holds = match poll.verdict {
        Some(verdict) => format!("{} for {} s", state(verdict), age_s(poll.since_us, now_us)),
        None => "unknown".to_owned(),
    };
    let mut parts =
        vec![format!("{}: {holds}, {} of {} heard", target.name, fresh.len(), target.lookers.len())];
    for (place, vote) in fresh {
        let why =
            Cause::of_number(vote.cause).filter(|_| !vote.is_up).map(|cause| format!(" ({})", cause.name()));
        let against = vote.against_us.map(|since_us| format!(", OUTVOTED for {} s", age_s(since_us, now_us)));
        parts.push(format!(
            "{} says {}{}, {:.1} ms, {} s ago{}",
            name(place),
            state(vote.is_up),
            why.unwrap_or_default(),
            f64::from(vote.total_us) / 1e3,
            age_s(vote.at_us, now_us),
            against.unwrap_or_default()
        ));
    }
    parts.join("; ")
}

/// Latencies that front-ends saw in their own connections and probers towards resolvers, and legs that probers measured on the way.
pub fn ways(ledger: &Ledger, now_us: u64) -> Ways {
    let expected = ledger.expected();
    let mut seen = Seen::new();
    for (node, network, latency) in ledger.latencies().all() {
        let ms = Figure { value: (latency.rtt_us / 1e3) as f32, at_s: latency.at_us / 1_000_000 };
        let basis = if latency.is_resolver { Basis::Resolver } else { Basis::Own };
        seen.entry(network).or_default().insert(expected.nodes[node].name.clone(), Way::measured(ms, basis));
    }
    let mut legs = Legs::new();
    for (target, poll) in expected.targets.iter().zip(ledger.polls()) {
        let Some(server) = target.server else { continue };
        for (place, vote) in
            poll.fresh(target.rules, now_us).filter(|(_, vote)| vote.connect_us > 0 && vote.is_up)
        {
            let ends = (expected.nodes[target.lookers[place]].name.clone(), expected.servers[server].clone());
            let figure = Figure { value: vote.connect_us as f32 / 1e3, at_s: vote.at_us / 1_000_000 };
            // Several targets of one server are as many measurements of one way: the shortest has the least else in it.
            let known = legs.entry(ends).or_insert(figure);
            if figure.value < known.value {
                *known = figure;
            }
        }
    }
    let servers: Vec<&str> = expected.servers.iter().map(String::as_str).collect();
    Ways::of(&seen, &legs, &servers)
}

/// Seconds since a moment.
pub fn age_s(at_us: u64, now_us: u64) -> u64 {
    now_us.saturating_sub(at_us) / 1_000_000
}

/// Whether a node that was heard once is silent now, or never was heard.
pub fn is_silent(heard_us: Option<u64>, now_us: u64) -> bool {
    heard_us.is_none_or(|heard_us| now_us.saturating_sub(heard_us) > SILENT_AFTER.as_micros() as u64)
}
