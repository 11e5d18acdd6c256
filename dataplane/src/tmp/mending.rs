//! The receiver's side of repair data: the payloads of the last packets, and the one lost packet that a sum gives
//! back. [TMP-151]
//!
//! Nothing is kept before the first REPAIR has come, and nothing any more when none comes for long. It parses no frames: what is
//! given back was authenticated, as all that went into the sum was. Unit: bytes.

use crate::tmp::frame::Sum;
use crate::tmp::limits::{PAYLOAD_BYTES_MIN, REPAIR_RUN_MAX};

/// Payloads kept: a run and as many packets that overtook it.
const KEPT: usize = 2 * REPAIR_RUN_MAX;
/// Packets without any REPAIR after which payloads are no longer kept.
const QUIET_PACKETS: u64 = 16_384;

/// What a REPAIR was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing was missing.
    Whole,
    /// This packet was missing and is in `payload` now.
    Packet(u64),
    /// More than one packet is missing, or the packets were not kept.
    Beyond,
    /// The sum does not go with the packets that it names.
    Wrong,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    /// Number of the packet, plus one; 0: none.
    number_end: u64,
    payload: Vec<u8>,
}

/// The payloads.
#[derive(Debug, Default)]
pub struct Mending {
    /// Empty until the first REPAIR; `number % KEPT` is the place.
    kept: Vec<Kept>,
    mended: Vec<u8>,
    /// Packets kept since the last REPAIR.
    quiet: u64,
}

impl Mending {
    /// Keeps the payload of a packet that was taken.
    pub fn keep(&mut self, number: u64, payload: &[u8]) {
        if self.kept.is_empty() {
            return;
        }
        self.quiet += 1;
        if self.quiet > QUIET_PACKETS {
            self.kept = Vec::new();
            return;
        }
        let place = &mut self.kept[number as usize % KEPT];
        // What is late must not push out what is newer.
        if place.number_end <= number {
            place.number_end = number + 1;
            place.payload.clear();
            place.payload.extend_from_slice(payload);
        }
    }

    /// Looks what the sum in packet `number` gives back.
    pub fn mend(&mut self, number: u64, sum: &Sum<'_>) -> Mended {
        self.quiet = 0;
        if self.kept.is_empty() {
            self.kept.resize(KEPT, Kept::default());
            return Mended::Beyond;
        }
        let Some(first) = number.checked_sub(u64::from(sum.count)) else { return Mended::Wrong };
        let mut missing = (first..number).filter(|number| self.kept_payload(*number).is_none());
        let Some(lost) = missing.next() else { return Mended::Whole };
        if missing.next().is_some() {
            return Mended::Beyond;
        }
        let mut length = sum.length_sum;
        let mut mended = core::mem::take(&mut self.mended);
        mended.clear();
        mended.extend_from_slice(sum.payload_sum);
        let mut fits = true;
        for payload in (first..number).filter_map(|number| self.kept_payload(number)) {
            length ^= payload.len() as u16;
            fits &= payload.len() <= mended.len();
            mended.iter_mut().zip(payload).for_each(|(sum, byte)| *sum ^= byte);
        }
        fits &= (PAYLOAD_BYTES_MIN..=mended.len()).contains(&usize::from(length));
        if fits {
            mended.truncate(usize::from(length));
        }
        self.mended = mended;
        if fits { Mended::Packet(lost) } else { Mended::Wrong }
    }

    /// The payload that `mend` gave back last; the caller returns it by `put_back`, so that its memory serves again.
    pub fn take_mended(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.mended)
    }

    /// See `take_mended`.
    pub fn put_back(&mut self, mended: Vec<u8>) {
        self.mended = mended;
    }

    fn kept_payload(&self, number: u64) -> Option<&[u8]> {
        let kept = &self.kept[number as usize % KEPT];
        (kept.number_end == number + 1).then_some(&kept.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"the first packet, which is long";
    const B: &[u8] = b"the second packet, lost";

    fn sum_of(payloads: &[&[u8]]) -> (Vec<u8>, u16) {
        let mut sum = vec![0; payloads.iter().map(|payload| payload.len()).max().unwrap()];
        let mut length = 0;
        for payload in payloads {
            sum.iter_mut().zip(*payload).for_each(|(sum, byte)| *sum ^= byte);
            length ^= payload.len() as u16;
        }
        (sum, length)
    }

    /// The first REPAIR only begins the keeping.
    fn keeping() -> Mending {
        let mut mending = Mending::default();
        mending.keep(1, A);
        assert_eq!(mending.mend(2, &Sum { count: 1, length_sum: 31, payload_sum: A }), Mended::Beyond);
        mending
    }

    #[test]
    fn one_missing_packet_is_given_back() {
        let mut mending = keeping();
        let (payload_sum, length_sum) = sum_of(&[A, B]);
        let sum = Sum { count: 2, length_sum, payload_sum: &payload_sum };
        assert_eq!(mending.mend(10, &sum), Mended::Beyond, "two are missing");
        mending.keep(8, A);
        assert_eq!(mending.mend(10, &sum), Mended::Packet(9));
        assert_eq!(mending.take_mended(), B);
        mending.keep(9, B);
        assert_eq!(mending.mend(10, &sum), Mended::Whole);
    }

    #[test]
    fn a_sum_of_other_packets_is_wrong() {
        let mut mending = keeping();
        mending.keep(8, A);
        for (count, length_sum, payload_sum) in [(2, 9, B), (2, 0xffff, A), (20, 0, A)] {
            assert_eq!(mending.mend(10, &Sum { count, length_sum, payload_sum }), Mended::Wrong);
        }
    }

    #[test]
    fn old_packets_make_room_and_late_ones_do_not() {
        let mut mending = keeping();
        mending.keep(100, A);
        mending.keep(100 + KEPT as u64, B);
        mending.keep(100, A);
        let sum = Sum { count: 1, length_sum: B.len() as u16, payload_sum: B };
        assert_eq!(mending.mend(101 + KEPT as u64, &sum), Mended::Whole);
        (0..=QUIET_PACKETS).for_each(|number| mending.keep(1_000 + number, A));
        assert_eq!(mending.mend(2_000, &sum), Mended::Beyond, "nothing was kept any more");
    }
}
