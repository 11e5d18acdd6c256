//! One half as its receiver unpacks it: what stands at its front, and how far that has been taken. [EXC-31] [EXC-32]
//!
//! The caller shows the front of the half, as many bytes as lie there or `Front::BYTES` of them; it is told what that is, takes
//! it, and says how much it took. A packed block is unpacked when it has come whole and is taken off the stream when all
//! of it has been handed on; until then its packed bytes count against the sender's credit, and nothing else is kept.

use crate::compression::block::{First, TAG_BYTES_MAX, Tag};
use crate::compression::codec::{BadBlock, Codec};
use crate::compression::coder::Decoder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come.
    Start,
    /// Bytes are as they are, to the end.
    Plain,
    /// A tag comes next.
    Tag,
    /// So many bytes as they are, then a tag.
    Raw(u16),
    /// A packed block, of which so many bytes have been handed on.
    Packed(u16),
}

/// The half of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    state: State,
    codec: Codec,
}

/// What stands at the front of a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Not enough to tell.
    Wait,
    /// A mark of so many bytes: take it off, and look again.
    Mark(usize),
    /// The same: the half's first byte, which says whether the answer may be in blocks.
    First {
        /// What it says.
        answer_may: bool,
    },
    /// Bytes as they are, so many at most.
    Bytes(usize),
    /// A packed block.
    Packed {
        /// How it is packed.
        codec: Codec,
        /// Bytes of the tag, and of what is packed.
        tag_bytes: usize,
        /// Bytes of what is packed.
        packed_bytes: usize,
        /// Bytes that it unpacks to.
        length: usize,
        /// How many of them were handed on.
        given: usize,
    },
}

impl Front {
    /// As many bytes as are ever needed to know what stands at the front.
    pub const BYTES: usize = TAG_BYTES_MAX;
}

impl Default for Incoming {
    fn default() -> Self {
        Self { state: State::Start, codec: Codec::Lz4 }
    }
}

impl Incoming {
    /// Whether the half is plain from here on.
    pub const fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    /// Its codec; `None` while it is, or from its first byte on was, plain.
    pub const fn codec(&self) -> Option<Codec> {
        match self.state {
            State::Start | State::Plain => None,
            State::Tag | State::Raw(_) | State::Packed(_) => Some(self.codec),
        }
    }

    /// Whether it may end here: not inside a block.
    pub const fn may_end(&self) -> bool {
        matches!(self.state, State::Start | State::Plain | State::Tag)
    }

    /// What `front` is, the first bytes of the half that were not taken. A packed block must be shorter than
    /// `packed_bytes_max`: the window of the stream.
    pub fn look(&mut self, front: &[u8], packed_bytes_max: usize) -> Result<Front, BadBlock> {
        match self.state {
            State::Plain => return Ok(Front::Bytes(usize::MAX)),
            State::Raw(left) => return Ok(Front::Bytes(usize::from(left))),
            State::Start => return self.look_first(front),
            State::Tag | State::Packed(_) => {}
        }
        let Some((tag, behind)) = front.split_first_chunk::<2>() else { return Ok(Front::Wait) };
        match Tag::from_bytes(*tag).ok_or(BadBlock::Tag)? {
            Tag::Plain => {
                self.state = State::Plain;
                Ok(Front::Mark(2))
            }
            Tag::Raw(bytes) => {
                self.state = State::Raw(bytes as u16);
                Ok(Front::Mark(2))
            }
            Tag::Packed(length) => {
                let Some(packed) = behind.first_chunk::<2>() else { return Ok(Front::Wait) };
                let packed_bytes = usize::from(u16::from_be_bytes(*packed));
                if packed_bytes > packed_bytes_max || packed_bytes == 0 {
                    return Err(BadBlock::Tag);
                }
                let given = if let State::Packed(given) = self.state { usize::from(given) } else { 0 };
                let (codec, tag_bytes) = (self.codec, TAG_BYTES_MAX);
                Ok(Front::Packed { codec, tag_bytes, packed_bytes, length, given })
            }
        }
    }

    fn look_first(&mut self, front: &[u8]) -> Result<Front, BadBlock> {
        let Some(byte) = front.first() else { return Ok(Front::Wait) };
        let Some(first) = First::read(*byte) else {
            self.state = State::Plain;
            return Ok(Front::Bytes(usize::MAX));
        };
        let First { codec, answer_may } = first.map_err(|()| BadBlock::Codec)?;
        self.state = codec.map_or(State::Plain, |_| State::Tag);
        self.codec = codec.unwrap_or(self.codec);
        Ok(Front::First { answer_may })
    }

    /// So many of the bytes that `Front::Bytes` announced were taken off.
    pub fn took_bytes(&mut self, bytes: usize) {
        if let State::Raw(left) = self.state {
            let left = usize::from(left).checked_sub(bytes).expect("no more than was announced");
            self.state = if left == 0 { State::Tag } else { State::Raw(left as u16) };
        }
    }

    /// So many more bytes of the packed block were handed on; true if that was all of it, which is to be taken off then.
    pub fn gave(&mut self, bytes: usize, length: usize) -> bool {
        let before = if let State::Packed(given) = self.state { usize::from(given) } else { 0 };
        let given = before + bytes;
        assert!(given <= length, "no more than there is");
        self.state = if given == length { State::Tag } else { State::Packed(given as u16) };
        given == length
    }
}

/// All that a half holds, and whether its answer may be in blocks; for tests and the fuzzer.
pub(crate) fn unpack_all(decoder: &mut Decoder, half: &[u8]) -> Result<(Vec<u8>, bool), BadBlock> {
    let (mut incoming, mut rest, mut all, mut may) = (Incoming::default(), half, Vec::new(), false);
    loop {
        match incoming.look(&rest[..rest.len().min(Front::BYTES)], usize::MAX)? {
            Front::Wait if rest.is_empty() => return Ok((all, may)),
            Front::Wait => return Err(BadBlock::Cut),
            Front::Mark(bytes) => rest = &rest[bytes..],
            Front::First { answer_may } => {
                may = answer_may;
                rest = &rest[1..];
            }
            Front::Bytes(bytes) => {
                let count = bytes.min(rest.len());
                if count == 0 && bytes != usize::MAX {
                    return Err(BadBlock::Cut);
                }
                all.extend_from_slice(&rest[..count]);
                incoming.took_bytes(count);
                rest = &rest[count..];
                if rest.is_empty() && incoming.is_plain() {
                    return Ok((all, may));
                }
            }
            Front::Packed { codec, tag_bytes, packed_bytes, length, given } => {
                let packed = rest.get(tag_bytes..tag_bytes + packed_bytes).ok_or(BadBlock::Cut)?;
                let mut into = vec![0; length];
                decoder.unpack(codec, packed, &mut into)?;
                // In two parts, as a short credit would have it.
                let part = (length - given).div_ceil(2);
                all.extend_from_slice(&into[given..given + part]);
                if incoming.gave(part, length) {
                    rest = &rest[tag_bytes + packed_bytes..];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(half: &[u8]) -> Result<(Vec<u8>, bool), BadBlock> {
        unpack_all(&mut Decoder::default(), half)
    }

    /// [EXC-31] [EXC-32] [EXC-34]
    #[test]
    fn halves_are_read_as_specified() {
        assert_eq!(all(b"\x01 an envelope, plain"), Ok((b"\x01 an envelope, plain".to_vec(), false)));
        assert_eq!(all(b"\xc0plain"), Ok((b"plain".to_vec(), true)));
        assert_eq!(all(b"\x81\x00\x02abc\x00\x00d\x80\x00and so on"), Ok((b"abcdand so on".to_vec(), false)));
        assert_eq!(all(b"\x83"), Err(BadBlock::Codec));
        assert_eq!(all(b"\x81\xc0\x00"), Err(BadBlock::Tag));
        assert_eq!(all(b"\x81\x40\x00\x00\x00"), Err(BadBlock::Tag), "nothing is packed to nothing");
        assert_eq!(all(b"\x81\x00\x02ab"), Err(BadBlock::Cut));
        assert_eq!(all(b"\x81\x00"), Err(BadBlock::Cut));
        assert_eq!(all(b"\x82\x40\x05\x00\x09ab"), Err(BadBlock::Cut));
        assert_eq!(all(b"\x82\x40\x05\x00\x02ab"), Err(BadBlock::Corrupt));
    }

    #[test]
    fn a_block_beyond_the_window_is_refused_before_it_has_come() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.look(b"\x82", 100), Ok(Front::First { answer_may: false }));
        assert_eq!(incoming.look(b"\x40\x05\x00\x65", 100), Err(BadBlock::Tag));
    }

    proptest! {
        #[test]
        fn any_half_is_judged(half in proptest::collection::vec(any::<u8>(), 0..300), codec in 0..4_u8) {
            let half = [&[0x80 | codec][..], &half].concat();
            let _ = all(&half);
        }
    }
}
