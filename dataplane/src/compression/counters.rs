//! What compression has done on one tunnel, in plain numbers since it began.

use crate::compression::codec::{BadBlock, Codec};
use crate::compression::scope::Why;

/// Bytes of halves in blocks: before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodecBytes {
    /// As they are.
    pub plain: u64,
    /// As they cross the tunnel, tags included.
    pub packed: u64,
}

/// The numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressionCounters {
    /// Sent, by codec.
    pub sent: [CodecBytes; Codec::ALL.len()],
    /// Received, by codec.
    pub received: [CodecBytes; Codec::ALL.len()],
    /// Halves of ours that were to be compressed whole.
    pub whole: u64,
    /// Halves of ours that were not, or not whole, by reason (index: `Why as usize`). What was begun and then given up
    /// (`Random`, `Tiny`) is in `whole` or under its first reason, too.
    pub not: [u64; Why::ALL.len()],
    /// Halves of the peer that were refused, by what was wrong (index: `BadBlock as usize`).
    pub refused: [u64; BadBlock::ALL.len()],
}

impl CodecBytes {
    /// Notes bytes.
    pub fn add(&mut self, plain: usize, packed: usize) {
        self.plain += plain as u64;
        self.packed += packed as u64;
    }

    /// By how much the tunnel carried less.
    pub const fn saved(&self) -> u64 {
        self.plain.saturating_sub(self.packed)
    }
}

impl CompressionCounters {
    /// The place of a codec in `sent` and `received`.
    pub fn place(codec: Codec) -> usize {
        usize::from(codec.to_u8()) - 1
    }

    /// Notes what became of a half of ours.
    pub fn note(&mut self, why: Option<Why>) {
        match why {
            Some(why) => self.not[why as usize] += 1,
            None => self.whole += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_and_reason_has_its_own_place() {
        for (index, codec) in Codec::ALL.into_iter().enumerate() {
            assert_eq!(CompressionCounters::place(codec), index);
        }
        assert!(Why::ALL.iter().enumerate().all(|(index, why)| *why as usize == index));
        assert!(BadBlock::ALL.iter().enumerate().all(|(index, bad)| *bad as usize == index));
    }
}
