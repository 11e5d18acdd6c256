//! One half as its sender packs it: from what the role says, and may have compressed, to what the stream gets.
//!
//! ```text
//!             ┌─nothing─► Ending ──next bytes──┐
//!  Undecided ─┼─head────► Head ──next bytes────┼──► Plain
//!             └─all─────► All ──random, tiny───┘
//! ```
//! Undecided bytes travel as raw blocks, so that it can still be decided about what follows; Plain is for good. Whatever is
//! handed in is packed at once and whole: no byte waits here. A half never grows by more than `EXPANSION_BYTES_MAX`.

use crate::compression::block::{BLOCK_BYTES_MAX, EXPANSION_BYTES_MAX, First, Tag};
use crate::compression::codec::Codec;
use crate::compression::coder::Encoder;
use crate::compression::scope::{Scope, Why};

/// What the first bytes shrink to decides about the others.
const PROBE_BYTES: usize = 4 << 10;
/// Shorter pieces are not tried.
const TRY_BYTES_MIN: usize = 48;
/// A block that does not shrink to this share of itself is sent raw. Where the first bytes do not, the rest is not tried.
const RATIO_PERCENT_MAX: usize = 90;
/// Neither is it after so many blocks in a row that did not.
const POOR_IN_ROW_MAX: u8 = 4;
/// Tags may have cost so many bytes before the half goes on without them. What one call adds to that is bounded by the rest of
/// `EXPANSION_BYTES_MAX`.
const LOSS_BYTES_MAX: i64 = EXPANSION_BYTES_MAX as i64 - 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Undecided,
    Ending,
    Head,
    All,
    Plain,
}

/// What became of bytes that were handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// So many of them went into blocks.
    pub plain_bytes: usize,
    /// So many bytes the blocks have, with all that belongs to them.
    pub packed_bytes: usize,
    /// Why the half is plain from here on, if it has given up by itself.
    pub given_up: Option<Why>,
}

/// The half of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    state: State,
    codec: Codec,
    /// The byte that begins the half, until it has left.
    first: Option<First>,
    /// What was tried, and what came of it, until that is a probe's worth.
    tried: u16,
    shrunk: u16,
    poor_in_row: u8,
    /// By how much what was sent is longer than what was handed in; below zero: shorter.
    loss: i64,
}

impl Outgoing {
    /// A half that is plain from its first byte on.
    pub const PLAIN: Self = Self {
        state: State::Plain,
        codec: Codec::Lz4,
        first: None,
        tried: 0,
        shrunk: 0,
        poor_in_row: 0,
        loss: 0,
    };

    /// A half in blocks of `codec`, about which nothing is decided. `answer_may` is the asker's word.
    pub const fn in_blocks(codec: Codec, answer_may: bool) -> Self {
        let first = Some(First { codec: Some(codec), answer_may });
        Self { state: State::Undecided, codec, first, ..Self::PLAIN }
    }

    /// Whether bytes need not pass through here.
    pub const fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain) && self.first.is_none()
    }

    /// Whether nothing has been decided yet.
    pub const fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// Whether what is handed in next must be handed in by itself: it is a head.
    pub const fn wants_head(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// By how many bytes more than it is handed from here on it may still send.
    pub const fn growth_max(&self) -> usize {
        if self.is_plain() { 0 } else { EXPANSION_BYTES_MAX }
    }

    /// Its codec.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Decides, once.
    pub const fn decide(&mut self, scope: Scope) {
        if !self.is_undecided() {
            return;
        }
        self.state = match (scope, self.first) {
            (Scope::All, _) => State::All,
            (Scope::Head(_), _) => State::Head,
            (Scope::Nothing(_), None) => State::Ending,
            (Scope::Nothing(_), Some(First { answer_may, .. })) => {
                // Nothing has left: it is a plain half, and says no more than it must.
                self.first = if answer_may { Some(First { codec: None, answer_may }) } else { None };
                State::Plain
            }
        };
    }

    /// Appends to `out` what the stream gets for `bytes`. A packed block has at most `packed_bytes_max` bytes.
    pub fn pack(
        &mut self,
        encoder: &mut Encoder,
        bytes: &[u8],
        packed_bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Packed {
        let before = out.len();
        out.extend(self.first.take().map(First::to_byte));
        if self.state == State::Ending {
            self.end_blocks(out);
        }
        let (mut rest, mut given_up) = (bytes, None);
        while !rest.is_empty() && self.state != State::Plain {
            let (piece, behind) = rest.split_at(rest.len().min(self.block_bytes(packed_bytes_max)));
            if self.push_block(encoder, piece, packed_bytes_max, out) {
                self.end_blocks(out);
                given_up = Some(Why::Random);
            }
            rest = behind;
        }
        let plain_bytes = bytes.len() - rest.len();
        let growth = out.len() as i64 - before as i64 - plain_bytes as i64;
        self.loss += growth;
        let is_tiny = self.loss > LOSS_BYTES_MAX;
        match self.state {
            State::Undecided | State::All if is_tiny => {
                self.end_blocks(out);
                given_up = Some(Why::Tiny);
            }
            State::Head => self.end_blocks(out),
            State::Undecided | State::All | State::Ending | State::Plain => {}
        }
        let packed_bytes = out.len() - before;
        out.extend_from_slice(rest);
        Packed { plain_bytes, packed_bytes, given_up }
    }

    /// How long the next block may be: the probe first; then short ones, which always fit, where it shrank little.
    fn block_bytes(&self, packed_bytes_max: usize) -> usize {
        let (tried, shrunk) = (usize::from(self.tried), usize::from(self.shrunk));
        let roomy = (packed_bytes_max * 4 / 3).min(BLOCK_BYTES_MAX);
        if tried < PROBE_BYTES {
            roomy.min((PROBE_BYTES - tried).max(TRY_BYTES_MIN))
        } else if shrunk * 10 > tried * 7 {
            packed_bytes_max.min(PROBE_BYTES)
        } else {
            roomy
        }
    }

    /// Appends one block; whether it is time to give up.
    fn push_block(
        &mut self,
        encoder: &mut Encoder,
        piece: &[u8],
        packed_bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let is_tried = matches!(self.state, State::Head | State::All) && piece.len() >= TRY_BYTES_MIN;
        let enough = packed_bytes_max.min(piece.len() * RATIO_PERCENT_MAX / 100);
        let packed = if is_tried { encoder.pack(self.codec, piece, enough) } else { None };
        let Some(packed) = packed else {
            out.extend_from_slice(&Tag::Raw(piece.len()).to_bytes());
            out.extend_from_slice(piece);
            return is_tried && self.judge(piece.len(), piece.len());
        };
        out.extend_from_slice(&Tag::Packed(piece.len()).to_bytes());
        out.extend_from_slice(&(packed.len() as u16).to_be_bytes());
        out.extend_from_slice(packed);
        let shrunk = packed.len();
        self.judge(piece.len(), shrunk)
    }

    fn judge(&mut self, tried: usize, shrunk: usize) -> bool {
        let is_poor = |tried: usize, shrunk: usize| shrunk * 100 > tried * RATIO_PERCENT_MAX;
        if usize::from(self.tried) < PROBE_BYTES {
            self.tried += tried as u16;
            self.shrunk += shrunk as u16;
            let (tried, shrunk) = (usize::from(self.tried), usize::from(self.shrunk));
            return tried >= PROBE_BYTES && is_poor(tried, shrunk);
        }
        self.poor_in_row = if is_poor(tried, shrunk) { self.poor_in_row + 1 } else { 0 };
        self.poor_in_row >= POOR_IN_ROW_MAX
    }

    fn end_blocks(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Tag::Plain.to_bytes());
        self.state = State::Plain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::coder::Decoder;
    use crate::compression::incoming::unpack_all;
    use crate::stdx::prng::Prng;
    use proptest::prelude::*;

    fn page(bytes: usize) -> Vec<u8> {
        let text = include_bytes!("../exchange/SPEC.md");
        text.iter().copied().cycle().take(bytes).collect()
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        Prng::new(1).fill(&mut noise);
        noise
    }

    /// What becomes of these pieces, and whether the half gave up.
    fn sent(scope: Scope, codec: Codec, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Why>) {
        let mut half = Outgoing::in_blocks(codec, true);
        half.decide(scope);
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        let packed = pieces.iter().map(|piece| half.pack(&mut encoder, piece, 6_140, &mut out));
        let given_up = packed.filter_map(|packed| packed.given_up);
        let given_up = given_up.collect();
        assert_eq!(unpack_all(&mut Decoder::default(), &out), Ok((pieces.concat(), true)));
        (out, given_up)
    }

    #[test]
    fn text_shrinks_and_noise_is_given_up_after_the_first_4_kib() {
        for codec in Codec::ALL {
            let (text, noise) = (page(64 << 10), noise(64 << 10));
            let (packed, given_up) = sent(Scope::All, codec, &[&text]);
            assert!(packed.len() * 10 < text.len() * 6 && given_up.is_empty(), "{codec:?} {}", packed.len());
            let (raw, given_up) = sent(Scope::All, codec, &[&noise]);
            assert_eq!((raw.len(), given_up), (noise.len() + 1 + 2 + 2, vec![Why::Random]));
        }
    }

    #[test]
    fn noise_behind_text_is_given_up_after_four_blocks() {
        let (text, noise) = (page(8 << 10), noise(64 << 10));
        let (_, given_up) = sent(Scope::All, Codec::Lz4, &[&text, &noise]);
        assert_eq!(given_up, [Why::Random]);
    }

    /// [EXC-35]
    #[test]
    fn only_the_head_is_packed_and_nothing_is_if_so_decided() {
        let (head, body) = (page(600), page(9_000));
        let (out, _) = sent(Scope::Head(Why::Media), Codec::Zstd, &[&head, &body]);
        assert!(out.len() < 600 + 9_000 && out.ends_with(&body));
        let (out, _) = sent(Scope::Nothing(Why::Credentials), Codec::Zstd, &[&head, &body]);
        assert_eq!(out[1..], [head, body].concat());
        assert_eq!(First::read(out[0]), Some(Ok(First { codec: None, answer_may: true })));
    }

    #[test]
    fn what_is_decided_late_holds_for_what_follows() {
        for scope in [Scope::All, Scope::Nothing(Why::SetCookie)] {
            let mut half = Outgoing::in_blocks(Codec::Lz4, false);
            let (mut encoder, mut out) = (Encoder::default(), Vec::new());
            half.pack(&mut encoder, b"HTTP/1.1 100 Continue\r\n\r\n", 6_140, &mut out);
            half.decide(scope);
            let before = out.len();
            half.pack(&mut encoder, &page(4_000), 6_140, &mut out);
            let is_packed = out.len() - before < 4_000;
            assert_eq!((is_packed, half.is_plain()), (scope == Scope::All, scope != Scope::All));
            let all = [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &page(4_000)].concat();
            assert_eq!(unpack_all(&mut Decoder::default(), &out), Ok((all, false)));
        }
        let mut half = Outgoing::in_blocks(Codec::Lz4, false);
        half.decide(Scope::Nothing(Why::SetCookie));
        assert!(half.is_plain(), "nothing need be said");
    }

    #[test]
    fn tiny_pieces_are_given_up_before_they_cost_more_than_the_bound() {
        let pieces = vec![&b"x"[..]; 5_000];
        let (out, given_up) = sent(Scope::All, Codec::Lz4, &pieces);
        assert!(out.len() <= 5_000 + EXPANSION_BYTES_MAX);
        assert_eq!(given_up, [Why::Tiny]);
    }

    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let piece = prop_oneof![
            (0..30_000_usize).prop_map(page),
            (0..12_000_usize).prop_map(noise),
            proptest::collection::vec(any::<u8>(), 0..30),
        ];
        proptest::collection::vec(piece, 0..12)
    }

    proptest! {
        /// [EXC-32] Whatever is handed in in whatever pieces comes out again, within the bounds of every block.
        #[test]
        fn every_half_returns(
            pieces in pieces(), zstd in any::<bool>(), scope in 0..4_u8, at in 0..4_usize, packed_bytes_max in 700..6_140_usize,
        ) {
            let codec = if zstd { Codec::Zstd } else { Codec::Lz4 };
            let scope = [Scope::All, Scope::All, Scope::Head(Why::Media), Scope::Nothing(Why::Rule)][usize::from(scope)];
            let mut half = Outgoing::in_blocks(codec, false);
            let (mut encoder, mut out) = (Encoder::default(), Vec::new());
            for (index, piece) in pieces.iter().enumerate() {
                if index == at {
                    half.decide(scope);
                }
                half.pack(&mut encoder, piece, packed_bytes_max, &mut out);
            }
            let all = pieces.concat();
            prop_assert!(out.len() <= all.len() + EXPANSION_BYTES_MAX);
            let is_plain_from_the_start = at == 0 && matches!(scope, Scope::Nothing(_)) || pieces.is_empty();
            if is_plain_from_the_start {
                prop_assert_eq!(out, all);
            } else {
                prop_assert_eq!(unpack_all(&mut Decoder::default(), &out), Ok((all, false)));
            }
        }
    }
}
