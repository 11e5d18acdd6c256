//! The simulated world's clock: a heap of what will happen, the dice, and the trace that shows that equal seeds
//! run equally. Virtual time in µs; nothing here knows a protocol.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use dataplane::stdx::prng::Prng;
use dataplane::time::Instant;

use crate::sim::film::{Film, Sight};

/// Notes kept for the report of a failed seed.
const NOTES_MAX: usize = 400;

/// What can happen. Numbers name pipes, actors, workers and datagrams of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A worker's loop goes round; void if the worker has been told another time since.
    Turn(u16),
    /// Something sent from this end of a pipe arrives at the other.
    Arrive(u32, u8),
    /// A reset sent from this end arrives at the other.
    Reset(u32, u8),
    /// This end of a pipe may write again.
    Room(u32, u8),
    /// A connection that is being made is decided.
    Connect(u32),
    /// A client or an origin's connection has something to do; void like `Turn`.
    Step(u32),
    /// A datagram arrives.
    Datagram(u32),
    /// The fault of this number in the run's timetable.
    Fault(u32),
    /// The end of the time for tidying up.
    Settled,
}

/// The dice, one for each concern, so that a change in one part leaves the others' luck alone.
#[derive(Debug)]
pub(crate) struct Dice {
    pub(crate) tcp: Prng,
    pub(crate) net: Prng,
    pub(crate) driver: Prng,
    pub(crate) actor: Prng,
}

/// Clock, heap, dice, trace.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now_us: u64,
    pub(crate) dice: Dice,
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    hash: u64,
    notes: VecDeque<(u64, &'static str, u64, u64)>,
    film: Option<Film>,
    violation: Option<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = |concern: u64| Prng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ concern);
        Self {
            now_us: 0,
            dice: Dice { tcp: dice(1), net: dice(2), driver: dice(3), actor: dice(4) },
            heap: BinaryHeap::new(),
            sequence: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            notes: VecDeque::with_capacity(NOTES_MAX),
            film: None,
            violation: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_us(self.now_us)
    }

    /// Makes `event` happen at `at_us`; events of one instant happen in the order of their scheduling.
    pub(crate) fn at(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse((at_us.max(self.now_us), self.sequence, event)));
    }

    /// Goes on to the next event.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let Reverse((at_us, _, event)) = self.heap.pop()?;
        self.now_us = at_us;
        Some(event)
    }

    /// Notes that something was observed: it goes into the hash and into the report of a failed seed.
    pub(crate) fn note(&mut self, what: &'static str, a: u64, b: u64) {
        self.mix(a << 32 ^ b << 8 ^ what.len() as u64 ^ u64::from(what.as_bytes()[0]) << 56);
        if self.notes.len() == NOTES_MAX {
            self.notes.pop_front();
        }
        self.notes.push_back((self.now_us, what, a, b));
        if let Some(film) = &mut self.film {
            film.notes.push((self.now_us, what, a, b));
        }
    }

    /// Keeps a film from now on.
    pub(crate) fn start_film(&mut self) {
        self.film = Some(Film::default());
    }

    /// The film, if one was kept.
    pub(crate) fn take_film(&mut self) -> Option<Film> {
        self.film.take()
    }

    /// Shows a datagram to the film.
    pub(crate) fn show(&mut self, sight: impl FnOnce(u64) -> Sight) {
        if let Some(film) = &mut self.film {
            film.datagrams.push(sight(self.now_us));
        }
    }

    /// Lets something go into the hash that is too frequent for the report.
    pub(crate) fn mix(&mut self, word: u64) {
        for word in [self.now_us, word] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    }

    /// The trace so far in one number.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Breaks the run; the first reason counts.
    pub(crate) fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    /// Why the run is broken.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// The last notes, one a line.
    pub(crate) fn last_notes(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for (at, what, a, b) in &self.notes {
            let _ = writeln!(text, "{:>12.6} s  {what} {a} {b}", *at as f64 / 1e6);
        }
        text
    }
}

/// How often each fault and each refusal was met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits(pub(crate) std::collections::BTreeMap<&'static str, u64>);

impl Hits {
    pub(crate) fn hit(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}
