//! What is known of every target: its state, its last outcome, how its content stands to that of its reference. No I/O.

use crate::probe::limits::DIGESTS_KEPT;
use crate::probe::outcome::{Cause, Digest, Failure, Outcome};
use crate::probe::state::TargetState;
use crate::probe::target::Target;
use dataplane::time::{Duration, Instant};
use std::collections::VecDeque;
use std::sync::Arc;

/// A target's line.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Up or down.
    pub state: TargetState,
    /// Since when it is.
    pub since: Instant,
    /// What came last, and when.
    pub last: Option<(Instant, Outcome)>,
    /// Good probes.
    pub good: u64,
    /// Bad ones, by cause.
    pub bad: [u64; Cause::ALL.len()],
    /// How far its content is behind its reference's, if it has one.
    pub lag: Option<Duration>,
    /// Its own contents, the newest last, each with when it was first seen.
    digests: VecDeque<(Digest, Instant)>,
}

/// The board.
#[derive(Debug)]
pub struct Board {
    targets: Vec<Arc<Target>>,
    references: Vec<Option<usize>>,
    entries: Vec<Entry>,
}

impl Board {
    /// Nothing is known yet.
    pub fn new(targets: Vec<Arc<Target>>) -> Self {
        let place = |name: &String| targets.iter().position(|target| target.name == *name);
        let references = targets.iter().map(|target| target.same_as.as_ref().and_then(place)).collect();
        Self { entries: vec![Entry::default(); targets.len()], references, targets }
    }

    /// Takes over what another board knows of targets that are still the same.
    pub fn inherit(&mut self, old: &Self) {
        for (target, entry) in self.targets.iter().zip(&mut self.entries) {
            if let Some((_, known)) = old.lines().find(|(known, _)| *known == &**target) {
                *entry = known.clone();
            }
        }
    }

    /// Targets with their lines.
    pub fn lines(&self) -> impl Iterator<Item = (&Target, &Entry)> {
        self.targets.iter().map(|target| &**target).zip(&self.entries)
    }

    /// A target's line.
    pub fn entry(&self, target: usize) -> &Entry {
        &self.entries[target]
    }

    /// Takes what came of a probe; whether the target's state has changed.
    pub fn take(&mut self, target: usize, mut outcome: Outcome, now: Instant) -> bool {
        if outcome.is_good() {
            self.compare(target, &mut outcome, now);
        }
        let entry = &mut self.entries[target];
        match &outcome.failure {
            None => entry.good += 1,
            Some(failure) => entry.bad[failure.cause as usize - 1] += 1,
        }
        let has_changed = entry.state.take(&self.targets[target].pace, outcome.is_good(), now);
        if has_changed {
            entry.since = now;
        }
        entry.last = Some((now, outcome));
        has_changed
    }

    /// Holds content against the reference's. A mirror that has what the reference had lags; one that has what the
    /// reference never had is wrong, or ahead of us: then the next look at the reference will tell before it has fallen.
    fn compare(&mut self, target: usize, outcome: &mut Outcome, now: Instant) {
        let Some(digest) = outcome.seen.digest else { return };
        let own = &mut self.entries[target].digests;
        if own.back().is_none_or(|(newest, _)| *newest != digest) {
            own.push_back((digest, now));
            if own.len() > DIGESTS_KEPT {
                own.pop_front();
            }
        }
        let Some(reference) = self.references[target] else { return };
        let known = &self.entries[reference].digests;
        let place = known.iter().rposition(|(known, _)| *known == digest);
        let wrong = |what: String| Some(Failure::new(Cause::Digest, what));
        let name = &self.targets[reference].name;
        let lag = match place {
            None if known.is_empty() => None,
            None => {
                outcome.failure = wrong(format!("the content is not what {name} has"));
                None
            }
            Some(place) => {
                Some(known.get(place + 1).map_or(Duration::ZERO, |(_, replaced)| now.since(*replaced)))
            }
        };
        if let Some(lag) = lag.filter(|lag| *lag > self.targets[target].lag_max) {
            outcome.failure = wrong(format!("the content is what {name} had {} s ago", lag.as_secs()));
        }
        self.entries[target].lag = lag;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::outcome::Seen;
    use crate::probe::url::Url;

    fn outcome(digest: u8) -> Outcome {
        let seen = Seen { digest: Some([digest; 32]), ..Seen::default() };
        Outcome { phases: Default::default(), seen, failure: None }
    }

    #[test]
    fn mirrors_lag_or_are_wrong() {
        let url = Url::read("http://a.test/").unwrap();
        let origin = Target::of("origin", url.clone());
        let mirror = Target {
            same_as: Some("origin".into()),
            lag_max: Duration::from_secs(60),
            ..Target::of("mirror", url)
        };
        let mut board = Board::new(vec![Arc::new(origin), Arc::new(mirror)]);
        let mut at = |target, digest, second: u64| {
            let now = Instant::from_us(second * 1_000_000);
            board.take(target, outcome(digest), now);
            let (_, last) = board.entry(target).last.clone().unwrap();
            (last.failure.map(|failure| failure.cause), board.entry(target).lag.map(|lag| lag.as_secs()))
        };
        assert_eq!(at(1, 1, 0), (None, None), "nobody knows what is right yet");
        assert_eq!(at(0, 1, 1), (None, None));
        assert_eq!(at(1, 1, 2), (None, Some(0)));
        assert_eq!(at(0, 2, 10), (None, None), "the origin has changed");
        assert_eq!(at(1, 1, 40), (None, Some(30)));
        assert_eq!(at(1, 1, 71), (Some(Cause::Digest), Some(61)), "too far behind");
        assert_eq!(at(1, 2, 72), (None, Some(0)));
        assert_eq!(at(1, 9, 73), (Some(Cause::Digest), None), "wrong content");
    }

    #[test]
    fn what_is_known_of_the_same_targets_outlives_a_reload() {
        let target = |name: &str, port: u16| {
            Arc::new(Target::of(name, Url::read(&format!("tcp://a.test:{port}")).unwrap()))
        };
        let mut old = Board::new(vec![target("a", 1), target("b", 1)]);
        (0..2).for_each(|at| assert!(old.take(at, outcome(0), Instant::from_us(7))));
        let mut new = Board::new(vec![target("c", 1), target("b", 2), target("a", 1)]);
        new.inherit(&old);
        assert_eq!([0, 1, 2].map(|at| new.entry(at).state.is_up()), [None, None, Some(true)]);
    }

    #[test]
    fn causes_are_counted_and_changes_told() {
        let target = Target::of("t", Url::read("tcp://a.test:1").unwrap());
        let mut board = Board::new(vec![Arc::new(target)]);
        let bad = Outcome { failure: Some(Failure::new(Cause::Refused, "no")), ..outcome(0) };
        assert!(board.take(0, outcome(0), Instant::from_us(1)));
        let told: Vec<bool> = (2..6).map(|at| board.take(0, bad.clone(), Instant::from_us(at))).collect();
        assert_eq!(told, [false, false, true, false]);
        let entry = board.entry(0);
        assert_eq!(
            (entry.good, entry.bad[Cause::Refused as usize - 1], entry.since),
            (1, 4, Instant::from_us(4))
        );
    }
}
