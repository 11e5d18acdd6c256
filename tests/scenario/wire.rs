//! One TCP connection as a test holds it, at either end: sends bytes, reads messages, and tells a clean end from a cut.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::scenario::message::{Head, Message};
use crate::scenario::patience::{A_MOMENT, PATIENCE};

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side said that it has nothing more to send.
    Clean,
    /// A reset.
    Cut,
}

/// A connection with what was read of it and not yet taken.
pub(crate) struct Wire {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::of(TcpStream::connect_timeout(&to, PATIENCE).unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, held: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a GET of `site`, the connection staying open.
    pub(crate) fn get(&mut self, site: &str, target: &str) {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {site}\r\n\r\n"));
    }

    /// Nothing more will be sent from here.
    pub(crate) fn send_end(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with a reset, as a program does that has died with bytes unread.
    pub(crate) fn reset(self) {
        let socket = socket2::Socket::from(self.stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// A message's head alone.
    pub(crate) fn head(&mut self) -> Head {
        loop {
            if let Some(at) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                let bytes: Vec<u8> = self.held.drain(..at + 4).collect();
                return Head::read(&bytes);
            }
            let more = self.more();
            assert!(more.is_ok(), "{more:?} inside a head: {:?}", String::from_utf8_lossy(&self.held));
        }
    }

    /// A request as an origin gets it.
    pub(crate) fn request(&mut self) -> Message {
        let head = self.head();
        let body =
            if head.is_chunked() { self.chunked().0 } else { self.bytes(head.content_length().unwrap_or(0)) };
        Message { head, body }
    }

    /// Answers the next request if it is for `target`; false if it is for something else, or is cut off.
    pub(crate) fn serves(&mut self, target: &str, answer: impl AsRef<[u8]>) -> bool {
        while !self.held.windows(4).any(|window| window == b"\r\n\r\n") {
            if self.more().is_err() {
                return false;
            }
        }
        let is_wanted = self.head().start == format!("GET {target} HTTP/1.1");
        self.stream.write_all(answer.as_ref()).is_ok() && is_wanted
    }

    /// A final or interim answer to something else than HEAD.
    pub(crate) fn answer(&mut self) -> Message {
        let head = self.head();
        let body = match (head.status(), head.content_length()) {
            (100..200 | 204 | 304, _) => Vec::new(),
            _ if head.is_chunked() => self.chunked().0,
            (_, Some(length)) => self.bytes(length),
            (_, None) => self.rest(End::Clean),
        };
        Message { head, body }
    }

    /// The whole body of a chunked message, and its trailers.
    pub(crate) fn chunked(&mut self) -> (Vec<u8>, Vec<(String, String)>) {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk();
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
        let lines = std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty()));
        let split =
            |line: String| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned())).unwrap();
        (body, lines.map(split).collect())
    }

    /// The next chunk; the last one is empty, and its trailers are still to be read.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let line = self.line();
        let length = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        let chunk = self.bytes(length);
        if length > 0 {
            assert_eq!(self.line(), "", "after a chunk");
        }
        chunk
    }

    /// One line without its end.
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.held.windows(2).position(|window| window == b"\r\n") {
                let bytes: Vec<u8> = self.held.drain(..at + 2).collect();
                return String::from_utf8(bytes[..at].to_vec()).unwrap();
            }
            self.more().expect("the rest of a line");
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count {
            let more = self.more();
            assert!(more.is_ok(), "{more:?} after {} of {count} bytes", self.held.len());
        }
        self.held.drain(..count).collect()
    }

    /// All that still comes, which must end in this way.
    pub(crate) fn rest(&mut self, end: End) -> Vec<u8> {
        let found = loop {
            if let Err(found) = self.more() {
                break found;
            }
        };
        assert_eq!(found, end, "after {:?}", String::from_utf8_lossy(&self.held));
        std::mem::take(&mut self.held)
    }

    /// The other side ends without another byte, in this way.
    pub(crate) fn ends(&mut self, end: End) {
        let rest = self.rest(end);
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// The other side goes away, in order or not, without another byte.
    pub(crate) fn goes_away(&mut self) {
        while self.more().is_ok() {}
        assert!(self.held.is_empty(), "{:?}", String::from_utf8_lossy(&self.held));
    }

    /// Nothing comes for a moment, and the connection stays.
    pub(crate) fn stays_silent(&mut self) {
        assert!(self.held.is_empty(), "{:?}", String::from_utf8_lossy(&self.held));
        self.stream.set_read_timeout(Some(A_MOMENT)).unwrap();
        let found = self.stream.read(&mut [0; 1]);
        let kind = found.map_err(|error| error.kind());
        assert!(matches!(kind, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "not silent: {kind:?}");
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    fn more(&mut self) -> Result<(), End> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(End::Clean),
            Ok(count) => {
                self.held.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(End::Cut),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.held)),
        }
    }
}
