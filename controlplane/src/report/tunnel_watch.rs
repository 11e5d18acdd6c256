//! Whether the way from a front-end to an origin has soured: from what the front-end says of its tunnel each second.
//!
//! Loss is judged packet by packet, as Wald's sequential test does (1945), summed up the way of CUSUM (Page 1954): each packet
//! that is lost speaks for 5 % against what this way usually has, each that is not speaks against it, and the sum never falls
//! below zero. So a busy tunnel is judged within a second, an idle one never, and a long path that always has its 1 % is let be.
//! A round trip is sour at three times its usual, in two reports running. What soured stays so for a minute at least, for
//! longer each time that it comes again soon, and is good again when it has been good for a while. A tunnel that has not been up
//! yet is sour, too, but has not soured: it is good as soon as it comes up.

use crate::report::wire::TunnelEntry;

/// The loss that sours a way, per packet.
const LOSS_SOUR: f64 = 0.05;
/// What it is held against: half as much again as is usual, within these bounds.
const LOSS_GOOD: (f64, f64) = (0.005, 0.025);
const LOSS_GOOD_TIMES: f64 = 1.5;
/// What is thought usual before anything was seen, as lost of sent; and the packets over which it is forgotten.
const USUAL_FIRST: (f64, f64) = (6.0, 2_000.0);
const USUAL_PACKETS: f64 = 30_000.0;
/// The sum at which a way is sour: about one in e^6 of the excursions of a good way gets there.
const SUM_SOUR: f64 = 6.0;
/// It rises no further than this, so that a way which is good again is soon seen to be.
const SUM_MAX: f64 = 9.0;
/// How often the loss that scores count is made anew, s.
const STEADY_S: u64 = 60;
/// Times the usual round trip.
const RTT_TIMES: f64 = 3.0;
/// A usual round trip counts as this at least, µs: a machine that is busy for a moment makes milliseconds of microseconds.
const RTT_USUAL_US_MIN: f64 = 5_000.0;
/// How slowly the usual round trip follows, s.
const RTT_FOLLOWS_S: f64 = 300.0;
/// Reports in a row with a sour round trip.
const RTT_REPORTS: u32 = 2;
/// The shortest time that sourness lasts, and the longest that it is made to by coming again, s.
pub const HOLD_S: u64 = 60;
const HOLD_S_MAX: u64 = 480;
/// It must have been good for so long, s.
const CALM_S: u64 = 10;
/// Sourness that comes again within this time of its end is held twice as long, s.
const SOON_S: u64 = 600;

/// Why a way is sour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sour {
    /// Packets are lost.
    Loss,
    /// Round trips are long.
    Rtt,
    /// Nothing comes through.
    Down,
}

impl Sour {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Rtt => "rtt",
            Self::Down => "down",
        }
    }
}

/// What is known of a tunnel.
#[derive(Clone, Debug)]
pub struct TunnelWatch {
    last: Option<TunnelEntry>,
    /// When it was said, Unix µs.
    at_us: u64,
    sum: f64,
    /// Lost and sent between the last two reports.
    recent: (u64, u64),
    /// The same as it usually is.
    usual: (f64, f64),
    /// The same of late, and the share that is told of it.
    late: (f64, f64),
    steady_loss: f32,
    steady_us: u64,
    usual_us: f64,
    long_reports: u32,
    sour: Option<Sour>,
    since_us: u64,
    /// Since when nothing speaks for sourness.
    calm_us: Option<u64>,
    hold_s: u64,
    ended_us: Option<u64>,
    was_up: bool,
}

impl Default for TunnelWatch {
    fn default() -> Self {
        Self {
            last: None,
            at_us: 0,
            sum: 0.0,
            recent: (0, 0),
            usual: USUAL_FIRST,
            late: (0.0, 0.0),
            steady_loss: 0.0,
            steady_us: 0,
            usual_us: 0.0,
            long_reports: 0,
            sour: None,
            since_us: 0,
            calm_us: None,
            hold_s: 0,
            ended_us: None,
            was_up: false,
        }
    }
}

impl TunnelWatch {
    /// Whether the way is sour, and why.
    pub const fn sour(&self) -> Option<Sour> {
        self.sour
    }

    /// What was said last, and when, Unix µs.
    pub fn last(&self) -> Option<(&TunnelEntry, u64)> {
        self.last.as_ref().map(|last| (last, self.at_us))
    }

    /// Since when it is as it is, Unix µs.
    pub const fn since_us(&self) -> u64 {
        self.since_us
    }

    /// Share of packets that were lost between the last two reports.
    pub fn loss(&self) -> f32 {
        let (lost, sent) = self.recent;
        if sent == 0 { 0.0 } else { (lost as f32 / sent as f32).min(1.0) }
    }

    /// Share of packets that were lost of late: what a score may count. It is made anew once a minute, and not while sourness
    /// decides, so that users do not move to and fro for the noise of a second.
    pub const fn steady_loss(&self) -> f32 {
        self.steady_loss
    }

    /// The usual round trip, µs.
    pub fn usual_us(&self) -> u32 {
        self.usual_us as u32
    }

    /// Takes what a front-end says; whether the way has soured, or is good again.
    pub fn take(&mut self, entry: TunnelEntry, at_us: u64) -> bool {
        if at_us <= self.at_us {
            return false;
        }
        let seconds = at_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.note_loss(&entry);
        let is_long = self.note_rtt(&entry, seconds);
        let is_up = entry.is_up;
        (self.last, self.at_us) = (Some(entry), at_us);
        let reason = match () {
            () if !is_up => Some(Sour::Down),
            () if self.sum >= SUM_SOUR => Some(Sour::Loss),
            () if is_long => Some(Sour::Rtt),
            () => None,
        };
        let has_changed = if self.was_up || is_up && self.sour.is_none() {
            self.judge(reason, at_us)
        } else {
            self.begin(is_up, at_us)
        };
        self.was_up |= is_up;
        self.note_steady(has_changed, at_us);
        has_changed
    }

    fn note_steady(&mut self, has_changed: bool, now_us: u64) {
        if has_changed || self.steady_us == 0 {
            self.steady_us = now_us;
        }
        if now_us.saturating_sub(self.steady_us) >= STEADY_S * 1_000_000 {
            let (lost, sent) = self.late;
            (self.steady_loss, self.steady_us) = ((lost / sent.max(1.0)) as f32, now_us);
        }
    }

    fn note_loss(&mut self, entry: &TunnelEntry) {
        let before = self.last.as_ref().filter(|last| entry.sent >= last.sent);
        // The first report, and that of a tunnel that began anew, say nothing about the last second. Fewer lost than before
        // were late and not lost.
        self.recent =
            before.map_or((0, 0), |last| (entry.lost.saturating_sub(last.lost), entry.sent - last.sent));
        let (lost, sent) = (self.recent.0.min(self.recent.1) as f64, self.recent.1 as f64);
        let good = (LOSS_GOOD_TIMES * self.usual.0 / self.usual.1).clamp(LOSS_GOOD.0, LOSS_GOOD.1);
        let (for_it, against) = ((LOSS_SOUR / good).ln(), ((1.0 - LOSS_SOUR) / (1.0 - good)).ln());
        self.sum = (self.sum + lost * for_it + (sent - lost) * against).clamp(0.0, SUM_MAX);
        let with = |(lost_before, sent_before): (f64, f64)| {
            let (lost, sent) = (lost_before + lost, sent_before + sent);
            let kept = (USUAL_PACKETS / sent.max(1.0)).min(1.0);
            (lost * kept, sent * kept)
        };
        self.late = with(self.late);
        // What is sour does not become usual.
        if self.sour.is_none() {
            self.usual = with(self.usual);
        }
    }

    fn note_rtt(&mut self, entry: &TunnelEntry, seconds: f64) -> bool {
        let rtt_us = f64::from(entry.rtt_us);
        if rtt_us == 0.0 {
            return false;
        }
        if self.usual_us == 0.0 {
            self.usual_us = rtt_us;
        }
        let is_long = rtt_us >= RTT_TIMES * self.usual_us.max(RTT_USUAL_US_MIN);
        self.long_reports = if is_long { self.long_reports + 1 } else { 0 };
        // What is sour does not become usual; a path that stays longer for good is usual after an hour.
        let follows_s = if is_long || self.sour.is_some() { 12.0 * RTT_FOLLOWS_S } else { RTT_FOLLOWS_S };
        self.usual_us += (rtt_us - self.usual_us) * (seconds / follows_s).min(1.0);
        self.long_reports >= RTT_REPORTS
    }

    /// Before it has been up for the first time, and when it is.
    fn begin(&mut self, is_up: bool, now_us: u64) -> bool {
        let sour = if is_up { None } else { Some(Sour::Down) };
        let has_changed = core::mem::replace(&mut self.sour, sour) != sour;
        if has_changed {
            self.since_us = now_us;
        }
        has_changed
    }

    fn judge(&mut self, reason: Option<Sour>, now_us: u64) -> bool {
        // Good again is better than hardly good: half of what sours, not just below it.
        let is_calm = reason.is_none() && self.sum < SUM_SOUR / 2.0 && self.long_reports == 0;
        self.calm_us = if is_calm { self.calm_us.or(Some(now_us)) } else { None };
        match (self.sour, reason) {
            (None, Some(reason)) => {
                let is_soon =
                    self.ended_us.is_some_and(|ended| now_us.saturating_sub(ended) < SOON_S * 1_000_000);
                self.hold_s = if is_soon { (self.hold_s * 2).min(HOLD_S_MAX) } else { HOLD_S };
                (self.sour, self.since_us) = (Some(reason), now_us);
                true
            }
            (Some(_), None) if self.is_over(now_us) => {
                (self.sour, self.since_us, self.ended_us) = (None, now_us, Some(now_us));
                true
            }
            _ => false,
        }
    }

    fn is_over(&self, now_us: u64) -> bool {
        let has_lasted = now_us.saturating_sub(self.since_us) >= self.hold_s * 1_000_000;
        let is_calm = |since: u64| now_us.saturating_sub(since) >= CALM_S * 1_000_000;
        has_lasted && self.calm_us.is_some_and(is_calm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::stdx::prng::Prng;

    /// A front-end that reports each second over a way with this loss (ppm) and round trip.
    struct Front {
        watch: TunnelWatch,
        random: Prng,
        second: u64,
        sent: u64,
        lost: u64,
    }

    impl Front {
        fn new(seed: u64) -> Self {
            Self { watch: TunnelWatch::default(), random: Prng::new(seed), second: 1_000, sent: 0, lost: 0 }
        }

        fn second(&mut self, packets: u64, loss_ppm: u32, rtt_ms: u32) -> bool {
            self.second += 1;
            self.sent += packets;
            self.lost += (0..packets).filter(|_| self.random.ppm(loss_ppm)).count() as u64;
            let entry = TunnelEntry {
                to: "home".into(),
                is_up: true,
                rtt_us: rtt_ms * 1_000,
                queue_us: 0,
                sent: self.sent,
                lost: self.lost,
                peer_loss_ppm: 0,
                headroom_kbps: 0,
            };
            self.watch.take(entry, self.second * 1_000_000)
        }

        /// Seconds until it changes; none within `most`.
        fn until_change(&mut self, packets: u64, loss_ppm: u32, rtt_ms: u32, most: u64) -> Option<u64> {
            (1..=most).find(|_| self.second(packets, loss_ppm, rtt_ms))
        }
    }

    /// Loss that begins at 5 % is seen within 3 s of reports, at 100 packets a second in nearly all runs.
    #[test]
    fn a_soured_way_is_seen_within_three_seconds() {
        for (packets, in_time_least) in [(100, 970), (200, 995), (1_000, 1_000)] {
            let mut in_time = 0;
            for seed in 0..1_000 {
                let mut front = Front::new(seed);
                assert_eq!(front.until_change(packets, 0, 40, 30), None);
                in_time += usize::from(front.until_change(packets, 50_000, 40, 3).is_some());
            }
            assert!(in_time >= in_time_least, "{packets} packets/s: {in_time} of 1000");
        }
    }

    #[test]
    fn a_way_with_one_per_cent_is_none_that_soured() {
        let mut soured = 0;
        for seed in 0..50 {
            let mut front = Front::new(seed);
            soured += usize::from(front.until_change(300, 10_000, 80, 600).is_some());
        }
        assert!(soured <= 2, "{soured} of 50 in ten minutes each");
    }

    #[test]
    fn a_round_trip_of_three_times_its_usual_is_sour() {
        let mut front = Front::new(1);
        assert_eq!(front.until_change(10, 0, 40, 60), None);
        assert_eq!(front.until_change(10, 0, 100, 60), None, "two and a half times");
        assert_eq!(front.until_change(10, 0, 200, 3), Some(2));
        assert_eq!(front.watch.sour(), Some(Sour::Rtt));
        assert_eq!(front.until_change(10, 0, 40, 100), Some(60), "it is held for a minute");
        // A machine that stumbles makes milliseconds of microseconds: no way has soured.
        let mut near = Front::new(1);
        assert_eq!(near.until_change(10, 0, 1, 60), None);
        assert_eq!(near.until_change(10, 0, 14, 60), None);
    }

    #[test]
    fn a_tunnel_that_is_down_is_sour_at_once() {
        let mut front = Front::new(1);
        front.second(10, 0, 40);
        let down = TunnelEntry { is_up: false, ..front.watch.last().unwrap().0.clone() };
        assert!(front.watch.take(down, 2_000_000_000));
        assert_eq!(front.watch.sour(), Some(Sour::Down));
    }

    #[test]
    fn a_tunnel_that_comes_up_for_the_first_time_is_good_at_once() {
        let mut front = Front::new(1);
        front.second(10, 0, 40);
        let up = front.watch.last().unwrap().0.clone();
        let down = TunnelEntry { is_up: false, ..up.clone() };
        let mut watch = TunnelWatch::default();
        assert!(watch.take(down.clone(), 1_000_000) && watch.sour() == Some(Sour::Down));
        assert!(!watch.take(down.clone(), 2_000_000));
        assert!(watch.take(up.clone(), 3_000_000) && watch.sour().is_none());
        assert!(watch.take(down, 4_000_000));
        assert!(!watch.take(up, 5_000_000), "now it has soured, and stays so for a minute");
    }

    /// At every loss around the limit: never more than two changes in any minute.
    #[test]
    fn hovering_at_the_limit_moves_nobody_to_and_fro() {
        for seed in 0..200 {
            let mut front = Front::new(seed);
            let loss_ppm = 15_000 + (seed as u32 % 20) * 2_000;
            let mut changes = Vec::new();
            for second in 0..3_600u64 {
                // Wobbles, too: a minute above, a minute below.
                let loss_ppm =
                    if seed % 2 == 0 { loss_ppm } else { loss_ppm * (1 + second as u32 / 61 % 2) / 2 };
                if front.second(200, loss_ppm, 40) {
                    changes.push(second);
                }
            }
            for (first, third) in changes.iter().zip(changes.iter().skip(2)) {
                assert!(third - first >= 60, "seed {seed}, {loss_ppm} ppm: {changes:?}");
            }
            assert!(changes.len() <= 60, "{changes:?}");
        }
    }

    #[test]
    fn counts_that_begin_anew_are_no_loss() {
        let mut front = Front::new(1);
        (0..10).for_each(|_| assert!(!front.second(1_000, 0, 40)));
        (front.sent, front.lost) = (0, 500);
        assert!(!front.second(1_000, 0, 40));
        assert!(!front.second(1_000, 0, 40));
    }
}
