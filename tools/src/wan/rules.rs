//! What befalls the packets of one direction. Times are ns where packets are counted out, shares are 0 to 1.

use crate::wan::trace::Trace;
use dataplane::time::Duration;
use std::sync::Arc;

/// The largest packet unless a rule says otherwise, bytes: Ethernet's.
pub(crate) const MTU_BYTES: usize = 1_500;
/// The smallest queue that the bandwidth-delay product is rounded up to, bytes: 44 full packets. Without it a
/// short path would drop every burst.
const QUEUE_BYTES_MIN: u64 = 64 << 10;

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// One way, from the end of the bottleneck to the other side.
    pub delay: Duration,
    /// The delay wanders this much to both sides, without reordering.
    pub jitter: Duration,
    /// How fast the bottleneck is.
    pub pace: Pace,
    /// How much waits in front of it.
    pub queue: QueueLimit,
    /// Share of packets lost, each by itself.
    pub loss: f64,
    /// Loss in bursts, beside the random one.
    pub bursts: Option<GilbertElliott>,
    /// Share of packets held back, so that later ones overtake them.
    pub reorder: f64,
    /// How long those are held back.
    pub reorder_by: Duration,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
    /// Share of packets in which one random bit is turned over.
    pub corrupt: f64,
    /// Larger packets are lost, bytes.
    pub mtu_bytes: usize,
    /// When nothing passes at all.
    pub blackouts: Vec<Blackout>,
}

impl Default for Rules {
    /// A perfect path: no delay, no bound on the rate, nothing lost.
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            pace: Pace::Unlimited,
            queue: QueueLimit::BandwidthDelay,
            loss: 0.0,
            bursts: None,
            reorder: 0.0,
            reorder_by: Duration::from_millis(5),
            duplicate: 0.0,
            corrupt: 0.0,
            mtu_bytes: MTU_BYTES,
            blackouts: Vec::new(),
        }
    }
}

impl Rules {
    /// Bytes that may wait for the bottleneck, if that is what bounds the queue.
    pub(crate) fn queue_bytes_max(&self) -> Option<u64> {
        match self.queue {
            QueueLimit::Bytes(bytes) => Some(bytes),
            QueueLimit::Time(_) => None,
            QueueLimit::BandwidthDelay => {
                let round_trip_s = 2.0 * self.delay.as_secs_f64();
                let bytes = self.pace.bits_per_s().map(|bits| (bits / 8.0 * round_trip_s) as u64);
                bytes.map(|bytes| bytes.max(QUEUE_BYTES_MIN))
            }
        }
    }
}

/// How fast the bottleneck lets packets through.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// At once.
    Unlimited,
    /// So many bits of IP packets per second.
    Rate(u64),
    /// When a recorded link did.
    Trace(Arc<Trace>),
}

impl Pace {
    /// Bits per second in the mean; `None`: no bound.
    pub(crate) fn bits_per_s(&self) -> Option<f64> {
        match self {
            Self::Unlimited => None,
            Self::Rate(bits) => Some(*bits as f64),
            Self::Trace(trace) => Some(trace.bits_per_s()),
        }
    }
}

/// How much may wait for the bottleneck; what comes beyond is dropped (tail drop).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// Rate times round trip (twice the delay of this direction), the classic size of a router's buffer.
    BandwidthDelay,
    /// Bytes.
    Bytes(u64),
    /// As much as leaves in this time at the present rate.
    Time(Duration),
}

/// The two-state chain of Gilbert (1960) and Elliott (1963): shares are per packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GilbertElliott {
    /// From the good state to the bad one.
    pub to_bad: f64,
    /// From the bad state to the good one.
    pub to_good: f64,
    /// Loss in the bad state.
    pub loss_bad: f64,
    /// Loss in the good state.
    pub loss_good: f64,
}

impl GilbertElliott {
    /// The chain that loses `share` of all packets in bursts of `burst_packets` in the mean.
    pub fn bursts(share: f64, burst_packets: f64) -> Self {
        let to_good = 1.0 / burst_packets;
        let to_bad = (to_good * share / (1.0 - share)).min(1.0);
        Self { to_bad, to_good, loss_bad: 1.0, loss_good: 0.0 }
    }
}

/// A time in which nothing passes the bottleneck, counted from when the rule was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blackout {
    /// When it begins.
    pub after: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// From one beginning to the next; `None`: it comes once.
    pub every: Option<Duration>,
}

impl Blackout {
    /// Whether it is dark so long after the rule was set.
    pub(crate) fn covers(&self, since: Duration) -> bool {
        let Some(into) = since.checked_sub(self.after) else { return false };
        let into = match self.every {
            Some(every) => into.as_nanos() % every.as_nanos().max(1),
            None => into.as_nanos(),
        };
        into < self.lasts.as_nanos()
    }
}
