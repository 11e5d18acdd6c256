//! Starting a node: all sockets are bound and all rings made before the first worker runs, so that a wrong address is
//! an error at start and not a worker that dies later.

use core::fmt;
use core::net::SocketAddr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::access::SLOT_BYTES;
use crate::node::options::{NodeOptions, TunnelSocket};
use crate::node::running::{Running, WorkerView};
use crate::node::worker::{self, Outfit};
use crate::reactor::counters::DriverCounters;
use crate::reactor::lanes::{Receiver, Sender, lanes};
use crate::reactor::options::Sockets;
use crate::reactor::sleep::Sleep;
use crate::reactor::socket::{self, Steering, UdpOptions};
use crate::reactor::spsc::{Consumer, Producer, channel};
use crate::reactor::wake::Waker;
use crate::role::control::Control;
use crate::role::counters::Counters;
use crate::role::crossing::RECORD_BYTES;
use crate::role::status::StatusBoard;

/// Bytes of a record in the rings between cores: a packet's worth of payload and a little more.
const RING_SLOT_BYTES: usize = 2_048;

const _: () = assert!(RING_SLOT_BYTES > RECORD_BYTES + 1_500);

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be bound.
    Bind(SocketAddr, io::Error),
    /// A network device could not be bound to by its name.
    Device(String, io::Error),
    /// A thread, a descriptor or memory could not be had.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) => write!(to, "cannot listen on {address}: {error}"),
            Self::Device(device, error) => {
                let cure = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "; give the process CAP_NET_RAW, or an address instead of the name"
                    }
                    _ => "; `ip link` lists the devices",
                };
                write!(to, "cannot use the network device {device}: {error}{cure}")
            }
            Self::System(error) => write!(to, "the system refuses: {error}"),
        }
    }
}

impl core::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Starts the workers.
pub fn start(options: NodeOptions) -> Result<Running, StartError> {
    let count = options.workers.len();
    assert!((1..=64).contains(&count), "a node has 1 to 64 workers");
    let options = Arc::new(options);
    let mut bound = bind(&options)?;
    let wakers = (0..count).map(|_| Waker::new()).collect::<io::Result<Vec<_>>>()?;
    let sleeps: Vec<Arc<Sleep>> = (0..count).map(|_| Arc::new(Sleep::new())).collect();
    let (mut senders, mut receivers) = rings(count, options.ring_slots);
    let control = Arc::new(Control::new(options.plan.clone(), count));
    let mut running = Running {
        control: control.clone(),
        wakers: wakers.clone(),
        views: Vec::new(),
        records: Vec::new(),
        threads: Vec::new(),
        listening: bound.listening,
        tunnel_addresses: bound.tunnel_addresses,
    };
    for (index, place) in options.workers.iter().enumerate() {
        let (producer, consumer): (Producer, Consumer) = channel(options.record_slots, SLOT_BYTES);
        let view = WorkerView {
            counters: Arc::new(Counters::default()),
            driver: Arc::new(DriverCounters::default()),
            status: Arc::new(StatusBoard::default()),
            cpu: place.cpu,
        };
        let outfit = Outfit {
            worker: index as u8,
            options: options.clone(),
            sockets: core::mem::take(&mut bound.sockets[index]),
            waker: wakers[index].clone(),
            peers: wakers.clone(),
            sleeps: sleeps.clone(),
            senders: core::mem::take(&mut senders[index]),
            receivers: core::mem::take(&mut receivers[index]),
            ring_slot_bytes: RING_SLOT_BYTES,
            records: producer,
            control: control.clone(),
            counters: view.counters.clone(),
            driver_counters: view.driver.clone(),
            status: view.status.clone(),
        };
        running.views.push(view);
        running.records.push(consumer);
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        running.threads.push(thread.spawn(move || worker::run(outfit))?);
    }
    Ok(running)
}

/// All sockets, by worker, and where they are.
struct Bound {
    sockets: Vec<Sockets>,
    listening: Vec<SocketAddr>,
    tunnel_addresses: Vec<SocketAddr>,
}

fn bind(options: &NodeOptions) -> Result<Bound, StartError> {
    let count = options.workers.len();
    let mut sockets: Vec<Sockets> = (0..count).map(|_| Sockets::default()).collect();
    let accepting: Vec<usize> = (0..count).filter(|index| options.workers[*index].accepts).collect();
    let mut listening = Vec::new();
    for listener in &options.plan.listeners {
        let address = listener.address;
        let group = socket::listen_group(address, accepting.len(), &options.listen)
            .map_err(|error| StartError::Bind(address, error))?;
        listening.push(bound_address(&group, address)?);
        for (worker, socket) in accepting.iter().zip(group) {
            sockets[*worker].listeners.push(socket);
        }
    }
    let mut tunnel_addresses = Vec::new();
    for TunnelSocket { address, device } in options.tunnels.iter().flat_map(|tunnels| &tunnels.sockets) {
        let address = *address;
        let udp = UdpOptions { device: device.clone(), ..options.udp.clone() };
        // One socket per worker, steered by the owner byte: a worker that owns no tunnel gets no datagram either,
        // because no receiver id names it.
        let group =
            socket::udp_group(address, count, &udp, &Steering::TUNNEL).map_err(|error| match device {
                Some(device) if is_of_device(&error) => StartError::Device(device.clone(), error),
                Some(_) | None => StartError::Bind(address, error),
            })?;
        tunnel_addresses.push(bound_address(&group, address)?);
        for (worker, socket) in group.into_iter().enumerate() {
            sockets[worker].udp.push(socket);
        }
    }
    Ok(Bound { sockets, listening, tunnel_addresses })
}

/// The device is none, or not for us.
fn is_of_device(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(libc::ENODEV)
}

fn bound_address(group: &[OwnedFd], wanted: SocketAddr) -> Result<SocketAddr, StartError> {
    group.first().map_or(Ok(wanted), |socket| Ok(socket::local_address(socket.as_fd())?))
}

type Senders = Vec<Vec<Option<Sender>>>;
type Receivers = Vec<Vec<Option<Receiver>>>;

/// A bundle of rings from every worker to every other one.
fn rings(count: usize, slots: usize) -> (Senders, Receivers) {
    let empty = |_| -> Vec<_> { (0..count).map(|_| None).collect() };
    let mut senders: Senders = (0..count).map(empty).collect();
    let empty = |_| -> Vec<_> { (0..count).map(|_| None).collect() };
    let mut receivers: Receivers = (0..count).map(empty).collect();
    for from in 0..count {
        for to in (0..count).filter(|to| *to != from) {
            let (sender, receiver) = lanes(slots, RING_SLOT_BYTES);
            senders[from][to] = Some(sender);
            receivers[to][from] = Some(receiver);
        }
    }
    (senders, receivers)
}
