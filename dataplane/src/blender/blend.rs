//! The blender itself: who sends next, how large the piece is, and what that costs its ring.
//!
//! Choosing is pure: a turn is used, and a ring rotated, only when a piece of the source really leaves, so that
//! a source that does not fit never loses its turn. It holds no bytes; it counts those that wait elsewhere.

use crate::blender::cascade::{Cascade, Turn};
use crate::blender::counters::{Counters, RingCounters};
use crate::blender::options::{Mode, Options, RINGS, SLIVER_BYTES};
use crate::blender::quotas::Quotas;
use crate::blender::rings::{End, Rings};

/// A piece of a sub-packet that leaves now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose bytes.
    pub key: u32,
    /// How many, at least one. Already taken off what waits.
    pub bytes: usize,
}

/// The rest of a sub-packet that the end of a packet cut; it continues before anything else.
#[derive(Clone, Copy, Debug)]
struct Rest {
    key: u32,
    /// The ring that pays, even if the source has moved meanwhile.
    ring: usize,
    bytes: u32,
}

/// What could leave next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Continue(Rest),
    Begin(Turn, Rest),
}

/// The blender. Inputs are `set`, `reclass`, `remove`, `configure`; the one output is `next`.
///
/// To fill a packet, call `next` with the room that is left, minus what framing a piece costs, until it answers
/// `None`: the packet is then full (up to `2 × SLIVER_BYTES` that no fit piece could use; pad them) or nothing
/// waits (`is_empty`). `peek` tells beforehand whose turn it is, for callers that join neighbouring pieces of
/// one source in a frame. Granted bytes are gone: they come back with `set` only (a retransmission).
/// A fresh packet has room for `PACKET_ROOM_MIN` at least. All operations are O(1) and none allocates.
#[derive(Debug)]
pub struct Blender {
    rings: Rings,
    quotas: Quotas,
    cascade: Cascade,
    rest: Option<Rest>,
    sub_packets: [u64; RINGS],
    bytes_sent: [u64; RINGS],
    /// Bytes that came to wait since the start, and those of them that were taken away unsent.
    bytes_entered: u64,
    bytes_withdrawn: u64,
}

impl Blender {
    /// A blender for sources with keys in `0..sources_max`. The options have passed `Options::check`.
    pub fn new(options: Options, sources_max: usize) -> Self {
        assert_eq!(options.check(), Ok(()), "options are checked where they come from");
        Self {
            rings: Rings::new(sources_max),
            quotas: Quotas::new(options),
            cascade: Cascade::default(),
            rest: None,
            sub_packets: [0; RINGS],
            bytes_sent: [0; RINGS],
            bytes_entered: 0,
            bytes_withdrawn: 0,
        }
    }

    /// Now `bytes` in all wait in source `key` of `class` (0 to 4). The source becomes known, or moves to the
    /// class. With 0 bytes it leaves its ring but stays known. `at_head`: the bytes are a retransmission, so the
    /// source is next in its ring; otherwise a source that becomes ready is last, and a ready one stays.
    pub fn set(&mut self, key: u32, class: u8, bytes: u64, at_head: bool) {
        self.note_change(self.rings.bytes(key), bytes);
        let stays = self.rings.class(key) == Some(class);
        let was_ready = stays && self.rings.bytes(key) > 0;
        self.rings.enter(key, class);
        self.rings.put(key, bytes, if at_head { End::Head } else { End::Tail });
        if was_ready != (bytes > 0) && self.rings.note_share(key, self.quotas.number()) && bytes > 0 {
            self.quotas.arrive(usize::from(class));
        }
        self.shrink_rest(key, bytes);
    }

    /// Moves a known source to another class, at the tail, with its bytes. An unknown one is left alone.
    pub fn reclass(&mut self, key: u32, class: u8) {
        if self.rings.class(key).is_some_and(|current| current != class) {
            self.set(key, class, self.rings.bytes(key), false);
        }
    }

    /// The source is gone, with what waited in it.
    pub fn remove(&mut self, key: u32) {
        self.note_change(self.rings.bytes(key), 0);
        self.rings.forget(key);
        self.shrink_rest(key, 0);
    }

    /// The next piece, of at most `room` bytes; `None` when nothing waits or no fit piece has room.
    pub fn next(&mut self, room: usize) -> Option<Grant> {
        // A full packet must not start a loop: its values belong to the packet that follows.
        if room == 0 {
            return None;
        }
        let choice = self.choose()?;
        let (Choice::Continue(rest) | Choice::Begin(_, rest)) = choice;
        let bytes = self.cut(rest.bytes, room);
        if bytes == 0 {
            return None;
        }
        if let Choice::Begin(turn, _) = choice {
            self.cascade.advance(turn);
            self.sub_packets[rest.ring] += 1;
        }
        self.account(rest, bytes);
        Some(Grant { key: rest.key, bytes: bytes as usize })
    }

    /// Whose piece the next one would be.
    pub fn peek(&mut self) -> Option<u32> {
        self.choose().map(|choice| match choice {
            Choice::Continue(rest) | Choice::Begin(_, rest) => rest.key,
        })
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.rings.ready() == 0
    }

    /// Bytes that wait, in all rings.
    pub fn ready_bytes(&self) -> u64 {
        self.rings.all().iter().map(|ring| ring.bytes).sum()
    }

    /// Bytes that wait in one source.
    pub fn source_bytes(&self, key: u32) -> u64 {
        self.rings.bytes(key)
    }

    /// The class of a source that is known.
    pub fn source_class(&self, key: u32) -> Option<u8> {
        self.rings.class(key)
    }

    /// Composing loops begun since the start.
    pub fn loops(&self) -> u64 {
        self.quotas.history().1
    }

    /// Other weights and another sub-packet, from now on: a loop that runs ends here. A refused change changes
    /// nothing.
    pub fn configure(&mut self, weights: [u32; RINGS], sub_packet_bytes: u32) -> Result<(), &'static str> {
        self.adopt(Options { weights, sub_packet_bytes, ..*self.quotas.options() })
    }

    /// Another bound on the loops of the bounded mode (2 ms at the pacing rate), from the next loop on.
    pub fn set_loop_bytes_max(&mut self, loop_bytes_max: u64) {
        let options = Options { loop_bytes_max, ..*self.quotas.options() };
        assert_eq!(options.check(), Ok(()), "the bound is a sane number of bytes");
        self.quotas.set_loop_bytes_max(loop_bytes_max);
    }

    /// Another sub-packet, from the next loop on.
    pub fn set_sub_packet_bytes(&mut self, sub_packet_bytes: u32) {
        let options = Options { sub_packet_bytes, ..*self.quotas.options() };
        assert_eq!(options.check(), Ok(()), "whoever sets it keeps to the bounds");
        self.quotas.set_sub_packet_bytes(sub_packet_bytes);
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        self.quotas.options()
    }

    /// What the dashboard shows. Asserts that nothing was lost or made up: what came has left, was taken away, or waits.
    pub fn counters(&self) -> Counters {
        let gone = self.bytes_sent.iter().sum::<u64>() + self.bytes_withdrawn;
        assert_eq!(self.bytes_entered, gone + self.ready_bytes(), "bytes in = out + withdrawn + waiting");
        let (scale_bytes, loops) = self.quotas.history();
        let mut rings = [RingCounters::default(); RINGS];
        for (index, counters) in rings.iter_mut().enumerate() {
            let ring = &self.rings.all()[index];
            *counters = RingCounters {
                weight: self.options().weights[index],
                sources: ring.sources,
                ready: ring.ready,
                bytes: ring.bytes,
                quota_bytes: self.quotas.left(index),
                sub_packets: self.sub_packets[index],
                bytes_sent: self.bytes_sent[index],
            };
        }
        Counters { rings, scale_bytes, loops, sub_packet_bytes: self.options().sub_packet_bytes }
    }

    fn note_change(&mut self, before: u64, after: u64) {
        self.bytes_entered += after.saturating_sub(before);
        self.bytes_withdrawn += before.saturating_sub(after);
    }

    fn adopt(&mut self, options: Options) -> Result<(), &'static str> {
        options.check()?;
        self.quotas.configure(options);
        // What a packet's end cut is no longer a sub-packet of the new size; its source is still first in turn.
        self.rest = None;
        Ok(())
    }

    /// The rest of a cut sub-packet, or the head of the ring whose turn it is; starts a loop when one is due.
    fn choose(&mut self) -> Option<Choice> {
        if let Some(rest) = self.rest {
            return Some(Choice::Continue(rest));
        }
        let ready = self.rings.ready();
        if ready == 0 {
            return None;
        }
        if self.quotas.open() & ready == 0 {
            self.quotas.begin(self.rings.all(), ready);
            self.cascade.restart();
        }
        let turn = self.cascade.turn(self.quotas.open() & ready);
        let key = self.rings.head(turn.ring);
        let bytes = self.sub_packet(turn.ring, key);
        Some(Choice::Begin(turn, Rest { key, ring: turn.ring, bytes }))
    }

    /// The size of the sub-packet that the source would send now. Only the literal mode lets the quota cut it.
    fn sub_packet(&self, ring: usize, key: u32) -> u32 {
        let options = self.quotas.options();
        let bytes = self.rings.bytes(key).min(u64::from(options.sub_packet_bytes));
        let bytes = match options.mode {
            Mode::Bounded => bytes,
            Mode::Literal => bytes.min(self.quotas.left(ring).unsigned_abs()),
        };
        bytes as u32
    }

    /// How much of a sub-packet leaves into `room`: all, or what leaves no sliver on either side, or nothing.
    fn cut(&self, bytes: u32, room: usize) -> u32 {
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        if bytes <= room {
            return bytes;
        }
        let piece = match self.quotas.options().mode {
            Mode::Literal => room,
            Mode::Bounded => room.min(bytes.saturating_sub(SLIVER_BYTES)),
        };
        if piece < SLIVER_BYTES { 0 } else { piece }
    }

    fn account(&mut self, rest: Rest, bytes: u32) {
        self.bytes_sent[rest.ring] += u64::from(bytes);
        self.quotas.charge(rest.ring, bytes);
        self.rings.take(rest.key, u64::from(bytes));
        self.rest = (bytes < rest.bytes).then_some(Rest { bytes: rest.bytes - bytes, ..rest });
        if self.rest.is_none() {
            self.rings.rotate(rest.key);
        }
        if self.rings.bytes(rest.key) == 0 {
            self.rings.note_share(rest.key, self.quotas.number());
        }
        self.end_when_empty();
    }

    /// A source with less waiting than the rest of its sub-packet was cut down from outside: it begins anew, for
    /// what is left of the rest may be a sliver.
    fn shrink_rest(&mut self, key: u32, bytes: u64) {
        if self.rest.is_some_and(|rest| rest.key == key && bytes < u64::from(rest.bytes)) {
            self.rest = None;
        }
        self.end_when_empty();
    }

    /// Nothing waits: the loop has nothing left to compose, and what comes next is a loop of its own.
    fn end_when_empty(&mut self) {
        if self.rings.ready() == 0 {
            self.quotas.end();
        }
    }

    /// Loses bytes behind the books, so that a test can show that it is found.
    #[cfg(test)]
    pub(crate) fn lose(&mut self, key: u32, bytes: u64) {
        self.rings.take(key, bytes);
    }

    /// Looks at sources since the start.
    #[cfg(test)]
    pub(crate) fn visits(&self) -> u64 {
        self.rings.visits()
    }

    /// Whether every kept count equals what counting anew gives.
    #[cfg(test)]
    pub(crate) fn counts_hold(&self) -> bool {
        self.rings.counts_hold()
    }
}
