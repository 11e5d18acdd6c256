//! Starts the threads of the name server and ends them.

use crate::dns::catalog::Catalog;
use crate::dns::counters::Counters;
use crate::dns::engine::Engine;
use crate::dns::policy::steering::Steering;
use crate::dns::server::decisions::Decisions;
use crate::dns::server::foretell::Telling;
use crate::dns::server::options::ServerOptions;
use crate::dns::server::queries::Queries;
use crate::dns::server::query_log::QueryLog;
use crate::dns::server::worker::{Handle, Sockets, Worker};
use crate::dns::server::world::Published;
use core::fmt;
use core::net::SocketAddr;
use dataplane::reactor::batch::answering_socket;
use dataplane::reactor::socket::{ListenOptions, listen, local_address};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// Tries to find a port that is free for UDP and TCP both, where any will do.
const PORT_TRIES: usize = 16;

/// Why it did not start.
#[derive(Debug)]
pub enum StartError {
    /// This address, over UDP or TCP.
    Bind(SocketAddr, &'static str, io::Error),
    /// A thread or a poll.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, transport, error) => {
                let cure = match error.kind() {
                    io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
                    io::ErrorKind::AddrInUse => "; another server has it (systemd-resolved?)",
                    _ => "",
                };
                write!(f, "cannot listen on {address} over {transport}: {error}{cure}")
            }
            Self::System(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running server.
#[derive(Debug)]
pub struct Server {
    threads: Vec<JoinHandle<io::Result<()>>>,
    handles: Vec<Arc<Handle>>,
    counters: Vec<Arc<Counters>>,
    published: Arc<Published>,
    decisions: Decisions,
    listening: Vec<SocketAddr>,
}

impl Server {
    /// Binds every address for every thread, then starts them. What answers foretell goes to `telling`.
    pub fn start(
        options: ServerOptions,
        catalog: Catalog,
        steering: Steering,
        log: Option<&QueryLog>,
        telling: Option<&Telling>,
    ) -> Result<Self, StartError> {
        let (sockets, listening) = bind(&options)?;
        let options = Arc::new(options);
        let published = Arc::new(Published::new(catalog, steering));
        let mut server = Self {
            threads: Vec::new(),
            handles: Vec::new(),
            counters: Vec::new(),
            published,
            decisions: Decisions::default(),
            listening,
        };
        let settings = Arc::new(options.settings.clone());
        let mut workers = Vec::new();
        for (thread, sockets) in sockets.into_iter().enumerate() {
            let counters: Arc<Counters> = Arc::default();
            let tap = log.filter(|_| options.log_sample > 0).and_then(|log| log.tap(options.log_sample));
            let engine = Engine::new(settings.clone(), counters.clone()).numbered(thread as u64);
            let queries = Queries::new(
                engine,
                server.published.clone(),
                tap,
                telling.map(Telling::foreteller),
                server.decisions.tap(),
            );
            let worker = Worker::new(sockets, queries, options.clone(), counters.clone());
            workers.push(worker.map_err(StartError::System)?);
            server.counters.push(counters);
        }
        for (number, worker) in workers.into_iter().enumerate() {
            server.handles.push(worker.handle());
            let thread = std::thread::Builder::new().name(format!("dns-{number}"));
            server.threads.push(thread.spawn(move || worker.run()).map_err(StartError::System)?);
        }
        Ok(server)
    }

    /// The addresses it listens on, as they were given, with the ports that were taken.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// What the threads count.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// The last decisions.
    pub fn decisions(&self) -> Decisions {
        self.decisions.clone()
    }

    /// Where new zones are put.
    pub fn published(&self) -> Arc<Published> {
        self.published.clone()
    }

    /// Turns of each thread's loop.
    pub fn turns(&self) -> Vec<u64> {
        self.handles.iter().map(|handle| handle.turns.load(Ordering::Relaxed)).collect()
    }

    /// Whether a thread has ended.
    pub fn has_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops the threads and waits for them; the first error.
    pub fn stop(self) -> io::Result<()> {
        for handle in &self.handles {
            handle.stop.store(true, Ordering::Release);
            handle.waker.wake()?;
        }
        let mut ended = Ok(());
        for thread in self.threads {
            let one = thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")));
            ended = ended.and(one);
        }
        ended
    }
}

fn bind(options: &ServerOptions) -> Result<(Vec<Sockets>, Vec<SocketAddr>), StartError> {
    let mut threads: Vec<Sockets> = (0..options.threads).map(|_| Sockets::default()).collect();
    let mut listening = Vec::new();
    for address in &options.listen {
        let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        let (sockets, bound) = loop {
            tries -= 1;
            match bind_one(*address, options) {
                Ok(found) => break found,
                Err(error) if tries == 0 => return Err(error),
                Err(_) => {}
            }
        };
        for (thread, (udp, tcp)) in threads.iter_mut().zip(sockets) {
            thread.udp.push(udp);
            thread.tcp.push(tcp);
        }
        listening.push(bound);
    }
    Ok((threads, listening))
}

type Pairs = Vec<(std::os::fd::OwnedFd, std::os::fd::OwnedFd)>;

/// A UDP and a TCP socket for each thread, all on one port.
fn bind_one(address: SocketAddr, options: &ServerOptions) -> Result<(Pairs, SocketAddr), StartError> {
    let mut bound = address;
    let mut pairs = Vec::new();
    for _ in 0..options.threads {
        let udp = answering_socket(bound, options.udp_buffer_bytes)
            .map_err(|error| StartError::Bind(bound, "UDP", error))?;
        bound = local_address(udp.as_fd()).map_err(StartError::System)?;
        let tcp = listen(bound, &ListenOptions { not_sent_low_bytes: None, ..ListenOptions::default() })
            .map_err(|error| StartError::Bind(bound, "TCP", error))?;
        pairs.push((udp, tcp));
    }
    Ok((pairs, bound))
}
