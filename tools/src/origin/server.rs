//! An origin from outside: bind, run, stop. Listeners are made here, one set per thread.

use crate::descriptors;
use crate::drive::{self, Seat};
use crate::origin::connection::{OUTPUT_BYTES, READ_BYTES};
use crate::origin::options::{OriginError, OriginOptions};
use crate::origin::role::{AHEAD_BYTES, OriginRole};
use crate::origin::shared::{Counts, Shared, Stopper};
use core::net::SocketAddr;
use dataplane::node::Io;
use dataplane::port::{Port, PortOptions};
use dataplane::reactor::options::{BufferOptions, DriverOptions, Sockets};
use dataplane::reactor::socket::{ListenOptions, listen_group, local_address};
use dataplane::reactor::wake::Waker;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The most listeners of one thread.
const LISTENERS_MAX: usize = 128;

/// Bytes of a block of a write queue: a small answer is one.
const BLOCK_BYTES: usize = 4 << 10;

/// What all write queues of a thread may hold, bytes; reserved, and touched as it is used.
const QUEUES_BYTES: usize = 256 << 20;

/// Receive buffers, shared by the connections of a thread.
const RECEIVE: BufferOptions = BufferOptions { bytes: READ_BYTES, count: 512 };

/// What one thread takes with it.
struct Outfit {
    sockets: Sockets,
    waker: Waker,
    room: usize,
    seed: u64,
    cpu: Option<usize>,
}

/// A bound origin that does not run yet.
pub struct Origin {
    addresses: Vec<SocketAddr>,
    outfits: Vec<Outfit>,
    shared: Arc<Shared>,
    options: OriginOptions,
    io: Io,
}

impl Origin {
    /// Binds all listeners.
    pub fn bind(options: &OriginOptions) -> Result<Self, OriginError> {
        let OriginOptions { listen, threads, connections_max, cpus, .. } = options;
        let is_pinned = cpus.is_empty() || cpus.len() == *threads;
        let is_nothing = listen.is_empty() || *threads == 0 || *connections_max == 0;
        if is_nothing || listen.len() > LISTENERS_MAX || !is_pinned {
            return Err(OriginError::Nothing);
        }
        let io = options.io.settle().map_err(OriginError::Uring)?;
        let mut addresses = Vec::with_capacity(listen.len());
        let mut sets: Vec<Sockets> = (0..*threads).map(|_| Sockets::default()).collect();
        for wanted in listen {
            addresses.push(listen_on(*wanted, &mut sets)?);
        }
        let wakers = (0..*threads).map(|_| Waker::new()).collect::<Result<Vec<_>, _>>();
        let wakers = wakers.map_err(OriginError::Driver)?;
        let shared = Arc::new(Shared::new(wakers.clone(), &options.habits));
        let room = descriptors::room_for((*threads as u64).saturating_mul(*connections_max as u64));
        let room = (room as usize / threads).clamp(1, *connections_max);
        let outfits = sets.into_iter().zip(wakers).enumerate().map(|(index, (sockets, waker))| Outfit {
            sockets,
            waker,
            room,
            seed: options.seed.wrapping_add(index as u64),
            cpu: cpus.get(index).copied(),
        });
        Ok(Self { addresses, outfits: outfits.collect(), shared, options: options.clone(), io })
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
        let Self { outfits, shared, options, io, .. } = self;
        let mut outfits = outfits.into_iter();
        let first = outfits.next();
        let run_one = |outfit: Outfit| {
            let result = serve(outfit, &options, io, &shared);
            stopper.stop();
            result
        };
        let result = std::thread::scope(|scope| {
            let others: Vec<_> = outfits.map(|outfit| scope.spawn(|| run_one(outfit))).collect();
            let mut result = first.map_or(Ok(()), run_one);
            for other in others {
                let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(ended);
            }
            result
        });
        result.map(|()| stopper.counts()).map_err(OriginError::Driver)
    }
}

/// One thread.
fn serve(outfit: Outfit, options: &OriginOptions, io: Io, shared: &Arc<Shared>) -> std::io::Result<()> {
    let Outfit { sockets, waker, room, seed, cpu } = outfit;
    let wanted = room.saturating_mul(AHEAD_BYTES + OUTPUT_BYTES).clamp(4 * OUTPUT_BYTES, QUEUES_BYTES);
    let mut port = Port::new(&PortOptions {
        tcp_max: room,
        block_bytes: BLOCK_BYTES,
        blocks: wanted / BLOCK_BYTES,
        trains: 1,
    });
    let few = BufferOptions { bytes: 2_048, count: 2 };
    let driver = DriverOptions { small: RECEIVE, large: few, datagrams: few, ..DriverOptions::default() };
    let mut role = OriginRole::new(options, Arc::clone(shared), room, seed);
    drive::run(Seat { io, driver, sockets, waker, cpu }, &mut role, &mut port)
}

/// Binds one address once per thread, and adds the listeners to the threads' sets.
fn listen_on(wanted: SocketAddr, sets: &mut [Sockets]) -> Result<SocketAddr, OriginError> {
    let refuse = |error| OriginError::Listen(wanted, error);
    let options = ListenOptions { reuse_port: sets.len() > 1, ..ListenOptions::default() };
    let group = listen_group(wanted, sets.len(), &options).map_err(refuse)?;
    let bound = group.first().map_or(Ok(wanted), |socket| local_address(socket.as_fd())).map_err(refuse)?;
    for (set, socket) in sets.iter_mut().zip(group) {
        set.listeners.push(socket);
    }
    Ok(bound)
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
        .map_err(OriginError::Driver)?;
    Ok(OriginThread { addresses, stopper, thread: Some(thread) })
}
