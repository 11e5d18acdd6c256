//! Listeners, threads and how to stop them.

use crate::origin::options::{OriginError, OriginOptions};
use core::net::SocketAddr;

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

/// A bound origin that does not run yet.
#[derive(Debug)]
pub struct Origin(());

impl Origin {
    /// Binds all listeners.
    pub fn bind(options: &OriginOptions) -> Result<Self, OriginError> {
        let _ = options;
        todo!()
    }

    /// Where it listens, in the order of the options, with the ports the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }

    /// A handle that stops it and reads its counts; may be cloned and sent.
    pub fn stopper(&self) -> Stopper {
        todo!()
    }

    /// Serves until stopped. Blocks.
    pub fn run(self) -> Result<Counts, OriginError> {
        todo!()
    }
}

/// Stops an origin from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper(());

impl Stopper {
    /// Makes `run` return soon; open connections are closed.
    pub fn stop(&self) {}

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        todo!()
    }
}

/// Binds, tells `bound` where, and serves until the stopper it was handed is used.
pub fn run(
    options: &OriginOptions,
    bound: impl FnOnce(&[SocketAddr], Stopper),
) -> Result<Counts, OriginError> {
    let origin = Origin::bind(options)?;
    bound(origin.addresses(), origin.stopper());
    origin.run()
}

/// An origin that runs in its own thread; dropping it stops it.
#[derive(Debug)]
pub struct OriginThread(());

impl OriginThread {
    /// Where the first listener listens.
    pub fn address(&self) -> SocketAddr {
        todo!()
    }

    /// Where all of them listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        todo!()
    }

    /// Stops it and waits for its end.
    pub fn stop(self) -> Result<Counts, OriginError> {
        todo!()
    }
}

/// Binds and serves in a new thread.
pub fn spawn(options: &OriginOptions) -> Result<OriginThread, OriginError> {
    let _ = options;
    todo!()
}
