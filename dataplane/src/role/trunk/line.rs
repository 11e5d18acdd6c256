//! One tunnel with its blender and its streams: what both ends of a tunnel do alike.
//!
//! ```text
//!   this end ──write──► tunnel's send buffer ─ blender: whose bytes next ─► packets
//!   this end ◄─credit── tunnel's receive buffer ◄────────────────────────── packets
//! ```
//! A line bounds what is *unsent* per stream (`stream_bytes`); what is sent and not yet acknowledged is bounded by
//! the congestion window and by the peer's credit. That is the seeds' connection buffer: it sits in front of the
//! blender, where priority still counts.

use crate::blender::{Blender, Grant};
use crate::role::trunk::stream::Streams;
use crate::time::Instant;
use crate::tmp::carrier::Fill;
use crate::tmp::endpoint::TunnelId;
use crate::tmp::id::StreamId;

/// One tunnel of a trunk.
#[derive(Debug)]
pub struct Line {
    /// The endpoint's name for it.
    pub tunnel: TunnelId,
    /// Which bytes leave next.
    pub blender: Blender,
    /// The streams of this tunnel.
    pub streams: Streams,
    /// The route that it is the tunnel of, at the end that asks.
    pub route: Option<u16>,
    /// The peer at the other end, as the endpoint numbers it.
    pub peer: usize,
    /// Since when nothing comes through; `None` while it is up.
    pub down_since: Option<Instant>,
    /// Streams whose bytes went out in this turn, each once per packet at most.
    progressed: Vec<(StreamId, u32)>,
    ids: Vec<StreamId>,
}

impl Line {
    /// A line for a tunnel that is not up yet.
    pub fn new(tunnel: TunnelId, blender: Blender, streams: Streams, peer: usize, now: Instant) -> Self {
        Self {
            tunnel,
            blender,
            streams,
            route: None,
            peer,
            down_since: Some(now),
            progressed: Vec::with_capacity(256),
            ids: Vec::new(),
        }
    }

    /// Tells the blender how many bytes of a stream could leave now.
    pub fn set_sendable(&mut self, id: StreamId, class: u8, bytes: usize, lost: bool) {
        let slot = usize::from(id.slot);
        if self.ids.len() <= slot {
            self.ids.resize(slot + 1, StreamId::default());
        }
        self.ids[slot] = id;
        self.blender.set(u32::from(id.slot), class, bytes, lost);
    }

    /// Takes a stream out of the blender.
    pub fn remove_sendable(&mut self, id: StreamId) {
        self.blender.remove(u32::from(id.slot));
    }

    /// Next stream whose bytes left since this was last asked, and how many.
    pub fn take_progressed(&mut self) -> Option<(StreamId, u32)> {
        self.progressed.pop()
    }
}

/// The blender as the tunnel sees it while it fills a packet.
impl Fill for Line {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        let Grant { key, bytes } = self.blender.next(room)?;
        let id = self.ids[key as usize];
        match self.progressed.last_mut() {
            Some((last, sum)) if *last == id => *sum += bytes as u32,
            _ => self.progressed.push((id, bytes as u32)),
        }
        Some((id, bytes))
    }
}
