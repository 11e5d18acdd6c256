//! Reference flows for tests of fairness: TCP senders with an endless source, reduced to what decides their share.
//! They are written from the RFCs and share no code with the controllers that they are held against.
//!
//! CUBIC after RFC 9438 with fast convergence and a delay-based end of slow start as in Linux, unpaced; NewReno
//! after RFC 5681; BBR after the first version's draft (start-up 2.89, drain, eight phases, ProbeRTT). Every packet that
//! arrives gives an acknowledgement of all that have, and each transmission has a number of its own, so the loss
//! detection (three later ones) is exact on a path in order. Units: packets of 1,500 bytes, µs.

use crate::time::{Duration, Instant};
use std::collections::VecDeque;

/// A segment with its headers.
pub(in crate::tmp) const SEGMENT_BYTES: usize = 1_500;
/// An acknowledgement with its headers.
pub(in crate::tmp) const ACK_BYTES: usize = 52;

const C: f64 = 0.4;
const RTO_US_MIN: f64 = 200_000.0;

/// Which TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tmp) enum Kind {
    Cubic,
    Reno,
    Bbr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    Arrived,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    sent: Instant,
    delivered: u64,
    delivered_at: Instant,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, Default)]
struct Curve {
    start: Option<Instant>,
    plateau: f64,
    k: f64,
    friendly: f64,
    before: f64,
}

/// The first version of BBR, small.
#[derive(Clone, Debug)]
struct Bbr {
    rates: [f64; 10],
    round: usize,
    round_end: u64,
    full: f64,
    flat_rounds: u32,
    phase: BbrPhase,
    least_at: Instant,
    pace_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum BbrPhase {
    StartUp,
    Drain,
    Cycle { index: usize, since: Instant },
    ProbeRtt { until: Instant },
}

/// One flow.
#[derive(Debug)]
pub(in crate::tmp) struct Tcp {
    kind: Kind,
    window: f64,
    threshold: f64,
    window_max: f64,
    curve: Curve,
    recovery_end: u64,
    segments: VecDeque<Segment>,
    base: u64,
    oldest: u64,
    newest_end: u64,
    in_flight: u64,
    pub(in crate::tmp) delivered: u64,
    delivered_at: Instant,
    srtt_us: f64,
    rttvar_us: f64,
    rtt_us_min: f64,
    round_end: u64,
    round_us_min: f64,
    round_samples: u32,
    timer_from: Instant,
    backoff: u32,
    starts: Instant,
    bbr: Bbr,
    /// What the receiver has, in the order of arrival, from `reported` on; an acknowledgement says how many there are.
    received: VecDeque<u64>,
    reported: u64,
}

impl Tcp {
    /// A flow that begins at `starts`.
    pub(in crate::tmp) fn new(kind: Kind, starts: Instant) -> Self {
        Self {
            kind,
            window: 10.0,
            threshold: f64::INFINITY,
            window_max: 0.0,
            curve: Curve::default(),
            recovery_end: 0,
            segments: VecDeque::new(),
            base: 0,
            oldest: 0,
            newest_end: 0,
            in_flight: 0,
            delivered: 0,
            delivered_at: starts,
            srtt_us: 0.0,
            rttvar_us: 0.0,
            rtt_us_min: f64::INFINITY,
            round_end: 0,
            round_us_min: f64::INFINITY,
            round_samples: 0,
            timer_from: starts,
            backoff: 0,
            starts,
            bbr: Bbr {
                rates: [0.0; 10],
                round: 0,
                round_end: 0,
                full: 0.0,
                flat_rounds: 0,
                phase: BbrPhase::StartUp,
                least_at: starts,
                pace_at: starts,
            },
            received: VecDeque::new(),
            reported: 0,
        }
    }

    /// The next packet's number, if one may leave.
    pub(in crate::tmp) fn send(&mut self, now: Instant) -> Option<u64> {
        if now < self.starts {
            return None;
        }
        self.check_timer(now);
        if self.kind == Kind::Bbr && now < self.bbr.pace_at {
            return None;
        }
        if self.in_flight as f64 + 1.0 > self.allowed() {
            return None;
        }
        if self.in_flight == 0 {
            self.timer_from = now;
        }
        let (delivered, delivered_at) = (self.delivered, self.delivered_at);
        self.segments.push_back(Segment { sent: now, delivered, delivered_at, fate: Fate::InFlight });
        self.in_flight += 1;
        if self.kind == Kind::Bbr {
            let rate = self.bbr_rate() * self.bbr_gain();
            let pause_us = if rate > 0.0 { 1e6 / rate } else { 1_000.0 };
            self.bbr.pace_at = now.max(self.bbr.pace_at) + Duration::from_micros(pause_us as u64);
        }
        Some(self.next() - 1)
    }

    /// When something is due.
    pub(in crate::tmp) fn deadline(&self) -> Option<Instant> {
        if self.next() == 0 {
            return Some(self.starts);
        }
        let timer = (self.in_flight > 0).then(|| self.timer_from + self.timeout());
        let has_room = (self.in_flight as f64) + 1.0 <= self.allowed();
        let pace = (self.kind == Kind::Bbr && has_room).then_some(self.bbr.pace_at);
        [timer, pace].into_iter().flatten().min()
    }

    /// The receiver has a packet; the number of its acknowledgement.
    pub(in crate::tmp) fn received(&mut self, number: u64) -> u64 {
        self.received.push_back(number);
        self.reported + self.received.len() as u64
    }

    /// An acknowledgement has come back.
    pub(in crate::tmp) fn acked(&mut self, now: Instant, acknowledgement: u64) {
        while self.reported < acknowledgement {
            self.reported += 1;
            if let Some(number) = self.received.pop_front() {
                self.packet_acked(now, number);
            }
        }
    }

    fn packet_acked(&mut self, now: Instant, number: u64) {
        let Some(index) = number.checked_sub(self.base).map(|index| index as usize) else { return };
        let Some(segment) = self.segments.get_mut(index) else { return };
        if segment.fate == Fate::Arrived {
            return;
        }
        let before = *segment;
        segment.fate = Fate::Arrived;
        self.delivered += 1;
        self.delivered_at = now;
        (self.timer_from, self.backoff) = (now, 0);
        self.in_flight -= u64::from(before.fate == Fate::InFlight);
        self.newest_end = self.newest_end.max(number + 1);
        self.sample(now, number, now.us_since(before.sent) as f64);
        match self.kind {
            Kind::Bbr => self.bbr_acked(now, number, &before),
            Kind::Cubic | Kind::Reno if number >= self.recovery_end => self.grow(now),
            Kind::Cubic | Kind::Reno => {}
        }
        self.find_losses();
        while self.segments.front().is_some_and(|segment| segment.fate != Fate::InFlight)
            && self.base + 4_096 < self.newest_end
        {
            self.segments.pop_front();
            self.base += 1;
        }
    }

    fn next(&self) -> u64 {
        self.base + self.segments.len() as u64
    }

    fn allowed(&self) -> f64 {
        match (self.kind, self.bbr.phase) {
            (Kind::Cubic | Kind::Reno, _) => self.window,
            (Kind::Bbr, BbrPhase::ProbeRtt { .. }) => 4.0,
            (Kind::Bbr, phase) => {
                let gain = if phase == BbrPhase::StartUp { 2.89 } else { 2.0 };
                let bdp = self.bbr_rate() * self.rtt_us_min / 1e6;
                if bdp.is_finite() { (gain * bdp).max(10.0) } else { 10.0 }
            }
        }
    }

    fn timeout(&self) -> Duration {
        // As in Linux the least is that of the variation, not of the sum.
        let once_us =
            if self.srtt_us > 0.0 { self.srtt_us + (4.0 * self.rttvar_us).max(RTO_US_MIN) } else { 1e6 };
        Duration::from_micros((once_us as u64) << self.backoff.min(6))
    }

    fn check_timer(&mut self, now: Instant) {
        if self.in_flight == 0 || now < self.timer_from + self.timeout() {
            return;
        }
        self.segments.iter_mut().filter(|segment| segment.fate == Fate::InFlight).for_each(|segment| {
            segment.fate = Fate::Lost;
        });
        (self.in_flight, self.timer_from) = (0, now);
        self.backoff += 1;
        self.threshold = (self.window * 0.7).max(2.0);
        (self.window_max, self.window) = (self.window, 1.0);
        (self.recovery_end, self.curve.start) = (self.next(), None);
        self.oldest = self.next();
    }

    fn sample(&mut self, now: Instant, number: u64, rtt_us: f64) {
        if rtt_us <= self.rtt_us_min {
            (self.rtt_us_min, self.bbr.least_at) = (rtt_us, now);
        }
        if self.srtt_us == 0.0 {
            (self.srtt_us, self.rttvar_us) = (rtt_us, rtt_us / 2.0);
        } else {
            self.rttvar_us += ((rtt_us - self.srtt_us).abs() - self.rttvar_us) / 4.0;
            self.srtt_us += (rtt_us - self.srtt_us) / 8.0;
        }
        if number >= self.round_end {
            self.round_end = self.next();
            (self.round_us_min, self.round_samples) = (f64::INFINITY, 0);
        }
        self.round_us_min = self.round_us_min.min(rtt_us);
        self.round_samples += 1;
        let rise_us = (self.rtt_us_min / 8.0).clamp(4_000.0, 16_000.0);
        let has_risen = self.round_us_min >= self.rtt_us_min + rise_us;
        if self.kind == Kind::Cubic && self.round_samples == 8 && self.window < self.threshold && has_risen {
            self.threshold = self.window;
        }
    }

    fn grow(&mut self, now: Instant) {
        if (self.in_flight as f64) + 1.0 < self.window * 0.8 {
            return;
        }
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        if self.kind == Kind::Reno {
            self.window += 1.0 / self.window;
            return;
        }
        let (window, window_max) = (self.window, self.window_max);
        let curve = &mut self.curve;
        let start = *curve.start.get_or_insert_with(|| {
            curve.plateau = window_max.max(window);
            curve.k = ((curve.plateau - window) / C).cbrt();
            curve.friendly = window;
            now
        });
        let alpha = if curve.friendly < curve.before { 9.0 / 17.0 } else { 1.0 };
        curve.friendly += alpha / window;
        let at = |seconds: f64| C * (seconds - curve.k).powi(3) + curve.plateau;
        let elapsed = now.since(start).as_secs_f64();
        if at(elapsed) < curve.friendly {
            self.window = window.max(curve.friendly);
        } else {
            let target = at(elapsed + self.srtt_us / 1e6).clamp(window, 1.5 * window);
            self.window += (target - window) / window;
        }
    }

    fn find_losses(&mut self) {
        while self.oldest + 3 < self.newest_end {
            let number = self.oldest;
            self.oldest += 1;
            let Some(index) = number.checked_sub(self.base) else { continue };
            let segment = &mut self.segments[index as usize];
            if segment.fate != Fate::InFlight {
                continue;
            }
            segment.fate = Fate::Lost;
            self.in_flight -= 1;
            if self.kind != Kind::Bbr && number >= self.recovery_end {
                self.reduce();
            }
        }
    }

    fn reduce(&mut self) {
        let (window, beta) = (self.window, if self.kind == Kind::Cubic { 0.7 } else { 0.5 });
        self.window_max = if window < self.window_max { 0.85 * window } else { window };
        self.curve = Curve { before: window, ..Curve::default() };
        self.window = (window * beta).max(1.0);
        self.threshold = self.window.max(2.0);
        self.recovery_end = self.next();
    }

    /// Packets per second.
    fn bbr_rate(&self) -> f64 {
        self.bbr.rates.iter().copied().fold(0.0, f64::max)
    }

    fn bbr_gain(&self) -> f64 {
        match self.bbr.phase {
            BbrPhase::StartUp => 2.89,
            BbrPhase::Drain => 1.0 / 2.89,
            BbrPhase::Cycle { index: 0, .. } => 1.25,
            BbrPhase::Cycle { index: 1, .. } => 0.75,
            BbrPhase::Cycle { .. } | BbrPhase::ProbeRtt { .. } => 1.0,
        }
    }

    fn bbr_acked(&mut self, now: Instant, number: u64, segment: &Segment) {
        if number >= self.bbr.round_end {
            self.bbr.round_end = self.next();
            self.bbr.round = (self.bbr.round + 1) % 10;
            self.bbr.rates[self.bbr.round] = 0.0;
            self.bbr_check_full();
        }
        let span_us = now.us_since(segment.delivered_at).max(1) as f64;
        if span_us >= self.rtt_us_min * 0.99 {
            let rate = (self.delivered - segment.delivered) as f64 * 1e6 / span_us;
            let slot = &mut self.bbr.rates[self.bbr.round];
            *slot = slot.max(rate);
        }
        let bdp = self.bbr_rate() * self.rtt_us_min / 1e6;
        let cycle = BbrPhase::Cycle { index: 2 + (self.base % 6) as usize, since: now };
        match self.bbr.phase {
            BbrPhase::Drain if self.in_flight as f64 <= bdp => self.bbr.phase = cycle,
            BbrPhase::Cycle { index, since } => {
                let done = now.us_since(since) as f64 > self.rtt_us_min;
                if done || (index == 1 && self.in_flight as f64 <= bdp) {
                    self.bbr.phase = BbrPhase::Cycle { index: (index + 1) % 8, since: now };
                }
            }
            BbrPhase::ProbeRtt { until } if now >= until => {
                (self.bbr.least_at, self.bbr.phase) = (now, cycle);
            }
            BbrPhase::StartUp | BbrPhase::Drain | BbrPhase::ProbeRtt { .. } => {}
        }
        if now.us_since(self.bbr.least_at) > 10_000_000 && matches!(self.bbr.phase, BbrPhase::Cycle { .. }) {
            self.rtt_us_min = f64::INFINITY;
            self.rtt_us_min = self.rtt_us_min.min(self.srtt_us);
            self.bbr.least_at = now;
            self.bbr.phase = BbrPhase::ProbeRtt { until: now + Duration::from_millis(200) };
        }
    }

    fn bbr_check_full(&mut self) {
        if self.bbr.phase != BbrPhase::StartUp {
            return;
        }
        let rate = self.bbr_rate();
        if rate >= self.bbr.full * 1.25 {
            (self.bbr.full, self.bbr.flat_rounds) = (rate, 0);
        } else {
            self.bbr.flat_rounds += 1;
            if self.bbr.flat_rounds >= 3 {
                self.bbr.phase = BbrPhase::Drain;
            }
        }
    }
}
