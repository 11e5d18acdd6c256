//! A TCP connection: requests and answers, each behind two bytes of length, many after each other (RFC 1035 §4.2.2,
//! RFC 7766). Generic over the stream, so that tests cut it where they like.
//!
//! Answers go out in the order of their requests. A client that does not read is not read from; one that sends no whole
//! request in the idle time is closed, whatever dribbles in.

use crate::dns::engine::Transport;
use crate::dns::limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::dns::server::options::TcpOptions;
use crate::dns::server::queries::Queries;
use core::net::SocketAddr;
use dataplane::time::Instant;
use std::io::{ErrorKind, Read, Write};

/// Bytes of the length in front of each message.
const LENGTH_BYTES: usize = 2;
/// Bytes read at once.
const READ_BYTES: usize = 4_096;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for the stream.
    Open,
    /// It is to be dropped.
    Over,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    from: SocketAddr,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    deadline: Instant,
    is_ending: bool,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S, from: SocketAddr, deadline: Instant) -> Self {
        Self { stream, from, input: Vec::new(), output: Vec::new(), sent: 0, deadline, is_ending: false }
    }

    /// When it is over if nothing whole moves.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Who is at the other end.
    pub(crate) fn from(&self) -> SocketAddr {
        self.from
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.output.is_empty()
    }

    /// No more requests; what is answered goes out.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
    }

    /// Reads, answers and writes until the stream wants no more. `scratch` has room for the largest answer.
    pub(crate) fn advance(
        &mut self,
        queries: &mut Queries,
        options: &TcpOptions,
        now: Instant,
        scratch: &mut [u8],
    ) -> Fate {
        loop {
            if self.write(options, now) == Fate::Over {
                return Fate::Over;
            }
            let is_blocked = self.output.len() >= options.output_bytes_max;
            if is_blocked {
                return Fate::Open;
            }
            if self.answer_all(queries, options, now, scratch) == Fate::Over {
                return Fate::Over;
            }
            if !self.output.is_empty() && self.sent == 0 {
                continue;
            }
            if self.is_ending {
                return if self.output.is_empty() { Fate::Over } else { Fate::Open };
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return Fate::Open,
                Err(()) => return Fate::Over,
            }
        }
    }

    /// Whether something came; an end of the stream ends the requests only.
    fn read(&mut self) -> Result<bool, ()> {
        let mut chunk = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.is_ending = true;
                    return Ok(true);
                }
                Ok(bytes) => {
                    self.input.extend_from_slice(&chunk[..bytes]);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(()),
            }
        }
    }

    /// Answers the whole requests that are there, as far as there is room for their answers.
    fn answer_all(
        &mut self,
        queries: &mut Queries,
        options: &TcpOptions,
        now: Instant,
        scratch: &mut [u8],
    ) -> Fate {
        let mut at = 0;
        while self.output.len() < options.output_bytes_max {
            let Some(length) = self.input.get(at..at + LENGTH_BYTES).and_then(|bytes| bytes.first_chunk())
            else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            if length > REQUEST_BYTES_MAX {
                return Fate::Over;
            }
            let from = at + LENGTH_BYTES;
            let Some(request) = self.input.get(from..from + length) else { break };
            let room = &mut scratch[..MESSAGE_BYTES_MAX];
            let bytes = queries.answer(request, self.from, Transport::Tcp, room);
            if bytes == 0 {
                // What deserves silence is no client of a name server.
                return Fate::Over;
            }
            self.output.extend_from_slice(&(bytes as u16).to_be_bytes());
            self.output.extend_from_slice(&room[..bytes]);
            self.deadline = now + options.idle;
            at = from + length;
        }
        self.input.drain(..at);
        Fate::Open
    }

    fn write(&mut self, options: &TcpOptions, now: Instant) -> Fate {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Fate::Over,
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Open,
                Err(_) => return Fate::Over,
            }
        }
        if self.sent > 0 {
            self.deadline = now + options.idle;
            self.sent = 0;
            self.output.clear();
            // An idle connection holds no memory worth the name.
            self.output.shrink_to(READ_BYTES);
            self.input.shrink_to(READ_BYTES);
        }
        Fate::Open
    }
}
