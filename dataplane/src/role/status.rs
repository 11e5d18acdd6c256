//! What a worker shows of its tunnels: copied to a board now and then, read by the control thread.
//!
//! The worker only ever tries the board's lock; if a reader holds it just then, the numbers stay half a second older.

use std::sync::{Mutex, PoisonError};

use crate::blender::{Counters as BlenderCounters, RINGS};
use crate::compression::CompressionCounters;
use crate::role::waits::WaitHistogram;
use crate::tmp::counters::Counters as EndpointCounters;
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::place::Place;
use crate::tmp::stats::Snapshot;

/// One tunnel.
#[derive(Clone, Debug)]
pub struct TunnelStatus {
    /// The route, at the end that asks.
    pub route: Option<u16>,
    /// The peer, as the plan numbers it.
    pub peer: u32,
    /// Whether bytes come through.
    pub is_up: bool,
    /// Where the peer is, by path.
    pub places: [Option<Place>; PATHS_MAX],
    /// Streams open.
    pub streams: usize,
    /// The transport's numbers.
    pub transport: Snapshot,
    /// The blender's numbers.
    pub blender: BlenderCounters,
    /// How long streams waited for their turns, by ring.
    pub waits: [WaitHistogram; RINGS],
    /// What compression has done.
    pub compression: CompressionCounters,
}

/// What a board shows.
#[derive(Clone, Debug, Default)]
struct Shown {
    endpoint: EndpointCounters,
    tunnels: Vec<TunnelStatus>,
}

/// The board of one worker.
#[derive(Debug, Default)]
pub struct StatusBoard {
    shown: Mutex<Shown>,
}

impl StatusBoard {
    /// Replaces what is shown, if nobody is reading just now.
    pub fn show(&self, endpoint: &EndpointCounters, tunnels: impl Iterator<Item = TunnelStatus>) {
        if let Ok(mut board) = self.shown.try_lock() {
            board.endpoint = endpoint.clone();
            board.tunnels.clear();
            board.tunnels.extend(tunnels);
        }
    }

    /// The tunnels as they were shown last.
    pub fn read(&self) -> Vec<TunnelStatus> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).tunnels.clone()
    }

    /// The counters of the tunnels' endpoint as they were shown last.
    pub fn read_endpoint(&self) -> EndpointCounters {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).endpoint.clone()
    }
}
