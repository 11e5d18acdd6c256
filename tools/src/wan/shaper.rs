//! The bottleneck: packets leave it one after the other at a pace, and those that find too many before them are
//! dropped. When a packet leaves is computed, not waited for: a driver that looks late changes nothing.

use crate::wan::packet::Packet;
use crate::wan::rules::{Pace, QueueLimit, Rules};
use crate::wan::trace::Cursor;
use std::collections::VecDeque;

/// The bottleneck of one direction. Times are ns of the driver's clock.
#[derive(Debug)]
pub(crate) struct Shaper {
    pace: Pace,
    limit: QueueLimit,
    bytes_max: Option<u64>,
    /// Packets that have not left, with when they came; the first is leaving.
    waiting: VecDeque<(u64, Packet)>,
    waiting_bytes: u64,
    /// When the first will have left.
    leaves_ns: Option<u64>,
    /// When the bottleneck has nothing more to do with what has left.
    free_ns: u64,
    /// Where the trace stands, and when it was set.
    cursor: Cursor,
    trace_began_ns: u64,
}

impl Shaper {
    pub(crate) fn new(rules: &Rules, now_ns: u64) -> Self {
        Self {
            pace: rules.pace.clone(),
            limit: rules.queue,
            bytes_max: rules.queue_bytes_max(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            leaves_ns: None,
            free_ns: now_ns,
            cursor: Cursor::default(),
            trace_began_ns: now_ns,
        }
    }

    /// Goes on by other rules; what waits leaves by them too, the packet under way from its beginning.
    pub(crate) fn set(&mut self, rules: &Rules, now_ns: u64) {
        (self.limit, self.bytes_max) = (rules.queue, rules.queue_bytes_max());
        if self.pace != rules.pace {
            self.pace = rules.pace.clone();
            (self.cursor, self.trace_began_ns) = (Cursor::default(), now_ns);
            self.free_ns = self.free_ns.max(self.waiting.front().map_or(0, |_| now_ns));
            self.leaves_ns = None;
            self.schedule();
        }
    }

    /// Takes a packet in, or gives it back for want of room. What has left by now was taken out before.
    pub(crate) fn push(&mut self, now_ns: u64, packet: Packet) -> Result<(), Packet> {
        if !self.has_room(packet.len_bytes()) {
            return Err(packet);
        }
        self.waiting_bytes += packet.len_bytes() as u64;
        self.waiting.push_back((now_ns, packet));
        self.schedule();
        Ok(())
    }

    /// Takes out the next packet that has left by now, with when it came and when it left.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<(u64, u64, Packet)> {
        let left_ns = self.leaves_ns.filter(|left| *left <= now_ns)?;
        let (came_ns, packet) = self.waiting.pop_front()?;
        self.waiting_bytes -= packet.len_bytes() as u64;
        (self.free_ns, self.leaves_ns) = (left_ns, None);
        self.schedule();
        Some((came_ns, left_ns, packet))
    }

    /// When the first packet will have left.
    pub(crate) const fn leaves_ns(&self) -> Option<u64> {
        self.leaves_ns
    }

    /// Bytes that wait, with the packet that is leaving.
    pub(crate) const fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    fn has_room(&self, len_bytes: usize) -> bool {
        let after = self.waiting_bytes + len_bytes as u64;
        match (self.limit, self.pace.bits_per_s()) {
            (_, None) => true,
            (QueueLimit::Time(span), Some(bits)) => after as f64 * 8.0 <= bits * span.as_secs_f64(),
            // A queue that cannot hold one packet would let nothing through at all.
            (QueueLimit::Bytes(_) | QueueLimit::BandwidthDelay, Some(_)) => {
                self.waiting.is_empty() || self.bytes_max.is_none_or(|max| after <= max)
            }
        }
    }

    /// Computes when the first packet leaves, once it is the first.
    fn schedule(&mut self) {
        let Some((came_ns, packet)) = self.waiting.front() else { return };
        if self.leaves_ns.is_some() {
            return;
        }
        let begins_ns = self.free_ns.max(*came_ns);
        let leaves_ns = match &self.pace {
            Pace::Unlimited => begins_ns,
            Pace::Rate(bits) => {
                begins_ns + (packet.len_bytes() as u128 * 8_000_000_000 / u128::from(*bits)) as u64
            }
            Pace::Trace(trace) => {
                let came_ns = came_ns.saturating_sub(self.trace_began_ns);
                self.trace_began_ns + self.cursor.depart(trace, came_ns, packet.len_bytes())
            }
        };
        self.leaves_ns = Some(leaves_ns);
    }
}
