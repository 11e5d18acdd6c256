//! The codecs by name and number, what an end can unpack, and what can be wrong with a block. [EXC-30]

use crate::compression::dictionary::DICTIONARY_ID;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// LZ4, block format: fast.
    Lz4,
    /// Zstandard: packs nearly twice as densely, at twice the CPU time.
    Zstd,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Lz4, Self::Zstd];

    /// The number on the wire. [EXC-31]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Lz4 => 1,
            Self::Zstd => 2,
        }
    }

    /// From the number on the wire.
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Lz4),
            2 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The word for flags, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// What an end can unpack: a bit for each codec, and the dictionary, as they stand in the handshake. [EXC-30]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    codecs: u8,
    dictionary: u32,
}

/// What this build can unpack.
pub const OFFER: Offer =
    Offer { codecs: 1 << Codec::Lz4.to_u8() | 1 << Codec::Zstd.to_u8(), dictionary: DICTIONARY_ID };

impl Offer {
    /// As in the handshake.
    pub const fn to_bytes(self) -> [u8; 5] {
        let [d0, d1, d2, d3] = self.dictionary.to_be_bytes();
        [self.codecs, d0, d1, d2, d3]
    }

    /// From the handshake.
    pub const fn from_bytes(bytes: [u8; 5]) -> Self {
        let [codecs, d0, d1, d2, d3] = bytes;
        Self { codecs, dictionary: u32::from_be_bytes([d0, d1, d2, d3]) }
    }

    /// Whether whoever offers this can unpack what we pack with `codec`.
    pub const fn can(self, codec: Codec) -> bool {
        self.dictionary == DICTIONARY_ID && self.codecs >> codec.to_u8() & 1 != 0
    }
}

macro_rules! bad_blocks {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What is wrong with a half in blocks. [EXC-34]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum BadBlock {
            $($(#[$doc])* $name,)*
        }

        impl BadBlock {
            /// All of them, in the order of the counters.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

bad_blocks! {
    /// A codec that was not offered.
    Codec = "codec";
    /// A tag that nobody writes, or a packed length that says too much.
    Tag = "tag";
    /// It does not unpack, or to fewer bytes than it says.
    Corrupt = "corrupt";
    /// It unpacks to more bytes than it says.
    Bomb = "bomb";
    /// The half ends inside a block.
    Cut = "cut";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [EXC-30]
    #[test]
    fn an_offer_returns_and_another_dictionary_can_nothing() {
        assert_eq!(Offer::from_bytes(OFFER.to_bytes()), OFFER);
        let other = Offer { dictionary: DICTIONARY_ID ^ 1, ..OFFER };
        for codec in Codec::ALL {
            assert!(OFFER.can(codec) && !other.can(codec));
            assert_eq!(Codec::from_u8(codec.to_u8()), Some(codec));
        }
        assert!(!Offer { codecs: 1 << Codec::Lz4.to_u8(), ..OFFER }.can(Codec::Zstd));
    }
}
