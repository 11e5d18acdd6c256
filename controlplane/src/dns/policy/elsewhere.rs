//! Whether a client is better served by another machine than by the one that it has come to: the same decision that an answer
//! of DNS is made by, read from where the client stands. Pure.
//!
//! It is sent on only where everything is known: its way to both machines, and that the other one is up and its ways to
//! the origins are good. It must be better by so much, and once somebody is sent there, by half as much: figures that waver
//! move nobody to and fro.

use crate::dns::policy::decide::{Client, Decision, Family, Judged, Rule, Score, Standing};
use crate::dns::policy::model::ServerId;
use crate::dns::policy::steering::Steering;
use dataplane::stdx::network::Network;
use dataplane::stdx::prefixes::Prefixes;
use std::collections::HashMap;

/// Networks that are sent elsewhere at most, for one site: a table of 10 MB. A front-end tells of 20,000 of its own.
pub const SENT_MAX: usize = 200_000;

/// What a table is made by.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The policy that scores.
    pub policy: u32,
    /// Where clients have come to.
    pub own: ServerId,
    /// Where they may be sent; their places are what a table holds.
    pub targets: Vec<ServerId>,
    /// How much better another one must be, milliseconds of score.
    pub better_by_ms: f32,
}

/// What is known of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is served here.
    Here(Why),
    /// It is better served by the target of this place.
    There(u16),
}

/// Why a client stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// This machine is none of the policy's.
    NoMember,
    /// No machine is known to be up.
    NobodyKnown,
    /// This machine's own state, or its way to the client, is not known.
    OwnUnknown,
    /// No other machine is up with good ways, at a known distance.
    NoTarget,
    /// None is better by as much as is asked for.
    NotBetter,
}

impl Why {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoMember => "this machine is no member of the policy",
            Self::NobodyKnown => "no member is known to be up",
            Self::OwnUnknown => "nobody knows how far the client is from here",
            Self::NoTarget => "no target is up, with good ways to the origins, at a known distance",
            Self::NotBetter => "no target is better by as much as is asked for",
        }
    }
}

/// More networks would be sent elsewhere than [`SENT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// Judges one client, who was sent to the target of place `held` until now, if anywhere.
pub fn judge(
    steering: &Steering,
    terms: &Terms,
    client: Client,
    held: Option<u16>,
    now_s: u64,
    decision: &mut Decision,
) -> Verdict {
    let family = if client.address.is_ipv4() { Family::V4 } else { Family::V6 };
    // A number that stays the same: who is judged twice is judged alike.
    if !steering.decide(terms.policy, client, family, now_s, 0, decision) || decision.rule != Rule::Policy {
        return Verdict::Here(Why::NobodyKnown);
    }
    let of = |server: ServerId| decision.judged.iter().find(|one| one.server == server);
    let Some(own) = of(terms.own) else { return Verdict::Here(Why::NoMember) };
    let Some(own_ms) = own_score(own) else { return Verdict::Here(Why::OwnUnknown) };
    let targets = terms.targets.iter().zip(0u16..).filter(|(server, _)| **server != terms.own);
    let scored = targets.filter_map(|(server, place)| Some((of(*server).and_then(target_score)?, place)));
    let all: Vec<(f32, u16)> = scored.collect();
    let Some(best) = all.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)) else {
        return Verdict::Here(Why::NoTarget);
    };
    let half_ms = terms.better_by_ms / 2.0;
    let kept = all.iter().find(|(_, place)| Some(*place) == held);
    let stays = |kept: &&(f32, u16)| own_ms - kept.0 >= half_ms && kept.0 - best.0 < half_ms;
    match kept.filter(stays) {
        Some((_, place)) => Verdict::There(*place),
        None if own_ms - best.0 >= terms.better_by_ms => Verdict::There(best.1),
        None => Verdict::Here(Why::NotBetter),
    }
}

/// A machine that is down or drained is worse than any other; `None` where something of it is not known.
fn own_score(own: &Judged) -> Option<f32> {
    match own.standing {
        Standing::Down(_) | Standing::OrderedDown | Standing::Drained => Some(f32::INFINITY),
        Standing::Unmeasured | Standing::Stale(_) => None,
        Standing::Up(_) | Standing::OrderedUp => {
            own.score.filter(|score| score.latency_age_s.is_some()).map(|score| score.total_ms)
        }
    }
}

/// `None` where nobody may be sent.
fn target_score(target: &Judged) -> Option<f32> {
    let is_up = matches!(target.standing, Standing::Up(_) | Standing::OrderedUp);
    let is_good = |score: &Score| score.latency_age_s.is_some() && score.soured_ms == 0.0;
    target.score.filter(|score| is_up && is_good(score)).map(|score| score.total_ms)
}

/// The table of all networks that anybody has measured: for each the place of its target, `None` where it is served here
/// although a larger network is sent elsewhere. `before` is the table that holds until now.
pub fn table(
    steering: &Steering,
    terms: &Terms,
    before: &Prefixes<Option<u16>>,
    now_s: u64,
) -> Result<Prefixes<Option<u16>>, TooMany> {
    let mut decision = Decision::default();
    let mut sent: HashMap<Network, Option<u16>> = HashMap::new();
    let mut here: Vec<Network> = Vec::new();
    let figures = steering.figures();
    let is_out = is_out(steering, terms, now_s, &mut decision);
    for network in figures.measured() {
        let client = Client { address: network.base(), bits: network.bits() };
        // What the judgement would say, for most networks of a large network of machines: they are others' clients.
        if !is_out && figures.ways(client.address, client.bits).0.from(terms.own.0.into()).is_none() {
            here.push(*network);
            continue;
        }
        let held = before.get(network).copied().flatten();
        match judge(steering, terms, client, held, now_s, &mut decision) {
            Verdict::There(place) => {
                sent.insert(*network, Some(place));
            }
            Verdict::Here(_) => here.push(*network),
        }
        if sent.len() > SENT_MAX {
            return Err(TooMany);
        }
    }
    let is_within_sent = |network: &Network| {
        (0..network.bits()).any(|bits| sent.contains_key(&Network::of(network.base(), bits)))
    };
    if !sent.is_empty() {
        let shadowing: Vec<Network> = here.into_iter().filter(is_within_sent).collect();
        sent.extend(shadowing.into_iter().map(|network| (network, None)));
    }
    Ok(sent.into_iter().collect())
}

/// Whether this machine is down or drained, so that its distance from a client does not matter.
fn is_out(steering: &Steering, terms: &Terms, now_s: u64, decision: &mut Decision) -> bool {
    let anybody = Client::of(core::net::Ipv4Addr::UNSPECIFIED.into());
    steering.decide(terms.policy, anybody, Family::V4, now_s, 0, decision);
    let own = decision.judged.iter().find(|one| one.server == terms.own);
    own.and_then(own_score) == Some(f32::INFINITY)
}

#[cfg(test)]
mod tests;
