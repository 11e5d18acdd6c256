//! The admin server: a few connections, one thread, one poll.
//!
//! Read-only by construction: it has a [`Source`] to look at and nothing to change. Changes go through the control
//! socket. It speaks plain HTTP and is meant for loopback or a management network.

use crate::view::connection::{Connection, Fate};
use crate::view::hosts::Hosts;
use crate::view::response::{Response, Status};
use crate::view::source::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Most connections at a time: a scraper or two, a few people and room for mistakes. At 8 KiB of input each, half
/// a mebibyte.
const CONNECTIONS_MAX: usize = 64;
/// How often deadlines and the stop flag are looked at.
const TICK: Duration = Duration::from_millis(100);
const LISTENER: Token = Token(CONNECTIONS_MAX);

/// The server, bound but not yet running.
///
/// Contract: [`bind`](Self::bind) early, so that an address in use stops the process before it serves;
/// [`run`](Self::run) on a thread of its own, which it occupies until `stop`.
#[derive(Debug)]
pub struct Admin {
    poll: Poll,
    listener: TcpListener,
    hosts: Hosts,
    connections: Vec<Option<Connection<TcpStream>>>,
}

impl Admin {
    /// Binds the address. Port 0 takes a free one; see [`local_addr`](Self::local_addr).
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(addr)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let connections = (0..CONNECTIONS_MAX).map(|_| None).collect();
        Ok(Self { poll, listener, hosts: Hosts::default(), connections })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers to `name` as Host too, beside loopback names and the address of the connection itself.
    pub fn allow_host(&mut self, name: &str) {
        self.hosts.allow(name);
    }

    /// Serves until `stop` is set, within a tenth of a second. An error is the poll's and nothing a client did.
    pub fn run(mut self, mut source: impl Source, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(CONNECTIONS_MAX);
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let now = Instant::now();
            for event in events.iter().filter(|event| event.token() != LISTENER) {
                self.advance(event.token().0, &mut source, now);
            }
            self.drop_late(now);
            // At every turn, not only when the listener reports: after running out of descriptors it would not
            // report again before the next client came.
            self.accept_all(&mut source, now);
        }
        Ok(())
    }

    fn advance(&mut self, place: usize, source: &mut dyn Source, now: Instant) {
        let Some(connection) = &mut self.connections[place] else { return };
        if connection.advance(&self.hosts, source, now) == Fate::Over {
            self.connections[place] = None;
        }
    }

    fn drop_late(&mut self, now: Instant) {
        for place in &mut self.connections {
            if place.as_ref().is_some_and(|connection| connection.deadline() <= now) {
                *place = None;
            }
        }
    }

    /// Every other error than "nothing there" ends the turn as well: the next one tries again.
    fn accept_all(&mut self, source: &mut dyn Source, now: Instant) {
        while let Ok((stream, _)) = self.listener.accept() {
            match self.free_place() {
                Some(place) => self.admit(place, stream, source, now),
                None => turn_away(stream),
            }
        }
    }

    fn admit(&mut self, place: usize, mut stream: TcpStream, source: &mut dyn Source, now: Instant) {
        let Ok(local) = stream.local_addr() else { return };
        let both = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(place), both).is_ok() {
            self.connections[place] = Some(Connection::new(stream, local.ip(), now));
            self.advance(place, source, now);
        }
    }

    /// An empty place, or else that of the connection that has been idle longest.
    fn free_place(&mut self) -> Option<usize> {
        if let Some(place) = self.connections.iter().position(Option::is_none) {
            return Some(place);
        }
        let idle = self.connections.iter().enumerate().filter_map(|(place, connection)| {
            connection.as_ref().filter(|connection| connection.is_idle()).map(|idle| (idle.deadline(), place))
        });
        let (_, place) = idle.min()?;
        self.connections[place] = None;
        Some(place)
    }
}

/// Best effort: a client that is told goes away; one that is not finds the connection closed.
fn turn_away(mut stream: TcpStream) {
    let mut output = Vec::new();
    Response::bare(Status::Unavailable).write(&mut output, false, false);
    let _ = stream.write(&output);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check::check_openmetrics;
    use crate::view::metrics::{MetricsText, Unit};
    use crate::view::page::Page;
    use crate::view::source::Health;
    use std::io::Read;
    use std::net::TcpStream as Client;
    use std::sync::Arc;
    use std::thread::JoinHandle;

    struct Process;

    impl Source for Process {
        fn metrics(&mut self, text: &mut MetricsText) {
            text.gauge("longhaul_streams", Unit::None, "Streams.").value(&[("worker", &0)], 2.0);
        }

        fn status(&mut self) -> serde_json::Value {
            serde_json::json!({ "streams": 2 })
        }

        fn page(&mut self) -> Page {
            Page::new("a process")
        }

        fn health(&mut self) -> Health {
            Health::Failing("no tunnel is up".into())
        }
    }

    struct Running {
        addr: SocketAddr,
        stop: Arc<AtomicBool>,
        thread: JoinHandle<io::Result<()>>,
    }

    fn start() -> Running {
        let mut admin = Admin::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        admin.allow_host("admin.example");
        let (addr, stop) = (admin.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || admin.run(Process, &flag));
        Running { addr, stop, thread }
    }

    impl Running {
        fn ask(&self, path: &str, host: &str) -> String {
            let mut client = Client::connect(self.addr).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            client.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        }

        fn stop(self) {
            self.stop.store(true, Ordering::Relaxed);
            self.thread.join().unwrap().unwrap();
        }
    }

    #[test]
    fn pages_are_served_over_sockets() {
        let running = start();
        let metrics = running.ask("/metrics", &running.addr.to_string());
        let (head, body) = metrics.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(MetricsText::CONTENT_TYPE), "{head}");
        assert_eq!(check_openmetrics(body), Ok(()));
        assert!(running.ask("/status", "admin.example").ends_with("{\"streams\":2}\n"));
        assert!(running.ask("/healthz", "localhost").ends_with("no tunnel is up\n"));
        assert!(running.ask("/", "evil.example").starts_with("HTTP/1.1 421 "));
        running.stop();
    }

    #[test]
    fn with_all_places_taken_the_next_is_turned_away_and_idle_ones_give_theirs() {
        let running = start();
        let crowd: Vec<Client> =
            (0..CONNECTIONS_MAX).map(|_| Client::connect(running.addr).unwrap()).collect();
        let mut refused = String::new();
        Client::connect(running.addr).unwrap().read_to_string(&mut refused).unwrap();
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        let mut first = &crowd[0];
        first.write_all(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        first.read_exact(&mut [0; 15]).unwrap();
        assert!(running.ask("/status", "localhost").contains(" 200 OK"));
        running.stop();
    }
}
