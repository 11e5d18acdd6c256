//! All that nodes have said and that may be believed: votes about targets, tunnels, pressure, latencies. It opens datagrams,
//! refuses what is not in order, counts every refusal, and says what it comes to. No I/O: times are Unix µs that it is told.

use crate::dns::policy::forecast::Told;
use crate::probe::manners::Manners;
use crate::probe::outcome::Cause;
use crate::probe::resolvers::Outcome;
use crate::report::cold::Cold;
use crate::report::expected::{Expected, ExpectedNode};
use crate::report::grades::Grades;
use crate::report::latencies::Latencies;
use crate::report::limits::TUNNELS_MAX;
use crate::report::poll::{Poll, Vote};
use crate::report::refusal::{Refusal, Refused, admit};
use crate::report::tunnel_watch::TunnelWatch;
use crate::report::window::Window;
use crate::report::wire::{
    Entry, Head, PressureEntry, ResolverEntry, Speaker, TargetEntry, TunnelEntry, Unproven,
};
use core::net::IpAddr;
use std::collections::{BTreeMap, HashMap};

/// What is known of a node.
#[derive(Clone, Debug, Default)]
pub struct NodeLine {
    /// Which reports of each of its processes came.
    pub windows: [Window; Speaker::REPORTING.len()],
    /// When it was heard last, Unix µs; `None`: never, or not since a restart.
    pub heard_us: Option<u64>,
    /// Reports taken.
    pub taken: u64,
    /// Reports and parts that were refused in its name, by reason.
    pub refused: Refused,
    /// How hard it is pressed, and when it said so.
    pub pressure: Option<(PressureEntry, u64)>,
    /// Probes of resolvers that it told of, by outcome.
    pub resolvers: [u64; Outcome::ALL.len()],
    /// Its tunnels, by their far end.
    pub tunnels: BTreeMap<String, TunnelWatch>,
}

impl NodeLine {
    /// Reports that never came.
    pub fn lost(&self) -> u64 {
        self.windows.iter().map(Window::lost).sum()
    }
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    expected: Expected,
    names: HashMap<String, usize>,
    targets: HashMap<String, usize>,
    nodes: Vec<NodeLine>,
    polls: Vec<Poll>,
    latencies: Latencies,
    grades: Grades,
    cold: Cold,
    /// Refusals that belong to no node: strangers, what is no report.
    refused: Refused,
}

impl Ledger {
    /// Nothing was said yet.
    pub fn new(expected: Expected) -> Self {
        let index =
            |names: &mut dyn Iterator<Item = &String>| names.cloned().zip(0..).collect::<HashMap<_, _>>();
        Self {
            names: index(&mut expected.nodes.iter().map(|node| &node.name)),
            targets: index(&mut expected.targets.iter().map(|target| &target.name)),
            nodes: vec![NodeLine::default(); expected.nodes.len()],
            polls: expected.targets.iter().map(|target| Poll::new(target.lookers.len())).collect(),
            grades: Grades::new(&expected.servers),
            cold: Cold::new(expected.manners.clone()),
            expected,
            ..Self::default()
        }
    }

    /// Another tree: what was said by nodes that stay, about what stays, is kept.
    pub fn replace(&mut self, expected: Expected) {
        let old = core::mem::replace(self, Self::new(expected));
        self.refused = old.refused;
        self.grades.inherit(old.grades);
        self.cold.inherit(old.cold);
        for (name, place) in &self.names {
            if let Some(before) = old.names.get(name) {
                self.nodes[*place] = old.nodes[*before].clone();
            }
        }
        for (name, place) in &self.targets {
            let Some(before) = old.targets.get(name) else { continue };
            let (target, known) = (&self.expected.targets[*place], &old.expected.targets[*before]);
            let poll = &mut self.polls[*place];
            (poll.verdict, poll.since_us) = (old.polls[*before].verdict, old.polls[*before].since_us);
            for (looker, vote) in known.lookers.iter().zip(&old.polls[*before].votes) {
                let name = &old.expected.nodes[*looker].name;
                let place = target.lookers.iter().position(|now| self.expected.nodes[*now].name == *name);
                if let Some(place) = place {
                    poll.votes[place].clone_from(vote);
                }
            }
        }
        self.latencies =
            old.latencies.renamed(|place| self.names.get(&old.expected.nodes[place].name).copied());
    }

    /// Who may say what.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The nodes, in the order of [`Expected::nodes`].
    pub fn nodes(&self) -> &[NodeLine] {
        &self.nodes
    }

    /// The polls, in the order of [`Expected::targets`].
    pub fn polls(&self) -> &[Poll] {
        &self.polls
    }

    /// How far clients are.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// What answers foretold, and what came of it.
    pub fn grades(&self) -> &Grades {
        &self.grades
    }

    /// Takes what an answer told of the way to its client.
    pub fn told(&mut self, told: Told, now_us: u64) {
        match told {
            Told::Forecast(forecast) => self.grades.foretold(forecast, now_us),
            Told::Unknown(resolver) => self.cold.note(resolver, now_us),
        }
    }

    /// Resolvers whose way nobody knows.
    pub fn cold(&self) -> &Cold {
        &self.cold
    }

    /// The resolvers that probers are asked for now.
    pub fn batch(&mut self, now_us: u64) -> Vec<IpAddr> {
        self.cold.batch(now_us)
    }

    /// Refusals that belong to no node, by reason.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Takes a datagram; whether something that decides where clients go has changed.
    pub fn take(&mut self, datagram: &[u8], now_us: u64) -> Result<bool, Refusal> {
        let report = Unproven::read(datagram).ok_or(Refusal::Malformed);
        let report = report.inspect_err(|_| self.refused[Refusal::Malformed as usize] += 1)?;
        let Some(place) = self.names.get(report.head.node).copied() else {
            self.refused[Refusal::Stranger as usize] += 1;
            return Err(Refusal::Stranger);
        };
        let key = self.expected.nodes[place].key.as_ref();
        let entries = match key.and_then(|key| report.proven(key)) {
            Some(entries) => self.admit(place, &report.head, now_us).map(|()| entries),
            None => Err(Refusal::Forged),
        };
        let entries = entries.inspect_err(|refusal| self.nodes[place].refused[*refusal as usize] += 1)?;
        let mut has_changed = false;
        let mut refused = None;
        for entry in entries {
            let taken = match entry {
                Ok(entry) => self.entry(place, entry, report.head.at_us, now_us),
                Err(_) => Err(Refusal::Malformed),
            };
            match taken {
                Ok(changed) => has_changed |= changed,
                Err(refusal) => {
                    self.nodes[place].refused[refusal as usize] += 1;
                    refused = Some(refusal);
                }
            }
        }
        // The good parts of a report count, whatever stands beside them.
        match refused {
            Some(refusal) if !has_changed => Err(refusal),
            _ => Ok(has_changed),
        }
    }

    /// Counts again, for votes grow old; whether something has changed.
    pub fn tick(&mut self, now_us: u64) -> bool {
        self.grades.tick(now_us);
        let polls = self.polls.iter_mut().zip(&self.expected.targets);
        polls.fold(false, |changed, (poll, target)| poll.count(target.rules, now_us) | changed)
    }

    /// Whether a report whose code is good is new and of this time.
    fn admit(&mut self, place: usize, head: &Head<'_>, now_us: u64) -> Result<(), Refusal> {
        if head.speaker == Speaker::NameServer {
            return Err(Refusal::NotAllowed);
        }
        let node = &mut self.nodes[place];
        admit(&mut node.windows[head.speaker.place()], head, now_us)?;
        node.taken += 1;
        node.heard_us = Some(now_us);
        Ok(())
    }

    fn entry(&mut self, place: usize, entry: Entry, at_us: u64, now_us: u64) -> Result<bool, Refusal> {
        let ExpectedNode { is_front, asked_at, .. } = self.expected.nodes[place];
        match entry {
            Entry::Target(entry) => self.vote(place, &entry, at_us.min(now_us), now_us),
            Entry::Pressure(pressure) => {
                self.nodes[place].pressure = Some((pressure, at_us.min(now_us)));
                Ok(false)
            }
            Entry::Tunnel(_) | Entry::Latency(_) if !is_front => Err(Refusal::NotAllowed),
            Entry::Ask(_) => Err(Refusal::NotAllowed),
            Entry::Resolver(_) if asked_at.is_none() || !self.expected.manners.is_on => {
                Err(Refusal::NotAllowed)
            }
            Entry::Resolver(entry) => self.resolver(place, entry, at_us.min(now_us)),
            Entry::Tunnel(entry) => self.tunnel(place, entry, at_us),
            Entry::Latency(entry) => {
                if let Some(server) = self.expected.nodes[place].server {
                    let network = Latencies::network(&entry);
                    self.grades.measured(server, network, entry.rtt_us, at_us.min(now_us));
                }
                if self.latencies.take(place, entry, at_us.min(now_us)) {
                    Ok(false)
                } else {
                    Err(Refusal::TooMany)
                }
            }
        }
    }

    fn vote(&mut self, place: usize, entry: &TargetEntry, at_us: u64, now_us: u64) -> Result<bool, Refusal> {
        // A target that only another tree has: one of the two has not been read again yet.
        let target = *self.targets.get(&entry.target).ok_or(Refusal::NotAllowed)?;
        let expected = &self.expected.targets[target];
        let looker =
            expected.lookers.iter().position(|looker| *looker == place).ok_or(Refusal::NotAllowed)?;
        if entry.cause != 0 && Cause::of_number(entry.cause).is_none() {
            return Err(Refusal::Malformed);
        }
        let poll = &mut self.polls[target];
        let slot = &mut poll.votes[looker];
        let probed_us = at_us.saturating_sub(u64::from(entry.age_ms) * 1_000);
        // Datagrams overtake each other.
        if slot.as_ref().is_some_and(|before| before.at_us > probed_us) {
            return Ok(false);
        }
        *slot = Some(Vote {
            is_up: entry.is_up,
            cause: entry.cause,
            at_us: probed_us,
            total_us: entry.total_us,
            connect_us: entry.connect_us,
            load: entry.load,
            lag_s: entry.lag_s,
            against_us: slot.as_ref().and_then(|before| before.against_us),
        });
        Ok(poll.count(expected.rules, now_us))
    }

    fn resolver(&mut self, place: usize, entry: ResolverEntry, at_us: u64) -> Result<bool, Refusal> {
        let ResolverEntry { address, outcome, rtt_us } = entry;
        self.cold.result(address, outcome, at_us);
        self.nodes[place].resolvers[outcome as usize] += 1;
        if outcome == Outcome::Silent {
            return Ok(false);
        }
        let taken = self.latencies.take_resolver(place, Manners::network(address), rtt_us, at_us);
        if taken { Ok(false) } else { Err(Refusal::TooMany) }
    }

    fn tunnel(&mut self, place: usize, entry: TunnelEntry, at_us: u64) -> Result<bool, Refusal> {
        let tunnels = &mut self.nodes[place].tunnels;
        if !tunnels.contains_key(&entry.to) && tunnels.len() >= TUNNELS_MAX {
            return Err(Refusal::TooMany);
        }
        Ok(tunnels.entry(entry.to.clone()).or_default().take(entry, at_us))
    }

    /// Puts back what was kept over a restart.
    pub(crate) fn restore_node(&mut self, node: &str, speaker: Speaker, boot_us: u64, next: u64) {
        if let Some(place) = self.names.get(node) {
            self.nodes[*place].windows[speaker.place()] = Window::kept(boot_us, next);
        }
    }

    /// Puts back what held, and a vote about it.
    pub(crate) fn restore_poll(
        &mut self,
        target: &str,
        verdict: Option<bool>,
        since_us: u64,
        votes: Vec<(String, Vote)>,
    ) {
        let Some(place) = self.targets.get(target) else { return };
        let poll = &mut self.polls[*place];
        (poll.verdict, poll.since_us) = (verdict, since_us);
        for (node, vote) in votes {
            let looker = self.names.get(&node);
            let lookers = &self.expected.targets[*place].lookers;
            if let Some(slot) = looker.and_then(|node| lookers.iter().position(|looker| looker == node)) {
                poll.votes[slot] = Some(vote);
            }
        }
    }
}

#[cfg(test)]
mod tests;
