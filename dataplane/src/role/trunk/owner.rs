//! `Trunk`: all tunnels that this worker owns, and how the parts of the node speak to them.
//!
//! Order of a turn: `handle_datagram`s, then `deliver` (tunnel → parts), the parts' own flushes (parts → tunnel), then
//! `transmit`.

use core::net::SocketAddr;

use crate::blender::{Blender, Options as BlenderOptions};
use crate::compression::Codec;
use crate::exchange::link::{Answer, Asker, Standing};
use crate::port::{Ecn, Input, Port, SocketId, TcpId};
use crate::role::control::Control;
use crate::role::plan::Plan;
use crate::role::settings::Settings;
use crate::role::status::{StatusBoard, TunnelStatus};
use crate::role::trunk::arrivals::Arrivals;
use crate::role::trunk::carriers::Carriers;
use crate::role::trunk::line::Line;
use crate::role::trunk::press::Press;
use crate::role::trunk::stream::Streams;
use crate::stdx::slab::Handle;
use crate::time::{Duration, Instant};
use crate::tmp::carrier::Ecn as TunnelEcn;
use crate::tmp::endpoint::{Endpoint, PeerOptions, Refused};
use crate::tmp::error::CLOSE_GOING_AWAY;
use crate::tmp::id::{PathId, PeerId, StreamId, TunnelId};
use crate::tmp::key::PresharedKey;
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::packet::{OWNER_ANY, OWNER_AT};
use crate::tmp::place::Place;
use crate::tmp::tunnel::Tunnel;

/// Sizes of a trunk.
#[derive(Clone, Copy, Debug)]
pub struct TrunkOptions {
    /// How the blender of each tunnel works.
    pub blender: BlenderOptions,
    /// Streams per tunnel.
    pub streams_max: usize,
    /// Unsent bytes per stream, and bytes handed to a part on credit.
    pub stream_bytes: u32,
    /// How long streams wait for a lost path.
    pub tunnel_wait: Duration,
    /// Datagrams per train; 1 switches segmentation off.
    pub segments_max: usize,
    /// How long a stream's turn may last at the tunnel's pace, in µs, where that is more than a sub-packet.
    pub turn_us: u32,
    /// How long a worker may let the datagrams of a long path gather before it wakes for them, in µs.
    pub coalesce_us: u32,
    /// Workers of this process.
    pub workers: usize,
    /// Largest datagram to search for and to fill.
    pub datagram_bytes_max: u16,
    /// What streams are compressed with, where the peer can read it and what they carry allows it.
    pub codec: Option<Codec>,
    /// The least credit of a stream, as both ends have it.
    pub credit_bytes_min: usize,
}

/// The tunnels of one worker.
pub struct Trunk {
    pub(crate) endpoint: Endpoint<Tunnel>,
    sockets: Vec<(SocketId, bool)>,
    psk: Option<PresharedKey>,
    pub(crate) options: TrunkOptions,
    /// By the slot of the tunnel's id.
    pub(crate) lines: Vec<Option<Line>>,
    /// The slot of each route's tunnel, if this worker has it.
    pub(crate) routes: Vec<Option<u32>>,
    /// The stream of each asker: row = worker, column = slot of its handle.
    pub(crate) askers: Vec<Vec<Option<(Asker, u32, StreamId)>>>,
    pub(crate) next_look: Instant,
    /// Some stream may wait for a lost path: `next_look` says when to look.
    pub(crate) may_wait: bool,
    /// Last words to askers that are still to be said: the ring to another core was full, or it was asked for just now.
    pub(crate) unsaid: Vec<(Asker, Answer<'static>)>,
    /// Room could not be said to an asker on another core, because the ring to it was full.
    pub(crate) owes_room: bool,
    pub(crate) streams_opened: u64,
    arrivals: Arrivals,
    pub(crate) carriers: Carriers,
    /// A train that goes over TCP, on its way there.
    pub(crate) train: Vec<u8>,
    /// Used within one call only.
    pub(crate) blocked: Vec<StreamId>,
    pub(crate) press: Press,
}

impl Trunk {
    /// A trunk over `endpoint`, which sends and receives on `sockets`: each with whether it is of IPv4. `psk` is shared
    /// with every peer. Tunnels come with a plan.
    pub fn new(
        endpoint: Endpoint<Tunnel>,
        sockets: Vec<(SocketId, bool)>,
        psk: Option<PresharedKey>,
        options: TrunkOptions,
    ) -> Self {
        Self {
            endpoint,
            sockets,
            psk,
            lines: Vec::new(),
            routes: Vec::new(),
            askers: vec![Vec::new(); options.workers],
            next_look: Instant::ORIGIN,
            may_wait: false,
            unsaid: Vec::new(),
            owes_room: false,
            streams_opened: 0,
            arrivals: Arrivals::default(),
            carriers: Carriers::new(),
            train: Vec::new(),
            blocked: Vec::new(),
            press: Press::new(),
            options,
        }
    }

    /// Takes a plan over: its peers may connect and nobody else, each of its routes that this worker owns has its
    /// tunnel, which keeps trying for ever. The error is of the first tunnel that cannot be had; `follow` tries again.
    pub fn take_plan(&mut self, now: Instant, plan: &Plan) -> Result<(), Refused> {
        for (number, peer) in plan.peers.iter().enumerate() {
            let known = self.endpoint.peer_by_key(&peer.public_key);
            let id = match known {
                Some(id) => id,
                None => self.endpoint.add_peer(PeerOptions::new(peer.public_key, self.psk.clone()))?,
            };
            assert_eq!(id.0 as usize, number, "the endpoint numbers its peers as the plan does");
            self.endpoint.allow(id, peer.retired.is_none());
        }
        self.follow(now, plan)
    }

    /// Begins the tunnels that the plan wants and that are not there, and closes those whose route or peer it has
    /// retired, once they have carried nothing for a while: another worker may not have heard of it yet.
    pub fn follow(&mut self, now: Instant, plan: &Plan) -> Result<(), Refused> {
        self.routes.resize(plan.routes.len(), None);
        let mut outcome = Ok(());
        for number in 0..plan.routes.len() {
            let is_ours = plan.routes[number].owner == self.endpoint.owner();
            let is_wanted = is_ours && plan.routes[number].retired.is_none();
            if is_wanted && self.routes[number].is_none() {
                let begun = self.begin_route(now, plan, number as u16);
                outcome = outcome.and(begun);
            }
        }
        for slot in 0..self.lines.len() {
            let Some(line) = self.lines[slot].as_mut() else { continue };
            let is_over = line.is_retired(plan) && line.is_unused();
            if is_over && line.was_over {
                self.endpoint.close(now, line.tunnel, CLOSE_GOING_AWAY);
            }
            line.was_over = is_over;
        }
        outcome
    }

    /// Path k leaves from the k-th of our sockets of its family, in turn.
    fn places(&self, addresses: &[SocketAddr], carriers: &[SocketAddr]) -> Vec<Place> {
        let place = |(index, address): (usize, &SocketAddr)| {
            let fitting = (0..self.sockets.len() as u8)
                .filter(|at| self.sockets[usize::from(*at)].1 == address.is_ipv4());
            let sockets: Vec<u8> = fitting.collect();
            let socket = sockets.get(index % sockets.len().max(1)).copied().unwrap_or(0);
            Place { address: *address, socket }
        };
        let carried = carriers.iter().map(|address| Place::over_stream(*address));
        addresses.iter().enumerate().map(place).chain(carried).take(PATHS_MAX).collect()
    }

    fn begin_route(&mut self, now: Instant, plan: &Plan, number: u16) -> Result<(), Refused> {
        let route = &plan.routes[usize::from(number)];
        let (places, chosen) = (self.places(&route.addresses, &route.carriers), route.chosen);
        route.carriers.iter().for_each(|address| self.carriers.add_target(*address));
        let peer = match self.endpoint.peer_by_key(&route.public_key) {
            Some(peer) => {
                // Tunnels that stand stay where they are.
                self.endpoint.set_places(peer, places, chosen);
                peer
            }
            None => {
                let unplaced = PeerOptions::new(route.public_key, self.psk.clone());
                self.endpoint.add_peer(PeerOptions { places, chosen, ..unplaced })?
            }
        };
        let tunnel = self.endpoint.connect(now, peer)?;
        self.add_line(tunnel, peer, Some(number), Some(now));
        self.routes[usize::from(number)] = Some(tunnel.0.slot);
        Ok(())
    }

    /// Whether a tunnel of a route or peer that the plan has retired is still there.
    pub fn uses_retired(&self, plan: &Plan) -> bool {
        self.lines().any(|line| line.is_retired(plan))
    }

    /// The endpoint, for its counters.
    pub fn endpoint(&self) -> &Endpoint<Tunnel> {
        &self.endpoint
    }

    /// The tunnels.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }

    /// Takes other settings over, for the tunnels that there are and for those to come.
    pub fn configure(&mut self, settings: &Settings) {
        let Settings { weights, sub_packet_bytes, datagram_bytes_max, codec, .. } = *settings;
        // Halves that have begun go on as they began.
        self.options.codec = codec;
        let blender = BlenderOptions { weights, sub_packet_bytes, ..self.options.blender };
        // What did not change is left alone: a blender would begin a new loop, a tunnel search its path again.
        let (is_new_blend, is_new_size) =
            (blender != self.options.blender, datagram_bytes_max != self.options.datagram_bytes_max);
        (self.options.blender, self.options.datagram_bytes_max) = (blender, datagram_bytes_max);
        for line in self.lines.iter_mut().flatten() {
            if is_new_blend {
                let taken = line.blender.configure(weights, sub_packet_bytes);
                assert_eq!(taken, Ok(()), "settings are checked where they come from");
            }
            if is_new_size && let Some(tunnel) = self.endpoint.tunnel(line.tunnel) {
                tunnel.set_datagram_bytes_max(datagram_bytes_max);
            }
        }
    }

    /// Tells all workers how the routes stand, where that has changed; whether it has.
    pub fn report_routes(&mut self, control: &Control) -> bool {
        let mut has_changed = false;
        for index in 0..self.endpoint.awake() {
            let Some(line) = self.lines.get_mut(self.endpoint.awake_at(index).0.slot as usize) else {
                continue;
            };
            let Some((line, route)) = line.as_mut().and_then(|line| line.route.map(|route| (line, route)))
            else {
                continue;
            };
            let is_strained = self.endpoint.look_at(line.tunnel).is_some_and(|tunnel| tunnel.is_strained());
            let standing = match (line.is_up(), is_strained) {
                (false, _) => Standing::Down,
                (true, true) => Standing::Strained,
                (true, false) => Standing::Good,
            };
            if line.told != Some(standing) {
                line.told = Some(standing);
                control.report_route(route, standing);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Streams open, in all tunnels.
    pub fn streams(&self) -> usize {
        self.lines().map(Line::streams).sum()
    }

    /// Streams opened by either end since the start.
    pub fn streams_opened(&self) -> u64 {
        self.streams_opened
    }

    /// Takes datagrams of one sender in, each `segment_bytes` long but the last.
    pub fn handle_datagrams(
        &mut self,
        now: Instant,
        (socket, from): (SocketId, SocketAddr),
        ecn: Ecn,
        segment_bytes: usize,
        bytes: &mut [u8],
    ) {
        let ecn = TunnelEcn::from_bits(ecn.to_bits());
        let socket = self.sockets.iter().position(|(known, _)| *known == socket);
        let from = Place { address: from, socket: socket.unwrap_or(0) as u8 };
        for datagram in bytes.chunks_mut(segment_bytes.max(1)) {
            self.endpoint.handle_datagram(now, from, ecn, datagram);
        }
        self.arrivals.came(bytes.len().div_ceil(segment_bytes.max(1)) as u32);
        if self.arrivals.is_judged_at(now) {
            self.judge_arrivals(now);
        }
    }

    /// A connection came in that carries a tunnel.
    pub fn accept_carrier(&mut self, now: Instant, port: &mut Port, tcp: TcpId, peer: SocketAddr) {
        self.carriers.accept(now, port, tcp, peer);
    }

    /// Something happened to a connection that carries a tunnel.
    pub fn handle_carrier(&mut self, now: Instant, port: &mut Port, handle: Handle, input: Input<'_>) {
        let free = match input {
            Input::Connected { .. } => {
                self.carriers.connected(now, port, handle);
                None
            }
            Input::Read { bytes, .. } => {
                let endpoint = &mut self.endpoint;
                self.carriers.read(now, port, handle, bytes, |address, datagram| {
                    // Which of our connections a peer's came to was chance.
                    let owner = datagram.get(OWNER_AT).copied().unwrap_or(OWNER_ANY);
                    if owner != OWNER_ANY && owner != endpoint.owner() {
                        return false;
                    }
                    let from = Place::over_stream(address);
                    endpoint.handle_datagram(now, from, TunnelEcn::NotCapable, datagram);
                    true
                })
            }
            Input::ReadEnd { .. } => self.carriers.read_ended(now, port, handle),
            Input::Failed { .. } => self.carriers.gone(now, handle),
            Input::Wrote { .. } => self.carriers.wrote(handle),
            Input::Accepted { .. } | Input::Datagrams { .. } | Input::Tick => None,
        };
        if let Some(address) = free {
            self.endpoint.hold(Place::over_stream(address), false);
        }
    }

    /// How long this worker may let datagrams gather.
    pub fn patience_us(&self) -> u32 {
        self.arrivals.patience_us()
    }

    fn judge_arrivals(&mut self, now: Instant) {
        let endpoint = &self.endpoint;
        let rtts = self.lines.iter().flatten().filter_map(|line| endpoint.look_at(line.tunnel)?.rtt_us_min());
        self.arrivals.judge(now, rtts.min().unwrap_or(0), self.options.coalesce_us);
    }

    /// When `tick` has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        [self.endpoint.deadline(), self.may_wait.then_some(self.next_look)].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant) {
        self.endpoint.tick(now);
    }

    /// Says goodbye on every tunnel.
    pub fn close(&mut self, now: Instant) {
        for line in self.lines.iter().flatten() {
            self.endpoint.close(now, line.tunnel, CLOSE_GOING_AWAY);
        }
    }

    /// Shows the tunnels' numbers.
    pub fn show(&mut self, _: Instant, board: &StatusBoard) {
        let counters = self.endpoint.counters().clone();
        let endpoint = &self.endpoint;
        board.show(
            &counters,
            self.lines.iter().flatten().filter_map(|line| {
                let mut places = [None; PATHS_MAX];
                for (path, place) in (0..).map(PathId).zip(&mut places) {
                    *place = endpoint.place_of(line.tunnel, path);
                }
                Some(TunnelStatus {
                    places,
                    route: line.route,
                    peer: line.peer.0,
                    is_up: line.is_up(),
                    streams: line.streams(),
                    transport: endpoint.look_at(line.tunnel)?.snapshot(),
                    blender: line.blender(),
                    waits: *line.waits(),
                    compression: *line.compression(),
                })
            }),
        );
    }

    /// The socket that reaches a place: its own, else the first of the address's family; `None` if there is none.
    pub(crate) fn socket_to(&self, to: Place) -> Option<SocketId> {
        let own = self.sockets.get(usize::from(to.socket));
        let fits = |(_, is_ipv4): &&(SocketId, bool)| *is_ipv4 == to.address.is_ipv4();
        own.filter(fits).or_else(|| self.sockets.iter().find(fits)).map(|(socket, _)| *socket)
    }

    pub(crate) fn add_line(
        &mut self,
        tunnel: TunnelId,
        peer: PeerId,
        route: Option<u16>,
        down: Option<Instant>,
    ) {
        let slot = tunnel.0.slot as usize;
        self.press.forget_line(slot);
        if self.lines.len() <= slot {
            self.lines.resize_with(slot + 1, || None);
        }
        let blender = Blender::new(self.options.blender, self.options.streams_max);
        let streams = Streams::new(self.options.streams_max);
        if let Some(transport) = self.endpoint.tunnel(tunnel) {
            // It was made with the size of the start.
            transport.set_datagram_bytes_max(self.options.datagram_bytes_max);
        }
        self.lines[slot] = Some(Line::new(tunnel, peer, route, blender, streams, down));
    }

    /// The slot of one of the tunnels that may have something to say, if it counts so many.
    pub(crate) fn awake_slot(&self, index: usize) -> Option<usize> {
        (index < self.endpoint.awake()).then(|| self.endpoint.awake_at(index).0.slot as usize)
    }

    /// The line of a tunnel that may have something to say.
    pub(crate) fn awake_lines(&self) -> impl Iterator<Item = &Line> {
        (0..self.endpoint.awake()).filter_map(|index| self.lines.get(self.awake_slot(index)?)?.as_ref())
    }

    /// The tunnel's transport and its line, to ask whether they have something to do.
    pub(crate) fn both_in_turn(&mut self, slot: usize) -> Option<(&mut Tunnel, &mut Line)> {
        let line = self.lines.get_mut(slot)?.as_mut()?;
        let tunnel = self.endpoint.tunnel_in_turn(line.tunnel)?;
        Some((tunnel, line))
    }

    /// The tunnel's transport and its line, for one turn of work: they will be asked in the next turn, too.
    pub(crate) fn both(&mut self, slot: usize) -> Option<(&mut Tunnel, &mut Line)> {
        let line = self.lines.get_mut(slot)?.as_mut()?;
        let tunnel = self.endpoint.tunnel(line.tunnel)?;
        Some((tunnel, line))
    }
}
