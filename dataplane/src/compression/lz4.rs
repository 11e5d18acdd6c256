//! Packs one block in LZ4's block format, beginning with a dictionary. Greedy, one candidate per place, as LZ4's own
//! fast mode.
//!
//! Our own, because lz4_flex packs with a dictionary only by allocating a table and reading the whole dictionary each time,
//! which for a head is more work than the head. Here the table of the dictionary is made once and copied (8 KiB). What is
//! packed here is unpacked by lz4_flex in every test. Source: LZ4 block format description (lz4/doc/lz4_Block_format.md).
//!
//! ```text
//! sequence   literals 4 bits · match − 4 4 bits ‖ more literals ‖ literals ‖ offset 2 (little endian) ‖ more match
//! ```
//! A block ends with literals: the last five bytes always, and no match begins in the last twelve.

const HASH_BITS: u32 = 12;
const TABLE: usize = 1 << HASH_BITS;
const MATCH_MIN: usize = 4;
const LAST_LITERALS: usize = 5;
const LAST_MATCH_BEFORE: usize = 12;
/// After so many places in vain (as a power of two) the steps become longer.
const PATIENCE_BITS: u32 = 6;
/// What four bits hold before bytes of 255 follow.
const NIBBLE: usize = 15;

/// The packer of one worker.
#[derive(Debug)]
pub(crate) struct Lz4 {
    /// The dictionary, and behind it the block.
    window: Vec<u8>,
    dictionary_bytes: usize,
    /// The last place of each hash in the dictionary, and in what is packed.
    prepared: Box<[u16]>,
    places: Box<[u16]>,
}

impl Lz4 {
    /// A packer that begins each block behind `dictionary`.
    pub(crate) fn new(dictionary: &[u8]) -> Self {
        assert!(dictionary.len() <= 32 << 10, "places of a dictionary and a block are counted in 16 bits");
        let mut prepared = vec![0; TABLE].into_boxed_slice();
        for at in 0..dictionary.len().saturating_sub(MATCH_MIN - 1) {
            prepared[hash(word(dictionary, at))] = at as u16;
        }
        let places = prepared.clone();
        Self { window: dictionary.to_vec(), dictionary_bytes: dictionary.len(), prepared, places }
    }

    /// Appends the packed block to `out`.
    pub(crate) fn pack(&mut self, block: &[u8], out: &mut Vec<u8>) {
        assert!(block.len() <= 16 << 10, "places of a dictionary and a block are counted in 16 bits");
        self.places.copy_from_slice(&self.prepared);
        self.window.truncate(self.dictionary_bytes);
        self.window.extend_from_slice(block);
        let window = &self.window[..];
        let end = window.len();
        let (mut at, mut anchor, mut misses) = (self.dictionary_bytes, self.dictionary_bytes, 0_usize);
        while at + LAST_MATCH_BEFORE <= end {
            let here = word(window, at);
            let place = &mut self.places[hash(here)];
            let candidate = usize::from(core::mem::replace(place, at as u16));
            if candidate >= at || word(window, candidate) != here {
                at += 1 + (misses >> PATIENCE_BITS);
                misses += 1;
                continue;
            }
            let back = common_before(&window[..candidate], &window[anchor..at]);
            let ahead = common(&window[candidate..], &window[at..end - LAST_LITERALS]);
            push_sequence(&window[anchor..at - back], Some((at - candidate, back + ahead)), out);
            at += ahead;
            (anchor, misses) = (at, 0);
            if at + LAST_MATCH_BEFORE <= end {
                self.places[hash(word(window, at - 2))] = (at - 2) as u16;
            }
        }
        push_sequence(&window[anchor..], None, out);
    }
}

fn push_sequence(literals: &[u8], found: Option<(usize, usize)>, out: &mut Vec<u8>) {
    let beyond = found.map_or(0, |(_, bytes)| bytes - MATCH_MIN);
    out.push((literals.len().min(NIBBLE) << 4 | beyond.min(NIBBLE)) as u8);
    push_rest(literals.len(), out);
    out.extend_from_slice(literals);
    if let Some((offset, _)) = found {
        out.extend_from_slice(&(offset as u16).to_le_bytes());
        push_rest(beyond, out);
    }
}

/// What of a length the nibble does not hold.
fn push_rest(length: usize, out: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(NIBBLE) else { return };
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(rest as u8);
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// Knuth's multiplicative hash, as LZ4 has it.
const fn hash(word: u32) -> usize {
    (word.wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize
}

/// How many bytes both begin with.
fn common(a: &[u8], b: &[u8]) -> usize {
    let mut bytes = 0;
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let (mut one, mut other) = ([0; 8], [0; 8]);
        one.copy_from_slice(a);
        other.copy_from_slice(b);
        let difference = u64::from_le_bytes(one) ^ u64::from_le_bytes(other);
        if difference != 0 {
            return bytes + difference.trailing_zeros() as usize / 8;
        }
        bytes += 8;
    }
    bytes + a[bytes..].iter().zip(&b[bytes..]).take_while(|(a, b)| a == b).count()
}

/// How many bytes both end with.
fn common_before(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lz4_flex::block::{compress_with_dict, decompress_into_with_dict};

    fn check(dictionary: &[u8], block: &[u8]) -> usize {
        let mut packed = Vec::new();
        Lz4::new(dictionary).pack(block, &mut packed);
        let mut into = vec![0; block.len()];
        assert_eq!(decompress_into_with_dict(&packed, &mut into, dictionary).unwrap(), block.len());
        assert_eq!(into, block);
        packed.len()
    }

    #[test]
    fn short_and_edgy_blocks_return() {
        let dictionary: Vec<u8> = (0..2_000_u32).map(|n| (n * n % 251) as u8).collect();
        for length in 0..80 {
            check(b"", &dictionary[..length]);
            check(&dictionary, &dictionary[..length]);
            check(&dictionary, &vec![9; length]);
        }
        for length in [300, 1_500, 8_192, 16_384] {
            check(b"", &vec![0; length]);
            check(&dictionary, &dictionary.iter().copied().cycle().take(length).collect::<Vec<_>>());
        }
    }

    /// The other packer of the same format is the measure.
    #[test]
    fn it_packs_as_densely_as_the_library() {
        let text = include_str!("../exchange/SPEC.md").as_bytes();
        let (dictionary, rest) = text.split_at(1_000);
        for block in rest.chunks(8_000).filter(|block| block.len() > 2_000) {
            let (ours, theirs) = (check(dictionary, block), compress_with_dict(block, dictionary).len());
            assert!(ours * 100 <= theirs * 104, "{ours} and {theirs} of {}", block.len());
        }
    }
}
