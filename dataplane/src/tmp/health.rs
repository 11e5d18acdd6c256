//! Whether a path is good enough to carry data where there is another: suspicion comes fast, trust comes back slowly.
//! Units: µs. [TMP-161]
//!
//! ```text
//!         two time-outs in a row; or three packets out, the oldest for 1.5 srtt + 50 ms, and nothing acknowledged
//!         for 50 ms; or srtt above four times the least rtt (and 50 ms more than it); or beyond a limit for 300 ms
//!  Good ────────────────────────────────────────────────────────────────────────────────► Suspect
//!       ◄────────────────────────────────────────────────────────────────────────────────
//!         three answers of a usual rtt over a second at least, with no time-out between them
//! ```
//! After a limit trust comes back in ten seconds at the earliest, in twice as long each time that this happens again within
//! ten minutes, in five minutes at most. A suspect path is asked twice a second. What follows from suspicion is decided in `paths`.

use crate::time::{Duration, Instant};

/// Time-outs in a row.
const TIMEOUTS: u32 = 2;
/// Nothing acknowledged for so long is silence, if so many packets are out and the oldest is overdue by as much.
const SILENCE_US: u64 = 50_000;
const SILENT_PACKETS: u64 = 3;
/// A round trip so many times the least one, and so much longer, is that of a path that has gone bad.
const SLOW_FACTOR: u64 = 4;
const SLOW_US: u64 = 50_000;
/// What brings trust back.
const ANSWERS: u32 = 3;
const ANSWERS_OVER: Duration = Duration::from_secs(1);
/// Beyond a limit for so long is no chance.
const OVER: Duration = Duration::from_millis(300);
/// How long a path is not trusted after that: at first, at most; and after so long it is the first time again.
const HOLD: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
const HOLD_FORGOTTEN: Duration = Duration::from_secs(600);
/// Pause between two questions to a suspect path.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// What speaks against a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Probe time-outs.
    TimeOuts,
    /// Nothing is acknowledged.
    Silence,
    /// The round trip has become very long.
    Slow,
    /// The round trip is longer than the operator bears.
    RttLimit,
    /// More is lost.
    LossLimit,
    /// More waits on the way.
    QueueLimit,
}

impl Suspicion {
    /// A word for status, metrics and log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeOuts => "timeouts",
            Self::Silence => "silence",
            Self::Slow => "slow",
            Self::RttLimit => "rtt_limit",
            Self::LossLimit => "loss_limit",
            Self::QueueLimit => "queue_limit",
        }
    }

    /// The path works, but others are preferred.
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::RttLimit | Self::LossLimit | Self::QueueLimit)
    }
}

/// Figures of the path that a judgement needs.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Probe time-outs in a row.
    pub timeouts: u32,
    /// Packets in flight.
    pub in_flight_packets: u64,
    /// When the oldest of them left.
    pub oldest_sent: Instant,
    /// Smoothed round trip.
    pub rtt_us: u64,
    /// The least one.
    pub rtt_us_min: u64,
    /// The limit that it is beyond.
    pub beyond: Option<Suspicion>,
}

/// A longer round trip than this is that of a bad path.
fn slow_us(rtt_us_min: u64) -> u64 {
    rtt_us_min.saturating_mul(SLOW_FACTOR).max(rtt_us_min.saturating_add(SLOW_US))
}

/// The judgement on one path.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    suspicion: Option<Suspicion>,
    suspected: u64,
    /// When something was acknowledged, or something was sent with nothing else in flight.
    progress_at: Instant,
    answers: u32,
    first_answer: Instant,
    ask_at: Instant,
    beyond_since: Option<Instant>,
    /// How long the path is not trusted when it is beyond a limit next, and until when it is not.
    hold: Duration,
    held_until: Instant,
}

impl Health {
    /// A path of which nothing bad is known.
    pub const fn new(now: Instant) -> Self {
        Self {
            suspicion: None,
            suspected: 0,
            progress_at: now,
            answers: 0,
            first_answer: now,
            ask_at: now,
            beyond_since: None,
            hold: HOLD.0,
            held_until: now,
        }
    }

    /// Why the path is suspect, if it is.
    pub const fn suspicion(&self) -> Option<Suspicion> {
        self.suspicion
    }

    /// Nothing speaks against it.
    pub const fn is_good(&self) -> bool {
        self.suspicion.is_none()
    }

    /// How often it became suspect.
    pub const fn suspected(&self) -> u64 {
        self.suspected
    }

    /// When the path last showed life.
    pub const fn progress_at(&self) -> Instant {
        self.progress_at
    }

    /// A packet leaves while nothing else is in flight.
    pub const fn begins(&mut self, now: Instant) {
        self.progress_at = now;
    }

    /// Something new was acknowledged, after a round trip of `rtt_us`.
    pub fn answered(&mut self, now: Instant, rtt_us: u64, signs: &Signs) {
        self.progress_at = now;
        if self.suspicion.is_none() {
            return;
        }
        if rtt_us > slow_us(signs.rtt_us_min) || signs.beyond.is_some() || now < self.held_until {
            self.answers = 0;
            return;
        }
        if self.answers == 0 {
            self.first_answer = now;
        }
        self.answers += 1;
        if self.answers >= ANSWERS && now.since(self.first_answer) >= ANSWERS_OVER {
            (self.suspicion, self.beyond_since) = (None, None);
        }
    }

    /// Judges anew. True if the path has become suspect.
    pub fn judge(&mut self, now: Instant, signs: &Signs) -> bool {
        let found = if signs.timeouts >= TIMEOUTS {
            Some(Suspicion::TimeOuts)
        } else if self.silent_at(signs).is_some_and(|at| at <= now) {
            Some(Suspicion::Silence)
        } else if signs.rtt_us > slow_us(signs.rtt_us_min) {
            Some(Suspicion::Slow)
        } else {
            self.beyond_for_long(now, signs)
        };
        if let Some(suspicion) = &mut self.suspicion {
            if found.is_some_and(|found| matches!(found, Suspicion::TimeOuts | Suspicion::Silence)) {
                // What only was poor may have died.
                *suspicion = if suspicion.is_limit() { found.unwrap_or(*suspicion) } else { *suspicion };
                self.answers = 0;
            }
            return false;
        }
        if found.is_some() {
            (self.suspicion, self.answers, self.ask_at) = (found, 0, now);
            self.suspected += 1;
        }
        if found.is_some_and(Suspicion::is_limit) {
            let is_first = now.since(self.held_until) >= HOLD_FORGOTTEN;
            let hold = if is_first { HOLD.0 } else { self.hold };
            (self.held_until, self.hold) = (now + hold, (hold * 2).min(HOLD.1));
        }
        found.is_some()
    }

    /// The limit, once the path has been beyond it for long enough.
    fn beyond_for_long(&mut self, now: Instant, signs: &Signs) -> Option<Suspicion> {
        signs.beyond.or_else(|| {
            self.beyond_since = None;
            None
        })?;
        let since = *self.beyond_since.get_or_insert(now);
        signs.beyond.filter(|_| now.since(since) >= OVER)
    }

    /// Whether a suspect path is to be asked now.
    pub fn asks(&mut self, now: Instant) -> bool {
        let asks = self.suspicion.is_some() && self.ask_at <= now;
        if asks {
            self.ask_at = now + ASKED_EVERY;
        }
        asks
    }

    /// When `judge` or `asks` may say something new by the passing of time.
    pub fn deadline(&self, signs: &Signs) -> Option<Instant> {
        if self.suspicion.is_some() {
            return Some(self.ask_at);
        }
        let beyond_at = self.beyond_since.map(|since| since + OVER);
        self.silent_at(signs).into_iter().chain(beyond_at).min()
    }

    fn silent_at(&self, signs: &Signs) -> Option<Instant> {
        let overdue_at =
            signs.oldest_sent + Duration::from_micros(signs.rtt_us + signs.rtt_us / 2 + SILENCE_US);
        let silent_at = overdue_at.max(self.progress_at + Duration::from_micros(SILENCE_US));
        (signs.in_flight_packets >= SILENT_PACKETS).then_some(silent_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_us(ms * 1_000)
    }

    const FINE: Signs = Signs {
        timeouts: 0,
        in_flight_packets: 10,
        oldest_sent: Instant::ORIGIN,
        rtt_us: 100_000,
        rtt_us_min: 100_000,
        beyond: None,
    };

    #[test]
    fn each_sign_raises_suspicion() {
        let mut health = Health::new(at(0));
        assert!(!health.judge(at(199), &FINE));
        assert_eq!(health.deadline(&FINE), Some(at(200)));
        assert!(health.judge(at(200), &FINE));
        assert_eq!(health.suspicion(), Some(Suspicion::Silence));
        let mut health = Health::new(at(180));
        assert!(!health.judge(at(229), &FINE), "something was acknowledged lately");
        assert!(health.judge(at(230), &FINE));
        let few = Signs { in_flight_packets: 2, ..FINE };
        assert!(!Health::new(at(0)).judge(at(9_000), &few), "two packets are no proof");
        let mut health = Health::new(at(0));
        assert!(!health.judge(at(1), &Signs { timeouts: 1, ..few }));
        assert!(health.judge(at(1), &Signs { timeouts: 2, ..few }));
        let mut health = Health::new(at(0));
        assert!(!health.judge(at(1), &Signs { rtt_us: 400_000, ..few }));
        assert!(health.judge(at(1), &Signs { rtt_us: 400_001, ..few }));
        let near = Signs { rtt_us_min: 100, rtt_us: 40_000, ..few };
        assert!(!Health::new(at(0)).judge(at(1), &near), "a busy machine nearby is no bad path");
    }

    #[test]
    fn trust_takes_three_answers_over_a_second_of_a_usual_round_trip() {
        let mut health = Health::new(at(0));
        let mut is_good_at = |ms: u64, signs: &Signs| {
            health.answered(at(ms), signs.rtt_us, signs);
            health.judge(at(ms), signs);
            health.is_good()
        };
        assert!(!is_good_at(1, &Signs { timeouts: 2, ..FINE }));
        assert!(!is_good_at(600, &FINE) && !is_good_at(1_100, &FINE));
        assert!(!is_good_at(1_200, &Signs { timeouts: 2, ..FINE }), "a time-out begins it anew");
        assert!([1_300, 1_400, 2_200].iter().all(|ms| !is_good_at(*ms, &FINE)));
        assert!(is_good_at(2_300, &FINE));
        let slow = Signs { rtt_us: 900_000, ..FINE };
        assert!((3_000..9_000).step_by(500).all(|ms| !is_good_at(ms, &slow)), "as long as it is slow");
        assert_eq!(health.suspected(), 2);
    }

    /// [TMP-164]
    #[test]
    fn a_path_beyond_a_limit_is_left_for_longer_each_time() {
        let beyond = Signs { beyond: Some(Suspicion::LossLimit), in_flight_packets: 0, ..FINE };
        let mut health = Health::new(at(0));
        assert!(!health.judge(at(1_000), &beyond));
        assert!(!health.judge(at(1_200), &Signs { beyond: None, ..beyond }), "that was short");
        assert!(!health.judge(at(1_250), &beyond));
        assert_eq!(health.deadline(&beyond), Some(at(1_550)));
        let mut bad_for_ms = Vec::new();
        let mut left_at = None;
        for ms in (1_300..120_000).step_by(50) {
            // Beyond the limit as soon as it has the data again.
            let signs = Signs { beyond: beyond.beyond.filter(|_| health.is_good()), ..beyond };
            health.answered(at(ms), 100_000, &signs);
            if health.judge(at(ms), &signs) {
                left_at = Some(ms);
            } else if let Some(left) = left_at.take_if(|_| health.is_good()) {
                bad_for_ms.push(ms - left);
            }
        }
        assert_eq!(bad_for_ms.iter().map(|ms| ms / 5_000).collect::<Vec<_>>(), [2, 4, 8], "{bad_for_ms:?}");
        assert!(health.judge(at(130_000), &Signs { timeouts: 2, ..FINE }) || !health.is_good());
    }

    #[test]
    fn a_suspect_path_is_asked_twice_a_second() {
        let mut health = Health::new(at(0));
        assert!(!health.asks(at(0)));
        health.judge(at(1), &Signs { timeouts: 2, ..FINE });
        assert!(health.asks(at(1)) && !health.asks(at(500)) && health.asks(at(501)));
        assert_eq!(health.deadline(&FINE), Some(at(1_001)));
    }
}
