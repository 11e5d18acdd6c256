//! What happened to the packets of one direction: counts since the link was made, sizes in bytes of IP packets.

use serde::Serialize;

/// The counters of one direction. Every packet that came is delivered, dropped for one of four reasons, or on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkCounters {
    /// Packets that came.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets handed out, with duplicates.
    pub delivered_packets: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Dropped: larger than the MTU.
    pub dropped_mtu: u64,
    /// Dropped: the queue was full.
    pub dropped_queue: u64,
    /// Dropped by chance, each by itself or in bursts.
    pub dropped_loss: u64,
    /// Dropped in a black-out.
    pub dropped_blackout: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back so that others may overtake.
    pub reordered: u64,
    /// Delivered with one bit turned over.
    pub corrupted: u64,
    /// The largest packet that came, bytes.
    pub packet_bytes_max: u64,
    /// Bytes that wait for the bottleneck now.
    pub queue_bytes: u64,
    /// The most that ever waited, bytes.
    pub queue_bytes_max: u64,
    /// Time in queue and bottleneck of all packets that left it, summed up, µs.
    pub queue_us_sum: u64,
    /// The longest of these, µs.
    pub queue_us_max: u64,
    /// Packets that have left the bottleneck.
    pub departed_packets: u64,
    /// On their way: past the bottleneck, not yet due.
    pub flying_packets: u64,
}
