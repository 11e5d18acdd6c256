//! Repair data of one path's sender: which runs of packets are sent along once more as their exclusive or, so that one
//! lost packet of a run costs no round trip. [TMP-150]
//!
//! ```text
//!   DATA 7 │ DATA 8 │ DATA 9 │ REPAIR = 7 xor 8 xor 9      (a run of one packet is sent twice)
//! ```
//! Worth it only where a loss hurts: on paths that are long and lose, for what is small: the end of a burst behind
//! which nothing would show the loss, the opening of a stream, urgent streams beside bulk. A budget bounds it. It
//! hides nothing from congestion control: repairs count in flight, and what they repair counts as lost. It decides
//! and keeps the sum; frames are written by `packet_out`, the receiver's side is `mending`. Units: bytes, µs.

use crate::time::{Duration, Instant};
use crate::tmp::limits::{REPAIR_OVERHEAD_BYTES, REPAIR_RUN_MAX};

/// Below this least rtt a loss is repaired soon enough by sending again.
const RTT_US_MIN: u64 = 10_000;
/// Losses per million, of any direction and span that is measured, below which nothing is repaired.
const LOSS_PPM_MIN: u32 = 500;
/// How long a tunnel has nothing to send before its burst counts as over: an answer comes from its origin in pieces.
const IDLE: Duration = Duration::from_micros(2_000);
/// Runs of one burst that are repaired; what goes on longer is bulk, whose losses later packets show.
const RUNS_PER_BURST: u32 = 3;
/// What a path may spend besides its share, 64 kbit/s, so that a few small requests a second can all be repaired.
const BYTES_PER_S: u64 = 8_000;
/// Unused budget is kept up to this, so that a rare burst finds some.
const SAVED_BYTES_MAX: u64 = 16_384;
/// Packets of one run when the share is 5 %.
const RUN_MAX: u32 = 20;

/// What a packet that was built means for the repair of what went before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// It has bytes of a stream, or its end.
    pub has_data: bool,
    /// Some of them are urgent, or open a stream.
    pub is_urgent: bool,
    /// The urgent streams in it have more that could leave at once.
    pub more_urgent: bool,
    /// The tunnel has more that could leave at once.
    pub more: bool,
}

/// The sender's side.
#[derive(Debug)]
pub struct Repair {
    percent: u32,
    is_on: bool,
    /// Sum of the payloads of the run, and of their lengths.
    sum: Vec<u8>,
    length_sum: u16,
    count: u32,
    is_urgent: bool,
    /// Runs of this burst so far.
    runs: u32,
    /// When bytes of a stream were sent last.
    last: Instant,
    /// When the run is to be repaired.
    due: Option<Instant>,
    saved_bytes: u64,
    refilled: Instant,
}

impl Repair {
    /// Spends at most `percent` of what is sent; 0 repairs nothing.
    pub fn new(percent: u32, now: Instant) -> Self {
        Self {
            percent,
            is_on: false,
            sum: Vec::new(),
            length_sum: 0,
            count: 0,
            is_urgent: false,
            runs: 0,
            last: now,
            due: None,
            saved_bytes: 0,
            refilled: now,
        }
    }

    /// Takes note of how the path is.
    pub fn judge(&mut self, rtt_us_min: u64, loss_ppm: u32) {
        self.is_on = self.percent > 0 && rtt_us_min >= RTT_US_MIN && loss_ppm >= LOSS_PPM_MIN;
        if !self.is_on {
            self.drop_run();
        }
    }

    /// Bytes that every payload leaves free so that its repair fits a packet.
    pub const fn reserve_bytes(&self) -> usize {
        if self.is_on { REPAIR_OVERHEAD_BYTES } else { 0 }
    }

    /// When a run is to be repaired, if one is.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether that is now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// It may not leave before then.
    pub fn wait_until(&mut self, until: Instant) {
        self.due = self.due.map(|due| due.max(until));
    }

    /// A packet leaves that is no repair.
    pub fn sent(&mut self, now: Instant, payload: &[u8], outgoing: Outgoing) {
        if !self.is_on {
            return;
        }
        self.earn(now, payload.len() as u64);
        if self.count == 0 && !outgoing.has_data {
            return;
        }
        if self.count >= REPAIR_RUN_MAX as u32 {
            self.drop_run();
            return;
        }
        self.add(payload);
        if !outgoing.has_data {
            return;
        }
        if now.since(self.last) >= IDLE {
            self.runs = 0;
        }
        self.last = now;
        let urgent_ends =
            self.is_urgent && !outgoing.is_urgent || outgoing.is_urgent && !outgoing.more_urgent;
        self.is_urgent |= outgoing.is_urgent;
        if !outgoing.more {
            self.due = Some(now + IDLE);
        } else if urgent_ends {
            self.due = Some(now);
        } else if self.count >= (100 / self.percent).clamp(1, RUN_MAX) {
            self.end_full_run(now);
        }
    }

    /// The sum of the run that is due, if it fits `room` and the budget; the run is over either way.
    pub fn take(&mut self, now: Instant, room: usize) -> Option<(u8, u16, &[u8])> {
        self.earn(now, 0);
        let (count, length_sum, is_urgent) = (self.count as u8, self.length_sum, self.is_urgent);
        self.drop_run();
        let bytes = (self.sum.len() + REPAIR_OVERHEAD_BYTES) as u64;
        // What is not urgent leaves half of the savings to what is.
        let kept_bytes = if is_urgent { 0 } else { SAVED_BYTES_MAX / 2 };
        if count == 0 || bytes > room as u64 || self.saved_bytes < bytes + kept_bytes {
            return None;
        }
        self.saved_bytes -= bytes;
        Some((count, length_sum, &self.sum))
    }

    /// The run is over, repaired or given up.
    pub const fn drop_run(&mut self) {
        (self.count, self.is_urgent, self.due) = (0, false, None);
    }

    fn end_full_run(&mut self, now: Instant) {
        self.runs += 1;
        if self.is_urgent || self.runs <= RUNS_PER_BURST {
            self.due = Some(now);
        } else {
            self.drop_run();
        }
    }

    fn add(&mut self, payload: &[u8]) {
        if self.count == 0 {
            self.sum.clear();
            self.length_sum = 0;
        }
        if self.sum.len() < payload.len() {
            self.sum.resize(payload.len(), 0);
        }
        self.sum.iter_mut().zip(payload).for_each(|(sum, byte)| *sum ^= byte);
        self.length_sum ^= payload.len() as u16;
        self.count += 1;
    }

    fn earn(&mut self, now: Instant, sent_bytes: u64) {
        let earned = BYTES_PER_S * now.us_since(self.refilled).min(1_000_000) / 1_000_000;
        if earned > 0 {
            self.refilled = now;
        }
        let share = sent_bytes * u64::from(self.percent) / 100;
        self.saved_bytes = (self.saved_bytes + earned + share).min(SAVED_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::from_us(us)
    }

    /// On, and with savings.
    fn ready(percent: u32) -> Repair {
        let mut repair = Repair::new(percent, at(0));
        repair.judge(100_000, 10_000);
        (1..=4).for_each(|second| repair.earn(at(second * 1_000_000), 0));
        repair
    }

    const LAST: Outgoing = Outgoing { has_data: true, is_urgent: false, more_urgent: false, more: false };
    const MORE: Outgoing = Outgoing { more: true, ..LAST };
    const URGENT: Outgoing = Outgoing { is_urgent: true, ..MORE };

    #[test]
    fn a_short_or_clean_path_repairs_nothing() {
        for (percent, rtt_us, loss_ppm) in [(0, 100_000, 10_000), (5, 5_000, 10_000), (5, 100_000, 100)] {
            let mut repair = Repair::new(percent, at(0));
            repair.judge(rtt_us, loss_ppm);
            repair.sent(at(9_000_000), b"one", LAST);
            assert_eq!((repair.due(), repair.reserve_bytes()), (None, 0));
        }
    }

    #[test]
    fn the_end_of_a_burst_is_repaired_after_a_rest() {
        let mut repair = ready(5);
        let now = at(5_000_000);
        repair.sent(now, b"abc", MORE);
        assert_eq!(repair.due(), None);
        repair.sent(now, b"xy", LAST);
        assert!(!repair.is_due(now) && repair.is_due(now + IDLE));
        // A piece that follows within the rest belongs to the burst.
        repair.sent(now + Duration::from_micros(500), b"q", LAST);
        let sum = [b'a' ^ b'x' ^ b'q', b'b' ^ b'y', b'c'];
        assert_eq!(repair.take(now + IDLE + IDLE, 100), Some((3, 3 ^ 2 ^ 1, &sum[..])));
        assert_eq!((repair.due(), repair.take(now, 100)), (None, None), "once");
    }

    #[test]
    fn urgent_data_beside_bulk_is_repaired_as_soon_as_it_has_left() {
        let mut repair = ready(5);
        let now = at(5_000_000);
        repair.sent(now, b"bulk", MORE);
        repair.sent(now, b"urgent", Outgoing { more_urgent: true, ..URGENT });
        assert_eq!(repair.due(), None);
        repair.sent(now, b"its end", URGENT);
        assert!(repair.is_due(now));
        assert_eq!(repair.take(now, 100).map(|(count, ..)| count), Some(3));
    }

    #[test]
    fn bulk_is_repaired_at_its_beginning_only() {
        let mut repair = ready(5);
        let mut repaired = 0;
        for us in 0..2_000 {
            let now = at(5_000_000 + us);
            repair.sent(now, &[7; 1_400], MORE);
            if repair.is_due(now) {
                repaired += u32::from(repair.take(now, 1_500).is_some());
            }
        }
        assert_eq!(repaired, RUNS_PER_BURST);
    }

    #[test]
    fn the_budget_is_a_share_of_what_is_sent_and_a_little() {
        let mut repair = ready(5);
        let (mut sent_bytes, mut repair_bytes) = (0, 0);
        for step in 0..10_000_u64 {
            let now = at(5_000_000 + step * 1_000);
            repair.sent(now, &[7; 1_000], URGENT);
            sent_bytes += 1_000;
            if repair.is_due(now) {
                repair_bytes += repair.take(now, 1_500).map_or(0, |(.., sum)| sum.len() as u64);
            }
        }
        let most = sent_bytes * 5 / 100 + 10 * BYTES_PER_S + SAVED_BYTES_MAX;
        assert!((most * 9 / 10..=most).contains(&repair_bytes), "{repair_bytes} of {most}");
    }
}
