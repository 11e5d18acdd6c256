//! What a tunnel leaves behind of a path, for the next one over the same path: how much it carried and how long it was.
//! Units: bytes per second, µs.
//!
//! Each end keeps it for itself while its process lives. An initiator also keeps what the responder last said of its own
//! direction (QUALITY) and repeats it in INIT, so that a responder that was restarted begins from it, too. [TMP-163]
//! What is made of it is in `resume`.

use crate::time::{Duration, Instant};
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::params::Carried;

/// What is older says nothing of the path any more.
const KEPT: Duration = Duration::from_secs(600);
/// The round trip that is measured now may be so much longer than the least one of then, and half as long.
const LONGER_PART: u64 = 4;
const LONGER_US: u64 = 5_000;
const SHORTER_FACTOR: u64 = 2;

/// One path as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The largest rate of late at which the peer received.
    pub bytes_per_s: u64,
    /// The same of the peer's packets, as it said.
    pub peer_bytes_per_s: u64,
    /// The least round trip.
    pub rtt_us: u64,
    /// When that was so.
    pub at: Instant,
}

/// By the number of the path.
pub type LearnedPaths = [Option<Learned>; PATHS_MAX];

impl Learned {
    /// Whether it is young enough, and a round trip of `rtt_us` is one of this path.
    pub fn fits(&self, now: Instant, rtt_us: u64) -> bool {
        let longest_us = self.rtt_us + (self.rtt_us / LONGER_PART).max(LONGER_US);
        let is_alike = rtt_us <= longest_us && rtt_us >= self.rtt_us / SHORTER_FACTOR;
        is_alike && now.since(self.at) <= KEPT
    }

    /// The same, where what was known before was put to no test.
    pub fn or_untried(self, before: Option<Self>) -> Self {
        before.map_or(self, |before| Self {
            bytes_per_s: self.bytes_per_s.max(before.bytes_per_s),
            peer_bytes_per_s: self.peer_bytes_per_s.max(before.peer_bytes_per_s),
            at: before.at,
            ..self
        })
    }

    /// What the peer is told of its own direction; `None` if nothing is known of it.
    pub(in crate::tmp) fn tell(&self, now: Instant) -> Option<Carried> {
        let kbps = u32::try_from(self.peer_bytes_per_s * 8 / 1_000).unwrap_or(u32::MAX);
        let rtt_us = u32::try_from(self.rtt_us).unwrap_or(u32::MAX);
        let age_s = u16::try_from(now.since(self.at).as_secs()).unwrap_or(u16::MAX);
        (kbps > 0).then_some(Carried { kbps, rtt_us, age_s })
    }

    /// What the peer has told.
    pub(in crate::tmp) fn told(now: Instant, carried: Carried) -> Self {
        let age_us = u64::from(carried.age_s) * 1_000_000;
        Self {
            bytes_per_s: u64::from(carried.kbps) * 1_000 / 8,
            peer_bytes_per_s: 0,
            rtt_us: u64::from(carried.rtt_us),
            at: Instant::from_us(now.as_us().saturating_sub(age_us)),
        }
    }

    /// What was in flight then, without a queue.
    pub fn held_bytes(&self) -> u64 {
        let bytes = u128::from(self.bytes_per_s) * u128::from(self.rtt_us) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_again_by_its_round_trip_for_ten_minutes() {
        let at = Instant::from_us(5_000_000);
        let learned = Learned { bytes_per_s: 1_000_000, peer_bytes_per_s: 0, rtt_us: 100_000, at };
        assert_eq!(learned.held_bytes(), 100_000);
        for (rtt_us, fits) in [(49_999, false), (50_000, true), (125_000, true), (125_001, false)] {
            assert_eq!(learned.fits(at, rtt_us), fits, "{rtt_us}");
        }
        assert!(learned.fits(at + KEPT, 100_000));
        let younger = Learned { bytes_per_s: 5, peer_bytes_per_s: 700, rtt_us: 90_000, at: at + KEPT };
        let both = Learned { bytes_per_s: 1_000_000, peer_bytes_per_s: 700, rtt_us: 90_000, at };
        assert_eq!((younger.or_untried(Some(learned)), younger.or_untried(None)), (both, younger));
        let carried = both
            .tell(at + Duration::from_secs(7))
            .map(|told| Learned::told(at + Duration::from_secs(9), told));
        let told = Learned {
            bytes_per_s: 625,
            peer_bytes_per_s: 0,
            rtt_us: 90_000,
            at: at + Duration::from_secs(2),
        };
        assert_eq!((carried, learned.tell(at)), (Some(told), None));
        assert!(!learned.fits(at + KEPT + Duration::from_micros(1), 100_000));
    }
}
