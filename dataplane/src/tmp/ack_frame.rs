//! The ACK frame's content: header fields and ranges, decoded lazily from the packet. [TMP-44]
//!
//! Not here: which numbers to acknowledge (`received`). Layout after the type byte: flags 1, path 1,
//! largest 4, delay 2, rx time 4, n 1, first length v, n × (gap v, length v), and if flag bit 0 is set:
//! ECT(0) count 4, CE count 4. Gap and length count as in RFC 9000 §19.3.1.

use crate::tmp::error::Malformed;
use crate::tmp::limits::{ACK_DELAY_UNIT_US, ACK_RANGES_ACCEPTED_MAX, ACK_RANGES_SENT_MAX};
use crate::tmp::varint::{read_varint, varint_len, write_varint};

const FIXED_BYTES: usize = 13;
const ECN_BYTES: usize = 8;
const FLAG_ECN: u8 = 1;

/// Counts of marked packets since the session began, modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcnCounts {
    /// Packets that came with ECT(0).
    pub capable: u32,
    /// Packets that came with CE.
    pub congested: u32,
}

/// What an ACK says besides its ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckHeader {
    /// The path whose numbers these are; 0 until there are several.
    pub path: u8,
    /// Low 32 bits of the largest number received.
    pub largest_low: u32,
    /// From receipt of the largest to the making of this frame, in units of `ACK_DELAY_UNIT_US`, saturated.
    pub delay_units: u16,
    /// When the largest was received by the receiver's µs clock, modulo 2^32.
    pub rx_time_us: u32,
    /// Present if the receiver sees the ECN bits.
    pub ecn: Option<EcnCounts>,
}

impl AckHeader {
    /// The delay in units, for a delay in µs.
    pub fn delay_units_of(delay_us: u64) -> u16 {
        u16::try_from(delay_us / ACK_DELAY_UNIT_US).unwrap_or(u16::MAX)
    }

    /// The delay in µs.
    pub const fn delay_us(&self) -> u64 {
        self.delay_units as u64 * ACK_DELAY_UNIT_US
    }
}

/// A decoded ACK. Its ranges stay in the packet and are read as they are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The fields.
    pub header: AckHeader,
    ranges: &'a [u8],
    span: u64,
}

impl<'a> Ack<'a> {
    /// Decodes what follows the type byte; also says how many bytes that took.
    pub(in crate::tmp) fn decode(bytes: &'a [u8]) -> Result<(Self, usize), Malformed> {
        let fixed: &[u8; FIXED_BYTES] = bytes.first_chunk().ok_or(Malformed::Truncated)?;
        let [flags, path, l0, l1, l2, l3, d0, d1, t0, t1, t2, t3, more] = *fixed;
        if flags & !FLAG_ECN != 0 {
            return Err(Malformed::Value);
        }
        let (span, ranges_len) = measure(&bytes[FIXED_BYTES..], usize::from(more))?;
        let ranges_end = FIXED_BYTES + ranges_len;
        let ecn = if flags & FLAG_ECN != 0 { Some(read_ecn(&bytes[ranges_end..])?) } else { None };
        let header = AckHeader {
            path,
            largest_low: u32::from_be_bytes([l0, l1, l2, l3]),
            delay_units: u16::from_be_bytes([d0, d1]),
            rx_time_us: u32::from_be_bytes([t0, t1, t2, t3]),
            ecn,
        };
        let taken = ranges_end + if ecn.is_some() { ECN_BYTES } else { 0 };
        Ok((Self { header, ranges: &bytes[FIXED_BYTES..ranges_end], span }, taken))
    }

    /// The ranges as `(first, last)`, both included, highest first, given the full number of the largest.
    /// `None` if they would reach below 0, which is the peer's error.
    pub fn ranges(&self, largest: u64) -> Option<AckRanges<'a>> {
        (self.span <= largest).then_some(AckRanges { bytes: self.ranges, next_last: Some(largest) })
    }
}

/// Walks the ranges of one ACK, highest first.
#[derive(Clone, Debug)]
pub struct AckRanges<'a> {
    bytes: &'a [u8],
    /// The last number of the next range; `None` before nothing: the first range has no gap in front.
    next_last: Option<u64>,
}

impl Iterator for AckRanges<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let last = self.next_last?;
        let (length, taken) = read_varint(self.bytes)?;
        self.bytes = &self.bytes[taken..];
        let first = last.checked_sub(length)?;
        self.next_last = self.step_over_gap(first);
        Some((first, last))
    }
}

impl AckRanges<'_> {
    fn step_over_gap(&mut self, first: u64) -> Option<u64> {
        let (gap, taken) = read_varint(self.bytes)?;
        self.bytes = &self.bytes[taken..];
        first.checked_sub(gap)?.checked_sub(2)
    }
}

/// The distance from the largest to the smallest number, and the bytes that the ranges take.
fn measure(bytes: &[u8], more: usize) -> Result<(u64, usize), Malformed> {
    if more + 1 > ACK_RANGES_ACCEPTED_MAX {
        return Err(Malformed::AckRanges);
    }
    let (mut span, mut at) = read_varint(bytes).ok_or(Malformed::Truncated)?;
    for _ in 0..more {
        let (gap, gap_len) = read_varint(&bytes[at..]).ok_or(Malformed::Truncated)?;
        at += gap_len;
        let (length, length_len) = read_varint(&bytes[at..]).ok_or(Malformed::Truncated)?;
        at += length_len;
        // Each term is below 2^62 and there are at most 128 of them, so only the sum needs care.
        span = span.checked_add(gap + 2 + length).ok_or(Malformed::AckRanges)?;
    }
    Ok((span, at))
}

fn read_ecn(bytes: &[u8]) -> Result<EcnCounts, Malformed> {
    let counts: &[u8; ECN_BYTES] = bytes.first_chunk().ok_or(Malformed::Truncated)?;
    let [a, b, c, d, e, f, g, h] = *counts;
    Ok(EcnCounts { capable: u32::from_be_bytes([a, b, c, d]), congested: u32::from_be_bytes([e, f, g, h]) })
}

/// Encodes what follows the type byte at the front of `out`; `None` if not even the first range fits. Ranges
/// come highest first, do not touch, and those beyond `ACK_RANGES_SENT_MAX` or beyond the room are left out.
pub(in crate::tmp) fn encode_ack(
    out: &mut [u8],
    header: &AckHeader,
    ranges: impl IntoIterator<Item = (u64, u64)>,
) -> Option<usize> {
    let tail = if header.ecn.is_some() { ECN_BYTES } else { 0 };
    let room = out.len().checked_sub(tail)?;
    let mut ranges = ranges.into_iter();
    let (mut floor, last) = ranges.next()?;
    assert!(floor <= last && header.largest_low == last as u32, "the first range ends with the largest");
    let mut at = FIXED_BYTES + write_varint(out.get_mut(FIXED_BYTES..room)?, last - floor)?;
    let mut more = 0;
    for (first, last) in ranges.take(ACK_RANGES_SENT_MAX - 1) {
        assert!(first <= last && last + 1 < floor, "ranges descend and leave a gap");
        let (gap, length) = (floor - last - 2, last - first);
        if at + varint_len(gap) + varint_len(length) > room {
            break;
        }
        at += write_varint(&mut out[at..], gap)?;
        at += write_varint(&mut out[at..], length)?;
        floor = first;
        more += 1;
    }
    write_fixed(out, header, more);
    if let Some(ecn) = header.ecn {
        out[at..at + 4].copy_from_slice(&ecn.capable.to_be_bytes());
        out[at + 4..at + ECN_BYTES].copy_from_slice(&ecn.congested.to_be_bytes());
    }
    Some(at + tail)
}

fn write_fixed(out: &mut [u8], header: &AckHeader, more: u8) {
    out[0] = if header.ecn.is_some() { FLAG_ECN } else { 0 };
    out[1] = header.path;
    out[2..6].copy_from_slice(&header.largest_low.to_be_bytes());
    out[6..8].copy_from_slice(&header.delay_units.to_be_bytes());
    out[8..12].copy_from_slice(&header.rx_time_us.to_be_bytes());
    out[12] = more;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn header(largest: u64, ecn: Option<EcnCounts>) -> AckHeader {
        AckHeader { path: 0, largest_low: largest as u32, delay_units: 3, rx_time_us: 77, ecn }
    }

    /// Descending ranges from steps of (gap, length).
    fn descending(largest: u64, steps: &[(u8, u8)]) -> Vec<(u64, u64)> {
        let mut last = largest;
        let mut ranges = Vec::new();
        for (gap, length) in steps {
            let first = last - u64::from(*length);
            ranges.push((first, last));
            last = first - u64::from(*gap) - 2;
        }
        ranges
    }

    proptest! {
        #[test]
        fn ranges_round_trip(
            largest in 1u64 << 20..1 << 60,
            steps in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..ACK_RANGES_SENT_MAX),
            counts in proptest::option::of((any::<u32>(), any::<u32>())),
        ) {
            let ecn = counts.map(|(capable, congested)| EcnCounts { capable, congested });
            let ranges = descending(largest, &steps);
            let mut out = [0; 1200];
            let len = encode_ack(&mut out, &header(largest, ecn), ranges.iter().copied()).unwrap();
            let (ack, taken) = Ack::decode(&out[..len]).unwrap();
            assert_eq!(taken, len);
            assert_eq!(ack.header, header(largest, ecn));
            assert_eq!(ack.ranges(largest).unwrap().collect::<Vec<_>>(), ranges);
            assert!(Ack::decode(&out[..len - 1]).is_err());
        }

        #[test]
        fn a_short_room_keeps_the_highest_ranges(room in 0usize..120) {
            let ranges = descending(1 << 30, &[(200, 200); 30]);
            let mut out = [0; 120];
            if let Some(len) = encode_ack(&mut out[..room], &header(1 << 30, None), ranges.iter().copied()) {
                assert!(len <= room);
                let (ack, _) = Ack::decode(&out[..len]).unwrap();
                let kept: Vec<_> = ack.ranges(1 << 30).unwrap().collect();
                assert_eq!(kept, ranges[..kept.len()]);
            } else {
                assert!(room < FIXED_BYTES + 2);
            }
        }
    }

    /// [TMP-44.1]
    #[test]
    fn ranges_below_zero_and_too_many_ranges_are_refused() {
        let mut out = [0; 64];
        let len = encode_ack(&mut out, &header(10, None), [(2, 10)]).unwrap();
        let (ack, _) = Ack::decode(&out[..len]).unwrap();
        assert!(ack.ranges(7).is_none());
        assert_eq!(ack.ranges(8).unwrap().collect::<Vec<_>>(), [(0, 8)]);
        let mut many = [0u8; 400];
        many[12] = ACK_RANGES_ACCEPTED_MAX as u8;
        assert_eq!(Ack::decode(&many).unwrap_err(), Malformed::AckRanges);
        many[12] = ACK_RANGES_ACCEPTED_MAX as u8 - 1;
        assert!(Ack::decode(&many).is_ok());
    }
}
