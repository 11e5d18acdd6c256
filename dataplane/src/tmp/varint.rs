//! Integers of one, two, four or eight bytes (RFC 9000 §16): the two high bits of the first byte say which. [TMP-43]

/// The greatest value that fits.
pub const VARINT_MAX: u64 = (1 << 62) - 1;

/// Bytes that `value` takes; `value` is at most `VARINT_MAX`.
pub const fn varint_len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Writes `value` at the front of `out` and says how many bytes it took; `None` if it does not fit.
pub fn write_varint(out: &mut [u8], value: u64) -> Option<usize> {
    assert!(value <= VARINT_MAX, "a varint has 62 bits");
    let len = varint_len(value);
    let out = out.get_mut(..len)?;
    out.copy_from_slice(&value.to_be_bytes()[8 - len..]);
    out[0] |= (len.trailing_zeros() as u8) << 6;
    Some(len)
}

/// Reads a value from the front of `bytes`: the value and how many bytes it took; `None` if it is cut off.
///
/// A longer form than needed is accepted, as in QUIC.
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = 1 << (first >> 6);
    let mut value = u64::from(first & 0x3f);
    for byte in bytes.get(1..len)? {
        value = value << 8 | u64::from(*byte);
    }
    Some((value, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn the_examples_of_rfc_9000_a1_are_read() {
        assert_eq!(
            read_varint(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]),
            Some((151_288_809_941_952_652, 8))
        );
        assert_eq!(read_varint(&[0x9d, 0x7f, 0x3e, 0x7d]), Some((494_878_333, 4)));
        assert_eq!(read_varint(&[0x7b, 0xbd]), Some((15_293, 2)));
        assert_eq!(read_varint(&[0x25]), Some((37, 1)));
        assert_eq!(read_varint(&[0x40, 0x25]), Some((37, 2)));
        assert_eq!(read_varint(&[0x40]), None);
        assert_eq!(read_varint(&[]), None);
    }

    proptest! {
        #[test]
        fn every_value_round_trips(word in any::<u64>(), shift in 2u32..64) {
            let value = word >> shift;
            let mut out = [0; 8];
            let len = write_varint(&mut out, value).unwrap();
            assert_eq!(len, varint_len(value));
            assert_eq!(read_varint(&out[..len]), Some((value, len)));
            assert_eq!(write_varint(&mut out[..len - 1], value), None);
        }
    }
}
