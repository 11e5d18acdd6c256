//! Which packets arrived, and when to say so: the duplicate check, the ranges of the next ACK, the policy of
//! acknowledging.
//!
//! ```text
//!            too old │ one bit per number, 16,384 of them │ end = largest + 1
//! ```
//! Packets are acknowledged every two, less often the longer the path is in order, down to every sixteen, and for a
//! moment every two after a gap; at once on a gap, a filled gap and a congestion mark; and at the latest after an eighth of the rtt, 1 ms at least and 5 ms at
//! most, so that the ACK of a small answer travels with the next request. Where ACKs do travel so, the timer would only wake
//! the worker for nothing: there it is 5 ms, until one has to go alone again. It writes no frame. Unit: packet numbers, µs.
//! [TMP-101] [TMP-132]

use core::cmp::Ordering;

use crate::time::{Duration, Instant};
use crate::tmp::ack_frame::{AckHeader, EcnCounts};
use crate::tmp::carrier::Ecn;
use crate::tmp::id::PathId;
use crate::tmp::loss::ACK_DELAY_US_MAX;
use crate::tmp::rtt::TIMER_US;

/// Numbers remembered: more than four times the packets that 1 Gbit/s and 30 ms keep under way. What is older
/// counts as received: its sender gives it up and sends again.
pub const NUMBERS: u64 = 16_384;
const WORDS: usize = (NUMBERS / 64) as usize;
/// Packets per ACK at first and after a gap, RFC 9000 §13.2.2.
const EVERY_FIRST: u32 = 2;
/// A path on which nothing came for so long is acknowledged once over another one, too.
const QUIET_US: u64 = 30_000;
/// Packets per ACK on a path in order.
const EVERY_MAX: u32 = 16;
/// For so many packets in order an ACK covers one packet more: while the window doubles the sender gets thirty
/// ACKs a round, which it needs to see the queue grow.
const IN_ORDER_PER_STEP: u32 = 64;
/// A gap takes away such a part of what came in order: random losses must not cost an ACK for every second packet.
const GAP_PART: u32 = 8;
/// So many packets after a gap are acknowledged as at first: three of them prove a loss to the sender.
const AFTER_GAP: u32 = 4;

/// ACKs in a row that left before they were due, with something else to say: then the next ones will, too.
const TRAVELS: u8 = 8;

/// The set and the policy.
#[derive(Debug)]
pub struct Received {
    bits: Box<[u64]>,
    /// The largest number, plus one.
    end: u64,
    /// The peer knows that everything below was reported.
    report_from: u64,
    largest_at: Instant,
    /// Packets that must be acknowledged and are not yet.
    waiting: u32,
    in_order: u32,
    since_gap: u32,
    /// When the ACK is due at the latest.
    due: Option<Instant>,
    ecn: EcnCounts,
    ecn_seen: bool,
    /// An ACK went out on another path since anything came.
    is_told_elsewhere: bool,
    delay_us_max: u64,
    /// ACKs in a row that left before they were due.
    travelled: u8,
}

impl Default for Received {
    fn default() -> Self {
        Self::new()
    }
}

impl Received {
    /// Nothing arrived yet.
    pub fn new() -> Self {
        Self {
            bits: vec![0; WORDS].into_boxed_slice(),
            end: 0,
            report_from: 0,
            largest_at: Instant::ORIGIN,
            waiting: 0,
            in_order: 0,
            since_gap: 0,
            due: None,
            ecn: EcnCounts { capable: 0, congested: 0 },
            ecn_seen: false,
            is_told_elsewhere: true,
            delay_us_max: ACK_DELAY_US_MAX,
            travelled: 0,
        }
    }

    /// Whether the packet is neither known nor too old.
    pub fn is_new(&self, number: u64) -> bool {
        number >= self.end || (number + NUMBERS >= self.end && !self.bit(number))
    }

    /// The largest number, or 0.
    pub const fn largest(&self) -> u64 {
        self.end.saturating_sub(1)
    }

    /// Notes a new packet; `eliciting` if it has to be acknowledged.
    pub fn record(&mut self, now: Instant, number: u64, eliciting: bool, ecn: Ecn) {
        assert!(self.is_new(number), "a packet is noted once");
        let in_order = number == self.end;
        if number >= self.end {
            self.advance(number + 1);
            self.largest_at = now;
        }
        self.set(number);
        self.is_told_elsewhere = false;
        self.report_from = self.report_from.min(number);
        self.count_mark(ecn);
        if in_order {
            self.in_order = self.in_order.saturating_add(1).min(EVERY_MAX * IN_ORDER_PER_STEP);
            self.since_gap = self.since_gap.saturating_add(1);
        } else {
            (self.in_order, self.since_gap) = (self.in_order - self.in_order / GAP_PART, 0);
        }
        if eliciting {
            self.waiting += 1;
            let wait_us = if in_order && ecn != Ecn::Congested { self.delay_us() } else { 0 };
            let due = now + Duration::from_micros(wait_us);
            self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// All packets that were there have been handed in.
    pub fn batch_end(&mut self, now: Instant) {
        let every = match self.since_gap {
            0..AFTER_GAP => EVERY_FIRST,
            _ => (self.in_order / IN_ORDER_PER_STEP).clamp(EVERY_FIRST, EVERY_MAX),
        };
        if self.waiting >= every {
            self.due = Some(now);
        }
    }

    /// Takes the rtt into account: an ACK waits an eighth of it, at most 5 ms. On a short path it waits what the timers
    /// can keep, so that it travels with an answer instead of costing a packet and a wake-up at both ends.
    pub fn set_rtt(&mut self, rtt_us: u64) {
        self.delay_us_max = (rtt_us / 8).clamp(TIMER_US, ACK_DELAY_US_MAX);
    }

    const fn delay_us(&self) -> u64 {
        if self.travelled < TRAVELS { self.delay_us_max } else { ACK_DELAY_US_MAX }
    }

    /// When an ACK is due, if one is.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether an ACK would say something new, due or not.
    pub const fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// The ranges to report, `(first, last)`, highest first; none if nothing arrived.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bottom = self.report_from.max(self.end.saturating_sub(NUMBERS)).min(self.largest());
        let mut end = self.end;
        core::iter::from_fn(move || {
            end = self.run_down(end, false, bottom);
            if end <= bottom {
                return None;
            }
            let last = end - 1;
            end = self.run_down(end, true, bottom);
            Some((end, last))
        })
    }

    /// The fixed part of the ACK.
    pub fn header(&self, now: Instant, path: PathId) -> AckHeader {
        AckHeader {
            path: path.0,
            largest_low: self.largest() as u32,
            delay_units: AckHeader::delay_units_of(now.us_since(self.largest_at)),
            rx_time_us: self.largest_at.as_us() as u32,
            ecn: self.ecn_seen.then_some(self.ecn),
        }
    }

    /// Whether an ACK should go out on another path: nothing has come for a while, and perhaps none that went out here
    /// has arrived. [TMP-162]
    pub fn has_word_for_elsewhere(&self, now: Instant) -> bool {
        !self.is_told_elsewhere && now.us_since(self.largest_at) >= QUIET_US
    }

    /// That ACK has left.
    pub const fn told_elsewhere(&mut self) {
        self.is_told_elsewhere = true;
    }

    /// An ACK has left; what to remember with its packet.
    pub fn reported(&mut self, now: Instant) -> u64 {
        // What is due at once is due because of what came, and says nothing of the time that it would have waited.
        match self.due.take().map(|due| due.cmp(&now)) {
            Some(Ordering::Greater) => self.travelled = self.travelled.saturating_add(1),
            Some(Ordering::Less) => self.travelled = 0,
            Some(Ordering::Equal) | None => {}
        }
        self.waiting = 0;
        self.end
    }

    /// The packet that carried an ACK has arrived, with what `reported` gave.
    pub fn report_confirmed(&mut self, below: u64) {
        self.report_from = self.report_from.max(below);
    }

    fn advance(&mut self, end: u64) {
        if end - self.end >= NUMBERS {
            self.bits.fill(0);
        } else {
            // The bits of the new numbers are those of numbers that grow too old.
            for number in self.end..end {
                self.bits[Self::word(number)] &= !(1 << (number % 64));
            }
        }
        self.end = end;
    }

    /// [TMP-44.3]
    fn count_mark(&mut self, ecn: Ecn) {
        match ecn {
            Ecn::NotCapable => return,
            Ecn::Capable0 | Ecn::Capable1 => self.ecn.capable = self.ecn.capable.wrapping_add(1),
            Ecn::Congested => self.ecn.congested = self.ecn.congested.wrapping_add(1),
        }
        self.ecn_seen = true;
    }

    /// The end of the run of equal bits that begins below `end` and goes down, at most to `bottom`.
    fn run_down(&self, end: u64, set: bool, bottom: u64) -> u64 {
        let mut end = end;
        while end > bottom {
            let top = end - 1;
            let word = self.bits[Self::word(top)] << (63 - top % 64);
            let run = u64::from(if set { (!word).leading_zeros() } else { word.leading_zeros() });
            let inside = top % 64 + 1;
            end = end.saturating_sub(run.min(inside)).max(bottom);
            if run < inside {
                break;
            }
        }
        end
    }

    fn bit(&self, number: u64) -> bool {
        self.bits[Self::word(number)] >> (number % 64) & 1 == 1
    }

    fn set(&mut self, number: u64) {
        self.bits[Self::word(number)] |= 1 << (number % 64);
    }

    const fn word(number: u64) -> usize {
        (number / 64) as usize % WORDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;

    fn at(us: u64) -> Instant {
        Instant::from_us(us)
    }

    fn take(received: &mut Received, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            received.record(at(number), number, true, Ecn::NotCapable);
        }
    }

    /// [TMP-84] [TMP-84.1]
    #[test]
    fn agrees_with_a_set() {
        let mut random = Prng::new(11);
        let mut received = Received::new();
        let mut model = std::collections::BTreeSet::new();
        let mut top = 0;
        for _ in 0..3_000 {
            top += random.below(3) + if random.ppm(1_000) { 20_000 } else { 0 };
            let number = top.saturating_sub(random.below(100));
            let end = model.last().map_or(0, |last| last + 1);
            let fresh = number + NUMBERS >= end && !model.contains(&number);
            assert_eq!(received.is_new(number), fresh);
            if fresh {
                take(&mut received, [number]);
                model.insert(number);
            }
            let bottom = received.end.saturating_sub(NUMBERS);
            let mut numbers = model.range(bottom..).rev().copied();
            for (first, last) in received.ranges() {
                assert!((first..=last).rev().all(|number| numbers.next() == Some(number)), "{first} {last}");
            }
            assert_eq!(numbers.next(), None);
        }
    }

    /// [TMP-101]
    #[test]
    fn the_policy_is_the_table() {
        let mut received = Received::new();
        received.set_rtt(16_000);
        take(&mut received, [0]);
        received.batch_end(at(0));
        assert_eq!(received.due(), Some(at(2_000)), "one packet waits an eighth of the rtt");
        take(&mut received, [1]);
        received.batch_end(at(1));
        assert_eq!(received.due(), Some(at(1)), "two do not");
        received.reported(at(1));
        take(&mut received, 2..1_002);
        received.batch_end(at(1_001));
        received.reported(at(1_001));
        assert_eq!(received.due(), None);
        for number in 1_002..1_016 {
            take(&mut received, [number]);
            received.batch_end(at(number));
            assert_eq!(received.due(), Some(at(1_002 + 2_000)), "a path in order is acknowledged less often");
        }
        take(&mut received, [1_016]);
        received.batch_end(at(1_016));
        assert_eq!(received.due(), Some(at(1_016)));
        received.reported(at(1_016));
        take(&mut received, [1_018]);
        assert_eq!(received.due(), Some(at(1_018)), "a gap is told at once");
        received.reported(at(1_018));
        take(&mut received, [1_017]);
        assert_eq!(received.due(), Some(at(1_017)), "and so is its end");
        received.reported(at(1_017));
        received.record(at(1_019), 1_019, true, Ecn::Congested);
        assert_eq!(received.due(), Some(at(1_019)), "a mark too");
        received.reported(at(1_019));
        received.record(at(1_020), 1_020, false, Ecn::NotCapable);
        assert_eq!(received.due(), None, "an ACK is not acknowledged");
    }

    #[test]
    fn random_losses_do_not_cost_an_ack_for_every_second_packet() {
        let mut received = Received::new();
        received.set_rtt(100_000);
        let mut acks = 0;
        for number in (0..10_000).filter(|number| number % 100 != 50) {
            take(&mut received, [number]);
            received.batch_end(at(number));
            if received.due().is_some_and(|due| due <= at(number)) {
                received.reported(at(number));
                acks += u64::from(number >= 2_000);
            }
        }
        assert!((700..1_000).contains(&acks), "{acks} for 8,000 packets");
    }

    #[test]
    fn an_ack_waits_for_company_on_a_short_path_too() {
        let mut received = Received::new();
        for (rtt_us, delay_us) in [(100, 1_000), (8_000, 1_000), (24_000, 3_000), (80_000, 5_000)] {
            received.set_rtt(rtt_us);
            let next = received.end;
            received.record(at(0), next, true, Ecn::NotCapable);
            received.batch_end(at(0));
            assert_eq!(received.due(), Some(at(delay_us)));
            received.reported(at(delay_us));
        }
    }

    /// [TMP-101]
    #[test]
    fn acks_that_travel_are_given_time_until_one_goes_alone() {
        let mut received = Received::new();
        received.set_rtt(100);
        let mut ask = |number: u64, answered_after_us: u64| {
            let now = number * 10_000;
            received.record(at(now), number, true, Ecn::NotCapable);
            received.batch_end(at(now));
            let waits_us = received.due().map(|due| due.us_since(at(now)));
            received.reported(at(now + answered_after_us));
            waits_us
        };
        for number in 0..8 {
            assert_eq!(ask(number, 200), Some(1_000));
        }
        assert_eq!(ask(8, 200), Some(5_000), "a timer would ring for nothing");
        assert_eq!(ask(9, 5_020), Some(5_000), "this one is late");
        assert_eq!(ask(10, 1_020), Some(1_000));
        assert_eq!(ask(11, 200), Some(1_000));
    }

    #[test]
    fn a_train_gives_one_ack() {
        let mut received = Received::new();
        take(&mut received, 0..200);
        received.batch_end(at(200));
        received.reported(at(200));
        take(&mut received, 200..210);
        received.batch_end(at(210));
        assert_eq!(received.due(), Some(at(210)));
    }

    #[test]
    fn confirmed_reports_are_not_repeated_but_late_packets_are_reported() {
        let mut received = Received::new();
        take(&mut received, (0..50).chain(60..100));
        let below = received.reported(at(100));
        received.report_confirmed(below);
        take(&mut received, [100, 101]);
        assert_eq!(received.ranges().collect::<Vec<_>>(), [(100, 101)]);
        take(&mut received, [55]);
        assert_eq!(received.ranges().collect::<Vec<_>>(), [(60, 101), (55, 55)]);
    }
}
