//! What stands in front of the blocks of a half, as bytes. [EXC-31] [EXC-32]
//!
//! ```text
//! first     1 · 1 answer may · 000 · codec 3            of a half that is in blocks, or whose answer may be
//! raw       00 · length − 1 (14 bits) ‖ bytes
//! packed    01 · length − 1 (14 bits) ‖ packed length 2 ‖ packed bytes
//! plain     10 · 0                                      what follows is as it is, to the end of the half
//! ```
//! An envelope begins with its version, which is below 128: so a half that begins with one is plain, as ever.

use crate::compression::codec::Codec;

/// Bytes of a block when it is unpacked, at most. 8 KiB: two of them shrink HTML within 5 % of what one of 16 KiB does
/// (measured with zstd: 3,714 and 3,515 of 16,384 bytes), and the smaller waits less for its last packet.
pub const BLOCK_BYTES_MAX: usize = 8 << 10;

/// Bytes in front of a packed block.
pub const TAG_BYTES_MAX: usize = 4;

/// By how many bytes blocks make a half longer than it is, at most: when that much is lost the rest goes as it is.
pub const EXPANSION_BYTES_MAX: usize = 64;

const IN_BLOCKS: u8 = 0x80;
const ANSWER_MAY: u8 = 0x40;
const CODEC: u8 = 0x07;

const RAW: u16 = 0;
const PACKED: u16 = 1 << 14;
const PLAIN: u16 = 2 << 14;
const KIND: u16 = 3 << 14;

/// The first byte of a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// The half is in blocks of this codec; else it is plain behind this byte.
    pub(crate) codec: Option<Codec>,
    /// Whoever answers may do so in blocks.
    pub(crate) answer_may: bool,
}

impl First {
    pub(crate) fn to_byte(self) -> u8 {
        let answer_may = if self.answer_may { ANSWER_MAY } else { 0 };
        IN_BLOCKS | answer_may | self.codec.map_or(0, Codec::to_u8)
    }

    /// `None`: it is the first byte of an envelope. The inner error is a codec that nobody has.
    pub(crate) fn read(byte: u8) -> Option<Result<Self, ()>> {
        if byte & IN_BLOCKS == 0 {
            return None;
        }
        let codec = match byte & CODEC {
            0 => Ok(None),
            number => Codec::from_u8(number).map(Some).ok_or(()),
        };
        Some(codec.map(|codec| Self { codec, answer_may: byte & ANSWER_MAY != 0 }))
    }
}

/// What a tag announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// So many bytes follow as they are.
    Raw(usize),
    /// So many bytes, and their packed length follows.
    Packed(usize),
    /// The rest of the half is as it is.
    Plain,
}

impl Tag {
    pub(crate) fn to_bytes(self) -> [u8; 2] {
        let word = match self {
            Self::Raw(bytes) => RAW | length(bytes),
            Self::Packed(bytes) => PACKED | length(bytes),
            Self::Plain => PLAIN,
        };
        word.to_be_bytes()
    }

    /// `None` for a tag that nobody writes.
    pub(crate) fn from_bytes(bytes: [u8; 2]) -> Option<Self> {
        let word = u16::from_be_bytes(bytes);
        let length = usize::from(word & !KIND) + 1;
        match word & KIND {
            RAW if length <= BLOCK_BYTES_MAX => Some(Self::Raw(length)),
            PACKED if length <= BLOCK_BYTES_MAX => Some(Self::Packed(length)),
            PLAIN if length == 1 => Some(Self::Plain),
            _ => None,
        }
    }
}

fn length(bytes: usize) -> u16 {
    assert!((1..=BLOCK_BYTES_MAX).contains(&bytes), "a block has bytes, and not too many");
    (bytes - 1) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [EXC-31] [EXC-32]
    #[test]
    fn tags_and_first_bytes_return_and_no_envelope_is_taken_for_one() {
        for tag in [Tag::Raw(1), Tag::Raw(BLOCK_BYTES_MAX), Tag::Packed(77), Tag::Plain] {
            assert_eq!(Tag::from_bytes(tag.to_bytes()), Some(tag));
        }
        for word in [0xc000_u16, 0x8001, 0x3fff, 0x6000] {
            assert_eq!(Tag::from_bytes(word.to_be_bytes()), None, "{word:x}");
        }
        for codec in [None, Some(Codec::Lz4), Some(Codec::Zstd)] {
            for answer_may in [false, true] {
                let first = First { codec, answer_may };
                assert_eq!(First::read(first.to_byte()), Some(Ok(first)));
            }
        }
        assert!((0..128).all(|version| First::read(version).is_none()));
        assert_eq!(First::read(0x87), Some(Err(())));
    }
}
