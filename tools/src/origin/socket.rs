//! A connection and its socket: moves bytes between the two for as long as either lets it.

use crate::origin::connection::Connection;
use crate::origin::shared::{Counts, Shared};
use crate::origin::stage::Outcome;
use dataplane::time::Instant;
use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

/// Rounds of reading and writing before the others get their turn; at 32 KiB a round that is half a megabyte.
const ROUNDS_MAX: usize = 16;

/// What is to be done with the socket after a pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Wait for readiness or time.
    Wait,
    /// It could go on: pump it again after the others.
    Again,
    /// Drop it.
    Close,
    /// Drop it with a reset.
    Reset,
}

/// The pair. Readiness is remembered because the poll is edge-triggered.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Connection,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The client has ended its side, so a short read is not yet the end of what there is to read.
    pub(crate) hung_up: bool,
    /// It stands among those that get another turn.
    pub(crate) waits_for_turn: bool,
    /// When bytes last moved.
    pub(crate) moved_at: Instant,
    /// The earliest entry in the wheel.
    pub(crate) armed: Option<Instant>,
}

impl Socket {
    /// A fresh pair.
    pub(crate) fn new(stream: TcpStream, connection: Connection, now: Instant) -> Self {
        Self {
            stream,
            connection,
            readable: false,
            writable: true,
            hung_up: false,
            waits_for_turn: false,
            moved_at: now,
            armed: None,
        }
    }

    /// Reads, advances and writes.
    pub(crate) fn pump(&mut self, now: Instant, shared: &Shared) -> Verdict {
        for _ in 0..ROUNDS_MAX {
            let Ok(read) = self.read() else {
                return Verdict::Close;
            };
            self.connection.advance(now);
            let requests = self.connection.take_requests();
            shared.count(Counts { requests, ..Counts::default() });
            let Ok(written) = self.write() else {
                return Verdict::Close;
            };
            shared.count(Counts { sent_bytes: written as u64, ..Counts::default() });
            let mut moved = read || written > 0;
            match self.connection.outcome() {
                Outcome::Open => {}
                Outcome::Shut => {
                    // A client that is gone already makes this fail; lingering finds that out.
                    let _ = self.stream.shutdown(Shutdown::Write);
                    self.connection.linger(now);
                    moved = true;
                }
                Outcome::Close => return Verdict::Close,
                Outcome::Reset => return Verdict::Reset,
            }
            if !moved {
                return Verdict::Wait;
            }
            self.moved_at = now;
        }
        Verdict::Again
    }

    /// One read; whether anything came, the end included.
    fn read(&mut self) -> std::io::Result<bool> {
        if !self.readable || !self.connection.wants_input() {
            return Ok(false);
        }
        let space = self.connection.space();
        let room = space.len();
        match self.stream.read(space) {
            Ok(0) => {
                self.readable = false;
                self.connection.end_input();
                Ok(true)
            }
            Ok(count) => {
                // A short read has emptied the socket: another read would only say so (epoll(7)).
                self.readable = count == room || self.hung_up;
                self.connection.filled(count);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// One write; how many bytes went.
    fn write(&mut self) -> std::io::Result<usize> {
        let output = self.connection.output();
        if !self.writable || output.is_empty() {
            return Ok(0);
        }
        match self.stream.write(output) {
            Ok(count) => {
                self.writable = count == output.len();
                self.connection.sent(count);
                Ok(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }
}
