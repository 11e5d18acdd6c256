//! An origin from outside: bind, run, stop. Listeners are made here, one set per thread.

use crate::descriptors;
use crate::origin::options::{OriginError, OriginOptions};
use crate::origin::shared::{Counts, Shared, Stopper};
use crate::origin::worker::{LISTENERS_MAX, WAKER_TOKEN, Worker};
use core::net::SocketAddr;
use mio::net::TcpListener;
use mio::{Poll, Waker};
use socket2::{Domain, Protocol, Socket, Type};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Connections the kernel keeps for us until they are accepted; the system's own limit may be lower.
const BACKLOG: i32 = 4_096;

/// A bound origin that does not run yet.
pub struct Origin {
    addresses: Vec<SocketAddr>,
    workers: Vec<Worker>,
    shared: Arc<Shared>,
}

impl Origin {
    /// Binds all listeners.
    pub fn bind(options: &OriginOptions) -> Result<Self, OriginError> {
        let OriginOptions { listen, threads, connections_max, .. } = options;
        if listen.is_empty() || listen.len() > LISTENERS_MAX || *threads == 0 || *connections_max == 0 {
            return Err(OriginError::Nothing);
        }
        let mut addresses = Vec::with_capacity(listen.len());
        let mut sets: Vec<Vec<TcpListener>> = (0..*threads).map(|_| Vec::new()).collect();
        for wanted in listen {
            addresses.push(listen_on(*wanted, &mut sets)?);
        }
        let polls =
            (0..*threads).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>().map_err(OriginError::Poll)?;
        let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), WAKER_TOKEN));
        let wakers = wakers.collect::<Result<Vec<_>, _>>().map_err(OriginError::Poll)?;
        let shared = Arc::new(Shared::new(wakers));
        let room = descriptors::room_for((*threads as u64).saturating_mul(*connections_max as u64));
        let room = (room as usize / threads).clamp(1, *connections_max);
        let workers = polls
            .into_iter()
            .zip(sets)
            .map(|(poll, set)| Worker::new(poll, set, Arc::clone(&shared), options, room))
            .collect::<Result<_, _>>()?;
        Ok(Self { addresses, workers, shared })
    }

    /// Where it listens, in the order of the options, with the ports the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle that stops it and reads its counts; may be cloned and sent.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.shared))
    }

    /// Serves until stopped. Blocks. When one thread fails, all end.
    pub fn run(self) -> Result<Counts, OriginError> {
        let stopper = self.stopper();
        let mut workers = self.workers.into_iter();
        let first = workers.next();
        let result = std::thread::scope(|scope| {
            let others: Vec<_> = workers
                .map(|worker| {
                    let stopper = stopper.clone();
                    scope.spawn(move || run_one(worker, &stopper))
                })
                .collect();
            let mut result = first.map_or(Ok(()), |worker| run_one(worker, &stopper));
            for other in others {
                let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(ended);
            }
            result
        });
        result.map(|()| stopper.counts())
    }
}

fn run_one(worker: Worker, stopper: &Stopper) -> Result<(), OriginError> {
    let result = worker.run();
    stopper.stop();
    result
}

/// Binds one address once per thread, and adds the listeners to the threads' sets.
fn listen_on(wanted: SocketAddr, sets: &mut [Vec<TcpListener>]) -> Result<SocketAddr, OriginError> {
    let shared = sets.len() > 1;
    let mut bound = wanted;
    for set in sets {
        let listener = listener(bound, shared).map_err(|error| OriginError::Listen(bound, error))?;
        // The first bind settles the port for the others.
        bound = listener.local_addr().map_err(|error| OriginError::Listen(bound, error))?;
        set.push(listener);
    }
    Ok(bound)
}

fn listener(address: SocketAddr, shared: bool) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Binds, tells `bound` where, and serves until the stopper it was handed is used.
pub fn run(
    options: &OriginOptions,
    bound: impl FnOnce(&[SocketAddr], Stopper),
) -> Result<Counts, OriginError> {
    let origin = Origin::bind(options)?;
    bound(origin.addresses(), origin.stopper());
    origin.run()
}

/// An origin that runs in its own thread; dropping it stops it.
pub struct OriginThread {
    addresses: Vec<SocketAddr>,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<Counts, OriginError>>>,
}

impl OriginThread {
    /// Where the first listener listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where all of them listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.stopper.counts()
    }

    /// Stops it and waits for its end.
    pub fn stop(mut self) -> Result<Counts, OriginError> {
        self.stopper.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(self.counts()),
        }
    }
}

impl Drop for OriginThread {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // Its result was for `stop`; who drops it does not ask.
            let _ = thread.join();
        }
    }
}

/// Binds and serves in a new thread.
pub fn spawn(options: &OriginOptions) -> Result<OriginThread, OriginError> {
    let origin = Origin::bind(options)?;
    let (addresses, stopper) = (origin.addresses.clone(), origin.stopper());
    let thread = std::thread::Builder::new()
        .name("origin".into())
        .spawn(move || origin.run())
        .map_err(OriginError::Poll)?;
    Ok(OriginThread { addresses, stopper, thread: Some(thread) })
}
