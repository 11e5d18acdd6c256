//! `Trunk`: all tunnels that this worker owns, and the streams in them. Both ends of a tunnel are the same code: at
//! the front-end the asker is a client's exchange, at the back-end the stream itself asks the origins.
//!
//! Not here: what the bytes mean (clients, origins), which bytes leave first (blender), how they arrive (tmp).
//!
//! Order of a turn: `handle_datagram`s, then `deliver` (tunnel → parts), the parts' own flushes (parts → tunnel), then
//! `transmit` until it has nothing.

use core::net::SocketAddr;

use crate::blender::{Blender, BlenderOptions};
use crate::exchange::envelope::{OpeningEnvelope, Parsed};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Upstream, Way};
use crate::port::{Ecn, Port, SocketId, TRAIN_BYTES};
use crate::role::counters::Counters;
use crate::role::plan::Plan;
use crate::role::trunk::line::Line;
use crate::role::trunk::stream::{End, Stream, Streams};
use crate::time::{Duration, Instant};
use crate::tmp::endpoint::{Endpoint, EndpointEvent, TunnelId};
use crate::tmp::id::StreamId;
use crate::tmp::tunnel::{Event, Tunnel};

/// Sizes of a trunk.
#[derive(Clone, Debug)]
pub struct TrunkOptions {
    /// How the blender of each tunnel works.
    pub blender: BlenderOptions,
    /// Streams per tunnel.
    pub streams_max: usize,
    /// Unsent bytes per stream, and bytes handed to a part on credit.
    pub stream_bytes: u32,
    /// How long streams wait for a lost path.
    pub tunnel_wait: Duration,
    /// Datagrams per train (1 switches GSO off).
    pub segments_max: usize,
    /// Workers of this process, and exchanges of each: how askers are found.
    pub workers: usize,
    /// Exchanges of each worker.
    pub exchanges_max: usize,
}

/// The tunnels of one worker.
pub struct Trunk {
    endpoint: Endpoint<Tunnel>,
    socket: SocketId,
    options: TrunkOptions,
    lines: Vec<Line>,
    /// Line of each route, where this worker owns it.
    routes: Vec<Option<u16>>,
    /// The stream of each asker: row = worker, column = slot.
    askers: Vec<Vec<Option<(Asker, u16, StreamId)>>>,
    /// Answers that could not be said yet.
    refusals: Vec<(Asker, Failure)>,
    next_look: Instant,
}

impl Trunk {
    /// A trunk over `endpoint`, which sends and receives on `socket`.
    pub fn new(endpoint: Endpoint<Tunnel>, socket: SocketId, routes: usize, options: TrunkOptions) -> Self {
        let row = || Vec::with_capacity(options.exchanges_max);
        Self {
            endpoint,
            socket,
            lines: Vec::with_capacity(64),
            routes: vec![None; routes],
            askers: (0..options.workers).map(|_| row()).collect(),
            refusals: Vec::with_capacity(64),
            next_look: Instant::ORIGIN,
            options,
        }
    }

    /// Makes the tunnel of `route`; it keeps trying to reach `peer` for ever.
    pub fn add_route(&mut self, now: Instant, route: u16, tunnel: TunnelId, peer: usize) {
        let line = self.add_line(now, tunnel, peer);
        self.lines[usize::from(line)].route = Some(route);
        self.routes[usize::from(route)] = Some(line);
    }

    /// The endpoint, for adding peers and for its counters.
    pub fn endpoint(&mut self) -> &mut Endpoint<Tunnel> {
        &mut self.endpoint
    }

    /// The tunnels, for the status page.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Streams open.
    pub fn streams(&self) -> usize {
        self.lines.iter().map(|line| line.streams.count()).sum()
    }

    /// Takes one datagram in.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, ecn: Ecn, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now, from, ecn, datagram);
    }

    /// When `tick` has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.lines.iter().any(|line| line.down_since.is_some() && line.streams.count() > 0);
        let look = waiting.then_some(self.next_look);
        [self.endpoint.deadline(), look].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant) {
        self.endpoint.tick(now);
    }

    fn add_line(&mut self, now: Instant, tunnel: TunnelId, peer: usize) -> u16 {
        let blender = Blender::new(&self.options.blender, self.options.streams_max);
        let line = Line::new(tunnel, blender, Streams::new(self.options.streams_max), peer, now);
        self.lines.push(line);
        (self.lines.len() - 1) as u16
    }

    fn line_of(&self, tunnel: TunnelId) -> Option<usize> {
        self.lines.iter().position(|line| line.tunnel == tunnel)
    }
}
