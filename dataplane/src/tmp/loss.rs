//! When a packet counts as lost and when a probe is due: RACK (RFC 8985) and the probe time-out of RFC 9002
//! §6.2. Units: µs.
//!
//! A packet is lost when one sent later has been acknowledged and the reordering window has passed since.
//! Until reordering was seen on the path, three later packets are enough, and a sixteenth of the least rtt (so that the
//! last packets of an answer, behind which no three come, do not wait longer). Then the window is a quarter of it, grows to the lateness of whatever proved to be only late, at most to one rtt, and shrinks
//! again after sixteen recoveries without such proof. A probe time-out declares nothing lost: it only sends
//! something that must be answered, for ever, at most three seconds apart. [TMP-120] [TMP-121]

use crate::time::{Duration, Instant};
use crate::tmp::rtt::Rtt;

/// Later packets acknowledged that prove a loss while no reordering was seen, RFC 9002 §6.1.1.
const PACKET_THRESHOLD: u64 = 3;
/// Recoveries without a late packet after which the reordering window is the least again, RFC 8985 §6.2.
const CLEAN_RECOVERIES: u32 = 16;
/// The reordering window as a part of the least rtt, once reordering was seen (RFC 8985 §6.2) and before.
const REORDER_PART: u64 = 4;
const IN_ORDER_PART: u64 = 16;
/// The drivers' timers are not exact below this.
const REORDER_US_MIN: u64 = 500;
/// Probes are never further apart: a tunnel must notice that its path has come back.
const PROBE_PAUSE_US_MAX: u64 = 1_000_000;
/// How long the peer may hold an ack back, in µs: the cap of `received`.
pub const ACK_DELAY_US_MAX: u64 = 5_000;
/// Packets that one probe time-out lets out, RFC 9002 §6.2.4.
pub const PROBES: u32 = 2;

/// What is known of a packet in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing sent later has been acknowledged.
    Open,
    /// It is lost at that instant, if nothing comes before.
    LostAt(Instant),
    /// It is lost.
    Lost,
}

/// The state of one path.
#[derive(Clone, Debug, Default)]
pub struct Loss {
    /// The largest number acknowledged, plus one.
    newest_end: u64,
    reordering_seen: bool,
    /// Measured lateness that the window must bridge.
    late_us: u64,
    clean_recoveries: u32,
    timeouts: u32,
    eliciting_sent: Instant,
}

impl Loss {
    /// Nothing is known of the path.
    pub fn new() -> Self {
        Self::default()
    }

    /// One past the largest number acknowledged so far.
    pub const fn newest_end(&self) -> u64 {
        self.newest_end
    }

    /// A packet that has to be acknowledged was sent.
    pub const fn sent(&mut self, now: Instant) {
        self.eliciting_sent = now;
    }

    /// One more packet is acknowledged, not counting those given up. `before` is what `newest_end` was before its
    /// ACK frame: packets that one frame acknowledges together are not reordered.
    pub fn acked(&mut self, number: u64, before: u64) {
        self.reordering_seen |= number < before;
        self.newest_end = self.newest_end.max(number + 1);
        self.timeouts = 0;
    }

    /// A packet given up arrived after all, `late_us` after one would have expected it.
    pub fn was_late(&mut self, number: u64, late_us: u64) {
        self.reordering_seen = true;
        self.late_us = self.late_us.max(late_us + late_us / 8);
        self.clean_recoveries = 0;
        self.newest_end = self.newest_end.max(number + 1);
        self.timeouts = 0;
    }

    /// A reaction to a loss began.
    pub fn recovery_began(&mut self) {
        self.clean_recoveries += 1;
        if self.clean_recoveries >= CLEAN_RECOVERIES {
            (self.late_us, self.clean_recoveries) = (0, 0);
        }
    }

    /// Whether the packet of that number, sent at `sent` and in flight, is lost.
    pub fn judge(&self, number: u64, sent: Instant, now: Instant, rtt: &Rtt) -> Verdict {
        if number >= self.newest_end {
            return Verdict::Open;
        }
        if !self.reordering_seen && number + PACKET_THRESHOLD < self.newest_end {
            return Verdict::Lost;
        }
        let due = sent + Duration::from_micros(rtt.smoothed_us().max(rtt.latest_us()) + self.reorder_us(rtt));
        if due <= now { Verdict::Lost } else { Verdict::LostAt(due) }
    }

    /// The reordering window.
    pub fn reorder_us(&self, rtt: &Rtt) -> u64 {
        let part = if self.reordering_seen { REORDER_PART } else { IN_ORDER_PART };
        (rtt.min_us() / part).max(self.late_us).min(rtt.smoothed_us()).max(REORDER_US_MIN)
    }

    /// When a probe is due, while anything is in flight.
    pub fn probe_deadline(&self, rtt: &Rtt) -> Instant {
        let once_us = rtt.probe_timeout_us(ACK_DELAY_US_MAX);
        let backed_off_us = once_us.saturating_mul(1 << self.timeouts.min(16));
        self.eliciting_sent + Duration::from_micros(backed_off_us.min(PROBE_PAUSE_US_MAX.max(once_us)))
    }

    /// The probe time-out has passed; how many in a row that makes.
    pub fn probe_due(&mut self, now: Instant) -> u32 {
        self.timeouts += 1;
        self.eliciting_sent = now;
        self.timeouts
    }

    /// Time-outs in a row.
    pub const fn timeouts(&self) -> u32 {
        self.timeouts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    fn rtt_of(us: u64) -> Rtt {
        let mut rtt = Rtt::new();
        for _ in 0..64 {
            rtt.update(Instant::ORIGIN, us, 0);
        }
        rtt
    }

    fn at(us: u64) -> Instant {
        Instant::from_us(us)
    }

    #[test]
    fn three_later_packets_prove_a_loss_until_reordering_was_seen() {
        let rtt = rtt_of(100 * MS);
        let mut loss = Loss::new();
        assert_eq!(loss.judge(0, at(0), at(9_000_000), &rtt), Verdict::Open);
        loss.acked(2, 0);
        assert_eq!(loss.judge(0, at(0), at(101 * MS), &rtt), Verdict::LostAt(at(106_250)));
        loss.acked(3, 0);
        assert_eq!(loss.judge(0, at(0), at(101 * MS), &rtt), Verdict::Lost);
        assert_eq!(loss.judge(1, at(0), at(101 * MS), &rtt), Verdict::LostAt(at(106_250)));
        loss.acked(1, 4);
        assert_eq!(loss.judge(0, at(0), at(101 * MS), &rtt), Verdict::LostAt(at(125 * MS)));
        assert_eq!(loss.judge(0, at(0), at(125 * MS), &rtt), Verdict::Lost);
    }

    #[test]
    fn the_window_learns_and_forgets() {
        let rtt = rtt_of(20 * MS);
        let mut loss = Loss::new();
        assert_eq!(loss.reorder_us(&rtt), 1_250);
        loss.was_late(1, 8 * MS);
        assert_eq!(loss.reorder_us(&rtt), 9 * MS);
        loss.was_late(2, 80 * MS);
        assert_eq!(loss.reorder_us(&rtt), 20 * MS, "at most one rtt");
        (0..16).for_each(|_| loss.recovery_began());
        assert_eq!(loss.reorder_us(&rtt), 5 * MS);
        assert_eq!(loss.reorder_us(&rtt_of(50)), REORDER_US_MIN, "timers are not finer");
    }

    #[test]
    fn probes_back_off_to_a_second_and_go_on() {
        let rtt = rtt_of(80 * MS);
        let mut loss = Loss::new();
        let once_us = rtt.probe_timeout_us(ACK_DELAY_US_MAX);
        loss.sent(at(0));
        let mut now = at(0);
        for factor in [1, 2, 4, 8] {
            assert_eq!(loss.probe_deadline(&rtt).us_since(now), factor * once_us);
            now = loss.probe_deadline(&rtt);
            loss.probe_due(now);
        }
        for _ in 0..100 {
            assert_eq!(loss.probe_deadline(&rtt).us_since(now), PROBE_PAUSE_US_MAX);
            now = loss.probe_deadline(&rtt);
            loss.probe_due(now);
        }
        loss.acked(0, 0);
        assert_eq!(loss.timeouts(), 0);
    }
}
