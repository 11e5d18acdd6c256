//! What can be asked of a tunnel: plain numbers, for logs, views and tests.

use crate::tmp::congestion::FlowCounts;
use crate::tmp::frame::Quality;
use crate::tmp::supervisor::{Mode, Reason};

/// A tunnel at one moment. TunnelCounters run since the tunnel was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Smoothed round trip time.
    pub srtt_us: u64,
    /// Least round trip time.
    pub min_rtt_us: u64,
    /// Its mean deviation.
    pub rttvar_us: u64,
    /// Congestion window.
    pub window_bytes: u64,
    /// Bytes sent and neither acknowledged nor given up.
    pub in_flight_bytes: u64,
    /// UDP payload that the path carries.
    pub mtu_bytes: u64,
    /// What the pacer lets out.
    pub pacing_bytes_per_s: u64,
    /// The largest rate of late at which the peer received.
    pub delivery_bytes_per_s: u64,
    /// Queue on the way to the peer, as the receive times of its acknowledgements show it.
    pub queue_us: u64,
    /// Connections that the window stands for.
    pub flows: FlowCounts,
    /// Who decides on the window.
    pub mode: Mode,
    /// Why.
    pub reason: Reason,
    /// How often a virtual flow reduced its window.
    pub reductions: u64,
    /// What the peer last said of its side of the path.
    pub peer: Option<Quality>,
    /// Packets of this end lost in the last ten seconds, per million.
    pub loss_ppm: u32,
    /// Streams open.
    pub streams_open: u64,
    /// Memory that holds bytes written and not acknowledged.
    pub send_buffered_bytes: u64,
    /// Memory that holds bytes received and not read.
    pub receive_buffered_bytes: u64,
    /// The counters.
    pub counters: TunnelCounters,
}

/// Sums since the tunnel was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelCounters {
    /// Packets built.
    pub sent_packets: u64,
    /// Their sizes as datagrams.
    pub sent_bytes: u64,
    /// Packets taken in for the first time.
    pub received_packets: u64,
    /// Their sizes as datagrams.
    pub received_bytes: u64,
    /// Packets that had been received before, or were too old to tell.
    pub duplicate_packets: u64,
    /// Packets that could not be kept for want of memory: the peer sends them again.
    pub refused_packets: u64,
    /// Packets given up.
    pub lost_packets: u64,
    /// Packets given up that were only late.
    pub spurious_packets: u64,
    /// Packets with repair data that were sent, and their sizes as datagrams.
    pub repairs_sent: u64,
    /// See `repairs_sent`.
    pub repair_bytes_sent: u64,
    /// Packets with repair data that were received.
    pub repairs_received: u64,
    /// Lost packets whose content they gave back.
    pub repaired_packets: u64,
    /// Those of them that gave nothing back because more than one packet was missing.
    pub repairs_beyond: u64,
    /// Stream bytes sent again.
    pub retransmitted_bytes: u64,
    /// ACK frames sent.
    pub acks_sent: u64,
    /// ACK frames received.
    pub acks_received: u64,
    /// Probe time-outs.
    pub probe_timeouts: u64,
    /// Times that the path was lost.
    pub path_losses: u64,
    /// Times that full-size packets fell into a black hole.
    pub mtu_black_holes: u64,
    /// Streams opened, by either end.
    pub streams_opened: u64,
    /// Frames of streams that are gone.
    pub late_frames: u64,
    /// Packets that broke a rule of the protocol.
    pub violations: u64,
}
