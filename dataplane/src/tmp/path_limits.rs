//! What an operator will bear of a path before others are used instead, or too (`--route-limit`). [TMP-164]

use crate::tmp::health::Suspicion;

/// The most that is borne; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathLimits {
    /// Smoothed round trip, µs.
    pub rtt_us: u32,
    /// Packets of this end lost in ten seconds, per million.
    pub loss_ppm: u32,
    /// Queue on the way to the peer, µs.
    pub queue_us: u32,
    /// How long what waits in the tunnel takes to leave, µs: beyond it the path is full, not bad.
    pub wait_us: u32,
}

/// So few losses in ten seconds may be chance.
const LOSSES_MIN: u64 = 5;

/// A path as it is.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Smoothed round trip.
    pub rtt_us: u64,
    /// Packets lost in ten seconds, per million, and how many these are.
    pub loss: (u32, u64),
    /// Queue.
    pub queue_us: u64,
}

impl PathLimits {
    /// Length as on the wire.
    pub const BYTES: usize = 16;

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The first limit that a path is beyond.
    pub fn exceeded(&self, figures: &Figures) -> Option<Suspicion> {
        let beyond = |limit: u32, figure: u64| limit > 0 && figure > u64::from(limit);
        let (loss_ppm, losses) = figures.loss;
        if beyond(self.rtt_us, figures.rtt_us) {
            Some(Suspicion::RttLimit)
        } else if losses >= LOSSES_MIN && beyond(self.loss_ppm, u64::from(loss_ppm)) {
            Some(Suspicion::LossLimit)
        } else if beyond(self.queue_us, figures.queue_us) {
            Some(Suspicion::QueueLimit)
        } else {
            None
        }
    }

    /// As on the wire.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, value) in
            bytes.chunks_exact_mut(4).zip([self.rtt_us, self.loss_ppm, self.queue_us, self.wait_us])
        {
            place.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    /// The inverse.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            rtt_us: u32::from_be_bytes([a, b, c, d]),
            loss_ppm: u32::from_be_bytes([e, f, g, h]),
            queue_us: u32::from_be_bytes([i, j, k, l]),
            wait_us: u32::from_be_bytes([m, n, o, p]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_counts_and_none_is_none() {
        let figures = Figures { rtt_us: 100_000, loss: (30_000, 5), queue_us: 20_000 };
        let (rtt, loss, queue) = (
            PathLimits { rtt_us: 99_999, ..PathLimits::default() },
            PathLimits { loss_ppm: 29_999, ..PathLimits::default() },
            PathLimits { queue_us: 19_999, ..PathLimits::default() },
        );
        assert_eq!(PathLimits::default().exceeded(&figures), None);
        assert_eq!(rtt.exceeded(&figures), Some(Suspicion::RttLimit));
        assert_eq!(loss.exceeded(&figures), Some(Suspicion::LossLimit));
        assert_eq!(
            loss.exceeded(&Figures { loss: (400_000, 4), ..figures }),
            None,
            "four of ten may be chance"
        );
        assert_eq!(queue.exceeded(&figures), Some(Suspicion::QueueLimit));
        let all = PathLimits { rtt_us: 1 << 24, loss_ppm: 2 << 16, queue_us: 3 << 8, wait_us: 4 };
        assert_eq!(PathLimits::from_bytes(all.to_bytes()), all);
    }
}
