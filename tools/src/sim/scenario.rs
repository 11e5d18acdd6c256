//! The nodes of a run: one alone, or a pair with a tunnel between, made as the production start-up makes them, only
//! with small tables and a seeded source of randomness.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dataplane::access::SLOT_BYTES;
use dataplane::compression::{Codec, OFFER};
use dataplane::exchange::link::{Kind, Way};
use dataplane::port::{ListenerId, Port, PortOptions, SocketId};
use dataplane::reactor::lanes::{Receiver, Sender, lanes};
use dataplane::reactor::sleep::Sleep;
use dataplane::role::clients::{Clients, ClientsOptions, RecordSink};
use dataplane::role::control::Control;
use dataplane::role::counters::Counters;
use dataplane::role::crossing::Crossing;
use dataplane::role::limits::Limits;
use dataplane::role::node::{Node, NodeParts};
use dataplane::role::origins::Origins;
use dataplane::role::plan::{Listener, Origin, Peer, Plan, ProxyVersion, Route, Site};
use dataplane::role::status::StatusBoard;
use dataplane::role::trunk::{Trunk, TrunkOptions};
use dataplane::rules::{Condition, Label, Pattern, RequestRule, Rules};
use dataplane::stdx::prng::Prng;
use dataplane::time::{Duration, Instant};
use dataplane::tmp::endpoint::{Endpoint, EndpointOptions};
use dataplane::tmp::key::{PresharedKey, PrivateKey};
use dataplane::tmp::options::TunnelOptions;
use dataplane::tmp::path_limits::PathLimits;
use dataplane::tmp::random::PredictableRandom;
use dataplane::tmp::spread::{PathUse, Spread};

use crate::sim::client::Doors;
use crate::sim::driver::Worker;
use crate::sim::fault::{Fault, Faults};
use crate::sim::given::Given;
use crate::sim::message::{NOT_ALLOWED, TCP_SITE, UNRESOLVED};

/// HTTP origins; the last one connects badly in some seeds. Behind them stands one for plain TCP.
pub(crate) const ORIGINS: usize = 3;
/// Bytes of a record in the rings between two workers.
const RING_SLOT_BYTES: usize = 2_048;

/// What stands between the clients and the origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One node with both.
    Alone,
    /// A front-end of so many workers, and a back-end.
    Pair(u8),
    /// A front-end of so many workers, and two back-ends for every site.
    Twins(u8),
}

/// Everything that a node is made from, so that it can be made again.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) shape: Shape,
    pub(crate) limits: Limits,
    pub(crate) transport: TunnelOptions,
    /// Of the front-end (or the node alone), and of every back-end.
    plans: [Arc<Plan>; 2],
    ring_slots: usize,
    trains: usize,
    segments_max: usize,
    tcp_max: usize,
    proxy_origin: Option<ProxyVersion>,
    /// Paths to each back-end, and how they are used.
    paths: usize,
    chosen: PathUse,
    /// The front-end sends every name over its route, and the back-end sorts them.
    takes_every_name: bool,
    /// What the front-end and the back-ends compress with.
    codecs: [Option<Codec>; 2],
    seed: u64,
}

/// One process.
pub(crate) struct Process {
    pub(crate) control: Arc<Control>,
    pub(crate) counters: Vec<Arc<Counters>>,
    pub(crate) workers: Vec<u16>,
    pub(crate) lives: bool,
}

pub(crate) const fn address(a: u8, b: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a, 0, b)), port)
}

/// Paths to a back-end at most.
pub(crate) const PATHS: usize = 3;

/// Where the sockets of the tunnels' ends are, by process: 0 the front-end, then the back-ends.
pub(crate) const fn tunnel_address(process: usize, socket: u16) -> SocketAddr {
    address(11 + process as u8, 1 + socket as u8, 7_000)
}

/// The process and the socket that an address of the tunnels is of.
pub(crate) fn process_at(to: SocketAddr) -> (usize, u16) {
    let IpAddr::V4(ip) = to.ip() else { return (0, 0) };
    let [_, process, _, socket] = ip.octets();
    (usize::from(process.saturating_sub(11)), u16::from(socket.saturating_sub(1)))
}

/// The addresses of an origin: two, the second of which is the bad one of the last origin.
pub(crate) fn origin_addresses(origin: usize) -> [SocketAddr; 2] {
    [address(3, origin as u8, 80), address(3, 100 + origin as u8, 80)]
}

/// Whether an address is one of an HTTP or TCP origin: which.
pub(crate) fn origin_of(to: SocketAddr) -> Option<usize> {
    (0..=ORIGINS).find(|origin| origin_addresses(*origin).contains(&to))
}

/// Where clients connect.
pub(crate) const DOORS: Doors = Doors {
    http: address(0, 1, 80),
    http_proxied: address(0, 1, 81),
    tcp: address(0, 1, 25),
    tcp_proxied: address(0, 1, 26),
};

/// The listener behind a door.
pub(crate) fn listener_of(to: SocketAddr) -> Option<ListenerId> {
    [DOORS.http, DOORS.http_proxied, DOORS.tcp, DOORS.tcp_proxied]
        .iter()
        .position(|door| *door == to)
        .map(|index| ListenerId(index as u16))
}

impl Scenario {
    /// Draws one.
    pub(crate) fn draw(seed: u64, shape: Shape, faults: &Faults, given: &Given) -> Self {
        let mut dice = Prng::new(seed ^ 0x5ce0);
        let second = |low: u64, high: u64, dice: &mut Prng| Duration::from_secs(dice.between(low, high));
        let few = faults.has(Fault::FewConnections);
        let pools = if faults.has(Fault::SmallPools) { dice.between(4, 24) as usize } else { 2_000 };
        let limits = Limits {
            connections_max: if few { dice.between(2, 5) as usize } else { 64 },
            shedding_max: if few { 3 } else { 32 },
            exchanges_max: if few { dice.between(2, 5) as usize } else { 64 },
            body_bytes_max: if faults.has(Fault::TinyBuffers) { 2_000 } else { 500_000 },
            stream_bytes: 64 << 10,
            held_bytes: pools * 4_096,
            queue_bytes: pools * 4_096,
            block_bytes: 4_096,
            pool_max: dice.between(0, 6) as usize,
            head_timeout: second(10, 20, &mut dice),
            body_timeout: second(10, 30, &mut dice),
            idle_timeout: second(5, 20, &mut dice),
            send_timeout: second(10, 30, &mut dice),
            total_timeout: Duration::ZERO,
            linger_timeout: second(1, 2, &mut dice),
            connect_timeout: second(2, 5, &mut dice),
            answer_timeout: second(20, 40, &mut dice),
            stall_timeout: second(30, 60, &mut dice),
            pool_timeout: second(2, 20, &mut dice),
            tunnel_wait: second(2, 6, &mut dice),
            drain_timeout: second(1, 8, &mut dice),
            ..Limits::default()
        };
        // A handshake may be lost several times; where nothing else may fail, exchanges wait for it longer than that.
        let patience = second(15, 20, &mut dice);
        let may_start_late = faults.has(Fault::Loss) || faults.has(Fault::Corruption);
        let limits = if may_start_late && !faults.is_destructive() {
            Limits { tunnel_wait: patience, ..limits }
        } else {
            limits
        };
        let streams_max = if few { 8 } else { 128 };
        let send_buffer_bytes = [65 << 10, 256 << 10][dice.below(2) as usize];
        let mut transport = TunnelOptions {
            streams_max,
            send_budget_bytes: 8 << 20,
            receive_budget_bytes: 8 << 20,
            // At least a stream's credit and its envelope, and never less again: as production has it.
            send_buffer_bytes,
            send_buffer_bytes_max: send_buffer_bytes,
            receive_window_bytes: 32 << 10,
            receive_window_bytes_max: 256 << 10,
            packets_in_flight_max: 1_024,
            ..TunnelOptions::default()
        };
        transport.receive_budget_bytes =
            transport.receive_budget_bytes.max(transport.receive_budget_bytes_min());
        let proxy_origin = [None, Some(ProxyVersion::V1), Some(ProxyVersion::V2)]
            [dice.below(6).min(2) as usize]
            .filter(|_| dice.ppm(300_000));
        let mut scenario = Self {
            shape,
            tcp_max: limits.connections_max + limits.shedding_max + limits.origin_connections_max(),
            limits,
            transport,
            plans: [Arc::new(Plan::default()), Arc::new(Plan::default())],
            ring_slots: if faults.has(Fault::TinyBuffers) { 64 } else { 256 },
            trains: dice.between(1, 8) as usize,
            segments_max: dice.between(1, 40) as usize,
            proxy_origin,
            paths: 1,
            chosen: PathUse::default(),
            takes_every_name: dice.ppm(300_000),
            // Dice of its own: the worlds of known seeds stay what they are, but for this.
            codecs: [seed ^ 0xc0, seed ^ 0xdec].map(|seed| codec(&mut Prng::new(seed))),
            seed,
        };
        let owner = match shape {
            Shape::Pair(workers) | Shape::Twins(workers) => dice.below(workers.into()) as u8,
            Shape::Alone => 0,
        };
        if dice.ppm(400_000) || faults.has(Fault::DarkPath) {
            scenario.paths = dice.between(2, PATHS as u64) as usize;
            let spreads = [Spread::Failover, Spread::Best, Spread::Bond, Spread::Duplicate];
            let wait_us = [0, 0, 20_000][dice.below(3) as usize];
            let limits = PathLimits { wait_us, ..PathLimits::default() };
            scenario.chosen = PathUse { spread: spreads[dice.below(4) as usize], limits };
        }
        scenario.paths = given.paths.map_or(scenario.paths, |paths| paths.clamp(1, PATHS));
        scenario.chosen.spread = given.route_mode.unwrap_or(scenario.chosen.spread);
        scenario.plans = [Arc::new(scenario.front_plan(owner)), Arc::new(scenario.back_plan())];
        scenario
    }

    /// Bytes that one connection may have queued: a stream's credit, a head, and what an end adds.
    pub(crate) fn queue_bound_bytes(&self) -> usize {
        self.limits.stream_bytes as usize + 2 * (self.limits.http.head_bytes_max + 8_192)
    }

    fn has_tunnel(&self) -> bool {
        self.shape != Shape::Alone
    }

    /// A rule for each class; every other seed has one for the rest, plain connections among it, that asks for compression.
    fn rules(&self) -> Rules {
        let rest = RequestRule {
            label: Label::NONE,
            conditions: Vec::new(),
            class: Rules::default().class_default,
            compress: Some(true),
            cache: None,
        };
        let rest = self.seed.is_multiple_of(2).then_some(rest);
        Rules { requests: (0..5).map(class_rule).chain(rest).collect(), ..Rules::default() }
    }

    fn front_plan(&self, owner: u8) -> Plan {
        let way = |origin: usize| if self.has_tunnel() { Way::Route(0) } else { Way::Origin(origin as u16) };
        let name = |origin: usize| format!("site{origin}.example");
        let others = || if self.backs() > 1 { vec![Way::Route(1)] } else { Vec::new() };
        let site = |name, way| Site { name, way, others: others(), alias_of: None, retired: None };
        let mut sites: Vec<Site> = (0..ORIGINS).map(|origin| site(name(origin), way(origin))).collect();
        // The host of the messages that are refused in their bodies.
        sites.push(site("a".to_owned(), way(0)));
        sites.push(site(UNRESOLVED.to_owned(), way(ORIGINS + 2)));
        if self.has_tunnel() {
            sites.push(site(NOT_ALLOWED.to_owned(), way(0)));
        }
        if self.has_tunnel() && self.takes_every_name {
            sites = vec![site("*".to_owned(), way(0))];
        }
        sites.push(site(TCP_SITE.to_owned(), way(ORIGINS)));
        let tcp_site = Some(sites.len() as u16 - 1);
        let listener =
            |address, proxy, tcp_site| Listener { address, proxy, tcp_site, carries_tunnels: false };
        Plan {
            listeners: vec![
                listener(DOORS.http, false, None),
                listener(DOORS.http_proxied, true, None),
                listener(DOORS.tcp, false, tcp_site),
                listener(DOORS.tcp_proxied, true, tcp_site),
            ],
            sites: sites.into(),
            routes: (0..self.backs()).map(|back| self.route(back, owner)).collect(),
            origins: if self.has_tunnel() { Vec::new().into() } else { self.origins().into() },
            peers: Vec::new(),
            rules: Arc::new(self.rules()),
            trusted_proxies: Vec::new(),
            pseudonym: "front".to_owned(),
            generation: 0,
        }
    }

    fn origins(&self) -> Vec<Origin> {
        let origin = |site: &str, kind| Origin {
            site: site.to_owned(),
            kind,
            label: site.to_owned(),
            proxy: self.proxy_origin,
            retired: None,
        };
        let mut origins: Vec<Origin> =
            (0..ORIGINS).map(|index| origin(&format!("site{index}.example"), Kind::Http)).collect();
        origins.push(origin(TCP_SITE, Kind::Tcp));
        origins.push(origin("a", Kind::Http));
        origins.push(origin(UNRESOLVED, Kind::Http));
        origins
    }

    fn back_plan(&self) -> Plan {
        Plan {
            origins: self.origins().into(),
            peers: vec![Peer {
                label: "front".to_owned(),
                public_key: key(0).public(),
                retired: None,
                sites: self.origins().into_iter().map(|origin| origin.site.into_bytes()).collect(),
            }],
            pseudonym: "back".to_owned(),
            ..Plan::default()
        }
    }

    /// Which PROXY header the origins get.
    pub(crate) fn proxy_origin(&self) -> Option<ProxyVersion> {
        self.proxy_origin
    }

    /// How many workers the process has: 0 the front-end (or the node alone), then the back-ends.
    pub(crate) fn workers(&self, process: usize) -> usize {
        match (self.shape, process) {
            (Shape::Pair(workers) | Shape::Twins(workers), 0) => usize::from(workers),
            _ => 1,
        }
    }

    /// How many back-ends there are.
    pub(crate) fn backs(&self) -> usize {
        match self.shape {
            Shape::Alone => 0,
            Shape::Pair(_) => 1,
            Shape::Twins(_) => 2,
        }
    }

    /// How many paths there are to each back-end.
    pub(crate) const fn paths(&self) -> usize {
        self.paths
    }

    /// How many processes there are.
    pub(crate) fn processes(&self) -> usize {
        1 + self.backs()
    }

    /// Starts a process; `life` counts how often it was started before, so that no two lives share their luck.
    pub(crate) fn start(
        &self,
        process: usize,
        life: u64,
        first: u16,
        now: Instant,
    ) -> (Process, Vec<Worker>) {
        let plan = &self.plans[process.min(1)];
        let count = self.workers(process);
        let control = Arc::new(Control::new(plan.clone(), count));
        for index in 0..plan.origins.len() {
            if plan.origins[index].site == UNRESOLVED {
                continue;
            }
            // The origin of the refused messages is the first one.
            let origin = if index > ORIGINS { 0 } else { index };
            let addresses = origin_addresses(origin);
            let known = if origin == 1 { &addresses[..] } else { &addresses[..1] };
            control.publish(index, known);
        }
        let sleeps: Vec<Arc<Sleep>> = (0..count).map(|_| Arc::new(Sleep::new())).collect();
        let (mut senders, mut receivers) = rings(count, self.ring_slots);
        let mut counters = Vec::new();
        let mut workers = Vec::new();
        for worker in 0..count {
            let counted = Arc::new(Counters::default());
            counters.push(counted.clone());
            let node = Node::new(NodeParts {
                worker: worker as u8,
                plan: plan.clone(),
                limits: Arc::new(self.limits.clone()),
                counters: counted.clone(),
                control: control.clone(),
                sleeps: sleeps.clone(),
                clients: (!plan.listeners.is_empty()).then(|| self.clients(plan, worker, &counted)),
                trunk: self.trunk(process, worker, life, now),
                origins: (!plan.origins.is_empty()).then(|| {
                    Origins::new(
                        plan.clone(),
                        Arc::new(self.limits.clone()),
                        counted.clone(),
                        control.clone(),
                    )
                }),
                crossing: Crossing::new(
                    worker as u8,
                    core::mem::take(&mut senders[worker]),
                    core::mem::take(&mut receivers[worker]),
                    (plan.clone(), control.clone()),
                    RING_SLOT_BYTES,
                    counted,
                ),
                status: Arc::new(StatusBoard::default()),
            });
            let port = Port::new(&PortOptions {
                tcp_max: self.tcp_max,
                block_bytes: self.limits.block_bytes,
                blocks: self.limits.queue_bytes / self.limits.block_bytes,
                trains: self.trains,
            });
            let address = tunnel_address(process, 0);
            let me = first + worker as u16;
            workers.push(Worker::new(me, node, port, address, self.queue_bound_bytes()));
        }
        let numbers = (first..first + count as u16).collect();
        (Process { control, counters, workers: numbers, lives: true }, workers)
    }

    fn clients(&self, plan: &Arc<Plan>, worker: usize, counters: &Arc<Counters>) -> Clients {
        Clients::new(ClientsOptions {
            plan: plan.clone(),
            limits: Arc::new(self.limits.clone()),
            counters: counters.clone(),
            worker: worker as u8,
            unix_origin_us: 1_700_000_000_000_000,
            decision_seed: (worker as u64) << 32,
            records: Box::new(Records(vec![0; SLOT_BYTES])),
        })
    }

    /// The route to a back-end. One worker has all tunnels: the world tells datagrams apart by their addresses only.
    fn route(&self, back: usize, owner: u8) -> Route {
        Route {
            name: ["east", "west"][back].to_owned(),
            public_key: key(1 + back).public(),
            addresses: (0..self.paths as u16).map(|socket| tunnel_address(1 + back, socket)).collect(),
            carriers: Vec::new(),
            chosen: self.chosen,
            owner,
            retired: None,
        }
    }

    fn trunk(&self, process: usize, worker: usize, life: u64, now: Instant) -> Option<Trunk> {
        let is_owner = process > 0 || self.plans[0].owner(0) == Some(worker as u8);
        if !self.has_tunnel() || !is_owner {
            return None;
        }
        let options = EndpointOptions {
            owner: worker as u8,
            owners: self.workers(process) as u8,
            is_responder: process > 0,
            tunnels_max: 8,
            role_word: Some(OFFER.to_bytes()),
            ..EndpointOptions::new(key(process).clone(), self.transport.clone())
        };
        let seed = self.seed ^ (process as u64 + 1) << 56 ^ life << 48;
        let endpoint = Endpoint::new(options, Box::new(PredictableRandom::new(seed)));
        let options = TrunkOptions {
            blender: Default::default(),
            streams_max: self.transport.streams_max,
            stream_bytes: self.limits.stream_bytes,
            tunnel_wait: self.limits.tunnel_wait,
            segments_max: self.segments_max,
            coalesce_us: 0,
            turn_us: 250,
            workers: self.workers(process),
            datagram_bytes_max: self.transport.datagram_bytes_max,
            codec: self.codecs[process.min(1)],
            credit_bytes_min: self.transport.credit_bytes_min,
        };
        let sockets = (0..self.paths as u16).map(|socket| (SocketId(socket), true)).collect();
        let mut trunk = Trunk::new(endpoint, sockets, Some(keys().1.clone()), options);
        let taken = trunk.take_plan(now, &self.plans[process.min(1)]);
        assert!(taken.is_ok(), "the peer has a key, and the route an address");
        Some(trunk)
    }
}

/// The key of a process.
fn key(process: usize) -> &'static PrivateKey {
    &keys().0[process]
}

/// All keys: made once, because making them costs more than using them.
fn keys() -> &'static ([PrivateKey; 3], PresharedKey) {
    static KEYS: std::sync::OnceLock<([PrivateKey; 3], PresharedKey)> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| {
        let mut random = PredictableRandom::new(7);
        let mut key = || PrivateKey::generate(&mut random);
        let keys = [key(), key(), key()];
        (keys, PresharedKey::generate(&mut random))
    })
}

type Senders = Vec<Vec<Option<Sender>>>;
type Receivers = Vec<Vec<Option<Receiver>>>;

fn rings(count: usize, slots: usize) -> (Senders, Receivers) {
    let mut senders: Senders = (0..count).map(|_| (0..count).map(|_| None).collect()).collect();
    let mut receivers: Receivers = (0..count).map(|_| (0..count).map(|_| None).collect()).collect();
    for from in 0..count {
        for to in (0..count).filter(|to| *to != from) {
            let (sender, receiver) = lanes(slots, RING_SLOT_BYTES);
            senders[from][to] = Some(sender);
            receivers[to][from] = Some(receiver);
        }
    }
    (senders, receivers)
}

/// Encodes every access record and throws it away.
struct Records(Vec<u8>);

impl RecordSink for Records {
    fn put(&mut self, encode: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        let bytes = encode(&mut self.0);
        assert!(bytes <= self.0.len(), "a record fits its slot");
        true
    }
}

/// Two thirds of the ends compress.
fn codec(dice: &mut Prng) -> Option<Codec> {
    [None, Some(Codec::Lz4), Some(Codec::Zstd)][dice.below(3) as usize]
}

/// Requests of a class have it in their path.
fn class_rule(class: u8) -> RequestRule {
    let name = format!("c{class}");
    RequestRule {
        label: Label::new(&name).unwrap_or(Label::NONE),
        conditions: vec![Condition::Path(vec![Pattern::new(&format!("/{name}/*"))])],
        class,
        compress: None,
        cache: None,
    }
}
