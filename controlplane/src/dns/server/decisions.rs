//! The last hundred decisions, for people who look: a hundred a second are taken at most, so that where there are fewer these are
//! the last ones, and where there are more a sample. A worker never waits: what finds the list in another's hands is left out.

use crate::dns::code::type_name;
use crate::dns::name::Name;
use crate::dns::policy::decide::Decision;
use crate::dns::policy::explain;
use crate::dns::policy::figures::Basis;
use crate::dns::policy::model::Policy;
use crate::dns::policy::steering::Steering;
use crate::dns::query::{Reading, read};
use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Decisions that are kept.
pub const KEPT: usize = 100;
/// Between two that a worker takes in the long run, µs.
const EVERY_US: u64 = 10_000;
/// How many may come at once all the same, as the time that they stand for, µs.
const BURST_US: u64 = KEPT as u64 * EVERY_US;

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, Unix µs.
    pub at_us: u64,
    /// The name that was asked for.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// Who asked.
    pub from: IpAddr,
    /// The client that was decided for, as network.
    pub client: String,
    /// The policy.
    pub policy: String,
    /// What made the answer.
    pub rule: &'static str,
    /// The servers of the answer, the first one first.
    pub servers: String,
    /// How far the first one is, ms, and what that rests on.
    pub latency: Option<(f32, Option<Basis>)>,
    /// The decision's number.
    pub id: u64,
}

/// The list, shared.
#[derive(Clone, Debug, Default)]
pub struct Decisions(Arc<Mutex<VecDeque<Line>>>);

/// A worker's end.
#[derive(Debug)]
pub struct DecisionTap {
    decisions: Decisions,
    /// The time up to which decisions were taken, µs: it runs ahead of the clock by a burst at most.
    taken_us: u64,
}

impl Decisions {
    /// An end for a worker.
    pub fn tap(&self) -> DecisionTap {
        DecisionTap { decisions: self.clone(), taken_us: 0 }
    }

    /// What is in the list, the newest first.
    pub fn newest_first(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

impl DecisionTap {
    /// Whether the decision of this moment is taken.
    pub fn is_due(&mut self, unix_us: u64) -> bool {
        // A clock that was put back far ends the silence.
        if self.taken_us > unix_us + BURST_US && self.taken_us < unix_us + 2 * BURST_US {
            return false;
        }
        self.taken_us = self.taken_us.min(unix_us + BURST_US).max(unix_us) + EVERY_US;
        true
    }

    /// Takes it.
    pub fn take(
        &self,
        message: &[u8],
        from: IpAddr,
        (policy, decision, steering): (&Policy, &Decision, &Steering),
        unix_us: u64,
    ) {
        let Ok(mut list) = self.decisions.0.try_lock() else { return };
        if list.len() == KEPT {
            list.pop_front();
        }
        list.push_back(line(message, from, (policy, decision, steering), unix_us));
    }
}

fn line(
    message: &[u8],
    from: IpAddr,
    (policy, decision, steering): (&Policy, &Decision, &Steering),
    at_us: u64,
) -> Line {
    let mut name = Name::ROOT;
    let (name, rtype) = match read(message, &mut name) {
        Reading::Query(query) => (query.name.to_string(), type_name(query.qtype)),
        // What a policy has answered was a question.
        Reading::Bad(..) | Reading::Ignored => (String::new(), String::new()),
    };
    let servers: Vec<&str> =
        decision.chosen.iter().map(|server| steering.server(*server).name.as_str()).collect();
    let score = decision.first().and_then(|(_, score)| score);
    Line {
        at_us,
        name,
        rtype,
        from,
        client: decision.client.map_or_else(String::new, |client| client.network().to_string()),
        policy: policy.name.clone(),
        rule: explain::rule(decision.rule),
        servers: servers.join(", "),
        latency: score.map(|score| (score.latency_ms, score.basis)),
        id: decision.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_800_000_000_000_000;

    #[test]
    fn a_hundred_a_second_are_taken_and_as_many_at_once() {
        let mut tap = Decisions::default().tap();
        let at_once = (0..1_000).filter(|_| tap.is_due(NOW_US)).count();
        assert!((KEPT..=KEPT + 1).contains(&at_once), "{at_once}");
        let later = (0..10_000u64).filter(|at| tap.is_due(NOW_US + at * 100)).count();
        assert!((99..=101).contains(&later), "{later} in a second");
        assert!(tap.is_due(NOW_US - 3_600_000_000), "a clock that was put back");
    }

    #[test]
    fn the_newest_hundred_are_kept() {
        let decisions = Decisions::default();
        let tap = decisions.tap();
        let policy = Policy {
            name: "web".into(),
            kind: crate::dns::policy::model::Kind::Static,
            members: Vec::new(),
            ttl_s: 1,
            answers: 1,
            persistence: crate::dns::policy::model::Persistence::Off,
            stale_s: 1,
            when_all_down: crate::dns::policy::model::WhenAllDown::Nothing,
            unknown: crate::dns::policy::model::Unknown::Up,
        };
        let (steering, decision) = (Steering::default(), Decision::default());
        let question = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x03<b>\x04test\0\0\x01\0\x01";
        for at in 0..250 {
            tap.take(question, [192, 0, 2, 1].into(), (&policy, &decision, &steering), at);
        }
        let kept = decisions.newest_first();
        assert_eq!((kept.len(), kept[0].at_us, kept[99].at_us), (KEPT, 249, 150));
        assert_eq!((kept[0].name.as_str(), kept[0].rtype.as_str()), ("<b>.test.", "A"));
        assert_eq!((kept[0].policy.as_str(), kept[0].latency), ("web", None));
    }
}
