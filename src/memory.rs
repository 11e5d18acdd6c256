//! The sum of the bounds: what a node would hold if every bound were reached at once.
//!
//! Reserved at start: buffers, pools, rings. The rest grows as it is used. Figures per connection and per exchange
//! are what the tables take today, rounded up; the kernel's share is an estimate (tcp_mem tells the truth).

use crate::config::{Buffers, NodeConfig};
use crate::form::size;
use dataplane::port::TRAIN_BYTES;
use dataplane::role::plan::Route;
use dataplane::tmp::limits::PATHS_MAX;
use dataplane::tmp::options::TunnelOptions;
use dataplane::tmp::path::Path;

/// Table entries of one connection: role, port and driver together.
const CONNECTION_BYTES: u64 = 512;

/// Table entries of one exchange on both its sides, its access record under way included.
const EXCHANGE_BYTES: u64 = 2_048;

/// Table entries of one stream in a tunnel.
const STREAM_BYTES: u64 = 256;

/// Bytes of a slot of a priority ring: a record and its length.
const RING_SLOT_BYTES: u64 = 2_048 + 64;

/// Priority rings between two workers: one per class.
const RINGS: u64 = 5;

/// Records that wait for the access log per worker, and the bytes of each.
const LOG_BYTES: u64 = 4_096 * 1_024;

/// What the kernel keeps of an idle TCP connection.
const KERNEL_CONNECTION_BYTES: u64 = 5 << 10;

/// Code, stacks, histograms, the admin server.
const BASE_BYTES: u64 = 32 << 20;

/// One holder of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// What it is, with the flags that size it.
    pub(crate) name: &'static str,
    /// Bytes in the whole process.
    pub(crate) bytes: u64,
}

/// All holders.
pub(crate) fn holders(config: &NodeConfig) -> Vec<Holder> {
    let workers = config.cores.cpus.len() as u64;
    let mut holders = per_worker(config);
    for holder in &mut holders {
        holder.bytes = holder.bytes.saturating_mul(workers);
    }
    let tunnels = config.plan.routes.len().max(config.plan.peers.len()) as u64;
    let tunnel = &config.tunnel;
    let budgets = (tunnel.send_budget_bytes as u64).saturating_add(tunnel.receive_budget_bytes as u64);
    let streams = (tunnel.streams_max as u64).saturating_mul(STREAM_BYTES);
    // A front-end opens as many paths as its routes have addresses; a back-end lets each peer open all.
    let places = |route: &Route| (route.addresses.len() + route.carriers.len()) as u64;
    let opened: u64 = config.plan.routes.iter().map(places).sum();
    let paths = opened.max((config.plan.peers.len() * PATHS_MAX) as u64);
    let path_bytes = Path::bytes_max(&TunnelOptions::default()) as u64;
    let slots = config.driver.ring_slots as u64;
    let lanes = workers.saturating_mul(workers.saturating_sub(1)).saturating_mul(RINGS);
    let each_way = [
        ("tunnels (--tunnel-send-bytes, --tunnel-receive-bytes)", tunnels.saturating_mul(budgets)),
        ("streams of the tunnels (--streams-max)", tunnels.saturating_mul(streams)),
        ("packets under way on the tunnels' paths", paths.saturating_mul(path_bytes)),
        ("priority rings (--ring-slots)", lanes.saturating_mul(slots).saturating_mul(RING_SLOT_BYTES)),
        ("program, stacks, histograms", BASE_BYTES),
    ];
    holders.extend(each_way.map(|(name, bytes)| Holder { name, bytes }));
    holders
}

/// The sum.
pub(crate) fn sum(holders: &[Holder]) -> u64 {
    holders.iter().fold(0, |sum, holder| sum.saturating_add(holder.bytes))
}

/// One line per holder, then the sum and the limit.
pub(crate) fn lines(config: &NodeConfig) -> Vec<String> {
    let holders = holders(config);
    let line = |name: &str, bytes| format!("memory {:>9}  {name}", shown(bytes));
    let mut lines: Vec<String> = holders.iter().map(|holder| line(holder.name, holder.bytes)).collect();
    lines.push(line("sum of the bounds", sum(&holders)));
    if let Some(limit) = config.memory_limit_bytes {
        lines.push(line("limit (--mem-limit)", limit));
    }
    lines
}

/// Bytes in MiB, rounded up, so that no sum looks smaller than it is.
fn shown(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// What exceeds the limit, in words, or nothing.
pub(crate) fn excess(config: &NodeConfig) -> Option<String> {
    let (sum, limit) = (sum(&holders(config)), config.memory_limit_bytes?);
    (sum > limit).then(|| {
        let mut text = format!("the bounds add up to {}, more than {}:", shown(sum), shown(limit));
        for line in lines(config) {
            text.push_str("\n      ");
            text.push_str(&line);
        }
        text.push_str("\n   ");
        text
    })
}

fn per_worker(config: &NodeConfig) -> Vec<Holder> {
    let (limits, driver) = (&config.limits, &config.driver);
    let connections = connections(config);
    let group = |buffers: &Buffers| (buffers.bytes as u64).saturating_mul(buffers.count as u64);
    let sockets =
        (config.sockets.udp_receive_bytes as u64).saturating_add(config.sockets.udp_send_bytes as u64);
    let kernel = connections.saturating_mul(KERNEL_CONNECTION_BYTES);
    let rings = u64::from(driver.submission_entries) * 64 + u64::from(driver.completion_entries) * 16;
    [
        ("write queues (--queue-bytes)", limits.queue_bytes as u64),
        ("clients' unread input (--held-bytes)", limits.held_bytes as u64),
        (
            "connection tables (--connections-max, --exchanges-max)",
            connections.saturating_mul(CONNECTION_BYTES),
        ),
        ("exchange tables (--exchanges-max)", (limits.exchanges_max as u64).saturating_mul(EXCHANGE_BYTES)),
        ("receive buffers (--buf-small)", group(&driver.small)),
        ("receive buffers (--buf-large)", group(&driver.large)),
        ("receive buffers (--buf-udp)", group(&driver.datagrams)),
        ("datagram trains (--trains)", (driver.trains * TRAIN_BYTES) as u64),
        ("io_uring queues (--sq, --cq)", rings),
        ("records that wait for the access log", LOG_BYTES),
        ("kernel: TCP connections", kernel),
        (
            "kernel: tunnel sockets (--udp-rcvbuf, --udp-sndbuf)",
            sockets.saturating_mul(config.listen_udp.len() as u64),
        ),
    ]
    .map(|(name, bytes)| Holder { name, bytes })
    .into()
}

/// TCP connections of one worker at most: clients, those being told 503, and those to origins.
pub(crate) fn connections(config: &NodeConfig) -> u64 {
    let limits = &config.limits;
    let clients =
        if config.plan.listeners.is_empty() { 0 } else { limits.connections_max + limits.shedding_max };
    let origins = if config.origins.is_empty() { 0 } else { limits.origin_connections_max() };
    (clients as u64).saturating_add(origins as u64)
}

/// The size that would do, as a flag's value.
pub(crate) fn enough(config: &NodeConfig) -> String {
    size::write(sum(&holders(config)).div_ceil(1 << 20) << 20)
}
