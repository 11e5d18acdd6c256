//! Loads a page as a browser does over HTTP/1.1: the document on one new connection, then what it refers to over a few
//! more, each taking the next object as soon as it is free. Blocking sockets and threads: one page is few of both.
//! The objects are the seeded ones of `origin`, and every byte is compared. No cache, no TLS, no rendering.

use crate::content::Object;
use core::fmt;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// The longest head that an answer may have, bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Fields of a head at most.
const FIELDS_MAX: usize = 32;

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Size of the document, bytes.
    pub document_bytes: u64,
    /// Sizes of the objects that it refers to, bytes.
    pub object_bytes: Vec<u64>,
    /// Connections at once.
    pub connections: usize,
    /// A page that is not there after so long is given up.
    pub patience: Duration,
}

impl Default for Page {
    /// A light page of today: 20 KiB of document, twelve objects, 300 KiB in all, six connections as browsers have.
    fn default() -> Self {
        let object_kib = [60, 48, 40, 32, 24, 20, 16, 12, 10, 8, 6, 4];
        Self {
            document_bytes: 20 << 10,
            object_bytes: object_kib.iter().map(|kib| kib << 10).collect(),
            connections: 6,
            patience: Duration::from_secs(15),
        }
    }
}

/// Why a page did not load.
#[derive(Debug)]
pub enum PageError {
    /// The network or the server broke off.
    Io(io::Error),
    /// The answer was not what was asked for.
    Wrong(String),
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Wrong(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for PageError {}

impl From<io::Error> for PageError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Page {
    /// Bytes of all bodies.
    pub fn bytes(&self) -> u64 {
        self.document_bytes + self.object_bytes.iter().sum::<u64>()
    }

    /// Loads it from a server (or front-end) at `address`: from the first SYN to the last byte.
    pub fn load(&self, address: SocketAddr) -> Result<Duration, PageError> {
        let begun = Instant::now();
        let deadline = begun + self.patience;
        let mut first = Connection::open(address, deadline)?;
        first.fetch(self.document_bytes)?;
        let next = AtomicUsize::new(0);
        let extra = self.connections.min(self.object_bytes.len()).saturating_sub(1);
        std::thread::scope(|scope| {
            let others = (0..extra)
                .map(|_| scope.spawn(|| self.load_objects(&mut Connection::open(address, deadline)?, &next)));
            let others: Vec<_> = others.collect();
            let mut loaded = self.load_objects(&mut first, &next);
            for other in others {
                let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                loaded = loaded.and(ended);
            }
            loaded
        })?;
        Ok(begun.elapsed())
    }

    fn load_objects(&self, connection: &mut Connection, next: &AtomicUsize) -> Result<(), PageError> {
        while let Some(bytes) = self.object_bytes.get(next.fetch_add(1, Ordering::Relaxed)) {
            connection.fetch(*bytes)?;
        }
        Ok(())
    }
}

/// One kept connection.
struct Connection {
    stream: TcpStream,
    deadline: Instant,
    /// What has come and was not taken yet: at most a head and the beginning of its body.
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, deadline: Instant) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline, buffer: Vec::new() })
    }

    /// Reads what there is, at least one byte.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        match self.stream.read(into) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            read => read,
        }
    }

    /// Asks for the seeded object of that size and compares it.
    fn fetch(&mut self, bytes: u64) -> Result<(), PageError> {
        let path = format!("/bytes/{bytes}");
        write!(self.stream, "GET {path} HTTP/1.1\r\nHost: page.example\r\nUser-Agent: page\r\n\r\n")?;
        let length = self.head()?;
        if length != bytes {
            return Err(PageError::Wrong(format!("{path} has {length} bytes")));
        }
        let mut body = core::mem::take(&mut self.buffer);
        let mut here = body.len();
        body.resize(bytes as usize, 0);
        while here < body.len() {
            here += self.read(&mut body[here..])?;
        }
        match Object::new(path.as_bytes(), bytes).first_difference(0, &body) {
            None => Ok(()),
            Some(at) => Err(PageError::Wrong(format!("{path} differs at byte {at}"))),
        }
    }

    /// Reads an answer's head; the length of its body.
    fn head(&mut self) -> Result<u64, PageError> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut answer = httparse::Response::new(&mut fields);
            let parsed = answer.parse(&self.buffer).map_err(|error| PageError::Wrong(error.to_string()))?;
            if let httparse::Status::Complete(len) = parsed {
                let length = content_length(&answer)?;
                self.buffer.drain(..len);
                return Ok(length);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(PageError::Wrong("the head is too long".to_owned()));
            }
            let mut more = [0; 4_096];
            let len = self.read(&mut more)?;
            self.buffer.extend_from_slice(&more[..len]);
        }
    }
}

/// The time that is left; an error if it is none.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn content_length(answer: &httparse::Response<'_, '_>) -> Result<u64, PageError> {
    if answer.code != Some(200) {
        return Err(PageError::Wrong(format!("status {}", answer.code.unwrap_or(0))));
    }
    let field = answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = field.and_then(|field| core::str::from_utf8(field.value).ok()?.parse().ok());
    length.ok_or_else(|| PageError::Wrong("the answer has no length".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{OriginOptions, spawn};

    #[test]
    fn a_page_loads_whole_over_its_connections() {
        let origin = spawn(&OriginOptions::default()).unwrap();
        let page = Page::default();
        assert!(page.load(origin.address()).unwrap() < page.patience);
        let counts = origin.stop().unwrap();
        assert_eq!((counts.requests, counts.connections), (13, 6));
    }

    #[test]
    fn a_page_that_takes_too_long_is_given_up() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let page = Page { patience: Duration::from_millis(50), ..Page::default() };
        let given_up = page.load(listener.local_addr().unwrap()).unwrap_err();
        assert!(matches!(given_up, PageError::Io(error) if error.kind() == io::ErrorKind::TimedOut));
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(Page::default().load(address), Err(PageError::Io(_))));
    }
}
