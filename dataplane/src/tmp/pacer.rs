//! Spreads packets over time: a bucket that fills at the pacing rate and holds one burst. Units: bytes, µs.
//!
//! It does not know the window; who calls it says at which rate. Where one burst lasts less than the drivers'
//! timers can count (a path of 50 µs), the burst is raised to a full train, so that pacing costs no rate. [TMP-131]

use crate::time::{Duration, Instant};

/// A burst lasts a sixteenth of the rtt at the pacing rate, this at least and as long as the caller allows at most, or two
/// packets: fewer and longer ones cost less, as each is a timer and a wake-up, but they queue at the bottleneck.
const BURST_US_MIN: u64 = 100;
const BURST_RTT_PART: u64 = 16;
/// Waits shorter than this are not worth a timer: the burst covers them.
const GRANULARITY_US: u64 = 50;
/// A burst on paths whose round trip is near the timers' granularity: one full segmentation train.
pub const TRAIN_PACKETS: u64 = 64;
/// Burst of a tunnel that becomes ready after it had nothing to send: a small answer leaves at once.
pub const READY_BURST_PACKETS: u64 = 16;
/// Below this round trip the burst may be a whole train: the window alone bounds the queue.
const SHORT_RTT_US: u64 = 1_000;

/// How packets are to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes per second.
    pub bytes_per_s: u64,
    /// What may leave together lasts so long at most.
    pub burst_us_max: u64,
}

/// The bucket. Tokens may go below zero by one packet: a packet leaves when anything is left.
#[derive(Clone, Debug)]
pub struct Pacer {
    rate_bytes_per_s: u64,
    burst_bytes: u64,
    /// What is waited for: the part of the burst that does not last long.
    portion_bytes: u64,
    tokens_bytes: i64,
    refilled: Instant,
    /// Bytes that may leave at a rate of their own, which is higher.
    ready_bytes: u64,
    ready_bytes_per_s: u64,
}

impl Pacer {
    /// A full bucket for packets of `packet_bytes`.
    pub fn new(packet_bytes: u64) -> Self {
        let burst_bytes = READY_BURST_PACKETS * packet_bytes;
        Self {
            rate_bytes_per_s: u64::MAX,
            burst_bytes,
            portion_bytes: burst_bytes,
            tokens_bytes: burst_bytes as i64,
            refilled: Instant::ORIGIN,
            ready_bytes: 0,
            ready_bytes_per_s: 0,
        }
    }

    /// Takes a new pace.
    pub fn set_rate(&mut self, now: Instant, pace: Pace, rtt_us: u64, packet_bytes: u64) {
        self.refill(now);
        self.rate_bytes_per_s = pace.bytes_per_s.max(1);
        let burst_us = (rtt_us / BURST_RTT_PART).min(pace.burst_us_max).max(BURST_US_MIN);
        let timed_bytes = self.bytes_in(burst_us);
        let packets = if rtt_us < SHORT_RTT_US { TRAIN_PACKETS } else { 2 };
        self.portion_bytes = timed_bytes.clamp(2 * packet_bytes, TRAIN_PACKETS * packet_bytes);
        // Above a train per timer tick (14 Gbit/s) the burst follows the rate: a timer cannot be the limit.
        self.burst_bytes = timed_bytes
            .clamp(packets * packet_bytes, TRAIN_PACKETS * packet_bytes)
            .max(self.bytes_in(2 * GRANULARITY_US));
        let ceiling_bytes = self.burst_bytes.max(READY_BURST_PACKETS * packet_bytes);
        self.tokens_bytes = self.tokens_bytes.min(ceiling_bytes as i64);
    }

    /// Lets a tunnel that had nothing to send start with sixteen packets at the path's last measured rate, or at once
    /// where none was measured: the path is empty of our bytes.
    pub fn restart(&mut self, now: Instant, packet_bytes: u64, measured_bytes_per_s: Option<u64>) {
        self.refill(now);
        let ready_bytes = READY_BURST_PACKETS * packet_bytes;
        if let Some(bytes_per_s) = measured_bytes_per_s {
            (self.ready_bytes, self.ready_bytes_per_s) = (ready_bytes, bytes_per_s);
            self.tokens_bytes = self.tokens_bytes.max(self.burst_bytes.min(ready_bytes) as i64);
        } else {
            self.tokens_bytes = self.tokens_bytes.max(ready_bytes as i64);
        }
    }

    /// Whether a packet may leave at `now`.
    pub fn is_open(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens_bytes > 0
    }

    /// Accounts a packet that left.
    pub fn sent(&mut self, bytes: u64) {
        self.tokens_bytes = self.tokens_bytes.saturating_sub(bytes as i64);
        self.ready_bytes = self.ready_bytes.saturating_sub(bytes);
    }

    /// When the next packet may leave: as much at a time as bursts last, so that timers stay few.
    pub fn opens_at(&self, now: Instant) -> Instant {
        if self.tokens_bytes > 0 {
            return now;
        }
        let missing_bytes = self.portion_bytes + self.tokens_bytes.unsigned_abs();
        let wait_us = u128::from(missing_bytes) * 1_000_000 / u128::from(self.rate_now()) + 1;
        let wait_us = u64::try_from(wait_us).unwrap_or(u64::MAX).max(GRANULARITY_US);
        self.refilled + Duration::from_micros(wait_us)
    }

    /// Bytes per second.
    pub const fn rate_bytes_per_s(&self) -> u64 {
        self.rate_bytes_per_s
    }

    /// Bytes that may leave together.
    pub const fn burst_bytes(&self) -> u64 {
        self.burst_bytes
    }

    const fn rate_now(&self) -> u64 {
        if self.ready_bytes > 0 && self.ready_bytes_per_s > self.rate_bytes_per_s {
            return self.ready_bytes_per_s;
        }
        self.rate_bytes_per_s
    }

    fn refill(&mut self, now: Instant) {
        let elapsed_us = now.us_since(self.refilled);
        let earned = self.bytes_in(elapsed_us);
        // A span too short to earn a byte is not thrown away.
        if earned == 0 && self.rate_now() < 1_000_000 && elapsed_us < 1_000_000 {
            return;
        }
        self.refilled = self.refilled.max(now);
        let ceiling = self.tokens_bytes.max(self.burst_bytes as i64);
        self.tokens_bytes = self.tokens_bytes.saturating_add_unsigned(earned).min(ceiling);
    }

    fn bytes_in(&self, span_us: u64) -> u64 {
        let bytes = u128::from(self.rate_now()) * u128::from(span_us) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX).min(i64::MAX as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: u64 = 1_400;

    fn pace(bytes_per_s: u64) -> Pace {
        Pace { bytes_per_s, burst_us_max: 1_000 }
    }

    #[test]
    fn a_burst_is_as_long_as_it_may_be() {
        let mut pacer = Pacer::new(PACKET);
        let mut burst = |burst_us_max, rtt_us| {
            let pace = Pace { bytes_per_s: 1_000 * 100 * PACKET, burst_us_max };
            pacer.set_rate(Instant::from_us(1), pace, rtt_us, PACKET);
            pacer.burst_bytes() / PACKET
        };
        assert_eq!((burst(1_000, 100_000), burst(250, 100_000)), (64, 25));
        assert_eq!(
            (burst(250, 3_200), burst(250, 1_000)),
            (20, 10),
            "a sixteenth of the rtt, 0.1 ms at least"
        );
    }

    /// Sends whenever it may for `span_us`, sleeping as told; the bytes sent and the number of sleeps.
    fn run(pacer: &mut Pacer, from: Instant, span_us: u64) -> (u64, u64) {
        let (mut now, mut bytes, mut sleeps) = (from, 0, 0);
        while now.us_since(from) < span_us {
            if pacer.is_open(now) {
                pacer.sent(PACKET);
                bytes += PACKET;
            } else {
                let next = pacer.opens_at(now);
                assert!(next > now, "a wait ends later than it began");
                now = next;
                sleeps += 1;
            }
        }
        (bytes, sleeps)
    }

    #[test]
    fn keeps_the_rate_at_every_scale() {
        for (window, rtt_us) in [(14_000, 100_000), (1_000_000, 50_000), (4_000_000, 1_500), (3_000, 900_000)]
        {
            let mut pacer = Pacer::new(PACKET);
            let start = Instant::from_us(1_000);
            pacer.set_rate(start, pace(2 * window * 1_000_000 / rtt_us), rtt_us, PACKET);
            run(&mut pacer, start, 100_000);
            let (bytes, _) = run(&mut pacer, start + Duration::from_secs(1), 10_000_000);
            let want = 10 * 2 * window * 1_000_000 / rtt_us;
            assert!(bytes.abs_diff(want) < want / 20 + 20 * PACKET, "{window} {rtt_us}: {bytes} of {want}");
        }
    }

    #[test]
    fn a_short_path_sends_trains_instead_of_timers() {
        let mut pacer = Pacer::new(PACKET);
        let start = Instant::from_us(1_000);
        pacer.set_rate(start, pace(128 * PACKET * 20_000), 50, PACKET);
        let (bytes, sleeps) = run(&mut pacer, start, 100_000);
        assert!(bytes >= 64 * PACKET * 2_000 * 9 / 10, "line rate: {bytes}");
        assert!(sleeps <= 2_000, "no timer is shorter than 50 µs: {sleeps}");
    }

    /// The wait for a whole train was a minute.
    #[test]
    fn a_slow_pace_on_a_short_path_waits_for_two_packets() {
        let mut pacer = Pacer::new(PACKET);
        let start = Instant::from_us(1_000);
        pacer.set_rate(start, pace(PACKET), 50, PACKET);
        while pacer.is_open(start) {
            pacer.sent(PACKET);
        }
        let wait = pacer.opens_at(start).us_since(start);
        assert!(wait <= 3_000_000, "{wait}");
    }

    #[test]
    fn a_ready_tunnel_sends_sixteen_packets_at_once() {
        let mut pacer = Pacer::new(PACKET);
        let start = Instant::from_us(1_000);
        pacer.set_rate(start, pace(200 * PACKET), 100_000, PACKET);
        run(&mut pacer, start, 1_000_000);
        let later = start + Duration::from_secs(2);
        pacer.restart(later, PACKET, None);
        let burst =
            (0..100).take_while(|_| pacer.is_open(later).then(|| pacer.sent(PACKET)).is_some()).count();
        assert_eq!(burst, 16);
        // 4,000 packets per second were measured: sixteen take 4 ms, then it is 200 per second again.
        let again = later + Duration::from_secs(2);
        pacer.restart(again, PACKET, Some(4_000 * PACKET));
        let (bytes, _) = run(&mut pacer, again, 4_000);
        assert!((15..=18).contains(&(bytes / PACKET)), "{bytes}");
        let (bytes, _) = run(&mut pacer, again + Duration::from_millis(4), 100_000);
        assert!((18..=22).contains(&(bytes / PACKET)), "{bytes}");
    }
}
