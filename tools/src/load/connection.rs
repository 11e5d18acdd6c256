//! One place for a connection of the load: at most one socket, at most one exchange on it.
//!
//! ```text
//! Idle ─► Connecting ─► Busy ─► Idle (kept alive)
//!             └───────────┴───► Ending (the server said close) ─► Idle (no socket)
//! ```

use crate::load::exchange::Exchange;
use crate::load::tally::{Failure, Tally};
use crate::load::target::Target;
use dataplane::time::{Duration, Instant};
use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No exchange.
    Idle,
    /// The socket is being connected.
    Connecting,
    /// An exchange is under way.
    Busy,
    /// The exchange is over; the server is to end the connection.
    Ending,
}

/// What became of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on, or there is none.
    Open,
    /// The answer is whole.
    Answered,
    /// It was cut off on purpose.
    Aborted,
    /// It failed, for this reason.
    Failed(Failure, String),
}

/// The place.
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    pub(crate) exchange: Exchange,
    /// When the exchange is given up, or the wait for the server's end.
    pub(crate) deadline: Instant,
    /// The earliest entry in the wheel.
    pub(crate) armed: Option<Instant>,
    stream: Option<TcpStream>,
    target_of_stream: usize,
    readable: bool,
    writable: bool,
    hung_up: bool,
    /// Writing failed; what the server said before may still be read.
    write_broken: bool,
}

impl Connection {
    /// An idle place.
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            exchange: Exchange::new(),
            deadline: Instant::ORIGIN,
            armed: None,
            stream: None,
            target_of_stream: 0,
            readable: false,
            writable: false,
            hung_up: false,
            write_broken: false,
        }
    }

    /// Whether there is a socket that leads where `target` does.
    pub(crate) fn leads_to(&self, target: usize, targets: &[Target]) -> bool {
        self.stream.is_some() && targets[self.target_of_stream].address == targets[target].address
    }

    /// Takes a socket that is being connected for the exchange just begun.
    pub(crate) fn connecting(&mut self, stream: TcpStream) {
        (self.stream, self.target_of_stream) = (Some(stream), self.exchange.target);
        (self.phase, self.readable, self.writable) = (Phase::Connecting, false, false);
        (self.hung_up, self.write_broken) = (false, false);
    }

    /// The exchange just begun uses the socket that is there.
    pub(crate) fn reuse(&mut self) {
        self.phase = Phase::Busy;
    }

    /// Closes the socket, with a reset if asked for.
    pub(crate) fn close(&mut self, reset: bool) {
        if let Some(stream) = self.stream.take()
            && reset
        {
            // Closing with a linger time of zero sends a reset (socket(7)).
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        self.phase = Phase::Idle;
    }

    /// Remembers readiness; the poll is edge-triggered.
    pub(crate) fn ready(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.hung_up |= event.is_read_closed();
    }

    /// Goes on as far as the socket allows.
    pub(crate) fn pump(&mut self, targets: &[Target], scratch: &mut [u8], tally: &mut Tally) -> Progress {
        match self.phase {
            Phase::Idle | Phase::Ending => self.discard(scratch),
            Phase::Connecting => match self.connected() {
                Ok(false) => Progress::Open,
                Ok(true) => {
                    tally.connected();
                    self.phase = Phase::Busy;
                    self.exchange(targets, scratch, tally)
                }
                Err(error) => Progress::Failed(Failure::Connect, error.to_string()),
            },
            Phase::Busy => self.exchange(targets, scratch, tally),
        }
    }

    /// After a whole answer: keeps the socket, or waits for the server's end; true if the place is free.
    pub(crate) fn settle(&mut self, targets: &[Target], keep_alive: bool) -> bool {
        let sent = self.exchange.is_sent(&targets[self.exchange.target]);
        if self.stream.is_some() && self.exchange.answer().is_persistent() && keep_alive && sent {
            self.phase = Phase::Idle;
        } else if self.stream.is_some() && sent && !self.exchange.answer().is_persistent() && !self.hung_up {
            self.phase = Phase::Ending;
        } else {
            self.close(false);
        }
        self.phase == Phase::Idle
    }

    /// Whether a connect has come to its end.
    fn connected(&mut self) -> std::io::Result<bool> {
        let Some(stream) = self.stream.as_ref().filter(|_| self.writable) else {
            return Ok(false);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            // An event of this place's former socket.
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                self.writable = false;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn exchange(&mut self, targets: &[Target], scratch: &mut [u8], tally: &mut Tally) -> Progress {
        let target = &targets[self.exchange.target];
        self.write(target, scratch, tally);
        loop {
            if self.exchange.is_abort_due() {
                return Progress::Aborted;
            }
            let Some(stream) = self.stream.as_mut().filter(|_| self.readable) else {
                return Progress::Open;
            };
            match stream.read(scratch) {
                Ok(0) => return self.ended(),
                Ok(count) => {
                    // A short read has emptied the socket: another read would only say so (epoll(7)).
                    self.readable = count == scratch.len() || self.hung_up;
                    if let Some(progress) = self.take(target, &scratch[..count], tally) {
                        return progress;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Progress::Failed(Failure::Reset, error.to_string()),
            }
        }
    }

    fn take(&mut self, target: &Target, input: &[u8], tally: &mut Tally) -> Option<Progress> {
        let before = self.exchange.answer().body_bytes();
        let taken = self.exchange.received(target, input);
        tally.received(self.exchange.answer().body_bytes() - before);
        match taken {
            Ok(taken) if self.exchange.answer().is_done() && taken == input.len() => Some(Progress::Answered),
            Ok(_) if self.exchange.answer().is_done() => {
                Some(Progress::Failed(Failure::Malformed, "bytes after the answer".into()))
            }
            Ok(_) => None,
            Err(malformed) => Some(Progress::Failed(Failure::Malformed, malformed.0.into())),
        }
    }

    /// The server ended the connection.
    fn ended(&mut self) -> Progress {
        self.stream = None;
        if self.exchange.end() {
            return Progress::Answered;
        }
        if self.write_broken && self.exchange.answer().status() == 0 {
            return Progress::Failed(Failure::Reset, "the connection broke while sending".into());
        }
        let got = self.exchange.answer().body_bytes();
        Progress::Failed(Failure::Truncated, format!("the connection ended after {got} body bytes"))
    }

    fn write(&mut self, target: &Target, scratch: &mut [u8], tally: &mut Tally) {
        while self.writable
            && !self.write_broken
            && !self.exchange.is_sent(target)
            && !self.exchange.is_abort_due()
        {
            let Some(stream) = self.stream.as_mut() else {
                return;
            };
            let bytes = self.exchange.to_send(target, scratch);
            match stream.write(bytes) {
                Ok(count) => {
                    self.writable = count == bytes.len();
                    tally.uploaded(self.exchange.sent(target, count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The server may have answered before it broke the connection: reading tells.
                Err(_) => (self.write_broken, self.readable) = (true, true),
            }
        }
    }

    /// Without an exchange nothing is expected but the end; whatever comes, the socket is of no more use.
    fn discard(&mut self, scratch: &mut [u8]) -> Progress {
        let Some(stream) = self.stream.as_mut().filter(|_| self.readable) else {
            return Progress::Open;
        };
        match stream.read(scratch) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => self.close(false),
        }
        Progress::Open
    }
}
