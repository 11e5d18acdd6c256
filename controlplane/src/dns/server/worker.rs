//! One thread of the name server: its sockets on every address, batches of datagrams, a bounded number of connections.
//! Shares nothing that is written but counters. Connections are the poll's; datagram sockets stay out of it
//! (`dataplane::reactor::readiness` says why), and the thread waits for them and the poll together.

use crate::dns::counters::Counters;
use crate::dns::engine::Transport;
use crate::dns::limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::dns::server::connection::{Connection, Fate};
use crate::dns::server::options::ServerOptions;
use crate::dns::server::queries::Queries;
use dataplane::reactor::batch::Batch;
use dataplane::reactor::clock;
use dataplane::reactor::readiness::Readiness;
use dataplane::time::{Duration, Instant};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How often time-outs and the stop are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Batches from one socket before the others have their turn.
const BATCHES_PER_TURN: usize = 16;
/// After a batch of so many another one is likely there already, and looking costs less than a poll does.
const BUSY_BATCH: usize = 4;
/// Events taken with one poll.
const EVENTS_MAX: usize = 256;
/// How long answers on connections may take to leave when the thread ends.
const FAREWELL: Duration = Duration::from_secs(2);

const WAKER: Token = Token(usize::MAX);

/// The sockets of one thread.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) udp: Vec<OwnedFd>,
    pub(crate) tcp: Vec<OwnedFd>,
}

/// What others see of a thread, and how they stop it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) stop: AtomicBool,
    pub(crate) waker: Waker,
    /// Turns of its loop, for the watchdog.
    pub(crate) turns: AtomicU64,
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    readiness: Readiness,
    handle: Arc<Handle>,
    udp: Vec<OwnedFd>,
    /// Sockets that have something, or may have.
    has_more: Vec<bool>,
    listeners: Vec<TcpListener>,
    connections: Vec<Option<Connection<TcpStream>>>,
    open: usize,
    batch: Batch,
    scratch: Vec<u8>,
    queries: Queries,
    options: Arc<ServerOptions>,
    counters: Arc<Counters>,
}

impl Worker {
    /// Registers everything; the thread is not running yet.
    pub(crate) fn new(
        sockets: Sockets,
        queries: Queries,
        options: Arc<ServerOptions>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let handle = Arc::new(Handle { stop: AtomicBool::new(false), waker, turns: AtomicU64::new(0) });
        let mut listeners = Vec::new();
        for (place, socket) in sockets.tcp.into_iter().enumerate() {
            let mut listener = TcpListener::from_std(socket.into());
            poll.registry().register(&mut listener, Token(place), Interest::READABLE)?;
            listeners.push(listener);
        }
        let answer_bytes = usize::from(options.settings.udp_bytes_max);
        Ok(Self {
            poll,
            readiness: Readiness::default(),
            handle,
            has_more: vec![false; sockets.udp.len()],
            udp: sockets.udp,
            listeners,
            connections: (0..options.tcp.connections_max).map(|_| None).collect(),
            open: 0,
            batch: Batch::new(options.batch, REQUEST_BYTES_MAX, answer_bytes),
            scratch: vec![0; MESSAGE_BYTES_MAX],
            queries,
            options,
            counters,
        })
    }

    pub(crate) fn handle(&self) -> Arc<Handle> {
        self.handle.clone()
    }

    /// Runs until it is stopped. An error is the poll's.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut tick_at = clock::now() + TICK;
        while !self.handle.stop.load(Ordering::Acquire) {
            let wait = if self.has_more.contains(&true) { Duration::ZERO } else { TICK };
            self.turn(&mut events, wait)?;
            let now = clock::now();
            if now >= tick_at {
                self.drop_late(now);
                self.accept_all(now);
                tick_at = now + TICK;
            }
        }
        self.farewell(&mut events)
    }

    fn turn(&mut self, events: &mut Events, wait: Duration) -> io::Result<()> {
        self.wait(events, wait)?;
        let now = clock::now();
        self.queries.begin_turn(now, clock::unix_us());
        self.handle.turns.fetch_add(1, Ordering::Relaxed);
        let first_connection = self.listeners.len();
        for event in events.iter() {
            match event.token() {
                WAKER => {}
                Token(place) if place < first_connection => self.accept_all(now),
                Token(place) => self.advance(place - first_connection, now),
            }
        }
        for place in 0..self.udp.len() {
            if self.has_more[place] {
                self.serve(place);
            }
        }
        Ok(())
    }

    /// Waits for datagrams, and for what the poll reports.
    fn wait(&mut self, events: &mut Events, span: Duration) -> io::Result<()> {
        let Self { poll, readiness, udp, has_more, .. } = self;
        let sockets = udp.iter().map(AsRawFd::as_raw_fd);
        readiness.wait(sockets.chain([poll.as_raw_fd()]), span)?;
        for (place, has_more) in has_more.iter_mut().enumerate() {
            *has_more |= readiness.is_ready(place);
        }
        events.clear();
        if readiness.is_ready(udp.len()) {
            match poll.poll(events, Some(Duration::ZERO)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Answers what waits at a UDP socket.
    fn serve(&mut self, place: usize) {
        let Self { udp, batch, queries, counters, has_more, .. } = self;
        let socket = udp[place].as_fd();
        for _ in 0..BATCHES_PER_TURN {
            // An error here belongs to an answer that went nowhere; the next call gets on.
            let Ok(count) = batch.receive(socket) else { return };
            for at in 0..count {
                let Some((from, request, room)) = batch.exchange(at) else { continue };
                let bytes = queries.answer(request, from, Transport::Udp, room);
                batch.answer(at, bytes);
            }
            let sent = batch.send(socket, count);
            if sent.failed > 0 {
                counters.send_errors.add(sent.failed as u64);
            }
            if count < BUSY_BATCH.min(batch.slots()) {
                has_more[place] = false;
                return;
            }
        }
    }

    fn accept_all(&mut self, now: Instant) {
        for place in 0..self.listeners.len() {
            // Any other error than "nothing there" (no descriptors) ends the turn; the next tick tries again.
            while let Ok((stream, from)) = self.listeners[place].accept() {
                self.admit(stream, from, now);
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, from: core::net::SocketAddr, now: Instant) {
        self.counters.connections.add(1);
        let Some(place) = self.free_place(from) else {
            self.counters.connections_refused.add(1);
            return;
        };
        let token = Token(self.listeners.len() + place);
        let _ = stream.set_nodelay(true);
        if self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err()
        {
            self.counters.connections_refused.add(1);
            return;
        }
        self.connections[place] = Some(Connection::new(stream, from, now + self.options.tcp.idle));
        self.open += 1;
        self.counters.connections_open.add(1);
        self.advance(place, now);
    }

    /// An empty place, or else that of the connection that has been idle longest; none for a client that has its share.
    fn free_place(&mut self, from: core::net::SocketAddr) -> Option<usize> {
        let open = self.connections.iter().flatten();
        let of_client = open.filter(|open| open.from().ip() == from.ip()).count();
        if of_client >= self.options.tcp.connections_per_client_max {
            return None;
        }
        if self.open < self.connections.len() {
            return self.connections.iter().position(Option::is_none);
        }
        let idle = self.connections.iter().enumerate().filter_map(|(place, open)| {
            open.as_ref().filter(|open| open.is_idle()).map(|open| (open.deadline(), place))
        });
        let (_, place) = idle.min()?;
        self.counters.connections_refused.add(1);
        self.close(place);
        Some(place)
    }

    fn advance(&mut self, place: usize, now: Instant) {
        let Some(connection) = &mut self.connections[place] else { return };
        let fate = connection.advance(&mut self.queries, &self.options.tcp, now, &mut self.scratch);
        if fate == Fate::Over {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        if self.connections[place].take().is_some() {
            self.open -= 1;
            self.counters.connections_open.add(1_u64.wrapping_neg());
        }
    }

    fn drop_late(&mut self, now: Instant) {
        if self.open == 0 {
            return;
        }
        for place in 0..self.connections.len() {
            if self.connections[place].as_ref().is_some_and(|open| open.deadline() <= now) {
                self.counters.connections_timed_out.add(1);
                self.close(place);
            }
        }
    }

    /// What is there is answered, what is answered goes out, nothing new is taken.
    fn farewell(mut self, events: &mut Events) -> io::Result<()> {
        self.listeners.clear();
        self.has_more.fill(true);
        let until = clock::now() + FAREWELL;
        for connection in self.connections.iter_mut().flatten() {
            connection.end();
        }
        self.turn(events, Duration::ZERO)?;
        for place in 0..self.connections.len() {
            self.advance(place, clock::now());
        }
        while self.open > 0 && clock::now() < until {
            self.poll.poll(events, Some(TICK))?;
            for place in 0..self.connections.len() {
                self.advance(place, clock::now());
            }
        }
        Ok(())
    }
}
