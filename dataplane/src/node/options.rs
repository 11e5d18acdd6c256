//! What a node is started with. Plain data, checked by whoever made it.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::blender::Options as BlenderOptions;
use crate::compression::Codec;
use crate::reactor::options::DriverOptions;
use crate::reactor::socket::{ListenOptions, UdpOptions};
use crate::role::limits::Limits;
use crate::role::plan::Plan;
use crate::tmp::key::{PresharedKey, PrivateKey};
use crate::tmp::key_log::KeyLog;
use crate::tmp::options::TunnelOptions;

/// Which driver runs the roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// io_uring.
    Uring,
    /// epoll, through mio.
    Epoll,
}

/// Where one worker runs and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerPlace {
    /// The CPU that it is pinned to; `None`: wherever the kernel likes.
    pub cpu: Option<usize>,
    /// Whether it accepts clients; a worker for tunnels alone does not.
    pub accepts: bool,
    /// Whether it may own tunnels.
    pub owns_tunnels: bool,
}

/// Where datagrams of tunnels come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSocket {
    /// The address; port 0: a free one.
    pub address: SocketAddr,
    /// The network device that it is bound to by name, whatever the routing table says.
    pub device: Option<String>,
}

impl From<SocketAddr> for TunnelSocket {
    fn from(address: SocketAddr) -> Self {
        Self { address, device: None }
    }
}

/// The tunnels of a node.
#[derive(Clone)]
pub struct TunnelSetup {
    /// Our private key.
    pub key: PrivateKey,
    /// The secret shared with the peers, if any.
    pub psk: Option<PresharedKey>,
    /// Our UDP sockets: a back-end is reached at them, paths of a front-end leave from them.
    pub sockets: Vec<TunnelSocket>,
    /// Sizes of a tunnel.
    pub transport: TunnelOptions,
    /// How streams share it.
    pub blender: BlenderOptions,
    /// How long a stream's turn may last at the tunnel's pace, in µs, where that is more than a sub-packet.
    pub turn_us: u32,
    /// Tunnels that one worker may have at once.
    pub tunnels_max: usize,
    /// What streams are compressed with; `None`: not.
    pub codec: Option<Codec>,
    /// Where the secrets of sessions go, if anywhere.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

/// The whole node.
#[derive(Clone)]
pub struct NodeOptions {
    /// Sites, ways, listeners.
    pub plan: Arc<Plan>,
    /// Plans that follow may have the first origins, so that there is room for connections to them.
    pub may_ask_origins: bool,
    /// Bounds of each worker.
    pub limits: Arc<Limits>,
    /// The workers, at most 64.
    pub workers: Vec<WorkerPlace>,
    /// The driver.
    pub io: Io,
    /// The driver's sizes.
    pub driver: DriverOptions,
    /// Options of the listening sockets.
    pub listen: ListenOptions,
    /// Options of the tunnels' sockets.
    pub udp: UdpOptions,
    /// Tunnels, if there are any.
    pub tunnels: Option<TunnelSetup>,
    /// Trains of datagrams of one worker on their way at once.
    pub trains: usize,
    /// Records per priority ring between two workers; a power of two.
    pub ring_slots: usize,
    /// Access records that may wait for the log, per worker; a power of two.
    pub record_slots: usize,
    /// Whether write queues and train buffers ask for huge pages.
    pub huge_pages: bool,
}
