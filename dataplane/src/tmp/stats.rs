//! What can be asked of a tunnel: plain numbers, for logs, views and tests.

use crate::tmp::congestion::FlowCounts;
use crate::tmp::forecast::Forecast;
use crate::tmp::frame::Quality;
use crate::tmp::health::Suspicion;
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::spread::Spread;
use crate::tmp::supervisor::{Mode, Reason};

/// One path at one moment. The counters run since the path was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSnapshot {
    /// It carries what goes out on one path alone.
    pub is_active: bool,
    /// Why it is not trusted, if it is not.
    pub suspicion: Option<Suspicion>,
    /// How often it was not.
    pub suspected: u64,
    /// Smoothed round trip time.
    pub srtt_us: u64,
    /// Least round trip time.
    pub min_rtt_us: u64,
    /// Congestion window.
    pub window_bytes: u64,
    /// Bytes sent and neither acknowledged nor given up.
    pub in_flight_bytes: u64,
    /// The largest rate of late at which the peer received.
    pub delivery_bytes_per_s: u64,
    /// Queue on the way to the peer.
    pub queue_us: u64,
    /// Packets of this end lost in the last ten seconds, per million.
    pub loss_ppm: u32,
    /// Sizes of the datagrams sent.
    pub sent_bytes: u64,
    /// Sizes of the datagrams received.
    pub received_bytes: u64,
    /// The last time that all data moved to it.
    pub forecast: Option<Forecast>,
}

/// A tunnel at one moment; what speaks of a path is of the one that carries data. The counters run since the tunnel was
/// made, over all paths.
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
    /// How several paths are used.
    pub spread: Spread,
    /// The paths, by number.
    pub paths: [Option<PathSnapshot>; PATHS_MAX],
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

impl core::ops::AddAssign for TunnelCounters {
    fn add_assign(&mut self, other: Self) {
        let sums = [
            (&mut self.sent_packets, other.sent_packets),
            (&mut self.sent_bytes, other.sent_bytes),
            (&mut self.received_packets, other.received_packets),
            (&mut self.received_bytes, other.received_bytes),
            (&mut self.duplicate_packets, other.duplicate_packets),
            (&mut self.refused_packets, other.refused_packets),
            (&mut self.lost_packets, other.lost_packets),
            (&mut self.spurious_packets, other.spurious_packets),
            (&mut self.repairs_sent, other.repairs_sent),
            (&mut self.repair_bytes_sent, other.repair_bytes_sent),
            (&mut self.repairs_received, other.repairs_received),
            (&mut self.repaired_packets, other.repaired_packets),
            (&mut self.repairs_beyond, other.repairs_beyond),
            (&mut self.retransmitted_bytes, other.retransmitted_bytes),
            (&mut self.acks_sent, other.acks_sent),
            (&mut self.acks_received, other.acks_received),
            (&mut self.probe_timeouts, other.probe_timeouts),
            (&mut self.path_losses, other.path_losses),
            (&mut self.mtu_black_holes, other.mtu_black_holes),
            (&mut self.streams_opened, other.streams_opened),
            (&mut self.late_frames, other.late_frames),
            (&mut self.violations, other.violations),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum += more);
    }
}
