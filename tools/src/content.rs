//! What the bytes of an object are: a function of its name and the offset, so any range of any object can be made
//! or checked by anyone, and nothing needs to be stored. Not random in any cryptographic sense.
//!
//! ```text
//! word i (8 bytes, little endian) = fold((hash ^ K0) + i·K1), fold = both halves of a 64×64 product, xored
//! ```
//! An object whose name asks for it (`text` in its query) is of words instead, as markup has them, so that compression finds
//! in it about what it finds in pages:
//!
//! ```text
//! 8 bytes = hexadecimal digits of word i, one time in six; else one of 64 pieces of markup, chosen by word i
//! ```
//!
//! An object that is long enough begins with a plain-text marker, `longhaul-origin:<name>\n`, so that a test can
//! look for it where it must never be seen: in the tunnel's datagrams.

/// What the marker begins with; the object's name and a newline follow.
pub const MARKER: &[u8] = b"longhaul-origin:";

/// The longest marker, bytes. A longer name is cut: the marker is there to be recognised, not to be complete.
const MARKER_BYTES_MAX: usize = 256;

const K0: u64 = 0xa076_1d64_78bd_642f;
const K1: u64 = 0x9e37_79b9_7f4a_7c15;
const K2: u64 = 0xe703_7ed1_a0b4_28db;

/// The seed of the object called `name`: for an origin that is the request target as it came, path and query.
pub const fn path_hash(name: &[u8]) -> u64 {
    // FNV-1a: names are short, and a const function lets tests name constants.
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// What objects of text are made of, 8 bytes each.
const PIECES: [&[u8; 8]; 64] = [
    b"<div cla",
    b"ss=\"item",
    b"\"><a hre",
    b"f=\"/shop",
    b"</a></di",
    b"v>\n<p>  ",
    b"</p>\n<sp",
    b"an id=\"p",
    b"delivery",
    b" and ret",
    b"urn cost",
    b"s within",
    b" the cit",
    b"y of our",
    b" custom ",
    b"jackets ",
    b"in cotto",
    b"n, wool ",
    b"or linen",
    b" for all",
    b" seasons",
    b". Prices",
    b" include",
    b" taxes. ",
    b"{\"id\":  ",
    b",\"name\":",
    b"\"title\":",
    b"\"price\":",
    b"null},{\"",
    b"true,\"st",
    b"ock\":12,",
    b"\"url\":\"/",
    b"function",
    b" (event)",
    b" { retur",
    b"n value;",
    b" } else ",
    b"var item",
    b" = this.",
    b"length; ",
    b"margin:0",
    b";padding",
    b":4px 8px",
    b";color:#",
    b"display:",
    b"flex;wid",
    b"th:100%;",
    b"border:1",
    b"The next",
    b" train t",
    b"o the ce",
    b"ntre lea",
    b"ves from",
    b" platfor",
    b"m seven ",
    b"at noon.",
    b"<img src",
    b"=\"/image",
    b"s/large-",
    b".webp\" a",
    b"lt=\"a pi",
    b"cture of",
    b"\" width=",
    b"\"640\">\n ",
];

/// Fills `out` with the bytes of the seeded stream from byte `offset`.
pub fn fill(path_hash: u64, offset: u64, out: &mut [u8]) {
    fill_by(|index| word(path_hash, index).to_le_bytes(), offset, out);
}

/// The same of a stream of words.
fn fill_text(path_hash: u64, offset: u64, out: &mut [u8]) {
    fill_by(|index| text_word(word(path_hash, index)), offset, out);
}

fn text_word(word: u64) -> [u8; 8] {
    if word.is_multiple_of(6) {
        return core::array::from_fn(|at| b"0123456789abcdef"[(word >> (8 + 4 * at) & 15) as usize]);
    }
    *PIECES[(word >> 58) as usize]
}

fn fill_by(word: impl Fn(u64) -> [u8; 8], offset: u64, out: &mut [u8]) {
    let (mut index, skip) = (offset / 8, (offset % 8) as usize);
    let mut out = out;
    if skip != 0 {
        let (head, rest) = out.split_at_mut((8 - skip).min(out.len()));
        head.copy_from_slice(&word(index)[skip..skip + head.len()]);
        (index, out) = (index + 1, rest);
    }
    let (words, tail) = out.as_chunks_mut::<8>();
    for slot in words {
        *slot = word(index);
        index += 1;
    }
    tail.copy_from_slice(&word(index)[..tail.len()]);
}

fn word(hash: u64, index: u64) -> u64 {
    let counter = (hash ^ K0).wrapping_add(index.wrapping_mul(K1));
    let product = u128::from(counter) * u128::from(K2);
    product as u64 ^ (product >> 64) as u64
}

/// Whether the object called `name` is of words.
pub fn is_text(name: &[u8]) -> bool {
    let query = name.iter().position(|byte| *byte == b'?').map_or(&b""[..], |at| &name[at + 1..]);
    query.split(|byte| *byte == b'&').any(|parameter| parameter == b"text")
}

/// One object: its name's hash, its size and its marker.
#[derive(Clone, Debug)]
pub struct Object {
    hash: u64,
    is_text: bool,
    size_bytes: u64,
    marker: [u8; MARKER_BYTES_MAX],
    marker_bytes: usize,
}

impl Object {
    /// The object called `name` (a request target) with `size_bytes` bytes.
    pub fn new(name: &[u8], size_bytes: u64) -> Self {
        let mut marker = [0; MARKER_BYTES_MAX];
        let name_bytes = name.len().min(MARKER_BYTES_MAX - MARKER.len() - 1);
        let end = MARKER.len() + name_bytes;
        marker[..MARKER.len()].copy_from_slice(MARKER);
        marker[MARKER.len()..end].copy_from_slice(&name[..name_bytes]);
        marker[end] = b'\n';
        let fits = size_bytes > end as u64;
        let marker_bytes = if fits { end + 1 } else { 0 };
        Self { hash: path_hash(name), is_text: is_text(name), size_bytes, marker, marker_bytes }
    }

    /// The media type of its bytes.
    pub fn media_type(&self) -> &'static str {
        if self.is_text { "text/html; charset=utf-8" } else { "application/octet-stream" }
    }

    /// How long the object is.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The plain text that the object begins with; empty if it is too short for it.
    pub fn marker(&self) -> &[u8] {
        &self.marker[..self.marker_bytes]
    }

    /// Fills `out` with the object's bytes from `offset`. The range must lie inside the object.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        assert!(offset + out.len() as u64 <= self.size_bytes, "the range lies inside the object");
        let from_marker = (self.marker_bytes as u64).saturating_sub(offset).min(out.len() as u64) as usize;
        let (head, rest) = out.split_at_mut(from_marker);
        if from_marker > 0 {
            let start = offset as usize;
            head.copy_from_slice(&self.marker[start..start + from_marker]);
        }
        let fill = if self.is_text { fill_text } else { fill };
        fill(self.hash, offset + from_marker as u64, rest);
    }

    /// Where `bytes`, found at `offset`, first differ from the object: an offset into the object. Bytes beyond
    /// the object's end differ.
    pub fn first_difference(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut expected = [0; 4096];
        let mut at = offset;
        for piece in bytes.chunks(expected.len()) {
            let inside = self.size_bytes.saturating_sub(at).min(piece.len() as u64) as usize;
            self.fill(at.min(self.size_bytes), &mut expected[..inside]);
            if expected[..inside] != *piece {
                let same = piece.iter().zip(&expected[..inside]).take_while(|(a, b)| a == b).count();
                return Some(at + same as u64);
            }
            at += piece.len() as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_range_equals_the_same_range_of_the_whole(size in 0u64..3_000, from in 0u64..3_000, len in 0u64..3_000) {
            let object = Object::new([&b"/bytes/3000"[..], b"/bytes/3000?text"][(size % 2) as usize], size);
            let mut whole = vec![0; size as usize];
            object.fill(0, &mut whole);
            let from = from.min(size);
            let len = len.min(size - from);
            let mut part = vec![0; len as usize];
            object.fill(from, &mut part);
            prop_assert_eq!(&part[..], &whole[from as usize..(from + len) as usize]);
            prop_assert_eq!(object.first_difference(from, &part), None);
        }

        #[test]
        fn a_flipped_byte_is_found_where_it_is(size in 1u64..20_000, at in 0u64..20_000, bit in 0u8..8) {
            let object = Object::new(b"/x", size);
            let mut whole = vec![0; size as usize];
            object.fill(0, &mut whole);
            let at = at % size;
            whole[at as usize] ^= 1 << bit;
            prop_assert_eq!(object.first_difference(0, &whole), Some(at));
        }
    }

    #[test]
    fn the_marker_stands_in_front_when_it_fits() {
        let object = Object::new(b"/b128", 128);
        let mut body = [0; 128];
        object.fill(0, &mut body);
        assert!(body.starts_with(b"longhaul-origin:/b128\n"));
        assert_eq!(Object::new(b"/b128", 21).marker(), b"");
        assert_eq!(Object::new(b"/b128", 22).marker(), b"longhaul-origin:/b128\n");
        assert_eq!(Object::new(&[b'x'; 5_000], 9_000).marker().len(), MARKER_BYTES_MAX);
    }

    #[test]
    fn text_is_asked_for_in_the_query() {
        assert!(is_text(b"/b128?text") && is_text(b"/bytes/9?cc=a&text"));
        assert!(!is_text(b"/text") && !is_text(b"/b128?texts") && !is_text(b"/b128?a=text"));
        let object = Object::new(b"/bytes/4000?text", 4_000);
        let mut body = [0; 4_000];
        object.fill(0, &mut body);
        assert!(body.is_ascii());
    }

    #[test]
    fn bytes_beyond_the_end_differ() {
        let object = Object::new(b"/x", 3);
        let mut body = [0; 3];
        object.fill(0, &mut body);
        assert_eq!(object.first_difference(0, &[body[0], body[1], body[2], 0]), Some(3));
    }

    #[test]
    fn different_names_have_different_bytes() {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        fill(path_hash(b"/a"), 0, &mut a);
        fill(path_hash(b"/b"), 0, &mut b);
        let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
        assert!(same < 8, "{same} of 64 bytes agree");
    }
}
