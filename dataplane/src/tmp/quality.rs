//! How a path has been doing: loss over ten seconds and ten minutes, the queue on the way, and when to tell the
//! peer. It writes no frame. Units: packets, µs, parts per million.

use crate::time::{Duration, Instant};
use crate::tmp::frame::{Quality, TUNNEL_FULL};
use crate::tmp::learned::Learned;

const SLICES: usize = 10;
/// A report is due at most this often, and not more often than every four rtt.
const REPORT_US_MIN: u64 = 1_000_000;

/// Reports come every second while data is sent: after so long without one, nothing is.
const PEER_SAYS_FOR: Duration = Duration::from_secs(3);

/// How long one least way lives before a younger one replaces it, as for the least rtt.
const WAY_PERIOD: Duration = Duration::from_secs(300);

/// The lesser of two spans between clocks that are not the same, modulo 2^32.
const fn earlier(least: Option<u32>, way_us: u32) -> u32 {
    match least {
        Some(least) if (way_us.wrapping_sub(least) as i32) >= 0 => least,
        _ => way_us,
    }
}

/// Packets sent and lost over ten slices of time.
#[derive(Clone, Debug)]
struct Loss {
    slice: Duration,
    slice_ends: Instant,
    at: usize,
    sent: [u64; SLICES],
    lost: [u64; SLICES],
}

impl Loss {
    const fn new(slice: Duration) -> Self {
        Self { slice, slice_ends: Instant::ORIGIN, at: 0, sent: [0; SLICES], lost: [0; SLICES] }
    }

    fn advance(&mut self, now: Instant) {
        let mut turned = 0;
        while now >= self.slice_ends {
            self.at = (self.at + 1) % SLICES;
            (self.sent[self.at], self.lost[self.at]) = (0, 0);
            self.slice_ends += self.slice;
            turned += 1;
            if turned == SLICES {
                self.slice_ends = now + self.slice;
            }
        }
    }

    fn ppm(&self) -> u32 {
        let sent: u64 = self.sent.iter().sum();
        let lost: u64 = self.lost.iter().sum();
        u32::try_from((lost * 1_000_000).checked_div(sent).unwrap_or(0)).unwrap_or(u32::MAX)
    }
}

/// The running figures of one path.
#[derive(Clone, Debug)]
pub struct PathQuality {
    seconds: Loss,
    minutes: Loss,
    /// Least of (peer's receive clock − our send clock), the way without a queue, of the running period and of the
    /// one before it.
    way_us_min: [Option<u32>; 2],
    way_period_ends: Instant,
    queue_us: u32,
    reorder_us: u64,
    delivered_bytes: u64,
    reported: Instant,
    reported_bytes: u64,
    peer: Option<Quality>,
    peer_at: Instant,
    /// The most that the peer said to have delivered in a second, in the running period and in the one before it.
    peer_kbps_max: [u32; 2],
    peer_period_ends: Instant,
    /// What our packets carried in an earlier session, until the peer was told.
    recalled_kbps: Option<u32>,
}

impl Default for PathQuality {
    fn default() -> Self {
        Self::new()
    }
}

impl PathQuality {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            seconds: Loss::new(Duration::from_secs(1)),
            minutes: Loss::new(Duration::from_secs(60)),
            way_us_min: [None; 2],
            way_period_ends: Instant::ORIGIN,
            queue_us: 0,
            reorder_us: 0,
            delivered_bytes: 0,
            reported: Instant::ORIGIN,
            reported_bytes: 0,
            peer: None,
            peer_at: Instant::ORIGIN,
            peer_kbps_max: [0; 2],
            peer_period_ends: Instant::ORIGIN,
            recalled_kbps: None,
        }
    }

    /// A packet was sent.
    pub fn sent(&mut self, now: Instant) {
        for loss in [&mut self.seconds, &mut self.minutes] {
            loss.advance(now);
            loss.sent[loss.at] += 1;
        }
    }

    /// A packet was given up.
    pub fn lost(&mut self, now: Instant) {
        for loss in [&mut self.seconds, &mut self.minutes] {
            loss.advance(now);
            loss.lost[loss.at] += 1;
        }
    }

    /// A packet given up was only late, by so much.
    pub fn was_late(&mut self, late_us: u64) {
        for loss in [&mut self.seconds, &mut self.minutes] {
            loss.lost[loss.at] = loss.lost[loss.at].saturating_sub(1);
        }
        self.reorder_us = self.reorder_us.max(late_us);
    }

    /// Bytes were acknowledged.
    pub const fn delivered(&mut self, bytes: u64) {
        self.delivered_bytes += bytes;
    }

    /// The largest packet of an ACK was sent at `sent` and received at `rx_time_us` by the peer's clock, and its rtt was
    /// `over_us` above the least. The clocks are not the same and may drift apart, so only the difference to the least
    /// means something, and never more than what the whole round trip shows.
    pub fn one_way(&mut self, now: Instant, sent: Instant, rx_time_us: u32, over_us: u64) {
        if now >= self.way_period_ends {
            self.way_us_min = [None, self.way_us_min[0]];
            self.way_period_ends = now + WAY_PERIOD;
        }
        let way_us = rx_time_us.wrapping_sub(sent.as_us() as u32);
        self.way_us_min[0] = Some(earlier(self.way_us_min[0], way_us));
        let least = earlier(self.way_us_min[1], earlier(self.way_us_min[0], way_us));
        let over_us = u32::try_from(over_us).unwrap_or(u32::MAX);
        self.queue_us = way_us.wrapping_sub(least).min(over_us);
    }

    /// When a packet that leaves now arrives by the peer's clock if it finds no queue, once anything has arrived.
    pub fn arrival_us(&self, now: Instant) -> Option<u32> {
        let [running, before] = self.way_us_min;
        let way_us = match (running, before) {
            (Some(running), before) => earlier(before, running),
            (None, before) => before?,
        };
        Some((now.as_us() as u32).wrapping_add(way_us))
    }

    /// The path is another one: the way is not known.
    pub const fn forget_way(&mut self) {
        (self.way_us_min, self.queue_us) = ([None; 2], 0);
    }

    /// Queue on the way to the peer.
    pub const fn queue_us(&self) -> u64 {
        self.queue_us as u64
    }

    /// What the peer says of its side.
    pub fn set_peer(&mut self, now: Instant, peer: Quality) {
        if now >= self.peer_period_ends {
            self.peer_kbps_max = [0, self.peer_kbps_max[0]];
            self.peer_period_ends = now + WAY_PERIOD;
        }
        self.peer_kbps_max[0] = self.peer_kbps_max[0].max(peer.delivered_kbps);
        if peer.interval_ms > 0 {
            (self.peer, self.peer_at) = (Some(peer), now);
        }
    }

    /// The path was known before. The peer is told what our packets carried, as it may have forgotten. [TMP-163]
    pub fn recall(&mut self, learned: &Learned) {
        let kbps = |bytes_per_s: u64| u32::try_from(bytes_per_s * 8 / 1_000).unwrap_or(u32::MAX);
        self.peer_kbps_max[1] = self.peer_kbps_max[1].max(kbps(learned.peer_bytes_per_s));
        self.recalled_kbps = Some(kbps(learned.bytes_per_s));
    }

    /// The most that the peer said to have delivered lately.
    pub fn peer_bytes_per_s(&self) -> u64 {
        u64::from(self.peer_kbps_max[0].max(self.peer_kbps_max[1])) * 1_000 / 8
    }

    /// What the peer said last.
    pub const fn peer(&self) -> Option<&Quality> {
        self.peer.as_ref()
    }

    /// Packets lost in the last ten seconds.
    pub fn losses(&self) -> u64 {
        self.seconds.lost.iter().sum()
    }

    /// Bytes acknowledged since the path was opened.
    pub const fn delivered_bytes(&self) -> u64 {
        self.delivered_bytes
    }

    /// The peer says, and has not said otherwise for long, that what waits over there takes too long to leave.
    pub fn peer_is_full(&self, now: Instant) -> bool {
        let says = self.peer.is_some_and(|peer| peer.state & TUNNEL_FULL != 0);
        says && now.since(self.peer_at) < PEER_SAYS_FOR
    }

    /// Parts per million lost in the last ten seconds.
    pub fn loss_ppm(&self) -> u32 {
        self.seconds.ppm()
    }

    /// The worst of what is known of either direction, over ten seconds or ten minutes.
    pub fn loss_ppm_worst(&self) -> u32 {
        let peer = self.peer.map_or(0, |peer| peer.loss_ppm_10s.max(peer.loss_ppm_10min));
        self.seconds.ppm().max(self.minutes.ppm()).max(peer)
    }

    /// Whether the peer should be told: time has passed, and bytes.
    pub fn is_report_due(&self, now: Instant, rtt_us: u64) -> bool {
        self.recalled_kbps.is_some()
            || self.delivered_bytes > self.reported_bytes
                && now.us_since(self.reported) >= REPORT_US_MIN.max(4 * rtt_us)
    }

    /// What to tell the peer; rtt, mtu and streams are filled in by the caller.
    pub fn report(&mut self, now: Instant) -> Quality {
        if let Some(delivered_kbps) = self.recalled_kbps.take() {
            return Quality { delivered_kbps, ..Quality::default() };
        }
        let interval_us = now.us_since(self.reported).max(1_000);
        let bytes = self.delivered_bytes - self.reported_bytes;
        let kbps = u128::from(bytes) * 8_000 / u128::from(interval_us);
        (self.reported, self.reported_bytes) = (now, self.delivered_bytes);
        Quality {
            interval_ms: u16::try_from(interval_us / 1_000).unwrap_or(u16::MAX),
            forward_queue_us: self.queue_us,
            loss_ppm_10s: self.seconds.ppm(),
            loss_ppm_10min: self.minutes.ppm(),
            delivered_kbps: u32::try_from(kbps).unwrap_or(u32::MAX),
            reorder_us: u32::try_from(self.reorder_us).unwrap_or(u32::MAX),
            ..Quality::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_us(ms * 1_000)
    }

    #[test]
    fn loss_is_forgotten_after_ten_seconds() {
        let mut quality = PathQuality::new();
        for ms in 0..5_000 {
            quality.sent(at(ms));
            if ms % 100 == 0 {
                quality.lost(at(ms));
            }
        }
        assert_eq!(quality.loss_ppm(), 10_000);
        for ms in 5_000..16_000 {
            quality.sent(at(ms));
        }
        assert_eq!(quality.loss_ppm(), 0);
        assert!(quality.report(at(16_000)).loss_ppm_10min > 2_000);
        quality.sent(at(10_000_000));
        assert_eq!(quality.report(at(10_000_000)).loss_ppm_10min, 0);
    }

    /// [TMP-163]
    #[test]
    fn what_is_recalled_is_told_once_and_is_no_report() {
        let learned = Learned { bytes_per_s: 125_000, peer_bytes_per_s: 250_000, rtt_us: 9, at: at(0) };
        let (mut one, mut other) = (PathQuality::new(), PathQuality::new());
        one.recall(&learned);
        assert!(one.peer_bytes_per_s() == 250_000 && one.is_report_due(at(0), 100_000));
        let told = one.report(at(0));
        assert!((told.interval_ms, told.delivered_kbps) == (0, 1_000) && !one.is_report_due(at(0), 100_000));
        other.set_peer(at(0), told);
        assert!(other.peer_bytes_per_s() == 125_000 && other.peer().is_none());
        other.set_peer(at(600_001), Quality { interval_ms: 1, ..Quality::default() });
        other.set_peer(at(1_200_002), Quality { interval_ms: 1, ..Quality::default() });
        assert!(other.peer_bytes_per_s() == 0 && other.peer().is_some(), "after ten minutes it is forgotten");
    }

    /// [TMP-47] [TMP-132]
    #[test]
    fn the_queue_is_what_exceeds_the_least_whatever_the_clocks_say() {
        let mut quality = PathQuality::new();
        for (sent_ms, offset) in [(0, u32::MAX - 1_000), (10, u32::MAX - 3_000), (20, 4_999)] {
            quality.one_way(at(sent_ms), at(sent_ms), offset.wrapping_add(sent_ms as u32 * 1_000), 9_000);
        }
        assert_eq!(quality.report(at(30)).forward_queue_us, 8_000);
        assert_eq!(quality.arrival_us(at(100)), Some((u32::MAX - 3_000).wrapping_add(100_000)));
        quality.one_way(at(40), at(40), 44_999, 2_000);
        assert_eq!(quality.queue_us(), 2_000, "a clock that runs away cannot show more than the rtt does");
    }

    #[test]
    fn an_idle_path_reports_nothing() {
        let mut quality = PathQuality::new();
        assert!(!quality.is_report_due(at(5_000), 100));
        quality.delivered(125_000);
        assert!(quality.is_report_due(at(5_000), 100) && !quality.is_report_due(at(5_000), 2_000_000));
        assert_eq!(quality.report(at(5_000)).delivered_kbps, 200);
        assert!(!quality.is_report_due(at(50_000), 100));
    }
}
