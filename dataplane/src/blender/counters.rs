//! What the blender tells the dashboard: the seeds' nSockets, nReady, nBytes, S and nSendNorm, and what was sent.

use crate::blender::options::RINGS;

/// One ring, now and since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Bytes per loop of a ready source, relative to the other rings.
    pub weight: u32,
    /// Sources of this class, idle ones included (the seeds' nSockets).
    pub sources: u32,
    /// Sources with bytes waiting (nReady).
    pub ready: u32,
    /// Bytes that wait in them (nBytes).
    pub bytes: u64,
    /// What the loop still allows the ring to send (what is left of nSendNorm). Below zero: a debt.
    pub quota_bytes: i64,
    /// Sub-packets begun since the start.
    pub sub_packets: u64,
    /// Bytes granted since the start.
    pub bytes_sent: u64,
}

/// All rings, highest first, and the loop that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Highest first.
    pub rings: [RingCounters; RINGS],
    /// The seeds' S of the last loop: bytes per unit of weight and ready source, rounded down.
    pub scale_bytes: u64,
    /// Composing loops begun since the start.
    pub loops: u64,
    /// The largest piece of one source that leaves in one turn.
    pub sub_packet_bytes: u32,
}
