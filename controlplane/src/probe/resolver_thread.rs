//! The thread that probes resolvers: hears name servers' requests, sends each resolver one question from a socket of its own (so
//! that a forged answer has to guess port and id, and the kernel's word that nothing listens there reaches us), and hands on how
//! long that took.

use crate::probe::manners::{Manners, PassedOver};
use crate::probe::resolvers::{Counts, Outcome, ResolverBook, ResolverQuestion};
use crate::report::asked::Asked;
use crate::report::limits::REPORT_BYTES_MAX;
use crate::report::refusal::{Refusal, Refused};
use crate::report::wire::ResolverEntry;
use crate::view::page::{Cell, count};
use crate::view::{MetricsText, Unit};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use dataplane::reactor::clock;
use dataplane::time::{Duration, Instant};
use dataplane::tmp::random::{Random, SystemRandom};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Map, Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Where resolvers take questions.
const PORT: u16 = 53;
/// Probes under way at once, each with a socket.
const FLIGHTS_MAX: usize = 1_024;
/// How long a resolver may take: no two places on Earth are further from each other, queues and all.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the stop and late probes are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Datagrams from one socket before the others have their turn.
const BURST: usize = 64;
/// Bytes of an answer that are looked at.
const ANSWER_BYTES: usize = 512;

/// What the thread is told.
#[derive(Debug)]
pub struct ResolverOptions {
    /// Where requests are taken, UDP.
    pub listen: Vec<SocketAddr>,
    /// How resolvers are probed.
    pub manners: Manners,
    /// Who is listened to.
    pub asked: Asked,
    /// Where results go.
    pub results: Sender<ResolverEntry>,
    /// What a thread before this one knows.
    pub before: Option<ResolverBook>,
}

/// What is shown of it.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    book: Counts,
    requests: u64,
    refused: Refused,
}

/// What is shown of it, shared.
#[derive(Clone, Debug, Default)]
pub struct ResolverWatch(Arc<Mutex<Shown>>);

/// The thread.
#[derive(Debug)]
pub struct ResolverThread {
    thread: JoinHandle<io::Result<ResolverBook>>,
    stop: Arc<AtomicBool>,
    watch: ResolverWatch,
    listening: Vec<SocketAddr>,
}

impl ResolverThread {
    /// Listens and begins. The error names the address.
    pub fn start(options: ResolverOptions) -> Result<Self, (SocketAddr, io::Error)> {
        let mut sockets = Vec::new();
        let mut listening = Vec::new();
        for address in &options.listen {
            let socket = ear(*address).map_err(|error| (*address, error))?;
            listening.push(socket.local_addr().map_err(|error| (*address, error))?);
            sockets.push(socket);
        }
        let (stop, watch) = (Arc::new(AtomicBool::new(false)), ResolverWatch::default());
        let (told, shown) = (stop.clone(), watch.clone());
        let thread = std::thread::Builder::new().name("resolvers".to_owned());
        let thread = thread.spawn(move || Probing::new(sockets, options, shown)?.run(&told));
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let thread = thread.map_err(|error| (listening.first().copied().unwrap_or(nowhere), error))?;
        Ok(Self { thread, stop, watch, listening })
    }

    /// Where it listens, with the ports that were taken.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// What is shown of it.
    pub fn watch(&self) -> ResolverWatch {
        self.watch.clone()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it; what it knows.
    pub fn stop(self) -> io::Result<ResolverBook> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread of resolvers failed")))
    }
}

/// A socket for requests. Both families on one port, as by default, are two sockets: the second must not want the first one's part.
fn ear(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// A probe under way.
struct Flight {
    socket: UdpSocket,
    address: IpAddr,
    question: ResolverQuestion,
    sent_at: Instant,
}

struct Probing {
    poll: Poll,
    sockets: Vec<UdpSocket>,
    asked: Asked,
    book: ResolverBook,
    question: String,
    flights: Vec<Option<Flight>>,
    results: Sender<ResolverEntry>,
    watch: ResolverWatch,
    random: SystemRandom,
}

impl Probing {
    fn new(mut sockets: Vec<UdpSocket>, options: ResolverOptions, watch: ResolverWatch) -> io::Result<Self> {
        let ResolverOptions { manners, asked, results, before, .. } = options;
        let poll = Poll::new()?;
        for (place, socket) in sockets.iter_mut().enumerate() {
            poll.registry().register(socket, Token(place), Interest::READABLE)?;
        }
        let question = manners.question.clone();
        let mut book = ResolverBook::new(manners, clock::now());
        if let Some(before) = before {
            book.inherit(before);
        }
        Ok(Self {
            poll,
            sockets,
            asked,
            question,
            book,
            flights: (0..FLIGHTS_MAX).map(|_| None).collect(),
            results,
            watch,
            random: SystemRandom::new(),
        })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<ResolverBook> {
        let mut events = Events::with_capacity(FLIGHTS_MAX);
        let mut late_at = clock::now() + TICK;
        while !stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let now = clock::now();
            for event in &events {
                match event.token().0.checked_sub(self.sockets.len()) {
                    None => self.hear(event.token().0),
                    Some(place) => self.look(place, now),
                }
            }
            if now >= late_at {
                self.give_up(now);
                // A burst that was cut short is gone on with: the poll tells of a socket once.
                (0..self.sockets.len()).for_each(|place| self.hear(place));
                late_at = now + TICK;
            }
            self.show();
        }
        Ok(self.book)
    }

    /// Takes requests.
    fn hear(&mut self, place: usize) {
        let mut buffer = [0; REPORT_BYTES_MAX + 1];
        for _ in 0..BURST {
            // An error here belongs to no datagram of ours.
            let Ok((bytes, _)) = self.sockets[place].recv_from(&mut buffer) else { return };
            // What is not in order is counted, and nobody is answered.
            let addresses = self.asked.take(&buffer[..bytes], clock::unix_us()).unwrap_or_default();
            addresses.into_iter().for_each(|address| self.begin(address));
        }
    }

    fn begin(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        if self.book.begin(address, clock::now()).is_ok() && self.send(address).is_none() {
            self.book.failed();
        }
    }

    fn send(&mut self, address: IpAddr) -> Option<()> {
        let place = self.flights.iter().position(Option::is_none)?;
        let mut id = [0; 2];
        self.random.fill(&mut id);
        let question = ResolverQuestion::new(&self.question, u16::from_be_bytes(id))?;
        let any: SocketAddr = match address {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let mut socket = UdpSocket::bind(any).ok()?;
        socket.connect(SocketAddr::new(address, PORT)).ok()?;
        let token = Token(self.sockets.len() + place);
        self.poll.registry().register(&mut socket, token, Interest::READABLE).ok()?;
        let sent_at = clock::now();
        socket.send(question.bytes()).ok()?;
        self.flights[place] = Some(Flight { socket, address, question, sent_at });
        Some(())
    }

    /// Looks at what came for a probe.
    fn look(&mut self, place: usize, now: Instant) {
        let Some(flight) = self.flights.get(place).and_then(Option::as_ref) else { return };
        let mut buffer = [0; ANSWER_BYTES];
        for _ in 0..BURST {
            match flight.socket.recv(&mut buffer) {
                Ok(bytes) if flight.question.is_answered_by(&buffer[..bytes]) => {
                    return self.end(place, Outcome::Answered, now);
                }
                // Somebody guesses, or a late answer to who had the port before.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    return self.end(place, Outcome::Unreachable, now);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing more for now, or a router's word, which says nothing of how far the resolver is.
                Err(_) => return,
            }
        }
    }

    fn give_up(&mut self, now: Instant) {
        for place in 0..self.flights.len() {
            let is_late = |flight: &Flight| now.since(flight.sent_at) >= PATIENCE;
            if self.flights[place].as_ref().is_some_and(is_late) {
                self.end(place, Outcome::Silent, now);
            }
        }
    }

    fn end(&mut self, place: usize, outcome: Outcome, now: Instant) {
        let Some(mut flight) = self.flights[place].take() else { return };
        // It is closed in a moment; what cannot be taken out of the poll goes with it.
        let _gone = self.poll.registry().deregister(&mut flight.socket);
        self.book.ended(outcome);
        let rtt_us = match outcome {
            Outcome::Silent => 0,
            Outcome::Answered | Outcome::Unreachable => {
                u32::try_from(now.us_since(flight.sent_at)).unwrap_or(u32::MAX).max(1)
            }
        };
        // Who reports has ended: so does this.
        let _told = self.results.send(ResolverEntry { address: flight.address, outcome, rtt_us });
    }

    fn show(&self) {
        let (requests, refused) = self.asked.counts();
        *self.watch.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Shown { book: self.book.counts(), requests, refused };
    }
}

impl ResolverWatch {
    fn shown(&self) -> Shown {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a fact of the page.
    pub fn cell(&self) -> Cell {
        let Shown { book, .. } = self.shown();
        let [silent, answered, unreachable] = book.ended;
        let passed_over: u64 = book.passed_over.iter().sum();
        Cell::of(count(silent + answered + unreachable)).detail(format!(
            "{} silent, {} passed over",
            count(silent),
            count(passed_over)
        ))
    }

    /// As JSON.
    pub fn status(&self) -> Value {
        let Shown { book, requests, refused } = self.shown();
        let some = |rows: &mut dyn Iterator<Item = (&'static str, u64)>| {
            let rows = rows.filter(|(_, count)| *count > 0);
            rows.map(|(name, count)| (name.to_owned(), count.into())).collect::<Map<_, _>>()
        };
        json!({
            "requests": requests,
            "refused": some(&mut Refusal::ALL.iter().zip(refused).map(|(reason, count)| (reason.name(), count))),
            "probes": some(&mut Outcome::ALL.iter().zip(book.ended).map(|(outcome, count)| (outcome.name(), count))),
            "passed_over":
                some(&mut PassedOver::ALL.iter().zip(book.passed_over).map(|(why, count)| (why.name(), count))),
        })
    }

    /// As metrics.
    pub fn metrics(&self, text: &mut MetricsText) {
        let Shown { book, requests, refused } = self.shown();
        let help = "Name servers' requests to probe resolvers that were taken.";
        text.counter("longhaul_resolver_requests", Unit::None, help).value(&[], requests);
        let help = "Requests to probe resolvers that were refused, by reason.";
        let mut samples = text.counter("longhaul_resolver_requests_refused", Unit::None, help);
        for (reason, count) in Refusal::ALL.iter().zip(refused).filter(|(_, count)| *count > 0) {
            samples.value(&[("reason", &reason.name())], count);
        }
        let help = "Probes of resolvers, by outcome.";
        let mut samples = text.counter("longhaul_resolver_probes", Unit::None, help);
        for (outcome, count) in Outcome::ALL.iter().zip(book.ended) {
            samples.value(&[("outcome", &outcome.name())], count);
        }
        let help = "Resolvers that were asked for and not probed, by reason.";
        let mut samples = text.counter("longhaul_resolver_passed_over", Unit::None, help);
        for (why, count) in PassedOver::ALL.iter().zip(book.passed_over) {
            samples.value(&[("reason", &why.name())], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::key::Secret;
    use std::sync::mpsc;

    fn start(listen: Vec<SocketAddr>) -> Result<ResolverThread, (SocketAddr, io::Error)> {
        let asked = Asked::new(Secret::new([1; 32]).of_node("p1"), 0, ["ns1".to_owned()]);
        let (results, _taken) = mpsc::channel();
        ResolverThread::start(ResolverOptions {
            listen,
            manners: Manners::default(),
            asked,
            results,
            before: None,
        })
    }

    /// The default is both families on one port; the second once found the port in use.
    #[test]
    fn both_families_listen_on_one_port() {
        let any = |port| vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()];
        for _ in 0..20 {
            let free = start(vec![(Ipv4Addr::UNSPECIFIED, 0).into()]).unwrap();
            let port = free.listening()[0].port();
            free.stop().unwrap();
            // Somebody else may have taken it in between.
            if let Ok(thread) = start(any(port)) {
                assert_eq!(thread.listening(), any(port));
                thread.stop().unwrap();
                return;
            }
        }
        panic!("no port for both");
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let first = start(vec![(Ipv4Addr::LOCALHOST, 0).into()]).unwrap();
        let address = first.listening()[0];
        let (named, error) = start(vec![address]).unwrap_err();
        assert_eq!((named, error.kind()), (address, ErrorKind::AddrInUse));
        first.stop().unwrap();
    }
}
