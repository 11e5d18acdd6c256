//! The window of N virtual CUBIC flows in one tunnel: to the network it is N users. Units: packets with fractions,
//! bytes where the name says so.
//!
//! Each packet is owned by one flow, named by its `Tag`, in runs; its acknowledgement or loss moves that flow alone, so that
//! what a single loss removes, how the sum grows and how it shares a bottleneck with N real flows follow by
//! construction and need no formula (MulTCP and CUBIC with an emulated N are 2.4 to 6.3 times off somewhere).
//!
//! ```text
//!  flows:   0 … count-1 live │ the rest dead: their packets are orphans, told apart by the generation in the tag
//!  window = sum of the live flows' windows, each one packet at least
//! ```
//! At the beginning there is one slow start for all, with ten packets in the sum, and one HyStart++; the first loss
//! ends it for all. A flow that is added later doubles from ten packets to the mean of the others, as a new
//! connection would; one that is removed takes its window with it. It does not know what a connection is, nor
//! how many flows are good: it is told a count. Nothing is allocated after `new`. [TMP-130]

use crate::time::Instant;
use crate::tmp::cubic::{Cubic, Sign};
use crate::tmp::hystart::HyStart;

/// RFC 6928: ten packets.
pub const WINDOW_PACKETS_INITIAL: f64 = 10.0;
/// RFC 9002 §7.2: the sum is never below two packets.
const WINDOW_PACKETS_MIN: f64 = 2.0;
/// A flow owns so many packets in a row at most, and an eighth of its window: about what segmentation offload makes of
/// a TCP's. Simulated against CUBIC flows.
const RUN_PACKETS_MAX: u32 = 8;
const RUN_PART: f64 = 0.125;
/// End of the queue of flows with room.
const NONE: u16 = u16::MAX;
/// The running sum is counted afresh after so many changes: fractions lose their last digits.
const CHANGES_PER_COUNT: u32 = 1 << 16;

/// Which flow owns a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    slot: u16,
    generation: u8,
}

/// One acknowledged packet, as a controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct AckedPacket {
    /// Its number.
    pub number: u64,
    /// Its size.
    pub bytes: u64,
    /// Whose it is.
    pub tag: Tag,
    /// The window was in use when it was under way: its ack is leave to grow.
    pub used_window: bool,
}

#[derive(Clone, Debug)]
struct Virtual {
    cubic: Cubic,
    in_flight_bytes: u32,
    /// The next one in the queue of flows that have room.
    next: u16,
    is_queued: bool,
    generation: u8,
}

/// The flows.
#[derive(Clone, Debug)]
pub struct Ensemble {
    flows: Vec<Virtual>,
    count: usize,
    packet_bytes: u64,
    sum: f64,
    changes: u32,
    window_limit: f64,
    /// The common slow start is under way.
    is_starting: bool,
    hystart: HyStart,
    /// Queue of flows with room: first in, first out.
    head: u16,
    tail: u16,
    /// The flow that takes the next mark, or the next packet when none has room.
    turn: usize,
    /// Who owned the last packet, and may own so many more in a row.
    last: usize,
    run: u32,
    /// Reductions of a flow so far.
    reactions: u64,
}

impl Ensemble {
    /// One flow of ten packets. At most `flows_max` flows and `window_packets_max` packets.
    pub fn new(packet_bytes: u64, window_packets_max: u64, flows_max: usize) -> Self {
        let flows_max = flows_max.clamp(1, usize::from(NONE));
        let mut ensemble = Self {
            flows: Vec::with_capacity(flows_max),
            count: 0,
            packet_bytes,
            sum: WINDOW_PACKETS_INITIAL,
            changes: 0,
            window_limit: window_packets_max as f64,
            is_starting: true,
            hystart: HyStart::new(0),
            head: NONE,
            tail: NONE,
            turn: 0,
            last: 0,
            run: 0,
            reactions: 0,
        };
        ensemble.set_count(1);
        ensemble
    }

    /// Bytes that may be in flight.
    pub fn window_bytes(&self) -> u64 {
        let packets = self.sum.clamp(WINDOW_PACKETS_MIN, self.window_limit.max(WINDOW_PACKETS_MIN));
        (packets * self.packet_bytes as f64) as u64
    }

    /// How many flows there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// How often a flow reduced its window.
    pub const fn reactions(&self) -> u64 {
        self.reactions
    }

    /// How many flows there can be.
    pub fn count_max(&self) -> usize {
        self.flows.capacity().min(usize::from(NONE))
    }

    /// Whether the common slow start is under way.
    pub const fn is_starting(&self) -> bool {
        self.is_starting
    }

    /// Whether the owner of packet `number` has reacted since it was sent.
    pub fn is_recovering(&self, number: u64, tag: Tag) -> bool {
        self.flow(tag).is_some_and(|flow| flow.cubic.is_recovering(number))
    }

    /// The packet size of the path changed; the windows stay the same in bytes.
    pub fn set_packet_bytes(&mut self, packet_bytes: u64) {
        let factor = self.packet_bytes as f64 / packet_bytes as f64;
        self.packet_bytes = packet_bytes;
        self.scale(factor);
    }

    /// Deals out a window that another controller has found: equal shares, no slow start, new epochs.
    pub fn deal_out(&mut self, window_bytes: u64) {
        let share = window_bytes as f64 / self.packet_bytes as f64 / self.count as f64;
        self.is_starting = false;
        self.flows[..self.count].iter_mut().for_each(|flow| flow.cubic = Cubic::new(share, share));
        self.recount();
    }

    /// The window is this from now on, in equal parts; those in slow start stay in it.
    pub fn set_window(&mut self, window_bytes: u64) {
        let share = window_bytes as f64 / self.packet_bytes as f64 / self.count as f64;
        self.flows[..self.count].iter_mut().for_each(|flow| flow.cubic.set_window(share));
        self.recount();
    }

    /// Slow start begins again with a window (or ten packets): more was sent than the path takes. What was sent before
    /// `number_next` says nothing of the new one.
    pub fn retreat(&mut self, window_bytes: u64, number_next: u64) {
        let packets = (window_bytes as f64 / self.packet_bytes as f64).max(WINDOW_PACKETS_INITIAL);
        let share = packets / self.count as f64;
        self.flows[..self.count].iter_mut().for_each(|flow| flow.cubic.begin_again(share, number_next));
        (self.is_starting, self.hystart) = (true, HyStart::new(number_next));
        self.recount();
    }

    /// So many flows from now on.
    pub fn set_count(&mut self, count: usize) {
        let count = count.clamp(1, self.count_max());
        if count == self.count {
            return;
        }
        if self.is_starting {
            return self.divide(count);
        }
        let mean = self.sum / self.count as f64;
        while self.count < count {
            self.revive(Cubic::new(mean.min(WINDOW_PACKETS_INITIAL), mean));
        }
        self.shrink(count);
        self.recount();
    }

    /// Chooses the owner of a packet that leaves.
    pub fn own(&mut self, bytes: u64) -> Tag {
        let slot = self.next_owner();
        let packet_bytes = self.packet_bytes as f64;
        let flow = &mut self.flows[slot];
        flow.in_flight_bytes = flow.in_flight_bytes.saturating_add(bytes as u32);
        let tag = Tag { slot: slot as u16, generation: flow.generation };
        let has_room = f64::from(flow.in_flight_bytes) < flow.cubic.window() * packet_bytes;
        if has_room {
            self.queue(slot);
        }
        tag
    }

    /// A packet is not in flight any more, for a reason that says nothing of the path's room.
    pub fn left_flight(&mut self, bytes: u64, tag: Tag) {
        if let Some(flow) = self.flow_mut(tag) {
            flow.in_flight_bytes = flow.in_flight_bytes.saturating_sub(bytes as u32);
        }
        self.queue_if_room(tag);
    }

    /// An rtt sample: `number` is the newest packet of its ack, `number_next` what will be sent next.
    pub fn sampled(&mut self, number: u64, number_next: u64, rtt_us: u64) {
        if self.is_starting && self.hystart.acked(number, number_next, rtt_us) {
            self.end_start();
        }
    }

    /// One packet was acknowledged.
    pub fn acked(&mut self, now: Instant, packet: AckedPacket, smoothed_rtt_us: u64) {
        let packets = packet.bytes as f64 / self.packet_bytes as f64;
        let is_at_limit = self.sum >= self.window_limit;
        let slow_bytes =
            if self.is_starting { self.hystart.growth_bytes(packet.bytes) } else { packet.bytes };
        let slow_growth = slow_bytes as f64 / self.packet_bytes as f64;
        let Some(flow) = self.flow_mut(packet.tag) else { return };
        flow.in_flight_bytes = flow.in_flight_bytes.saturating_sub(packet.bytes as u32);
        let before = flow.cubic.window();
        if !packet.used_window || is_at_limit {
            flow.cubic.rest(now);
        } else if !flow.cubic.is_recovering(packet.number) {
            flow.cubic.grow(now, packets, slow_growth, smoothed_rtt_us);
        }
        let change = flow.cubic.window() - before;
        self.add(change);
        self.queue_if_room(packet.tag);
    }

    /// Packet `number` was lost; `number_next` is what will be sent next. One reaction of its flow per round.
    pub fn lost(&mut self, number: u64, number_next: u64, bytes: u64, tag: Tag) {
        self.left_flight(bytes, tag);
        self.react(number, number_next, tag, Sign::Loss);
    }

    /// So many packets up to `number` were marked; nobody knows which, so the flows take the hits in turn.
    pub fn marked(&mut self, number: u64, number_next: u64, marks: u32) {
        for _ in 0..(marks as usize).min(self.count) {
            self.turn = (self.turn + 1) % self.count;
            let generation = self.flows[self.turn].generation;
            let tag = Tag { slot: self.turn as u16, generation };
            self.react(number, number_next, tag, Sign::Mark);
        }
    }

    /// A packet that had been counted as lost was only late.
    pub fn loss_was_spurious(&mut self, tag: Tag) {
        let Some(flow) = self.flow_mut(tag) else { return };
        let before = flow.cubic.window();
        flow.cubic.loss_was_spurious();
        let change = flow.cubic.window() - before;
        self.add(change);
        self.queue_if_room(tag);
    }

    /// Nothing came through for long: every flow begins again with one packet.
    pub fn collapse(&mut self, number_next: u64) {
        self.flows[..self.count].iter_mut().for_each(|flow| flow.cubic.collapse(number_next));
        self.hystart = HyStart::new(number_next);
        self.recount();
    }

    /// Slow start is over for all.
    pub fn end_start(&mut self) {
        self.is_starting = false;
        self.flows[..self.count].iter_mut().for_each(|flow| flow.cubic.end_slow_start());
    }

    fn react(&mut self, number: u64, number_next: u64, tag: Tag, sign: Sign) {
        let Some(flow) = self.flow_mut(tag) else { return };
        let before = flow.cubic.window();
        let has_reacted = flow.cubic.congested(number, number_next, sign);
        let change = flow.cubic.window() - before;
        self.add(change);
        self.reactions += u64::from(has_reacted);
        if has_reacted && self.is_starting {
            self.end_start();
        }
    }

    /// While all are in the common slow start its window is dealt out anew.
    fn divide(&mut self, count: usize) {
        let share = self.sum / count as f64;
        while self.count < count {
            self.revive(Cubic::new(share, f64::INFINITY));
        }
        self.shrink(count);
        self.flows[..count].iter_mut().for_each(|flow| flow.cubic.set_window(share));
        self.recount();
    }

    fn revive(&mut self, cubic: Cubic) {
        let slot = self.count;
        self.count += 1;
        if let Some(flow) = self.flows.get_mut(slot) {
            flow.generation = flow.generation.wrapping_add(1);
            (flow.cubic, flow.in_flight_bytes) = (cubic, 0);
        } else {
            let flow = Virtual { cubic, in_flight_bytes: 0, next: NONE, is_queued: false, generation: 0 };
            self.flows.push(flow);
        }
        self.queue(slot);
    }

    fn shrink(&mut self, count: usize) {
        self.count = self.count.min(count);
        self.turn = self.turn.min(self.count - 1);
    }

    fn scale(&mut self, factor: f64) {
        self.flows[..self.count].iter_mut().for_each(|flow| flow.cubic.scale(factor));
        self.recount();
    }

    /// Counts the sum afresh, and queues whoever has room.
    fn recount(&mut self) {
        (self.sum, self.changes) = (self.flows[..self.count].iter().map(|flow| flow.cubic.window()).sum(), 0);
        (0..self.count).for_each(|slot| self.queue_slot_if_room(slot));
    }

    fn add(&mut self, change: f64) {
        self.sum += change;
        self.changes += 1;
        if self.changes >= CHANGES_PER_COUNT {
            self.recount();
        }
    }

    fn flow(&self, tag: Tag) -> Option<&Virtual> {
        let flow = self.flows[..self.count].get(usize::from(tag.slot))?;
        (flow.generation == tag.generation).then_some(flow)
    }

    fn flow_mut(&mut self, tag: Tag) -> Option<&mut Virtual> {
        let flow = self.flows[..self.count].get_mut(usize::from(tag.slot))?;
        (flow.generation == tag.generation).then_some(flow)
    }

    /// Packets that leave together are lost together, and so they belong together: each flow sends in runs, as a TCP does.
    /// Dealt out one by one, a burst that finds a full queue would make as many flows react as it loses packets.
    fn next_owner(&mut self) -> usize {
        if self.run > 0 && self.last < self.count && self.has_room(self.last) {
            self.run -= 1;
            return self.last;
        }
        self.last = self.with_room();
        let run = (self.flows[self.last].cubic.window() * RUN_PART) as u32;
        self.run = run.clamp(1, RUN_PACKETS_MAX) - 1;
        self.last
    }

    /// The flow that has waited longest for a packet and has room; or, as the window may be another controller's,
    /// simply the next.
    fn with_room(&mut self) -> usize {
        while let Some(slot) = self.unqueue() {
            if slot < self.count && self.has_room(slot) {
                return slot;
            }
        }
        self.turn = (self.turn + 1) % self.count;
        self.turn
    }

    fn has_room(&self, slot: usize) -> bool {
        let flow = &self.flows[slot];
        f64::from(flow.in_flight_bytes) < flow.cubic.window() * self.packet_bytes as f64
    }

    fn queue_if_room(&mut self, tag: Tag) {
        if self.flow(tag).is_some() {
            self.queue_slot_if_room(usize::from(tag.slot));
        }
    }

    fn queue_slot_if_room(&mut self, slot: usize) {
        if !self.flows[slot].is_queued && self.has_room(slot) {
            self.queue(slot);
        }
    }

    fn queue(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        if flow.is_queued {
            return;
        }
        (flow.is_queued, flow.next) = (true, NONE);
        if self.tail == NONE {
            self.head = slot as u16;
        } else {
            self.flows[usize::from(self.tail)].next = slot as u16;
        }
        self.tail = slot as u16;
    }

    fn unqueue(&mut self) -> Option<usize> {
        let slot = self.head;
        let flow = self.flows.get_mut(usize::from(slot))?;
        flow.is_queued = false;
        self.head = flow.next;
        if self.head == NONE {
            self.tail = NONE;
        }
        Some(usize::from(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;

    const PACKET: u64 = 1_000;

    /// One round of 100 ms in which the whole window is sent and acknowledged but for the numbers that are lost.
    fn round(ensemble: &mut Ensemble, number: &mut u64, now: &mut Instant, is_lost: impl Fn(u64) -> bool) {
        let packets = ensemble.window_bytes() / PACKET;
        let first = *number;
        let tags: Vec<Tag> = (0..packets).map(|_| ensemble.own(PACKET)).collect();
        *number += packets;
        *now += crate::time::Duration::from_millis(100);
        for (tag, number_of) in tags.into_iter().zip(first..) {
            if is_lost(number_of) {
                ensemble.lost(number_of, *number, PACKET, tag);
            } else {
                let packet = AckedPacket { number: number_of, bytes: PACKET, tag, used_window: true };
                ensemble.acked(*now, packet, 100_000);
            }
        }
    }

    fn packets(ensemble: &Ensemble) -> u64 {
        ensemble.window_bytes() / PACKET
    }

    #[test]
    fn packets_that_leave_together_belong_to_one_flow_as_far_as_its_window_allows() {
        let runs = |window_packets| {
            let mut ensemble = Ensemble::new(PACKET, 100_000, 64);
            ensemble.set_count(2);
            ensemble.deal_out(window_packets * PACKET);
            let owners: Vec<u16> = (0..window_packets).map(|_| ensemble.own(PACKET).slot).collect();
            owners.chunk_by(|one, next| one == next).map(<[u16]>::len).collect::<Vec<_>>()
        };
        assert_eq!(runs(128), [8; 16]);
        assert_eq!(runs(48), [3; 16]);
        assert_eq!(runs(10), [1; 10]);
    }

    #[test]
    fn one_slow_start_for_all_and_a_loss_costs_three_tenths_of_one_flow() {
        let mut ensemble = Ensemble::new(PACKET, 100_000, 64);
        let (mut number, mut now) = (0, Instant::ORIGIN);
        ensemble.set_count(8);
        assert_eq!(packets(&ensemble), 10, "ten packets in the sum");
        for want in [20, 40, 80, 160] {
            round(&mut ensemble, &mut number, &mut now, |_| false);
            assert_eq!(packets(&ensemble), want);
        }
        let lost = number + 5;
        round(&mut ensemble, &mut number, &mut now, |number| number == lost);
        assert!(!ensemble.is_starting());
        assert!((150..=168).contains(&packets(&ensemble)), "160 − 0.3 × 20 − …: {}", packets(&ensemble));
    }

    #[test]
    fn the_floor_is_one_packet_per_flow() {
        let mut ensemble = Ensemble::new(PACKET, 100_000, 64);
        let (mut number, mut now) = (0, Instant::ORIGIN);
        ensemble.set_count(20);
        for _ in 0..30 {
            round(&mut ensemble, &mut number, &mut now, |number| number % 2 == 0);
        }
        assert!((20..45).contains(&packets(&ensemble)), "{}", packets(&ensemble));
        ensemble.collapse(number);
        assert_eq!(packets(&ensemble), 20);
        ensemble.set_count(1);
        assert_eq!(packets(&ensemble), 2, "but two in the sum");
    }

    #[test]
    fn flows_come_with_ten_packets_and_go_with_their_windows() {
        let mut ensemble = Ensemble::new(PACKET, 100_000, 64);
        let (mut number, mut now) = (0, Instant::ORIGIN);
        ensemble.set_count(4);
        for _ in 0..6 {
            round(&mut ensemble, &mut number, &mut now, |_| false);
        }
        ensemble.end_start();
        let before = packets(&ensemble);
        let orphan = (0..8).map(|_| ensemble.own(PACKET)).last().unwrap();
        ensemble.set_count(8);
        assert_eq!(packets(&ensemble), before + 40);
        for _ in 0..5 {
            round(&mut ensemble, &mut number, &mut now, |_| false);
        }
        assert!((before * 19 / 10..before * 23 / 10).contains(&packets(&ensemble)), "{}", packets(&ensemble));
        ensemble.set_count(4);
        assert!((before * 9 / 10..before * 12 / 10).contains(&packets(&ensemble)), "{}", packets(&ensemble));
        ensemble.set_count(1);
        let alone = packets(&ensemble);
        ensemble.lost(number, number + 1, PACKET, orphan);
        ensemble.set_count(8);
        ensemble.lost(number, number + 1, PACKET, orphan);
        assert_eq!(packets(&ensemble), alone + 70, "the loss of an orphan hits nobody");
    }

    #[test]
    fn late_packets_undo_the_reaction_of_their_flow() {
        let mut ensemble = Ensemble::new(PACKET, 100_000, 64);
        ensemble.set_count(2);
        ensemble.end_start();
        let tags = [ensemble.own(PACKET), ensemble.own(PACKET)];
        ensemble.lost(0, 10, PACKET, tags[0]);
        ensemble.lost(1, 10, PACKET, tags[1]);
        assert_eq!(packets(&ensemble), 7);
        ensemble.loss_was_spurious(tags[0]);
        assert_eq!(packets(&ensemble), 8);
        ensemble.loss_was_spurious(tags[1]);
        assert_eq!(packets(&ensemble), 10);
    }

    #[test]
    fn marks_go_round() {
        let mut ensemble = Ensemble::new(PACKET, 100_000, 64);
        ensemble.set_count(10);
        ensemble.end_start();
        ensemble.deal_out(1_000 * PACKET);
        ensemble.marked(0, 100, 3);
        assert_eq!(packets(&ensemble), 955);
        ensemble.marked(50, 100, 100);
        assert_eq!(packets(&ensemble), 850, "one reaction per flow and round");
    }

    #[test]
    fn whatever_happens_the_sum_is_the_sum() {
        let mut random = Prng::new(5);
        let mut ensemble = Ensemble::new(PACKET, 2_000, 32);
        let (mut number, mut under_way) = (0, Vec::new());
        for step in 0..200_000_u64 {
            match random.below(100) {
                0 => ensemble.set_count(random.below(40) as usize),
                1 => ensemble.set_packet_bytes(500 + random.below(1_000)),
                2 => ensemble.marked(number, number, random.below(4) as u32),
                3 if random.ppm(10_000) => ensemble.collapse(number),
                4 => ensemble.sampled(number, number + 10, 50_000 + random.below(20_000)),
                5..50 if !under_way.is_empty() => {
                    let at = random.below(under_way.len() as u64) as usize;
                    let (number_of, bytes, tag) = under_way.swap_remove(at);
                    let used_window = random.ppm(900_000);
                    match random.below(20) {
                        0 => ensemble.lost(number_of, number, bytes, tag),
                        1 => ensemble.loss_was_spurious(tag),
                        2 => ensemble.left_flight(bytes, tag),
                        _ => {
                            let packet = AckedPacket { number: number_of, bytes, tag, used_window };
                            ensemble.acked(Instant::from_us(step * 100), packet, 50_000);
                        }
                    }
                }
                _ => {
                    let bytes = 50 + random.below(1_400);
                    under_way.push((number, bytes, ensemble.own(bytes)));
                    number += 1;
                }
            }
            let sum: f64 = ensemble.flows[..ensemble.count].iter().map(|flow| flow.cubic.window()).sum();
            assert!((sum - ensemble.sum).abs() < 1e-3 * sum, "step {step}: {sum} {}", ensemble.sum);
            assert!(sum >= ensemble.count as f64 && ensemble.window_bytes() >= 1_000);
            let queued = ensemble.flows.iter().filter(|flow| flow.is_queued).count();
            let mut in_queue = 0;
            let mut at = ensemble.head;
            while at != NONE {
                (at, in_queue) = (ensemble.flows[usize::from(at)].next, in_queue + 1);
            }
            assert_eq!(queued, in_queue);
        }
    }
}
