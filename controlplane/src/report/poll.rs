//! What those who look at one target say of it, and what holds: k of n decide. Who says otherwise is named, and not averaged
//! away. Nobody new to hear, or as many on one side as on the other: what held goes on holding, and grows old.

/// What one node says.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// Up or down.
    pub is_up: bool,
    /// Why its last probe failed, as a cause's number; 0: it did not.
    pub cause: u8,
    /// When that probe ended, Unix µs.
    pub at_us: u64,
    /// How long it took, µs.
    pub total_us: u32,
    /// How long its connection took, µs; 0 if it had none.
    pub connect_us: u32,
    /// How busy the target says it is.
    pub load: Option<f32>,
    /// How far its content is behind, s.
    pub lag_s: Option<u32>,
    /// Since when this node says otherwise than what holds, Unix µs.
    pub against_us: Option<u64>,
}

/// The votes about one target.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// One place for each node that looks.
    pub votes: Vec<Option<Vote>>,
    /// What holds.
    pub verdict: Option<bool>,
    /// Since when, Unix µs.
    pub since_us: u64,
}

/// A poll's rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How many must agree; 0: more than half of those that are heard.
    pub quorum: usize,
    /// How long a vote counts, µs.
    pub stale_us: u64,
}

impl Poll {
    /// Of so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self { votes: vec![None; nodes], ..Self::default() }
    }

    /// The votes that count, by the place of who gave them.
    pub fn fresh(&self, rules: Rules, now_us: u64) -> impl Iterator<Item = (usize, &Vote)> {
        let is_fresh = move |vote: &&Vote| now_us.saturating_sub(vote.at_us) <= rules.stale_us;
        self.votes
            .iter()
            .enumerate()
            .filter_map(move |(place, vote)| Some((place, vote.as_ref().filter(is_fresh)?)))
    }

    /// Counts; whether what holds has changed.
    pub fn count(&mut self, rules: Rules, now_us: u64) -> bool {
        let (mut ups, mut downs) = (0, 0);
        self.fresh(rules, now_us).for_each(|(_, vote)| if vote.is_up { ups += 1 } else { downs += 1 });
        let quorum = if rules.quorum > 0 { rules.quorum } else { (ups + downs) / 2 + 1 };
        let verdict = match (ups >= quorum, downs >= quorum) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            // A quorum of less than half may be had by both sides: then the larger one has it.
            (true, true) if ups != downs => Some(ups > downs),
            _ => self.verdict,
        };
        let has_changed = verdict != self.verdict;
        if has_changed {
            (self.verdict, self.since_us) = (verdict, now_us);
        }
        for vote in self.votes.iter_mut().flatten() {
            let agrees = verdict.is_none_or(|verdict| verdict == vote.is_up);
            vote.against_us = if agrees { None } else { vote.against_us.or(Some(now_us)) };
        }
        has_changed
    }

    /// When what holds was said last, Unix µs.
    pub fn said_us(&self) -> Option<u64> {
        let verdict = self.verdict?;
        self.votes.iter().flatten().filter(|vote| vote.is_up == verdict).map(|vote| vote.at_us).max()
    }

    /// The middle of what those say who are heard: one who lies moves it to his neighbour's word at most.
    pub fn middle<T: Copy>(
        &self,
        rules: Rules,
        now_us: u64,
        of: impl Fn(&Vote) -> Option<T>,
        order: impl Fn(&T, &T) -> core::cmp::Ordering,
    ) -> Option<T> {
        let mut said: Vec<T> = self.fresh(rules, now_us).filter_map(|(_, vote)| of(vote)).collect();
        said.sort_by(order);
        said.get(said.len().checked_sub(1)? / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { quorum: 0, stale_us: 100 };

    fn poll(votes: &str) -> Poll {
        let vote = |sign: char| {
            let vote = |is_up| Vote {
                is_up,
                cause: 0,
                at_us: 1_000,
                total_us: 1,
                connect_us: 1,
                load: None,
                lag_s: None,
                against_us: None,
            };
            match sign {
                '+' => Some(vote(true)),
                '-' => Some(vote(false)),
                _ => None,
            }
        };
        Poll { votes: votes.chars().map(vote).collect(), ..Poll::default() }
    }

    #[test]
    fn more_than_half_of_those_that_are_heard_decide() {
        for (votes, quorum, verdict) in [
            ("+++", 0, Some(true)),
            ("++-", 0, Some(true)),
            ("+--", 0, Some(false)),
            ("+..", 0, Some(true)),
            ("-..", 0, Some(false)),
            ("...", 0, None),
            ("+-.", 0, None),
            ("+..", 2, None),
            ("++.", 2, Some(true)),
            ("+--", 1, Some(false)),
            ("+-.", 1, None),
        ] {
            let mut poll = poll(votes);
            poll.count(Rules { quorum, ..RULES }, 1_001);
            assert_eq!(poll.verdict, verdict, "{votes} of {quorum}");
        }
    }

    #[test]
    fn who_says_otherwise_is_named_since_when() {
        let mut poll = poll("++-");
        assert!(poll.count(RULES, 1_001) && !poll.count(RULES, 1_050));
        let against: Vec<_> = poll.votes.iter().map(|vote| vote.as_ref().unwrap().against_us).collect();
        assert_eq!(against, [None, None, Some(1_001)]);
        // A second one sees it down, too: now the first is the one who says otherwise.
        poll.votes[1].as_mut().unwrap().is_up = false;
        assert!(poll.count(RULES, 1_060));
        assert_eq!((poll.verdict, poll.since_us), (Some(false), 1_060));
        assert_eq!(poll.votes[0].as_ref().unwrap().against_us, Some(1_060));
    }

    #[test]
    fn what_held_goes_on_holding_and_grows_old() {
        let mut poll = poll("++.");
        poll.count(RULES, 1_001);
        assert!(!poll.count(RULES, 2_000), "nobody is heard any more");
        assert_eq!((poll.verdict, poll.said_us()), (Some(true), Some(1_000)));
        poll.votes[0].as_mut().unwrap().is_up = false;
        assert!(!poll.count(RULES, 1_050), "one against one");
        assert_eq!(poll.verdict, Some(true));
    }

    #[test]
    fn a_liar_moves_the_middle_to_his_neighbour_at_most() {
        let mut poll = poll("+++");
        for (vote, load) in poll.votes.iter_mut().flatten().zip([0.2, 0.3, 1.0]) {
            vote.load = Some(load);
        }
        assert_eq!(poll.middle(RULES, 1_001, |vote| vote.load, f32::total_cmp), Some(0.3));
        assert_eq!(poll.middle(RULES, 9_000, |vote| vote.load, f32::total_cmp), None);
    }
}
