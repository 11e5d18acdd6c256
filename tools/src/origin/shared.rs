//! What the threads of one origin share with those who watch and stop it.

use crate::origin::options::{Habits, LoadIndex};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use dataplane::reactor::wake::Waker;
use std::sync::Arc;

/// What an origin has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests answered or being answered (HTTP).
    pub requests: u64,
    /// Bytes sent, heads and framing included.
    pub sent_bytes: u64,
}

/// Stop flag, counters and the bells that wake the threads.
#[derive(Debug)]
pub(crate) struct Shared {
    stop: AtomicBool,
    connections: AtomicU64,
    requests: AtomicU64,
    sent_bytes: AtomicU64,
    /// Requests under way.
    in_flight: AtomicU32,
    /// Every request is answered 503.
    busy: AtomicBool,
    /// The load index in thousandths; `INDEX_AUTO`: what is under way.
    index: AtomicU32,
    has_index: bool,
    in_flight_max: u32,
    wakers: Vec<Waker>,
}

/// The load index follows what is under way.
const INDEX_AUTO: u32 = u32::MAX;

/// Requests under way that count as full load where no bound is set.
const FULL_LOAD: u32 = 100;

impl Shared {
    /// Nothing done yet; one waker per thread.
    pub(crate) fn new(wakers: Vec<Waker>, habits: &Habits) -> Self {
        let (has_index, index) = match habits.load_index {
            LoadIndex::Off => (false, INDEX_AUTO),
            LoadIndex::Auto => (true, INDEX_AUTO),
            LoadIndex::Fixed(index) => (true, thousandths(index)),
        };
        Self {
            stop: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            busy: AtomicBool::new(habits.busy),
            index: AtomicU32::new(index),
            has_index,
            in_flight_max: habits.in_flight_max,
            wakers,
        }
    }

    /// Adds to the counters. Requests are added before their answer leaves, so a client that has its answer finds
    /// it counted.
    pub(crate) fn count(&self, more: Counts) {
        // Relaxed: each counter stands for itself, and the socket orders it before the client's look.
        for (counter, more) in [
            (&self.connections, more.connections),
            (&self.requests, more.requests),
            (&self.sent_bytes, more.sent_bytes),
        ] {
            if more > 0 {
                counter.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// A request begins; false if it is one too many, or the origin is busy.
    pub(crate) fn begin(&self) -> bool {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let is_full = self.in_flight_max > 0 && before >= self.in_flight_max;
        !is_full && !self.busy.load(Ordering::Relaxed)
    }

    /// A request that began is over.
    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The load index, if answers tell it.
    pub(crate) fn told_index(&self) -> Option<f64> {
        self.has_index.then(|| self.load_index())
    }

    /// How busy the origin is, or says it is: 0 to 1.
    pub(crate) fn load_index(&self) -> f64 {
        let index = self.index.load(Ordering::Relaxed);
        if index != INDEX_AUTO {
            return f64::from(index) / 1e3;
        }
        let full = if self.in_flight_max > 0 { self.in_flight_max } else { FULL_LOAD };
        (f64::from(self.in_flight.load(Ordering::Relaxed)) / f64::from(full)).min(1.0)
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether every request is answered 503.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// What `/load?busy=` says.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// What `/load?index=` says; `None` follows what is under way.
    pub(crate) fn set_index(&self, index: Option<f64>) {
        self.index.store(index.map_or(INDEX_AUTO, thousandths), Ordering::Relaxed);
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether the threads are to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

fn thousandths(index: f64) -> u32 {
    (index.clamp(0.0, 1.0) * 1e3).round() as u32
}

/// Stops an origin from anywhere and reads its counts.
#[derive(Clone, Debug)]
pub struct Stopper(pub(crate) Arc<Shared>);

impl Stopper {
    /// Makes `run` return soon; open connections are closed.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        for waker in &self.0.wakers {
            waker.wake();
        }
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.0.connections.load(Ordering::Relaxed),
            requests: self.0.requests.load(Ordering::Relaxed),
            sent_bytes: self.0.sent_bytes.load(Ordering::Relaxed),
        }
    }
}
