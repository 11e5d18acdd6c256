//! The congestion controllers that a path can have, behind one face. There is one so far; a closed enum keeps
//! the path free of type parameters when others come.

use crate::time::Instant;
use crate::tmp::cubic::{AckedPacket, Cubic, Sign};

/// Share of a window per smoothed rtt that the pacer lets out, in percent: most neutral beside unpaced flows of
/// 1.25, 2.0 and no pacing, as simulated against CUBIC flows.
const PACING_GAIN_PERCENT: u64 = 200;

/// A controller.
#[derive(Clone, Debug)]
pub enum Controller {
    /// One CUBIC flow.
    Cubic(Cubic),
}

impl Controller {
    /// CUBIC at its beginning.
    pub fn cubic(packet_bytes: u64, window_packets_max: u64) -> Self {
        Self::Cubic(Cubic::new(packet_bytes, window_packets_max))
    }

    /// Bytes that may be in flight.
    pub fn window_bytes(&self) -> u64 {
        match self {
            Self::Cubic(cubic) => cubic.window_bytes(),
        }
    }

    /// See `PACING_GAIN_PERCENT`.
    pub const fn pacing_gain_percent(&self) -> u64 {
        match self {
            Self::Cubic(_) => PACING_GAIN_PERCENT,
        }
    }

    /// Whether packet `number` was sent before the last reaction.
    pub const fn is_recovering(&self, number: u64) -> bool {
        match self {
            Self::Cubic(cubic) => cubic.is_recovering(number),
        }
    }

    /// The packet size of the path changed.
    pub fn set_packet_bytes(&mut self, packet_bytes: u64) {
        match self {
            Self::Cubic(cubic) => cubic.set_packet_bytes(packet_bytes),
        }
    }

    /// An rtt sample.
    pub fn sampled(&mut self, number: u64, number_next: u64, rtt_us: u64) {
        match self {
            Self::Cubic(cubic) => cubic.sampled(number, number_next, rtt_us),
        }
    }

    /// A packet was acknowledged.
    pub fn acked(&mut self, now: Instant, packet: AckedPacket, smoothed_rtt_us: u64) {
        match self {
            Self::Cubic(cubic) => cubic.acked(now, packet, smoothed_rtt_us),
        }
    }

    /// A packet was lost or marked.
    pub fn congested(&mut self, number: u64, number_next: u64, sign: Sign) {
        match self {
            Self::Cubic(cubic) => cubic.congested(number, number_next, sign),
        }
    }

    /// A packet that had been counted as lost was only late.
    pub fn loss_was_spurious(&mut self) {
        match self {
            Self::Cubic(cubic) => cubic.loss_was_spurious(),
        }
    }

    /// Nothing came through for long.
    pub fn collapse(&mut self, number_next: u64) {
        match self {
            Self::Cubic(cubic) => cubic.collapse(number_next),
        }
    }
}
