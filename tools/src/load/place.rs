//! One place for a connection of the load: at most one connection, and the requests that wait on it, oldest first.
//!
//! ```text
//! Idle ─► Connecting ─► Busy ─► Idle (kept alive)
//!             └───────────┴───► Ending (the server said close) ─► Idle (no connection)
//! ```

use crate::load::exchange::{Ask, Reception};
use core::net::SocketAddr;
use dataplane::port::TcpId;
use dataplane::time::Instant;
use std::collections::VecDeque;

/// Where the place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No request waits.
    Idle,
    /// The connection is being made; what is to be sent is queued already.
    Connecting,
    /// Requests wait for answers.
    Busy,
    /// All is answered; the server is to end the connection.
    Ending,
}

/// The place.
#[derive(Debug)]
pub(crate) struct Place {
    /// The crowd that it belongs to.
    pub(crate) crowd: usize,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// The connection.
    pub(crate) tcp: Option<TcpId>,
    /// Where it leads.
    pub(crate) address: SocketAddr,
    /// The server has sent its last byte.
    pub(crate) has_read_end: bool,
    /// Requests without an answer.
    pub(crate) waiting: VecDeque<Ask>,
    /// What has come of the answer to the first of them.
    pub(crate) reception: Reception,
    /// Bytes of the last request that are queued or sent, its head not counted; it has a body.
    pub(crate) uploaded: Option<u64>,
    /// When the first request is given up, or the wait for the server's end.
    pub(crate) deadline: Instant,
    /// Until then the user behind it thinks.
    pub(crate) rests_until: Instant,
    /// The earliest entry in the wheel.
    pub(crate) armed: Option<Instant>,
    /// It stands among the free places.
    pub(crate) listed: bool,
}

impl Place {
    /// An idle place.
    pub(crate) fn new(crowd: usize) -> Self {
        Self {
            crowd,
            phase: Phase::Idle,
            tcp: None,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            has_read_end: false,
            waiting: VecDeque::new(),
            reception: Reception::new(),
            uploaded: None,
            deadline: Instant::ORIGIN,
            rests_until: Instant::ORIGIN,
            armed: None,
            listed: false,
        }
    }

    /// Whether it has a connection that leads to `address` and takes requests.
    pub(crate) fn leads_to(&self, address: SocketAddr) -> bool {
        self.tcp.is_some() && self.address == address && !self.has_read_end
    }

    /// Whether one more request may wait here.
    pub(crate) fn can_take(&self, pipeline: usize) -> bool {
        self.phase != Phase::Ending && self.waiting.len() < pipeline && self.uploaded.is_none()
    }
}
