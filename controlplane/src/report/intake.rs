//! The thread that receives reports: batches of datagrams into the ledger; whoever waits for changes is woken at once.

use crate::dns::policy::forecast::Told;
use crate::report::asker::Asker;
use crate::report::ledger::Ledger;
use crate::report::limits::REPORT_BYTES_MAX;
use core::net::SocketAddr;
use dataplane::reactor::batch::{Batch, answering_socket};
use dataplane::reactor::clock;
use dataplane::reactor::socket::local_address;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Datagrams of one system call.
const BATCH: usize = 64;
/// Bytes of a socket's buffer: a second of a thousand nodes that all speak at once.
const BUFFER_BYTES: usize = 4 << 20;
/// How often votes are counted again, and the stop is looked at.
const TICK: Duration = Duration::from_millis(250);

/// The ledger, as it is shared with those who read it.
#[derive(Clone, Debug, Default)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// Shares a ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    /// The ledger, for a short while.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread.
#[derive(Debug)]
pub struct Intake {
    thread: JoinHandle<io::Result<()>>,
    stop: Arc<AtomicBool>,
    has_news: Arc<AtomicBool>,
    listening: Vec<SocketAddr>,
}

impl Intake {
    /// Listens; what answers tell of their clients comes through `told`; `asker`, if there is one, asks probers for those of whom
    /// nobody knows. `waker` is woken when something has changed that decides where clients go. The error names the address.
    pub fn start(
        listen: &[SocketAddr],
        ledger: SharedLedger,
        told: Receiver<Told>,
        asker: Option<Asker>,
        waker: Arc<Waker>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut sockets = Vec::new();
        let mut listening = Vec::new();
        for address in listen {
            let socket = answering_socket(*address, BUFFER_BYTES).map_err(|error| (*address, error))?;
            listening.push(local_address(socket.as_fd()).map_err(|error| (*address, error))?);
            sockets.push(socket);
        }
        let (stop, has_news) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let receiving =
            Receiving { sockets, ledger, told, asker, waker, stop: stop.clone(), has_news: has_news.clone() };
        let thread = std::thread::Builder::new().name("reports".to_owned());
        let thread = thread.spawn(move || receiving.run());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let thread = thread.map_err(|error| (listen.first().copied().unwrap_or(nowhere), error))?;
        Ok(Self { thread, stop, has_news, listening })
    }

    /// Where it listens, with the ports that were taken.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Whether something has changed since the last time that this was asked.
    pub fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::AcqRel)
    }

    /// Whether the thread has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it.
    pub fn stop(self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread of reports failed")))
    }
}

struct Receiving {
    sockets: Vec<OwnedFd>,
    ledger: SharedLedger,
    told: Receiver<Told>,
    asker: Option<Asker>,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    has_news: Arc<AtomicBool>,
}

impl Receiving {
    fn run(mut self) -> io::Result<()> {
        let mut poll = Poll::new()?;
        for (place, socket) in self.sockets.iter().enumerate() {
            let source = &mut SourceFd(&socket.as_raw_fd());
            poll.registry().register(source, Token(place), Interest::READABLE)?;
        }
        let mut events = Events::with_capacity(self.sockets.len().max(1));
        let mut batch = Batch::new(BATCH, REPORT_BYTES_MAX, 1);
        let mut tick_at = clock::now() + TICK;
        while !self.stop.load(Ordering::Acquire) {
            let wait = tick_at.since(clock::now()).as_millis() as u64 + 1;
            match poll.poll(&mut events, Some(Duration::from_millis(wait))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            // First: what was foretold before a report came is held against it.
            self.take_told();
            let ready = events.iter().map(|event| event.token().0);
            let mut has_changed =
                ready.fold(false, |changed, place| self.receive(place, &mut batch) | changed);
            if clock::now() >= tick_at {
                has_changed |= self.ledger.lock().tick(clock::unix_us());
                self.ask();
                tick_at = clock::now() + TICK;
            }
            if has_changed {
                self.has_news.store(true, Ordering::Release);
                self.waker.wake()?;
            }
        }
        Ok(())
    }

    fn take_told(&self) {
        let mut told = self.told.try_iter().peekable();
        if told.peek().is_none() {
            return;
        }
        let (mut ledger, now_us) = (self.ledger.lock(), clock::unix_us());
        told.for_each(|told| ledger.told(told, now_us));
    }

    /// Asks probers for resolvers, if it is time to.
    fn ask(&mut self) {
        let Some(asker) = &mut self.asker else { return };
        let (mut ledger, now_us) = (self.ledger.lock(), clock::unix_us());
        let addresses = ledger.batch(now_us);
        if !addresses.is_empty() {
            // What could not be sent is asked for again: no result comes of it.
            let _failed = asker.ask(&ledger.expected().nodes, &addresses, now_us);
        }
    }

    /// Takes what waits at a socket; whether something has changed.
    fn receive(&self, place: usize, batch: &mut Batch) -> bool {
        let mut has_changed = false;
        loop {
            // An error here belongs to no datagram of ours; the next call gets on.
            let Ok(count) = batch.receive(self.sockets[place].as_fd()) else { return has_changed };
            let mut ledger = self.ledger.lock();
            for at in 0..count {
                if let Some((_, datagram, _)) = batch.exchange(at) {
                    has_changed |= ledger.take(datagram, clock::unix_us()).unwrap_or(false);
                }
            }
            drop(ledger);
            if count < batch.slots() {
                return has_changed;
            }
        }
    }
}
