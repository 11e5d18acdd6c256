//! What the threads of one origin share with those who watch and stop it.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use mio::Waker;
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
    wakers: Vec<Waker>,
}

impl Shared {
    /// Nothing done yet; one waker per thread.
    pub(crate) fn new(wakers: Vec<Waker>) -> Self {
        Self {
            stop: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
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

    /// Whether the threads are to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Stops an origin from anywhere and reads its counts.
#[derive(Clone, Debug)]
pub struct Stopper(pub(crate) Arc<Shared>);

impl Stopper {
    /// Makes `run` return soon; open connections are closed.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        for waker in &self.0.wakers {
            // A bell that cannot be rung belongs to a thread that has ended already.
            let _ = waker.wake();
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
