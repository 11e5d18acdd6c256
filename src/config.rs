//! What a node is told, whole and checked: the doors `front` and `back` make it from flags, the node runs it.
//!
//! Plain data: nothing in here opens, resolves or decides. Counts and bytes are per worker unless a field says
//! otherwise. `origins[i]` belongs to `plan.origins[i]`; owners of routes are indices of `cores.cpus`.

#![allow(dead_code, reason = "the whole contract stands here, also the fields that no part reads yet")]

use crate::args::reporting::ReportConfig;
use crate::rule_source::RuleSource;
use controlplane::logs::daemon::Level;
use core::net::SocketAddr;
use dataplane::compression::Codec;
use dataplane::node::TunnelSocket;
use dataplane::reactor::privileges::Identity;
use dataplane::role::limits::Limits;
use dataplane::role::plan::Plan;
use dataplane::time::Duration;
use dataplane::tmp::key::{PresharedKey, PrivateKey, PublicKey};
use dataplane::tmp::profile::{Profile, WindowFloor};
use dataplane::tmp::spread::PathUse;
use std::path::PathBuf;

/// Which end of the tunnel a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Near the users: it begins the tunnels.
    Front,
    /// Near the origins: it answers them.
    Back,
}

impl End {
    /// The subcommand's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Back => "back",
        }
    }
}

/// The whole.
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    /// Which end.
    pub(crate) end: End,
    /// Sites, listeners, routes, peers, rules: what the roles read.
    pub(crate) plan: Plan,
    /// Every bound and time-out of the roles.
    pub(crate) limits: Limits,
    /// Where the origins of `plan.origins` are, names unresolved.
    pub(crate) origins: Vec<OriginAddress>,
    /// Our private key; present if there are routes or peers.
    pub(crate) key: Option<PrivateKey>,
    /// The secret shared with every peer or route, if any.
    pub(crate) psk: Option<PresharedKey>,
    /// Where the secrets of sessions are written, if anywhere.
    pub(crate) key_log: Option<PathBuf>,
    /// UDP sockets of the tunnels. A back-end listens there; a front-end sends from there (port 0: any).
    pub(crate) listen_udp: Vec<TunnelSocket>,
    /// It runs from a tree: a reload may bring the first origins, and the first tunnels if there is a key.
    pub(crate) may_grow: bool,
    /// Workers and where they run.
    pub(crate) cores: Cores,
    /// The drivers' sizes and habits.
    pub(crate) driver: DriverTuning,
    /// The sockets' options.
    pub(crate) sockets: SocketTuning,
    /// The tunnels' sizes.
    pub(crate) tunnel: TunnelTuning,
    /// How streams share a tunnel.
    pub(crate) blender: BlenderTuning,
    /// What operators see.
    pub(crate) seeing: Seeing,
    /// Where the rules come from, to read them again.
    pub(crate) rule_source: RuleSource,
    /// To whom it tells what it sees, if to anybody.
    pub(crate) report: Option<ReportConfig>,
    /// Our private key, where reports are made for front-ends or heard as one.
    pub(crate) report_identity: Option<PrivateKey>,
    /// Where it hears what others see, if it does.
    pub(crate) hears: Vec<SocketAddr>,
    /// Where commands are taken while it runs, if anywhere.
    pub(crate) control: Option<PathBuf>,
    /// Whom the process becomes once everything is bound; `None`: it stays who it is.
    pub(crate) identity: Option<Identity>,
    /// Bytes that the sum of the bounds may reach in the whole process; `None`: not looked at.
    pub(crate) memory_limit_bytes: Option<u64>,
}

/// What carries a tunnel's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CarrierKind {
    /// UDP, and TCP where that fails.
    Auto,
    /// UDP, and what the routes name.
    Udp,
}

/// One route of a front-end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteConfig {
    /// Its name.
    pub(crate) name: String,
    /// The back-end's public key.
    pub(crate) public_key: PublicKey,
    /// Where the back-end listens, and a path leads to each; empty only where there are carriers.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where it takes tunnels over TCP: further paths.
    pub(crate) carriers: Vec<SocketAddr>,
    /// How the paths are used.
    pub(crate) chosen: PathUse,
}

/// One front-end that a back-end lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerConfig {
    /// Its public key.
    pub(crate) public_key: PublicKey,
    /// The sites that it may open; `*` for all.
    pub(crate) sites: Vec<String>,
}

/// Where an origin is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OriginAddress {
    /// A name or a literal address, IPv6 without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
}

/// Workers and where they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// One worker per entry, pinned to that cpu; at least one, at most `WORKERS_MAX`, none twice.
    pub(crate) cpus: Vec<usize>,
    /// Who owns tunnels.
    pub(crate) tunnel_cores: TunnelCores,
    /// Whose memory the workers use.
    pub(crate) numa: Numa,
}

/// Workers of one process: the port wakes them by a bit of 64 each.
pub(crate) const WORKERS_MAX: usize = 64;

/// Which workers own tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TunnelCores {
    /// All workers, beside their clients.
    Shared,
    /// The workers on these cpus (some of `Cores::cpus`), which accept no clients.
    Dedicated(Vec<usize>),
}

/// Whose memory the workers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numa {
    /// The node of each worker's core, by first touch.
    Auto,
    /// All workers run on this node.
    Node(usize),
}

impl Cores {
    /// Whether this worker owns tunnels and nothing else.
    pub(crate) fn is_dedicated(&self, worker: usize) -> bool {
        match &self.tunnel_cores {
            TunnelCores::Shared => false,
            TunnelCores::Dedicated(cpus) => cpus.contains(&self.cpus[worker]),
        }
    }

    /// The workers that own tunnels, as indices of `cpus`.
    pub(crate) fn owners(&self) -> Vec<u8> {
        let owns = |worker: &usize| match &self.tunnel_cores {
            TunnelCores::Shared => true,
            TunnelCores::Dedicated(_) => self.is_dedicated(*worker),
        };
        (0..self.cpus.len()).filter(owns).map(|worker| worker as u8).collect()
    }
}

/// Which driver runs the roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Io {
    /// io_uring, or the node does not start.
    Uring,
    /// epoll.
    Epoll,
    /// io_uring where it works, else epoll with a line in the log that says why.
    Auto,
}

/// Receive buffers of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// Bytes of each.
    pub(crate) bytes: usize,
    /// How many.
    pub(crate) count: usize,
}

/// Whether buffer memory is put on huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HugePages {
    /// Never.
    Off,
    /// Where the kernel has some; else ordinary pages.
    Try,
}

/// The drivers' sizes and habits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriverTuning {
    /// Which driver.
    pub(crate) io: Io,
    /// Entries of the submission queue.
    pub(crate) submission_entries: u32,
    /// Entries of the completion queue.
    pub(crate) completion_entries: u32,
    /// Buffers for heads and idle connections.
    pub(crate) small: Buffers,
    /// Buffers for bodies.
    pub(crate) large: Buffers,
    /// Buffers for datagrams; each holds a train that the kernel put together.
    pub(crate) datagrams: Buffers,
    /// Trains of datagrams on their way to the kernel at once.
    pub(crate) trains: usize,
    /// Records per priority ring between two workers; a power of two.
    pub(crate) ring_slots: usize,
    /// Huge pages.
    pub(crate) huge_pages: HugePages,
    /// µs to go on looking before sleeping.
    pub(crate) spin_us: u32,
    /// µs to wait for a batch to fill.
    pub(crate) batch_wait_us: u32,
    /// µs to let the datagrams of a long path gather.
    pub(crate) coalesce_us: u32,
    /// Most datagrams of one send (UDP_SEGMENT), 1..=64; 1 is off.
    pub(crate) gso_segments_max: usize,
    /// Whether the kernel may hand over several datagrams at once (UDP_GRO).
    pub(crate) gro: bool,
}

/// The sockets' options; `None` leaves a size to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketTuning {
    /// SO_RCVBUF of client connections.
    pub(crate) tcp_receive_bytes: Option<usize>,
    /// SO_SNDBUF of client connections.
    pub(crate) tcp_send_bytes: Option<usize>,
    /// SO_RCVBUF of the tunnels' sockets.
    pub(crate) udp_receive_bytes: usize,
    /// SO_SNDBUF of the tunnels' sockets.
    pub(crate) udp_send_bytes: usize,
    /// Clients that may wait to be accepted, per listener.
    pub(crate) backlog: u32,
}

/// The tunnels' sizes; bytes are per tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TunnelTuning {
    /// Streams at once.
    pub(crate) streams_max: usize,
    /// Bytes written and not yet acknowledged, all streams together.
    pub(crate) send_budget_bytes: usize,
    /// Bytes received and not yet read, all streams together.
    pub(crate) receive_budget_bytes: usize,
    /// Credit that every stream has at least; both ends must agree on it.
    pub(crate) credit_bytes_min: usize,
    /// Largest datagram (UDP payload) to search for and to fill.
    pub(crate) datagram_bytes_max: u16,
    /// Largest that `datagram_bytes_max` may become while it runs.
    pub(crate) datagram_bytes_largest: u16,
    /// A tunnel that has sent nothing for so long sends a PING; zero: never.
    pub(crate) keep_alive: Duration,
    /// How a tunnel behaves beside others.
    pub(crate) profile: Profile,
    /// For how many connections the window stands.
    pub(crate) window_floor: WindowFloor,
    /// Share of what is sent that repair data may take, in percent.
    pub(crate) repair_percent: u32,
    /// What streams are compressed with, if with anything.
    pub(crate) codec: Option<Codec>,
}

/// Which reading of the blender's algorithm runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlenderMode {
    /// The loop with nothing added.
    Literal,
    /// The loop bounded in length, with deficits and grants on arrival.
    Bounded,
}

/// How streams share a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlenderTuning {
    /// Weights of the rings, highest first.
    pub(crate) weights: [u32; 5],
    /// Largest piece of one stream that leaves in one turn.
    pub(crate) sub_packet_bytes: u32,
    /// How long a turn may last at the tunnel's pace, in µs, where that is more.
    pub(crate) turn_us: u32,
    /// Which reading.
    pub(crate) mode: BlenderMode,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessLog {
    /// Standard error.
    Stderr,
    /// A file, reopened on SIGUSR1.
    File(PathBuf),
}

/// What operators see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeing {
    /// Where metrics, status and health are served.
    pub(crate) admin: Option<SocketAddr>,
    /// Names beside loopback and its own address that the admin server answers to.
    pub(crate) admin_hosts: Vec<String>,
    /// Where the access log goes, if anywhere.
    pub(crate) access_log: Option<AccessLog>,
    /// How much is said.
    pub(crate) log_level: Level,
}
