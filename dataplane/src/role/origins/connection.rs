//! One TCP connection to an origin, and the idle ones of each origin.

use core::net::SocketAddr;

use crate::port::TcpId;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// On its way to standing; the fetch waits for it.
    Connecting(Handle),
    /// It carries this fetch.
    Busy(Handle),
    /// It waits in the pool since then.
    Idle(Instant),
    /// Its last bytes are on their way out: looked at again then, when so many bytes were left.
    Closing(Instant, u32),
}

/// A connection to an origin.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) tcp: TcpId,
    pub(crate) origin: u16,
    pub(crate) address: SocketAddr,
    pub(crate) usage: Use,
    /// The wheel holds an entry for it.
    pub(crate) has_timer: bool,
}

/// The idle connections of one origin; the one used last is used next, so that few stay warm and the rest expire.
#[derive(Debug)]
pub(crate) struct IdleList {
    connections: Vec<Handle>,
    max: usize,
}

impl IdleList {
    pub(crate) fn new(max: usize) -> Self {
        Self { connections: Vec::with_capacity(max), max }
    }

    /// Takes the connection that was used last.
    pub(crate) fn take(&mut self) -> Option<Handle> {
        self.connections.pop()
    }

    /// Keeps a connection; gives it back when the pool is full.
    pub(crate) fn keep(&mut self, connection: Handle) -> Result<(), Handle> {
        if self.connections.len() == self.max {
            return Err(connection);
        }
        self.connections.push(connection);
        Ok(())
    }

    /// Drops a connection that has ended.
    pub(crate) fn forget(&mut self, connection: Handle) {
        if let Some(index) = self.connections.iter().position(|other| *other == connection) {
            self.connections.remove(index);
        }
    }

    /// The connection that was used least recently.
    pub(crate) fn oldest(&self) -> Option<Handle> {
        self.connections.first().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }
}

/// The addresses of one origin, used in turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    next: usize,
}

impl Turn {
    /// Where a new fetch begins.
    pub(crate) fn take(&mut self) -> usize {
        self.next = self.next.wrapping_add(1);
        self.next
    }
}
