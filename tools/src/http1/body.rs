//! A seeded object as it stands on the wire: plain or chunked, any range of either without state, so that a
//! sender that was cut short by a full socket simply asks again from where it got to.
//!
//! ```text
//! chunked:  "2000\r\n" 8192 bytes "\r\n"  …  "<rest>\r\n" rest "\r\n"  "0\r\n" [trailer "\r\n"] "\r\n"
//! ```

use crate::content::Object;
use std::io::Write;

/// Data bytes in each chunk but the last: large enough that framing costs nothing, small enough that an object of
/// 16 KiB already has two.
const CHUNK_BYTES: u64 = 8_192;
const CHUNK_HEAD: &[u8] = b"2000\r\n";
const CHUNK_WIRE_BYTES: u64 = CHUNK_BYTES + CHUNK_HEAD.len() as u64 + 2;

/// How a body stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Its bytes and nothing else.
    Plain,
    /// Chunked.
    Chunked,
    /// Chunked, with one trailer field, `x-content-hash: <16 hexadecimal digits>`.
    ChunkedWithTrailer,
}

/// An object and its coding.
#[derive(Clone, Debug)]
pub struct Body {
    object: Object,
    coding: Coding,
    last_head: Literal,
    tail: Literal,
}

/// A few bytes of framing, made once per body.
#[derive(Clone, Debug)]
struct Literal {
    bytes: [u8; 48],
    len: usize,
}

impl Literal {
    const EMPTY: Self = Self { bytes: [0; 48], len: 0 };

    fn new(text: core::fmt::Arguments<'_>) -> Self {
        let mut bytes = [0; 48];
        let mut rest = &mut bytes[..];
        let fits = rest.write_fmt(text).is_ok();
        assert!(fits, "framing literals are short");
        let len = 48 - rest.len();
        Self { bytes, len }
    }

    fn from(&self, offset: u64) -> &[u8] {
        &self.bytes[offset as usize..self.len]
    }
}

enum Segment<'a> {
    Framing(&'a [u8]),
    Data { offset: u64, bytes: u64 },
}

impl Body {
    /// The object called `name` of `size_bytes`, in `coding`.
    pub fn new(name: &[u8], size_bytes: u64, coding: Coding) -> Self {
        let object = Object::new(name, size_bytes);
        let (mut last_head, mut tail) = (Literal::EMPTY, Literal::EMPTY);
        let rest = size_bytes % CHUNK_BYTES;
        if coding != Coding::Plain && rest > 0 {
            last_head = Literal::new(format_args!("{rest:x}\r\n"));
        }
        match coding {
            Coding::Plain => {}
            Coding::Chunked => tail = Literal::new(format_args!("0\r\n\r\n")),
            Coding::ChunkedWithTrailer => {
                let hash = crate::content::path_hash(name);
                tail = Literal::new(format_args!("0\r\nx-content-hash: {hash:016x}\r\n\r\n"));
            }
        }
        Self { object, coding, last_head, tail }
    }

    /// The object.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Bytes on the wire in all.
    pub fn wire_bytes(&self) -> u64 {
        let size = self.object.size_bytes();
        if self.coding == Coding::Plain { size } else { self.tail_start() + self.tail.len as u64 }
    }

    /// Fills `out` with wire bytes from `offset`. The range must lie inside the body.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        let (mut offset, mut out) = (offset, out);
        while !out.is_empty() {
            let taken = match self.segment(offset) {
                Segment::Framing(bytes) => {
                    let taken = bytes.len().min(out.len());
                    out[..taken].copy_from_slice(&bytes[..taken]);
                    taken
                }
                Segment::Data { offset, bytes } => {
                    let taken = bytes.min(out.len() as u64) as usize;
                    self.object.fill(offset, &mut out[..taken]);
                    taken
                }
            };
            assert!(taken > 0, "the range lies inside the body");
            (offset, out) = (offset + taken as u64, &mut out[taken..]);
        }
    }

    /// How many bytes of the object lie in the first `wire_offset` bytes on the wire.
    pub fn data_before(&self, wire_offset: u64) -> u64 {
        if self.coding == Coding::Plain || wire_offset >= self.tail_start() {
            return wire_offset.min(self.object.size_bytes());
        }
        let whole = (wire_offset / CHUNK_WIRE_BYTES).min(self.object.size_bytes() / CHUNK_BYTES);
        let within = wire_offset - whole * CHUNK_WIRE_BYTES;
        let is_last = whole == self.object.size_bytes() / CHUNK_BYTES;
        let head = if is_last { self.last_head.len } else { CHUNK_HEAD.len() } as u64;
        let data = self.object.size_bytes().saturating_sub(whole * CHUNK_BYTES).min(CHUNK_BYTES);
        whole * CHUNK_BYTES + within.saturating_sub(head).min(data)
    }

    fn segment(&self, offset: u64) -> Segment<'_> {
        if self.coding == Coding::Plain {
            return Segment::Data { offset, bytes: self.object.size_bytes() - offset };
        }
        if offset >= self.tail_start() {
            return Segment::Framing(self.tail.from(offset - self.tail_start()));
        }
        let whole = self.object.size_bytes() / CHUNK_BYTES;
        let index = (offset / CHUNK_WIRE_BYTES).min(whole);
        let within = offset - index * CHUNK_WIRE_BYTES;
        let (head, data) = if index < whole {
            (CHUNK_HEAD, CHUNK_BYTES)
        } else {
            (self.last_head.from(0), self.object.size_bytes() % CHUNK_BYTES)
        };
        let head_bytes = head.len() as u64;
        if within < head_bytes {
            Segment::Framing(&head[within as usize..])
        } else if within < head_bytes + data {
            let skipped = within - head_bytes;
            Segment::Data { offset: index * CHUNK_BYTES + skipped, bytes: data - skipped }
        } else {
            Segment::Framing(&b"\r\n"[(within - head_bytes - data) as usize..])
        }
    }

    fn tail_start(&self) -> u64 {
        let size = self.object.size_bytes();
        let rest = size % CHUNK_BYTES;
        let last = if rest > 0 { rest + self.last_head.len as u64 + 2 } else { 0 };
        size / CHUNK_BYTES * CHUNK_WIRE_BYTES + last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::chunked::ChunkDecoder;
    use proptest::prelude::*;

    fn wire(body: &Body) -> Vec<u8> {
        let mut wire = vec![0; body.wire_bytes() as usize];
        body.fill(0, &mut wire);
        wire
    }

    fn data(wire: &[u8]) -> Vec<u8> {
        let (mut decoder, mut data, mut at) = (ChunkDecoder::default(), Vec::new(), 0);
        while !decoder.is_done() {
            let decoded = decoder.decode(&wire[at..]).unwrap();
            assert!(decoded.consumed > 0, "the terminator is there");
            data.extend_from_slice(&wire[at..][decoded.data.clone()]);
            at += decoded.consumed;
        }
        assert_eq!(at, wire.len());
        data
    }

    #[test]
    fn chunked_bodies_decode_to_the_object() {
        for size in [0, 1, 15, 16, 8_191, 8_192, 8_193, 16_384, 100_000] {
            for coding in [Coding::Chunked, Coding::ChunkedWithTrailer] {
                let body = Body::new(b"/chunked", size, coding);
                let data = data(&wire(&body));
                assert_eq!(data.len() as u64, size);
                assert_eq!(body.object().first_difference(0, &data), None);
            }
        }
    }

    proptest! {
        #[test]
        fn any_range_equals_the_same_range_of_the_whole(size in 0u64..30_000, cuts in (0.0f64..1.0, 0.0f64..1.0)) {
            let body = Body::new(b"/c", size, Coding::Chunked);
            let whole = wire(&body);
            let a = (cuts.0 * whole.len() as f64) as usize;
            let b = (cuts.1 * whole.len() as f64) as usize;
            let (from, to) = (a.min(b), a.max(b));
            let mut part = vec![0; to - from];
            body.fill(from as u64, &mut part);
            prop_assert_eq!(&part[..], &whole[from..to]);
            prop_assert!(body.data_before(from as u64) <= body.data_before(to as u64));
            prop_assert_eq!(body.data_before(whole.len() as u64), size);
        }
    }

    #[test]
    fn data_before_counts_what_a_decoder_would_give() {
        let body = Body::new(b"/c", 20_000, Coding::Chunked);
        let whole = wire(&body);
        for cut in (0..whole.len()).step_by(97) {
            let (mut decoder, mut at, mut count) = (ChunkDecoder::default(), 0, 0);
            while at < cut {
                let decoded = decoder.decode(&whole[at..cut]).unwrap();
                (at, count) = (at + decoded.consumed, count + decoded.data.len());
            }
            assert_eq!(body.data_before(cut as u64), count as u64, "after {cut} wire bytes");
        }
    }
}
