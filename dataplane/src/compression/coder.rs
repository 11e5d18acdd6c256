//! What one worker needs to pack and unpack: memory that is made once and serves every stream. [EXC-33]
//!
//! A block is packed and unpacked by itself, beginning with the static dictionary and with nothing else. LZ4 is the block
//! format (no frame), packed by our own `lz4` and unpacked by lz4_flex; Zstandard is one frame (RFC 8878) at level 1, by
//! the reference library. Sizes are bytes.

use lz4_flex::block::{DecompressError, decompress_into_with_dict};
use zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd_safe::{CCtx, CParameter, DCtx};

use crate::compression::block::BLOCK_BYTES_MAX;
use crate::compression::codec::{BadBlock, Codec};
use crate::compression::dictionary::DICTIONARY;
use crate::compression::lz4::Lz4;

/// Level 1 packs HTML of 8 KiB to 0.23 at 1.7 ns per byte, level 3 to 0.22 at 1.8, level −5 to 0.31 at 1.3.
const ZSTD_LEVEL: i32 = 1;

/// What the library says of a block that has more than it says.
const TOO_SMALL: ZSTD_ErrorCode = ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;

/// Packs blocks. What a codec needs is made when it is first used.
#[derive(Default)]
pub struct Encoder {
    lz4: Option<Lz4>,
    zstd: Option<CCtx<'static>>,
    packed: Vec<u8>,
}

impl Encoder {
    /// Packs `bytes`, at most a block, into at most `bytes_max`; `None` where that cannot be.
    pub fn pack(&mut self, codec: Codec, bytes: &[u8], bytes_max: usize) -> Option<&[u8]> {
        assert!(bytes.len() <= BLOCK_BYTES_MAX, "a block is bounded");
        self.packed.clear();
        match codec {
            Codec::Lz4 => self.lz4.get_or_insert_with(|| Lz4::new(DICTIONARY)).pack(bytes, &mut self.packed),
            Codec::Zstd => {
                // Room for the worst case, so that it is reserved once.
                self.packed.reserve(zstd_safe::compress_bound(BLOCK_BYTES_MAX));
                let context = self.zstd.get_or_insert_with(zstd_encoder);
                context.compress2(&mut self.packed, bytes).ok()?;
            }
        }
        (self.packed.len() <= bytes_max).then_some(&self.packed)
    }
}

fn zstd_encoder() -> CCtx<'static> {
    let mut context = CCtx::create();
    let wishes = [
        CParameter::CompressionLevel(ZSTD_LEVEL),
        // What the tag of a block and the tunnel's AEAD say already is not said twice.
        CParameter::ContentSizeFlag(false),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ];
    for wish in wishes {
        context.set_parameter(wish).expect("parameters that every version knows");
    }
    context.load_dictionary(DICTIONARY).expect("any bytes are a dictionary");
    context
}

/// Unpacks blocks. What a codec needs is made when it is first used.
#[derive(Default)]
pub struct Decoder {
    zstd: Option<DCtx<'static>>,
}

impl Decoder {
    /// Unpacks a block that says that it has so many bytes into `into`, which is exactly as long. Whatever the block says,
    /// no more is written.
    pub fn unpack(&mut self, codec: Codec, packed: &[u8], into: &mut [u8]) -> Result<(), BadBlock> {
        let bytes = match codec {
            Codec::Lz4 => {
                decompress_into_with_dict(packed, into, DICTIONARY).map_err(|error| match error {
                    DecompressError::OutputTooSmall { .. } => BadBlock::Bomb,
                    _ => BadBlock::Corrupt,
                })?
            }
            Codec::Zstd => {
                let context = self.zstd.get_or_insert_with(zstd_decoder);
                context.decompress(into, packed).map_err(|code| {
                    let is_more = zstd_safe::is_error_kind(code, TOO_SMALL);
                    if is_more { BadBlock::Bomb } else { BadBlock::Corrupt }
                })?
            }
        };
        if bytes == into.len() { Ok(()) } else { Err(BadBlock::Corrupt) }
    }
}

fn zstd_decoder() -> DCtx<'static> {
    let mut context = DCtx::create();
    context.load_dictionary(DICTIONARY).expect("any bytes are a dictionary");
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(codec: Codec, bytes: &[u8]) -> Option<Vec<u8>> {
        Encoder::default().pack(codec, bytes, BLOCK_BYTES_MAX).map(<[u8]>::to_vec)
    }

    fn unpacked(codec: Codec, packed: &[u8], length: usize) -> Result<Vec<u8>, BadBlock> {
        let mut into = vec![0; length];
        Decoder::default().unpack(codec, packed, &mut into).map(|()| into)
    }

    /// [EXC-34]
    #[test]
    fn what_unpacks_to_more_or_fewer_bytes_than_it_says_is_refused() {
        for codec in Codec::ALL {
            let zeroes = packed(codec, &[0; BLOCK_BYTES_MAX]).unwrap();
            assert!(zeroes.len() < 80, "{} bytes", zeroes.len());
            for length in [1, 77, BLOCK_BYTES_MAX - 1] {
                assert_eq!(unpacked(codec, &zeroes, length), Err(BadBlock::Bomb), "{codec:?} {length}");
            }
            let few = packed(codec, &[7; 600]).unwrap();
            assert_eq!(unpacked(codec, &few, 601), Err(BadBlock::Corrupt));
            assert!(unpacked(codec, &few[..few.len() - 1], 600).is_err());
            assert!(unpacked(codec, &[], 5).is_err());
        }
    }

    #[test]
    fn a_head_is_packed_to_a_fraction_by_the_dictionary() {
        let head = b"GET /style/main.css HTTP/1.1\r\nHost: www.example.com\r\nAccept: text/css,*/*;q=0.1\r\n\
            Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
            User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
            X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nVia: 1.1 longhaul-front\r\n\r\n";
        for codec in Codec::ALL {
            let bytes = packed(codec, head).unwrap().len();
            assert!(bytes * 5 < head.len() * 2, "{codec:?}: {bytes} of {}", head.len());
        }
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just(b"Content-Type: text/html\r\n".to_vec()),
            Just(b"<div class=\"item\">".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..40),
            (any::<u8>(), 0..300_usize).prop_map(|(byte, count)| vec![byte; count]),
        ];
        proptest::collection::vec(word, 0..60).prop_map(|words| {
            let mut all = words.concat();
            all.truncate(BLOCK_BYTES_MAX);
            all
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_returns(bytes in content()) {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            for codec in Codec::ALL {
                for _ in 0..2 {
                    let packed = encoder.pack(codec, &bytes, usize::MAX).unwrap();
                    let mut into = vec![0xaa; bytes.len()];
                    prop_assert_eq!(decoder.unpack(codec, packed, &mut into), Ok(()));
                    prop_assert_eq!(&into, &bytes);
                }
            }
        }

        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..500), length in 1..9_000_usize) {
            for codec in Codec::ALL {
                let _ = unpacked(codec, &bytes, length);
            }
        }
    }
}
