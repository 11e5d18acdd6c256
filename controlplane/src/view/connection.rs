//! One connection of the admin server: bytes in, pages out, and when to give up on it.
//!
//! ```text
//!   Reading ──whole head──▶ Writing ──all sent──▶ Reading        (keep-alive)
//!      │                       └──────all sent──▶ Lingering ──▶ gone   (close)
//!      └── end of input, error, deadline ──▶ gone
//! ```
//!
//! It is generic over the stream, so that tests drive it without a socket.

use crate::view::hosts::Hosts;
use crate::view::pages::page;
use crate::view::request::{HEAD_BYTES_MAX, Parsed, Request, parse};
use crate::view::response::{Response, Status};
use crate::view::source::Source;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::time::{Duration, Instant};

/// A head that has begun is whole within this; so is the first head of a connection.
const HEAD_WAIT: Duration = Duration::from_secs(5);
/// A connection may be idle between two requests for this long: longer than the usual 15 s between scrapes.
const IDLE_WAIT: Duration = Duration::from_secs(30);
/// A response is taken by the client within this.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// After the last response the client's leftovers are read for this long: closing at once would reset the
/// connection and could take the response with it (RFC 9112 §9.6).
const LINGER_WAIT: Duration = Duration::from_secs(1);
/// Leftovers read at most, in bytes: a client that still sends after that is reset, and holds nobody up.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Requests one connection may make, so that no client keeps its place for ever.
const REQUESTS_MAX: u32 = 1000;

/// What a connection needs of its stream; the socket has it, and so has the stand-in of the tests.
pub(crate) trait Stream: Read + Write {
    /// Ends the sending half.
    fn end_output(&mut self) -> io::Result<()>;
}

impl Stream for mio::net::TcpStream {
    fn end_output(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Whether the connection lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for its stream.
    Waits,
    /// It is over: drop it.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Reading,
    Writing { close_after: bool },
    Lingering,
}

/// A connection with its buffers.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    /// The stream; the server registers it with its poll.
    pub(crate) stream: S,
    local: IpAddr,
    phase: Phase,
    input: Box<[u8]>,
    filled: usize,
    output: Vec<u8>,
    sent: usize,
    requests: u32,
    lingered_bytes: usize,
    deadline: Instant,
}

impl<S: Stream> Connection<S> {
    /// A connection that was made to our address `local`.
    pub(crate) fn new(stream: S, local: IpAddr, now: Instant) -> Self {
        Self {
            stream,
            local,
            phase: Phase::Reading,
            input: vec![0; HEAD_BYTES_MAX].into(),
            filled: 0,
            output: Vec::new(),
            sent: 0,
            requests: 0,
            lingered_bytes: 0,
            deadline: now + HEAD_WAIT,
        }
    }

    /// When patience ends: drop it then.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has been served and asks for nothing: the first to go when places run out.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Reading && self.filled == 0 && self.requests > 0
    }

    /// Goes on until the stream blocks. Call after every event of the stream and once at the start.
    pub(crate) fn advance(&mut self, hosts: &Hosts, source: &mut dyn Source, now: Instant) -> Fate {
        loop {
            let step = match self.phase {
                Phase::Reading => self.read_on(hosts, source, now),
                Phase::Writing { close_after } => self.write_on(close_after, now),
                Phase::Lingering => self.linger(),
            };
            match step {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Waits,
                Err(_) => return Fate::Over,
            }
        }
    }

    fn read_on(&mut self, hosts: &Hosts, source: &mut dyn Source, now: Instant) -> io::Result<()> {
        match parse(&self.input[..self.filled]) {
            Parsed::Complete(request) => {
                let response = answer(&request, hosts, self.local, source);
                let keep_alive = request.keep_alive && self.requests + 1 < REQUESTS_MAX;
                let (is_head, bytes) = (request.is_head, request.bytes);
                self.consume(bytes);
                self.respond(&response, is_head, keep_alive, now);
                Ok(())
            }
            Parsed::Refused(status) => {
                self.respond(&Response::bare(status), false, false, now);
                Ok(())
            }
            Parsed::Partial => self.fill(now),
        }
    }

    fn fill(&mut self, now: Instant) -> io::Result<()> {
        assert!(self.filled < self.input.len(), "a full buffer is never partial");
        let was_idle = self.is_idle();
        let bytes = some(self.stream.read(&mut self.input[self.filled..])?)?;
        self.filled += bytes;
        if was_idle {
            self.deadline = now + HEAD_WAIT;
        }
        Ok(())
    }

    fn consume(&mut self, bytes: usize) {
        self.input.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }

    fn respond(&mut self, response: &Response, is_head: bool, keep_alive: bool, now: Instant) {
        self.output.clear();
        self.sent = 0;
        response.write(&mut self.output, is_head, keep_alive);
        self.requests += 1;
        self.phase = Phase::Writing { close_after: !keep_alive };
        self.deadline = now + WRITE_WAIT;
    }

    fn write_on(&mut self, close_after: bool, now: Instant) -> io::Result<()> {
        if self.sent < self.output.len() {
            self.sent += some(self.stream.write(&self.output[self.sent..])?)?;
        } else if close_after {
            self.stream.end_output()?;
            self.phase = Phase::Lingering;
            self.deadline = now + LINGER_WAIT;
        } else {
            self.phase = Phase::Reading;
            self.deadline = now + if self.filled == 0 { IDLE_WAIT } else { HEAD_WAIT };
        }
        Ok(())
    }

    fn linger(&mut self) -> io::Result<()> {
        self.lingered_bytes += some(self.stream.read(&mut self.input)?)?;
        if self.lingered_bytes > LINGER_BYTES_MAX { Err(ErrorKind::QuotaExceeded.into()) } else { Ok(()) }
    }
}

fn answer(request: &Request<'_>, hosts: &Hosts, local: IpAddr, source: &mut dyn Source) -> Response {
    if hosts.answers_to(request.host, local) {
        page(request.path, source)
    } else {
        Response::bare(Status::Misdirected)
    }
}

/// Zero bytes are the stream's end.
fn some(bytes: usize) -> io::Result<usize> {
    if bytes == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
