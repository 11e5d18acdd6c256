//! One tunnel with its blender and its streams: what both ends of a tunnel do alike.
//!
//! A line bounds what is *unsent* per stream (`stream_bytes`); what is sent and not yet acknowledged is bounded by
//! the congestion window and by the peer's credit. That is the seeds' connection buffer: it stands in front of the
//! blender, where priority still counts.

use crate::blender::{Blender, Counters as BlenderCounters, Grant, RINGS};
use crate::compression::CompressionCounters;
use crate::exchange::link::{Standing, Way};
use crate::role::plan::Plan;
use crate::role::trunk::stream::{End, Stream, Streams};
use crate::role::waits::{WaitHistogram, Waits};
use crate::time::Instant;
use crate::tmp::event::Sendable;
use crate::tmp::id::{PeerId, StreamId, TunnelId};

/// One tunnel of a trunk.
#[derive(Debug)]
pub struct Line {
    pub(crate) tunnel: TunnelId,
    pub(crate) blender: Blender,
    pub(crate) streams: Streams,
    pub(crate) route: Option<u16>,
    pub(crate) peer: PeerId,
    /// Since when nothing comes through; `None` while it is up.
    pub(crate) down_since: Option<Instant>,
    /// What all workers were last told of it; the number may have been another route's before.
    pub(crate) told: Option<Standing>,
    /// The plan had retired it, and it carried nothing, when that was last looked at.
    pub(crate) was_over: bool,
    pub(crate) compression: CompressionCounters,
    /// The stream behind each key of the blender.
    ids: Vec<StreamId>,
    waits: Waits,
    /// Streams whose bytes left since this was last looked at; a stream may stand here twice.
    progressed: Vec<StreamId>,
    /// Streams that could not be written to because the pool was used up.
    pub(crate) short: Vec<StreamId>,
}

impl Line {
    pub(crate) fn new(
        tunnel: TunnelId,
        peer: PeerId,
        route: Option<u16>,
        blender: Blender,
        streams: Streams,
        down_since: Option<Instant>,
    ) -> Self {
        Self {
            tunnel,
            blender,
            streams,
            route,
            peer,
            down_since,
            told: None,
            was_over: false,
            compression: CompressionCounters::default(),
            ids: Vec::new(),
            waits: Waits::default(),
            progressed: Vec::with_capacity(256),
            short: Vec::new(),
        }
    }

    /// The endpoint's name for the tunnel.
    pub fn tunnel(&self) -> TunnelId {
        self.tunnel
    }

    /// The route that it is the tunnel of, at the end that asks.
    pub fn route(&self) -> Option<u16> {
        self.route
    }

    /// The peer at the other end.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Whether a plan has retired its route or its peer.
    pub fn is_retired(&self, plan: &Plan) -> bool {
        match self.route {
            Some(route) => plan.is_retired(Way::Route(route)),
            None => plan.peers.get(self.peer.0 as usize).is_some_and(|peer| peer.retired.is_some()),
        }
    }

    /// Whether nothing needs it: it has no stream, or only such as nobody waits for and nothing can be said about.
    pub(crate) fn is_unused(&self) -> bool {
        let streams = &self.streams;
        let is_needed = |stream: &Stream| self.is_up() || stream.end != End::Nobody;
        !(0..streams.slots()).filter_map(|slot| streams.at(slot)).any(is_needed)
    }

    /// Whether bytes come through.
    pub fn is_up(&self) -> bool {
        self.down_since.is_none()
    }

    /// Streams open.
    pub fn streams(&self) -> usize {
        self.streams.count()
    }

    /// The blender's numbers.
    pub fn blender(&self) -> BlenderCounters {
        self.blender.counters()
    }

    /// What compression has done.
    pub fn compression(&self) -> &CompressionCounters {
        &self.compression
    }

    /// How long streams waited for their turns, by ring.
    pub fn waits(&self) -> &[WaitHistogram; RINGS] {
        self.waits.rings()
    }

    /// How large a stream's turn is now.
    pub(crate) fn set_turn(&mut self, bytes: u32) {
        if bytes != self.blender.options().sub_packet_bytes {
            self.blender.set_sub_packet_bytes(bytes);
        }
    }

    /// Tells the blender how many bytes of a stream could leave now.
    pub(crate) fn set_sendable(&mut self, now: Instant, sendable: &Sendable) {
        let slot = usize::from(sendable.stream.slot);
        if self.ids.len() <= slot {
            self.ids.resize(slot + 1, StreamId::default());
        }
        self.ids[slot] = sendable.stream;
        let key = u32::from(sendable.stream.slot);
        // A class beyond the last ring counts as the last. [EXC-2]
        let class = sendable.class.min(4);
        let waited_there =
            self.blender.source_bytes(key) > 0 && self.blender.source_class(key) == Some(class);
        self.blender.set(key, class, sendable.bytes as u64, sendable.lost);
        if sendable.bytes > 0 && !waited_there {
            self.waits.begin(now, key, class, self.blender.loops());
        }
        if sendable.lost {
            self.waits.jump(class);
        }
    }

    /// Takes a stream out of the blender, unless its slot has a new one.
    pub(crate) fn remove_sendable(&mut self, id: StreamId) {
        if self.ids.get(usize::from(id.slot)) == Some(&id) {
            self.blender.remove(u32::from(id.slot));
        }
    }

    /// Puts a stream on the list of those that may have got room.
    pub(crate) fn note_progress(&mut self, id: StreamId) {
        self.progressed.push(id);
    }

    /// The next stream that may have got room.
    pub(crate) fn take_progressed(&mut self) -> Option<StreamId> {
        self.progressed.pop()
    }

    /// Whose bytes go into the packet next.
    pub(crate) fn next(&mut self, now: Instant, room: usize) -> Option<(StreamId, usize)> {
        let Grant { key, bytes } = self.blender.next(room)?;
        self.waits.turn(now, key, self.blender.loops());
        let id = self.ids[key as usize];
        if self.progressed.last() != Some(&id) {
            self.progressed.push(id);
        }
        Some((id, bytes))
    }
}
