//! Search for the largest datagram a path carries (DPLPMTUD, RFC 8899). Unit: bytes of UDP payload.
//!
//! ```text
//!            probe acked: raise floor            found (ceiling - floor small)
//! Search ───────────────────────────► Search … ─────────────────────────────► Done ──10 min──► Search
//!    └─ three probes of a size lost: lower ceiling        any state ──black hole──► floor = 1200, Search later
//! ```
//! It builds no packet: it says how large a probe should be, and is told what became of it. A lost probe is no
//! sign of congestion. [TMP-140]

use crate::time::{Duration, Instant};
use crate::tmp::limits::DATAGRAM_BYTES_MIN;
use crate::tmp::place::Bearer;

/// Every path carries this, or no tunnel: INIT is padded to it.
pub const MTU_BYTES_BASE: u16 = DATAGRAM_BYTES_MIN as u16;
/// Probes of one size before it counts as too large, RFC 8899 §5.1.2.
const PROBES_MAX: u8 = 3;
/// The search ends when the bounds are this near: the gain is below half a percent.
const RESOLUTION_BYTES: u16 = 8;
/// After this long the search begins again upwards, RFC 8899 §5.1.1.
const RAISE_AFTER: Duration = Duration::from_secs(600);
/// After a black hole the search waits this long: what swallowed the packets is likely still there.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Rounds in a row in which large packets were lost, smaller ones getting through, that mean a black hole.
const BLACK_HOLE_LOSSES: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A probe may be sent as soon as none is in flight.
    Search,
    /// Nothing to do before the instant.
    Rest(Instant),
}

/// The search of one path.
#[derive(Clone, Debug)]
pub struct Mtu {
    /// Largest size known to pass.
    floor_bytes: u16,
    /// Largest size still believed possible.
    ceiling_bytes: u16,
    option_bytes_max: u16,
    probe_bytes: Option<u16>,
    probes_lost: u8,
    /// Rounds with large losses since a packet of such a size arrived.
    large_lost: u8,
    /// The smallest packet lost in them.
    large_lost_bytes: u16,
    phase: Phase,
}

impl Mtu {
    /// Starts at the base size and may search up to `bytes_max`.
    pub fn new(bytes_max: u16) -> Self {
        let bytes_max = bytes_max.max(MTU_BYTES_BASE);
        Self {
            floor_bytes: MTU_BYTES_BASE,
            ceiling_bytes: bytes_max,
            option_bytes_max: bytes_max,
            probe_bytes: None,
            probes_lost: 0,
            large_lost: 0,
            large_lost_bytes: u16::MAX,
            phase: Phase::Search,
        }
    }

    /// A byte stream carries every size: there is nothing to search for.
    pub fn of(bearer: Bearer, bytes_max: u16) -> Self {
        let mtu = Self::new(bytes_max);
        match bearer {
            Bearer::Datagrams => mtu,
            Bearer::Stream => Self { floor_bytes: mtu.option_bytes_max, ..mtu },
        }
    }

    /// The size packets may have now.
    pub const fn current_bytes(&self) -> u16 {
        self.floor_bytes
    }

    /// The size of the probe that should be sent now, if any.
    pub fn wanted_probe_bytes(&self, now: Instant) -> Option<u16> {
        if self.probe_bytes.is_some() {
            return None;
        }
        match self.phase {
            Phase::Rest(until) if now < until => None,
            Phase::Rest(_) => self.next_bytes(self.option_bytes_max),
            Phase::Search => self.next_bytes(self.ceiling_bytes),
        }
    }

    /// A probe of `bytes` has left.
    pub fn probe_sent(&mut self, bytes: u16) {
        assert!(self.probe_bytes.is_none(), "one probe at a time");
        if self.phase != Phase::Search {
            (self.phase, self.ceiling_bytes, self.probes_lost) = (Phase::Search, self.option_bytes_max, 0);
        }
        self.probe_bytes = Some(bytes);
    }

    /// The path is another one: everything begins again.
    pub fn restart(&mut self, bearer: Bearer) {
        *self = Self::of(bearer, self.option_bytes_max);
    }

    /// Another bound from now on. A lower one holds at once, a higher one is searched for at once; packets in flight
    /// keep their size.
    pub fn set_bytes_max(&mut self, bytes_max: u16) {
        let bytes_max = bytes_max.max(MTU_BYTES_BASE);
        (self.option_bytes_max, self.ceiling_bytes) = (bytes_max, bytes_max);
        self.floor_bytes = self.floor_bytes.min(bytes_max);
        (self.phase, self.probes_lost) = (Phase::Search, 0);
    }

    /// The probe arrived: packets may have its size from now on.
    pub fn probe_acked(&mut self, now: Instant) {
        let Some(bytes) = self.probe_bytes.take() else { return };
        self.floor_bytes = self.floor_bytes.max(bytes.min(self.option_bytes_max));
        self.ceiling_bytes = self.ceiling_bytes.max(self.floor_bytes);
        (self.probes_lost, self.large_lost, self.large_lost_bytes) = (0, 0, u16::MAX);
        self.rest_if_found(now);
    }

    /// The probe was lost.
    pub fn probe_lost(&mut self, now: Instant) {
        let Some(bytes) = self.probe_bytes.take() else { return };
        self.probes_lost += 1;
        if self.probes_lost >= PROBES_MAX {
            self.ceiling_bytes = (bytes - 1).min(self.option_bytes_max).max(self.floor_bytes);
            self.probes_lost = 0;
        }
        self.rest_if_found(now);
    }

    /// A packet of `bytes` that was no probe arrived.
    pub fn packet_acked(&mut self, bytes: u16) {
        if bytes >= self.large_lost_bytes {
            (self.large_lost, self.large_lost_bytes) = (0, u16::MAX);
        }
    }

    /// A packet of `bytes` (the first such of its round) was lost while base-size ones passed; true if that was the
    /// black hole, and the size has fallen back to the base. Every size above the base counts: a path that shrank a
    /// little swallows the full packets and those that are nearly full, and passes what is between.
    pub fn large_packet_lost(&mut self, now: Instant, bytes: u16, smaller_passed: bool) -> bool {
        if self.floor_bytes == MTU_BYTES_BASE || bytes <= MTU_BYTES_BASE || !smaller_passed {
            return false;
        }
        self.large_lost += 1;
        self.large_lost_bytes = self.large_lost_bytes.min(bytes);
        if self.large_lost < BLACK_HOLE_LOSSES {
            return false;
        }
        self.floor_bytes = MTU_BYTES_BASE;
        (self.large_lost, self.large_lost_bytes, self.probes_lost) = (0, u16::MAX, 0);
        self.phase = Phase::Rest(now + RETRY_AFTER);
        true
    }

    /// Straight to the top first, as most paths carry it; then halving.
    fn next_bytes(&self, ceiling_bytes: u16) -> Option<u16> {
        if ceiling_bytes - self.floor_bytes < RESOLUTION_BYTES {
            return None;
        }
        if ceiling_bytes == self.option_bytes_max {
            return Some(ceiling_bytes);
        }
        Some(self.floor_bytes + (ceiling_bytes - self.floor_bytes).div_ceil(2))
    }

    fn rest_if_found(&mut self, now: Instant) {
        if self.ceiling_bytes - self.floor_bytes < RESOLUTION_BYTES {
            self.phase = Phase::Rest(now + RAISE_AFTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probes until the search rests; the size found and the number of probes.
    fn search(mtu: &mut Mtu, now: Instant, path_bytes: u16) -> (u16, u32) {
        let mut probes = 0;
        while let Some(bytes) = mtu.wanted_probe_bytes(now) {
            mtu.probe_sent(bytes);
            assert_eq!(mtu.wanted_probe_bytes(now), None);
            if bytes <= path_bytes {
                mtu.probe_acked(now)
            } else {
                mtu.probe_lost(now)
            }
            probes += 1;
        }
        (mtu.current_bytes(), probes)
    }

    /// [TMP-140]
    #[test]
    fn finds_every_size() {
        // path, option → at least this, at most the path; probes at most
        for (path, option) in
            [(1_472, 1_472), (1_452, 1_472), (1_280, 1_472), (1_200, 1_472), (9_000, 65_000)]
        {
            let (found, probes) = search(&mut Mtu::new(option), Instant::ORIGIN, path);
            assert!(
                found <= path.min(option) && found + RESOLUTION_BYTES > path.min(option),
                "{found} {path}"
            );
            assert!(probes <= 45, "{probes}");
        }
        assert_eq!(
            search(&mut Mtu::new(1_452), Instant::ORIGIN, 1_500),
            (1_452, 1),
            "the common case is one probe"
        );
        assert_eq!(search(&mut Mtu::new(900), Instant::ORIGIN, 1_500), (1_200, 0));
    }

    /// [TMP-140]
    #[test]
    fn a_black_hole_falls_back_and_is_tried_again_later() {
        let mut mtu = Mtu::new(1_472);
        search(&mut mtu, Instant::ORIGIN, 1_472);
        let lost = |mtu: &mut Mtu, bytes| mtu.large_packet_lost(Instant::ORIGIN, bytes, true);
        assert!(!mtu.large_packet_lost(Instant::ORIGIN, 1_472, false), "an outage is no black hole");
        assert!(!lost(&mut mtu, 1_472) && !lost(&mut mtu, 1_472));
        mtu.packet_acked(1_472);
        assert!(!lost(&mut mtu, 1_472) && !lost(&mut mtu, 1_400), "one that passes begins anew");
        mtu.packet_acked(1_380);
        assert!(lost(&mut mtu, 1_472), "what is smaller than the lost ones proves nothing");
        assert_eq!((mtu.current_bytes(), mtu.wanted_probe_bytes(Instant::ORIGIN)), (1_200, None));
        assert_eq!(search(&mut mtu, Instant::ORIGIN + RETRY_AFTER, 1_300).0 / 10, 129);
    }

    #[test]
    fn another_bound_holds_at_once_and_whatever_is_in_flight() {
        let mut mtu = Mtu::new(1_472);
        search(&mut mtu, Instant::ORIGIN, 1_472);
        mtu.set_bytes_max(1_300);
        assert_eq!((mtu.current_bytes(), mtu.wanted_probe_bytes(Instant::ORIGIN)), (1_300, None));
        mtu.set_bytes_max(1_452);
        assert_eq!(mtu.wanted_probe_bytes(Instant::ORIGIN), Some(1_452));
        mtu.probe_sent(1_452);
        mtu.set_bytes_max(1_250);
        mtu.probe_acked(Instant::ORIGIN);
        assert_eq!(mtu.current_bytes(), 1_250, "a probe that was under way lifts nothing above the bound");
        mtu.set_bytes_max(1_452);
        mtu.probe_sent(1_452);
        mtu.set_bytes_max(1_300);
        (0..3).for_each(|_| mtu.probe_lost(Instant::ORIGIN));
        assert_eq!(search(&mut mtu, Instant::ORIGIN, 1_472).0, 1_300);
    }

    #[test]
    fn a_path_that_grew_is_found_after_ten_minutes() {
        let mut mtu = Mtu::new(1_472);
        search(&mut mtu, Instant::ORIGIN, 1_300);
        assert_eq!(mtu.wanted_probe_bytes(Instant::from_us(1)), None);
        assert_eq!(search(&mut mtu, Instant::ORIGIN + RAISE_AFTER, 1_472).0, 1_472);
    }
}
