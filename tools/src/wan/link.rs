//! One direction of a path. No I/O and no clock: takes `now` and packets, gives packets and when to look again.
//!
//! Contract: after every [`Link::offer`], and at [`Link::next_wake`], drain [`Link::take`]. A packet is due at a time
//! that does not depend on when it is asked for.

use crate::wan::chance::Chance;
use crate::wan::counters::LinkCounters;
use crate::wan::packet::Packet;
use crate::wan::rules::Rules;
use crate::wan::shaper::Shaper;
use crate::wan::wander::wander;
use core::cmp::Ordering;
use dataplane::time::Instant;
use std::collections::BinaryHeap;

/// A direction.
#[derive(Debug)]
pub struct Link {
    rules: Rules,
    set_ns: u64,
    seed: u64,
    shaper: Shaper,
    chance: Chance,
    flying: BinaryHeap<Flight>,
    departures: u64,
    counters: LinkCounters,
}

/// A packet past the bottleneck. Ordered so that the heap's greatest is due first.
#[derive(Debug)]
struct Flight {
    due_ns: u64,
    /// Which of those due at one time left first.
    order: u64,
    packet: Packet,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ns, other.order).cmp(&(self.due_ns, self.order))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flight {}

impl Link {
    /// A link that begins now. Equal seeds and packets have equal fates.
    pub fn new(rules: Rules, seed: u64, now: Instant) -> Self {
        let now_ns = ns(now);
        Self {
            shaper: Shaper::new(&rules, now_ns),
            rules,
            set_ns: now_ns,
            seed,
            chance: Chance::new(seed),
            flying: BinaryHeap::new(),
            departures: 0,
            counters: LinkCounters::default(),
        }
    }

    /// The rules that hold.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Goes on by other rules. What is past the bottleneck keeps its fate; black-outs count from now.
    pub fn set(&mut self, rules: Rules, now: Instant) {
        self.advance(ns(now));
        self.shaper.set(&rules, ns(now));
        (self.rules, self.set_ns) = (rules, ns(now));
    }

    /// Takes a packet in.
    pub fn offer(&mut self, packet: Packet, now: Instant) {
        self.advance(ns(now));
        let len_bytes = packet.len_bytes() as u64;
        let counters = &mut self.counters;
        counters.packets += 1;
        counters.bytes += len_bytes;
        counters.packet_bytes_max = counters.packet_bytes_max.max(len_bytes);
        if packet.len_bytes() > self.rules.mtu_bytes {
            counters.dropped_mtu += 1;
        } else if self.shaper.push(ns(now), packet).is_err() {
            counters.dropped_queue += 1;
        }
        counters.queue_bytes_max = counters.queue_bytes_max.max(self.shaper.waiting_bytes());
        self.advance(ns(now));
    }

    /// Hands out the next packet that is due, with when it was.
    pub fn take(&mut self, now: Instant) -> Option<(Instant, Packet)> {
        self.advance(ns(now));
        if self.flying.peek().is_none_or(|flight| flight.due_ns > ns(now)) {
            return None;
        }
        let flight = self.flying.pop()?;
        self.counters.delivered_packets += 1;
        self.counters.delivered_bytes += flight.packet.len_bytes() as u64;
        Some((Instant::from_us(flight.due_ns.div_ceil(1_000)), flight.packet))
    }

    /// When the next packet may be due. Not before the first in the queue can have crossed.
    pub fn next_wake(&self) -> Option<Instant> {
        let crossing_ns = self.delay_ns_min();
        let queued = self.shaper.leaves_ns().map(|leaves| leaves + crossing_ns);
        let flying = self.flying.peek().map(|flight| flight.due_ns);
        let next = [queued, flying].into_iter().flatten().min();
        next.map(|at| Instant::from_us(at.div_ceil(1_000)))
    }

    /// What has happened so far.
    pub fn counters(&self) -> LinkCounters {
        let (queue_bytes, flying_packets) = (self.shaper.waiting_bytes(), self.flying.len() as u64);
        LinkCounters { queue_bytes, flying_packets, ..self.counters }
    }

    /// Sends off all that has left the bottleneck by now.
    fn advance(&mut self, now_ns: u64) {
        while let Some((came_ns, left_ns, packet)) = self.shaper.pop(now_ns) {
            let waited_us = (left_ns - came_ns) / 1_000;
            self.counters.departed_packets += 1;
            self.counters.queue_us_sum += waited_us;
            self.counters.queue_us_max = self.counters.queue_us_max.max(waited_us);
            self.depart(left_ns, packet);
        }
    }

    fn depart(&mut self, left_ns: u64, mut packet: Packet) {
        // The dice are thrown for every packet, whatever became of it otherwise.
        let is_lost = self.chance.loses(&self.rules);
        let is_late = self.chance.reorders(&self.rules);
        let is_double = self.chance.duplicates(&self.rules);
        let is_damaged = self.chance.corrupts(&self.rules);
        if self.is_dark(left_ns) {
            self.counters.dropped_blackout += 1;
            return;
        }
        if is_lost {
            self.counters.dropped_loss += 1;
            return;
        }
        if is_damaged {
            self.chance.damage(&mut packet.bytes);
            self.counters.corrupted += 1;
        }
        let mut due_ns = left_ns + self.delay_ns(left_ns);
        if is_late {
            due_ns += span_ns(self.rules.reorder_by);
            self.counters.reordered += 1;
        }
        if is_double {
            self.fly(due_ns, packet.clone());
            self.counters.duplicated += 1;
        }
        self.fly(due_ns, packet);
    }

    fn fly(&mut self, due_ns: u64, packet: Packet) {
        self.departures += 1;
        self.flying.push(Flight { due_ns, order: self.departures, packet });
    }

    fn is_dark(&self, at_ns: u64) -> bool {
        let since = core::time::Duration::from_nanos(at_ns.saturating_sub(self.set_ns));
        self.rules.blackouts.iter().any(|blackout| blackout.covers(since))
    }

    fn jitter_ns(&self) -> u64 {
        span_ns(self.rules.jitter.min(self.rules.delay))
    }

    fn delay_ns_min(&self) -> u64 {
        span_ns(self.rules.delay) - self.jitter_ns()
    }

    fn delay_ns(&self, left_ns: u64) -> u64 {
        self.delay_ns_min() + wander(self.seed, left_ns, self.jitter_ns())
    }
}

fn ns(at: Instant) -> u64 {
    at.as_us() * 1_000
}

fn span_ns(span: core::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}
