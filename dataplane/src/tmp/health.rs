//! Whether a path is good enough to carry data where there is another: suspicion comes fast, trust comes back slowly.
//! Units: µs. [TMP-161]
//!
//! ```text
//!         two time-outs in a row; or three packets out, the oldest for 1.5 srtt + 50 ms, and nothing acknowledged
//!         for 50 ms; or srtt above four times the least rtt (and 50 ms more than it)
//!  Good ────────────────────────────────────────────────────────────────────────────────► Suspect
//!       ◄────────────────────────────────────────────────────────────────────────────────
//!         three answers of a usual rtt over a second at least, with no time-out between them
//! ```
//! A suspect path is asked twice a second. What follows from suspicion is decided in `paths`.

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
}

impl Suspicion {
    /// A word for status, metrics and log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeOuts => "timeouts",
            Self::Silence => "silence",
            Self::Slow => "slow",
        }
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
}

impl Health {
    /// A path of which nothing bad is known.
    pub const fn new(now: Instant) -> Self {
        Self { suspicion: None, suspected: 0, progress_at: now, answers: 0, first_answer: now, ask_at: now }
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

    /// Something new was acknowledged, after a round trip of `rtt_us`, the least one being `rtt_us_min`.
    pub fn answered(&mut self, now: Instant, rtt_us: u64, rtt_us_min: u64) {
        self.progress_at = now;
        if self.suspicion.is_none() {
            return;
        }
        if rtt_us > slow_us(rtt_us_min) {
            self.answers = 0;
            return;
        }
        if self.answers == 0 {
            self.first_answer = now;
        }
        self.answers += 1;
        if self.answers >= ANSWERS && now.since(self.first_answer) >= ANSWERS_OVER {
            self.suspicion = None;
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
            None
        };
        if self.suspicion.is_some() {
            if found.is_some_and(|found| found != Suspicion::Slow) {
                self.answers = 0;
            }
            return false;
        }
        if found.is_some() {
            (self.suspicion, self.answers, self.ask_at) = (found, 0, now);
            self.suspected += 1;
        }
        found.is_some()
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
        if self.suspicion.is_some() { Some(self.ask_at) } else { self.silent_at(signs) }
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
            health.answered(at(ms), signs.rtt_us, signs.rtt_us_min);
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

    #[test]
    fn a_suspect_path_is_asked_twice_a_second() {
        let mut health = Health::new(at(0));
        assert!(!health.asks(at(0)));
        health.judge(at(1), &Signs { timeouts: 2, ..FINE });
        assert!(health.asks(at(1)) && !health.asks(at(500)) && health.asks(at(501)));
        assert_eq!(health.deadline(&FINE), Some(at(1_001)));
    }
}
