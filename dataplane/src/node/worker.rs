//! One worker's thread: pins itself, makes its memory there (first touch decides the NUMA node), and runs its role.

use std::io;
use std::sync::Arc;

use crate::access::SLOT_BYTES;
use crate::compression::OFFER;
use crate::node::options::{Io, NodeOptions};
use crate::port::{Port, PortOptions, SocketId};
use crate::reactor::counters::DriverCounters;
use crate::reactor::lanes::{Receiver, Sender};
use crate::reactor::options::Sockets;
use crate::reactor::sleep::Sleep;
use crate::reactor::spsc::Producer;
use crate::reactor::wake::Waker;
use crate::reactor::{clock, epoll, machine, placement, uring};
use crate::role::clients::{Clients, ClientsOptions, RecordSink};
use crate::role::control::Control;
use crate::role::counters::Counters;
use crate::role::crossing::Crossing;
use crate::role::node::{Node, NodeParts};
use crate::role::origins::Origins;
use crate::role::status::StatusBoard;
use crate::role::trunk::{CARRIERS_MAX, Trunk, TrunkOptions};
use crate::tmp::endpoint::{Endpoint, EndpointOptions, Refused};
use crate::tmp::options::TunnelOptions;
use crate::tmp::random::SystemRandom;

/// Timers of tunnels are finer than the kernel's usual 50 µs of slack.
const TIMER_SLACK_NS: u32 = 1;

/// Everything that one worker's thread takes with it.
pub(crate) struct Outfit {
    pub(crate) worker: u8,
    pub(crate) options: Arc<NodeOptions>,
    pub(crate) sockets: Sockets,
    pub(crate) waker: Waker,
    pub(crate) peers: Vec<Waker>,
    pub(crate) sleeps: Vec<Arc<Sleep>>,
    pub(crate) senders: Vec<Option<Sender>>,
    pub(crate) receivers: Vec<Option<Receiver>>,
    pub(crate) ring_slot_bytes: usize,
    pub(crate) records: Producer,
    pub(crate) control: Arc<Control>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) driver_counters: Arc<DriverCounters>,
    pub(crate) status: Arc<StatusBoard>,
}

/// Runs a worker to its end; how many exchanges were cut.
pub(crate) fn run(outfit: Outfit) -> io::Result<usize> {
    let options = outfit.options.clone();
    let place = options.workers[usize::from(outfit.worker)];
    if let Some(cpu) = place.cpu {
        placement::pin(cpu)?;
    }
    machine::set_timer_slack(TIMER_SLACK_NS)?;
    let limits = &options.limits;
    let asks_origins = options.may_ask_origins || !options.plan.origins.is_empty();
    let origins_max = if asks_origins { limits.origin_connections_max() } else { 0 };
    let carriers_max = if options.tunnels.is_some() { CARRIERS_MAX } else { 0 };
    let mut port = Port::new(&PortOptions {
        tcp_max: limits.connections_max + limits.shedding_max + origins_max + carriers_max,
        block_bytes: limits.block_bytes,
        blocks: limits.queue_bytes / limits.block_bytes,
        trains: options.trains,
    });
    let Outfit { sockets, waker, peers, driver_counters, .. } = outfit;
    let mut node = Node::new(NodeParts {
        worker: outfit.worker,
        plan: options.plan.clone(),
        limits: limits.clone(),
        counters: outfit.counters.clone(),
        control: outfit.control.clone(),
        sleeps: outfit.sleeps,
        clients: clients(&options, outfit.worker, &outfit.counters, outfit.records),
        trunk: trunk(&options, outfit.worker)?,
        origins: (!options.plan.origins.is_empty()).then(|| {
            Origins::new(
                options.plan.clone(),
                limits.clone(),
                outfit.counters.clone(),
                outfit.control.clone(),
            )
        }),
        crossing: Crossing::new(
            outfit.worker,
            outfit.senders,
            outfit.receivers,
            (options.plan.clone(), outfit.control.clone()),
            outfit.ring_slot_bytes,
            outfit.counters.clone(),
        ),
        status: outfit.status,
    });
    let driver = &options.driver;
    match options.io {
        Io::Epoll => epoll::run(&mut node, &mut port, sockets, driver, &waker, &peers, &driver_counters)?,
        Io::Uring => uring::run(&mut node, &mut port, sockets, driver, &waker, &peers, &driver_counters)?,
    }
    Ok(node.cut())
}

fn clients(
    options: &NodeOptions,
    worker: u8,
    counters: &Arc<Counters>,
    records: Producer,
) -> Option<Clients> {
    let accepts = options.workers[usize::from(worker)].accepts
        && options.plan.listeners.iter().any(|listener| !listener.carries_tunnels);
    let now = clock::now();
    let unix_origin_us = clock::unix_us() - now.as_us();
    accepts.then(|| {
        Clients::new(ClientsOptions {
            plan: options.plan.clone(),
            limits: options.limits.clone(),
            counters: counters.clone(),
            worker,
            unix_origin_us,
            // Unique within the process, and hardly ever the same as one of an earlier run: seconds, worker, count.
            decision_seed: (clock::unix_us() / 1_000_000) << 32 | u64::from(worker) << 26,
            records: Box::new(RecordRing(records)),
        })
    })
}

/// The tunnels that this worker owns; `None` if it may own none.
fn trunk(options: &NodeOptions, worker: u8) -> io::Result<Option<Trunk>> {
    let Some(setup) = &options.tunnels else { return Ok(None) };
    if !options.workers[usize::from(worker)].owns_tunnels {
        return Ok(None);
    }
    // The trunk bounds what is unsent per stream; what is sent and not acknowledged is bounded by the window and the
    // peer's credit. So the transport's own buffer must never be the narrower one: a short write fails the stream.
    let transport =
        TunnelOptions { send_buffer_bytes: setup.transport.send_buffer_bytes_max, ..setup.transport.clone() };
    let endpoint = Endpoint::new(
        EndpointOptions {
            owner: worker,
            owners: options.workers.len() as u8,
            is_responder: !options.plan.peers.is_empty(),
            tunnels_max: setup.tunnels_max,
            key_log: setup.key_log.clone(),
            role_word: Some(OFFER.to_bytes()),
            ..EndpointOptions::new(setup.key.clone(), transport)
        },
        Box::new(SystemRandom::new()),
    );
    let sockets = setup.sockets.iter().enumerate();
    let sockets = sockets.map(|(index, socket)| (SocketId(index as u16), socket.address.is_ipv4())).collect();
    let mut trunk = Trunk::new(
        endpoint,
        sockets,
        setup.psk.clone(),
        TrunkOptions {
            blender: setup.blender,
            streams_max: setup.transport.streams_max,
            stream_bytes: options.limits.stream_bytes,
            tunnel_wait: options.limits.tunnel_wait,
            segments_max: options.driver.gso_segments_max,
            coalesce_us: options.driver.coalesce_us,
            turn_us: setup.turn_us,
            workers: options.workers.len(),
            datagram_bytes_max: setup.transport.datagram_bytes_max,
            codec: setup.codec,
            credit_bytes_min: setup.transport.credit_bytes_min,
        },
    );
    trunk.take_plan(clock::now(), &options.plan).map_err(refused)?;
    Ok(Some(trunk))
}

fn refused(why: Refused) -> io::Error {
    io::Error::other(match why {
        Refused::Full => "more tunnels than the endpoint holds",
        Refused::NoAddress => "a route without an address",
        Refused::BadKey => "a public key that is our own, or is none",
    })
}

/// The ring to the log's thread.
struct RecordRing(Producer);

impl RecordSink for RecordRing {
    fn put(&mut self, encode: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        let Some(slot) = self.0.reserve() else { return false };
        debug_assert_eq!(slot.len(), SLOT_BYTES);
        let bytes = encode(slot);
        self.0.commit(bytes);
        self.0.publish();
        true
    }
}
