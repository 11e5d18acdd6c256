//! What must hold for any bytes read as a half in blocks, as a plain function that panics when it does not: a fuzzer drives it
//! for long, the committed corpus shortly. The invariants: no half makes us write more than it announces, and what was
//! read, packed again by either codec in any pieces, reads the same and is no longer than it may be.

use crate::compression::block::EXPANSION_BYTES_MAX;
use crate::compression::codec::Codec;
use crate::compression::coder::{Decoder, Encoder};
use crate::compression::incoming::unpack_all;
use crate::compression::outgoing::Outgoing;
use crate::compression::scope::Scope;

/// What a fuzzer's half may unpack to before it is no longer looked at: each byte of a packed block can be worth 255.
const PLAIN_BYTES_MAX: usize = 64 << 10;

/// Reads `bytes` as a half, and as what is to be packed.
pub fn fuzz_blocks(bytes: &[u8]) {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    if let Ok((plain, _)) = unpack_all(&mut decoder, bytes)
        && plain.len() <= PLAIN_BYTES_MAX
    {
        check(&mut encoder, &mut decoder, &plain, bytes.len() % 97 + 1);
    }
    check(&mut encoder, &mut decoder, bytes, bytes.first().map_or(1, |byte| usize::from(*byte) * 64 + 1));
}

fn check(encoder: &mut Encoder, decoder: &mut Decoder, plain: &[u8], piece_bytes: usize) {
    for codec in Codec::ALL {
        let mut half = Outgoing::in_blocks(codec, true);
        half.decide(Scope::All);
        let mut out = Vec::new();
        for piece in plain.chunks(piece_bytes) {
            half.pack(encoder, piece, 6_140, &mut out);
        }
        assert!(out.len() <= plain.len() + EXPANSION_BYTES_MAX, "{} of {}", out.len(), plain.len());
        let (again, _) = unpack_all(decoder, &out).expect("what we wrote");
        assert!(again == plain, "what was packed returns");
    }
}
