//! Which controller is in charge of a path, and why: the ensemble of CUBIC flows, or the rate model. Pure policy:
//! it is told of losses, queues and rounds and answers with a `Verdict`. Units: µs.
//!
//! ```text
//!            losses without a queue (2 in 8 to 32 rounds and none with one; in slow start the first)
//!            a queue stands for `gap` (balanced only): a trial whether it is our own
//!  Ensemble ────────────────────────────────────────────────────────────────────────────► Model
//!           ◄────────────────────────────────────────────────────────────────────────────
//!            the queue never falls below max(3 ms, 5 % of the least rtt) in 8 rounds, 3 in a trial: others hold it
//! ```
//! A trial that fails within five seconds doubles the gap, from 10 s to 120 s; the first comes after 1 s. A loss has a
//! queue if the queue around its detection is above max(2 ms, 5 % of the least rtt): the acknowledgements that show
//! the loss are those of packets sent right behind. Known limit: a buffer of less than 2 ms looks like
//! a path that loses at random.

use crate::time::{Duration, Instant};
use crate::tmp::profile::Profile;

/// Rounds between two judgements, and in a trial.
const ROUNDS: u32 = 8;
const TRIAL_ROUNDS: u32 = 3;
/// Losses are counted together over so many rounds at most: a small window loses rarely.
const LOSS_ROUNDS: u32 = 32;
/// Rounds that emptying the queue may take.
const DRAIN_ROUNDS: u32 = 4;
/// Losses without a queue that are more than chance.
const QUIET_LOSSES: u32 = 2;
/// Bounds between an empty queue and one: at a loss, and for a standing one.
const QUEUE_US_AT_LOSS: u64 = 2_000;
const QUEUE_US_STANDING: u64 = 3_000;
/// The same as a part of the least rtt.
const RTT_PART: u64 = 20;
/// How long a queue stands before the first trial, the second, and at most.
const GAP_FIRST: Duration = Duration::from_secs(1);
const GAP_MIN: Duration = Duration::from_secs(10);
const GAP_MAX: Duration = Duration::from_secs(120);
/// A trial that holds for so long has succeeded.
const TRIAL_HOLDS: Duration = Duration::from_secs(5);

/// Who is in charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// N virtual CUBIC flows.
    #[default]
    Ensemble,
    /// The rate model.
    Model,
}

impl Mode {
    /// A word for status and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Model => "model",
        }
    }
}

/// Why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Nothing has happened yet.
    #[default]
    Start,
    /// Packets were lost while the queue was empty.
    QuietLosses,
    /// Whether the standing queue is our own.
    Trial,
    /// Others hold a queue.
    StandingQueue,
    /// It was not our own.
    TrialFailed,
    /// Nothing came through for long.
    PathGone,
}

impl Reason {
    /// A word for status and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::QuietLosses => "quiet_losses",
            Self::Trial => "trial",
            Self::StandingQueue => "standing_queue",
            Self::TrialFailed => "trial_failed",
            Self::PathGone => "path_gone",
        }
    }
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// The model takes over and looks for the rate.
    StartUp,
    /// The model takes over and empties the queue.
    Drain,
    /// The ensemble takes over with the present window.
    HandOver,
    /// The ensemble takes over as it is.
    Resume,
}

/// Figures of the path that a judgement needs.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// The time.
    pub now: Instant,
    /// The least rtt.
    pub rtt_us_min: u64,
    /// The model is looking for the rate or emptying the queue.
    pub is_settling: bool,
}

/// The state.
#[derive(Clone, Debug)]
pub struct Supervisor {
    profile: Profile,
    mode: Mode,
    reason: Reason,
    rounds: u32,
    settling_rounds: u32,
    quiet_losses: u32,
    queue_losses: u32,
    /// Least queue of this round and of the rounds judged together.
    round_us_min: u64,
    rounds_us_min: u64,
    standing_since: Option<Instant>,
    gap: Duration,
    entered: Instant,
}

impl Supervisor {
    /// The ensemble is in charge.
    pub const fn new(profile: Profile) -> Self {
        Self {
            profile,
            mode: Mode::Ensemble,
            reason: Reason::Start,
            rounds: 0,
            settling_rounds: 0,
            quiet_losses: 0,
            queue_losses: 0,
            round_us_min: u64::MAX,
            rounds_us_min: u64::MAX,
            standing_since: None,
            gap: GAP_FIRST,
            entered: Instant::ORIGIN,
        }
    }

    /// Who is in charge.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Why.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// An estimate of the queue on the way to the peer.
    pub fn queue_sampled(&mut self, queue_us: u64) {
        self.round_us_min = self.round_us_min.min(queue_us);
    }

    /// A packet was lost with that queue; `is_starting` while the ensemble is in its first slow start.
    pub fn lost(&mut self, judged: Judged, queue_us: u64, is_starting: bool) -> Verdict {
        if queue_us > QUEUE_US_AT_LOSS.max(judged.rtt_us_min / RTT_PART) {
            self.queue_losses += 1;
            return Verdict::Stay;
        }
        self.quiet_losses += 1;
        let at_once = is_starting && self.mode == Mode::Ensemble && self.profile != Profile::Literal;
        if at_once { self.enter_model(judged.now, Reason::QuietLosses) } else { Verdict::Stay }
    }

    /// A round trip has passed.
    pub fn round_ended(&mut self, judged: Judged) -> Verdict {
        let round_us = core::mem::replace(&mut self.round_us_min, u64::MAX);
        if round_us == u64::MAX || self.profile == Profile::Literal {
            return Verdict::Stay;
        }
        self.rounds += 1;
        self.rounds_us_min = self.rounds_us_min.min(round_us);
        match self.mode {
            Mode::Ensemble => self.judge_ensemble(judged, round_us),
            Mode::Model => self.judge_model(judged),
        }
    }

    /// Nothing came through for long: the ensemble begins again.
    pub fn path_gone(&mut self, now: Instant) {
        self.enter(now, Mode::Ensemble, Reason::PathGone);
        self.gap = GAP_FIRST;
    }

    fn judge_ensemble(&mut self, judged: Judged, round_us: u64) -> Verdict {
        if self.rounds >= ROUNDS {
            if self.quiet_losses >= QUIET_LOSSES && self.queue_losses == 0 {
                return self.enter_model(judged.now, Reason::QuietLosses);
            }
            if self.queue_losses > 0 || self.rounds >= LOSS_ROUNDS {
                self.begin_rounds();
            }
        }
        if round_us <= standing_us(judged) {
            self.standing_since = None;
            return Verdict::Stay;
        }
        let since = *self.standing_since.get_or_insert(judged.now);
        if self.profile == Profile::Balanced && judged.now.since(since) >= self.gap {
            return self.enter_model(judged.now, Reason::Trial);
        }
        Verdict::Stay
    }

    fn judge_model(&mut self, judged: Judged) -> Verdict {
        if judged.is_settling && self.settling_rounds < DRAIN_ROUNDS.max(self.settling_max()) {
            self.settling_rounds += 1;
            self.begin_rounds();
            return Verdict::Stay;
        }
        let is_trial = self.reason == Reason::Trial && judged.now.since(self.entered) < TRIAL_HOLDS;
        if self.rounds < if is_trial { TRIAL_ROUNDS } else { ROUNDS } {
            return Verdict::Stay;
        }
        let queue_us = self.rounds_us_min;
        self.begin_rounds();
        if queue_us <= standing_us(judged) {
            return Verdict::Stay;
        }
        if is_trial {
            self.gap = (2 * self.gap).clamp(GAP_MIN, GAP_MAX);
            self.enter(judged.now, Mode::Ensemble, Reason::TrialFailed);
            return Verdict::Resume;
        }
        self.gap = self.gap.max(GAP_MIN);
        self.enter(judged.now, Mode::Ensemble, Reason::StandingQueue);
        Verdict::HandOver
    }

    /// Looking for the rate takes as long as it takes; emptying the queue does not.
    const fn settling_max(&self) -> u32 {
        match self.reason {
            Reason::Trial => 0,
            _ => u32::MAX,
        }
    }

    fn enter_model(&mut self, now: Instant, reason: Reason) -> Verdict {
        self.enter(now, Mode::Model, reason);
        if reason == Reason::Trial { Verdict::Drain } else { Verdict::StartUp }
    }

    fn enter(&mut self, now: Instant, mode: Mode, reason: Reason) {
        (self.mode, self.reason, self.entered) = (mode, reason, now);
        (self.standing_since, self.settling_rounds) = (None, 0);
        self.begin_rounds();
    }

    const fn begin_rounds(&mut self) {
        (self.rounds, self.rounds_us_min) = (0, u64::MAX);
        (self.quiet_losses, self.queue_losses) = (0, 0);
    }
}

fn standing_us(judged: Judged) -> u64 {
    QUEUE_US_STANDING.max(judged.rtt_us_min / RTT_PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Judged {
        Judged { now: Instant::from_us(ms * 1_000), rtt_us_min: 100_000, is_settling: false }
    }

    /// Rounds of 100 ms with that least queue; the first verdict that is not to stay, and when.
    fn rounds(
        supervisor: &mut Supervisor,
        ms: &mut u64,
        count: u32,
        queue_us: u64,
    ) -> Option<(u32, Verdict)> {
        for round in 1..=count {
            *ms += 100;
            supervisor.queue_sampled(queue_us + 4_000);
            supervisor.queue_sampled(queue_us);
            let verdict = supervisor.round_ended(at(*ms));
            if verdict != Verdict::Stay {
                return Some((round, verdict));
            }
        }
        None
    }

    #[test]
    fn losses_without_a_queue_bring_the_model_and_a_standing_queue_the_ensemble() {
        let mut supervisor = Supervisor::new(Profile::Throughput);
        let mut ms = 0;
        supervisor.lost(at(0), 4_000, false);
        supervisor.lost(at(0), 1_000, false);
        assert_eq!(rounds(&mut supervisor, &mut ms, 8, 0), Some((8, Verdict::StartUp)));
        assert_eq!((supervisor.mode(), supervisor.reason()), (Mode::Model, Reason::QuietLosses));
        assert_eq!(rounds(&mut supervisor, &mut ms, 80, 4_900), None);
        assert_eq!(rounds(&mut supervisor, &mut ms, 16, 5_100), Some((8, Verdict::HandOver)));
        assert_eq!(supervisor.reason(), Reason::StandingQueue);
    }

    #[test]
    fn losses_with_a_queue_do_not() {
        let mut supervisor = Supervisor::new(Profile::Throughput);
        let mut ms = 0;
        for _ in 0..20 {
            supervisor.lost(at(0), 0, false);
            supervisor.lost(at(0), 0, false);
            supervisor.lost(at(0), 50_000, false);
            assert_eq!(rounds(&mut supervisor, &mut ms, 8, 40_000), None, "and without trials it stays so");
        }
        assert_eq!(
            supervisor.lost(at(0), 0, true),
            Verdict::StartUp,
            "in slow start the first quiet loss does"
        );
    }

    #[test]
    fn trials_come_after_a_second_and_then_ever_less_often() {
        let mut supervisor = Supervisor::new(Profile::Balanced);
        let mut ms = 0;
        let mut gaps = Vec::new();
        for _ in 0..8 {
            let Some((round, Verdict::Drain)) = rounds(&mut supervisor, &mut ms, 2_000, 30_000) else {
                panic!("a trial comes")
            };
            gaps.push(round / 10);
            let settling = Judged { is_settling: true, ..at(ms) };
            supervisor.queue_sampled(30_000);
            assert_eq!(supervisor.round_ended(settling), Verdict::Stay);
            assert_eq!(rounds(&mut supervisor, &mut ms, 9, 30_000), Some((3, Verdict::Resume)));
        }
        assert_eq!(gaps, [1, 10, 20, 40, 80, 120, 120, 120]);
    }

    #[test]
    fn a_trial_that_holds_has_succeeded() {
        let mut supervisor = Supervisor::new(Profile::Balanced);
        let mut ms = 0;
        assert_eq!(rounds(&mut supervisor, &mut ms, 20, 30_000), Some((11, Verdict::Drain)));
        assert_eq!(rounds(&mut supervisor, &mut ms, 100, 1_000), None);
        assert!(matches!(rounds(&mut supervisor, &mut ms, 16, 30_000), Some((_, Verdict::HandOver))));
    }

    #[test]
    fn literal_is_the_ensemble_whatever_happens() {
        let mut supervisor = Supervisor::new(Profile::Literal);
        let mut ms = 0;
        for _ in 0..9 {
            assert_eq!(supervisor.lost(at(0), 0, true), Verdict::Stay);
        }
        assert_eq!(rounds(&mut supervisor, &mut ms, 400, 30_000), None);
    }
}
