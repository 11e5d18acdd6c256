//! What one io_uring worker owns, and the small steps that all its parts share. What the parts do stands in the
//! sibling files: accept, connect, receive, send, end, datagrams, wishes.

#![allow(unsafe_code, reason = "closing a descriptor by number")]

use std::collections::VecDeque;

use crate::port::{Port, TcpId};
use crate::reactor::alarm::Alarm;
use crate::reactor::counters::DriverCounters;
use crate::reactor::operation::{Kind, Name};
use crate::reactor::ring::Ring;
use crate::reactor::uring::connection::{Connection, Connections};
use crate::reactor::uring::datagrams::Datagrams;
use crate::reactor::uring::listeners::Listeners;
use crate::reactor::uring::records::{Addresses, Messages};
use crate::reactor::uring::tcp_buffers::TcpBuffers;
use crate::time::Instant;

/// Connections that wait for something, each at most once per list; no list grows beyond the connections.
pub(crate) struct Waiting {
    /// To be brought in line with their wishes.
    pub(crate) pending: Vec<TcpId>,
    /// To be told that their write queue has fallen to the mark.
    pub(crate) wrote: Vec<TcpId>,
    /// To be given what was held for them.
    pub(crate) resuming: VecDeque<TcpId>,
    /// To receive again when buffers are free, oldest first.
    pub(crate) starved: VecDeque<TcpId>,
}

impl Waiting {
    /// Empty lists for `count` connections.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            pending: Vec::with_capacity(count),
            wrote: Vec::with_capacity(count),
            resuming: VecDeque::with_capacity(count),
            starved: VecDeque::with_capacity(count),
        }
    }
}

/// The worker. Its fields drop after `Drop` has taken back all that the kernel borrows.
pub(crate) struct Worker<'a> {
    /// The ring.
    pub(crate) ring: Ring<'a>,
    /// Receive buffers of connections.
    pub(crate) buffers: TcpBuffers,
    /// All connections.
    pub(crate) connections: Connections,
    /// Those that wait.
    pub(crate) waiting: Waiting,
    /// Message headers of sends in flight.
    pub(crate) messages: Messages,
    /// Addresses of connects in flight.
    pub(crate) addresses: Addresses,
    /// Where clients come in.
    pub(crate) listeners: Listeners,
    /// Datagram sockets, their buffers and trains.
    pub(crate) datagrams: Datagrams,
    /// What is counted.
    pub(crate) counters: &'a DriverCounters,
    /// Number of the turn, wrapping.
    pub(crate) turn: u16,
    /// Reads that one connection is given in a turn.
    pub(crate) reads_max: u8,
    /// The role was told something after its last flush, so the loop must not sleep.
    pub(crate) restless: bool,
    /// Since when nobody of the starved has found a buffer.
    pub(crate) starved_since: Option<Instant>,
    /// Rings when a deadline comes.
    pub(crate) alarm: Alarm,
    /// The poll of the bell has ended and must be armed again.
    pub(crate) bell_is_dead: bool,
    /// The same of the alarm.
    pub(crate) alarm_is_dead: bool,
    /// Somebody has rung the bell.
    pub(crate) woken: bool,
}

impl Worker<'_> {
    /// Whose completion this is. Counts its last word, and counts a stale one.
    pub(crate) fn owner(&mut self, name: Name, is_last: bool) -> Option<TcpId> {
        let Some(tcp) = self.connections.owner(name) else {
            self.counters.stale_completions.bump();
            return None;
        };
        if is_last && let Some(connection) = self.connections.get(tcp) {
            connection.in_flight -= 1;
        }
        Some(tcp)
    }

    /// Brings the connection in line with its wishes at the end of this turn.
    pub(crate) fn settle_later(&mut self, tcp: TcpId) {
        if let Some(connection) = self.connections.get(tcp)
            && !connection.pending
        {
            connection.pending = true;
            self.waiting.pending.push(tcp);
        }
    }

    /// Delivers what is held for the connection in the next turn.
    pub(crate) fn resume_later(&mut self, tcp: TcpId) {
        if let Some(connection) = self.connections.get(tcp)
            && !connection.resuming
        {
            connection.resuming = true;
            self.waiting.resuming.push_back(tcp);
        }
    }

    /// The connection, if the role may still hear of it.
    pub(crate) fn heard(&mut self, tcp: TcpId) -> Option<&mut Connection> {
        self.connections.get(tcp).filter(|connection| connection.is_heard())
    }

    /// Ends in order: nothing of this worker is left in the kernel or in the port.
    pub(crate) fn finish(&mut self, port: &mut Port) {
        self.let_go();
        while let Some((tcp, _)) = port.take_connect() {
            port.release(tcp);
        }
        for (tcp, _) in self.connections.living() {
            port.release(tcp);
        }
        self.connections = Connections::new(0);
    }

    /// Takes the memory back that the kernel borrows, and closes what is open.
    fn let_go(&mut self) {
        self.ring.quiesce(QUIESCE_ROUNDS, |completion| {
            if completion.name.kind == Kind::Accept && completion.result >= 0 {
                close_now(completion.result);
            }
        });
        for (_, connection) in self.connections.living() {
            if connection.fd >= 0 {
                close_now(connection.fd);
            }
        }
    }
}

/// Rounds of 100 ms in which the kernel must have let go at the end: a cancel takes microseconds.
const QUIESCE_ROUNDS: u32 = 100;

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Closes a descriptor outside the ring.
pub(crate) fn close_now(fd: i32) {
    // SAFETY: the descriptor is the driver's own, and nobody uses its number after this.
    unsafe { libc::close(fd) };
}
