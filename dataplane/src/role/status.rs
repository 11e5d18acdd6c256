//! What a worker shows of its tunnels: copied to a board now and then, read by the control thread.
//!
//! The worker only ever tries the board's lock; if a reader holds it just then, the numbers stay half a second older.

use std::sync::{Mutex, PoisonError};

use crate::blender::Counters as BlenderCounters;
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
    /// Streams open.
    pub streams: usize,
    /// The transport's numbers.
    pub transport: Snapshot,
    /// The blender's numbers.
    pub blender: BlenderCounters,
}

/// The board of one worker.
#[derive(Debug, Default)]
pub struct StatusBoard {
    tunnels: Mutex<Vec<TunnelStatus>>,
}

impl StatusBoard {
    /// Replaces what is shown, if nobody is reading just now.
    pub fn show(&self, tunnels: impl Iterator<Item = TunnelStatus>) {
        if let Ok(mut board) = self.tunnels.try_lock() {
            board.clear();
            board.extend(tunnels);
        }
    }

    /// What was shown last.
    pub fn read(&self) -> Vec<TunnelStatus> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
