//! Puts the bytes of one stream in order without copying them twice.
//!
//! ```text
//! offset:    read          front end       start                  start
//!             │    front      │    hole      │  segment │   hole    │ segment │
//!             └── readable ───┘
//! ```
//! Each stretch without a hole is a chain of blocks; when the front is used up, the segment that follows becomes
//! the front. A small segment that touches what was filled in before it is copied over, so that their number
//! stays near the number of holes. It knows no credit. Nothing is allocated after `new`.

use crate::stdx::chain::{Blocks, Chain};

const NONE: u32 = u32::MAX;
/// A segment of at most this many bytes is copied to its predecessor; longer ones are kept.
const MERGE_BYTES_MAX: usize = 4_096;
/// Bytes copied at a time in doing so.
const COPY_BYTES: usize = 1_024;

#[derive(Debug)]
struct Segment {
    start: u64,
    chain: Chain,
    next: u32,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.chain.len() as u64
    }
}

/// No memory for another piece out of order; the peer has to send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// Where the bytes of all streams wait until they are read.
#[derive(Debug)]
pub struct ReceiveMemory {
    /// The bytes.
    pub blocks: Blocks,
    segments: Vec<Segment>,
    segments_max: usize,
    free: u32,
}

impl ReceiveMemory {
    /// `blocks_count` blocks, and at most `segments_max` pieces out of order; touched on first use.
    pub fn new(block_bytes: usize, blocks_count: usize, segments_max: usize) -> Self {
        assert!(segments_max < NONE as usize, "segments are numbered in u32");
        Self {
            blocks: Blocks::new(block_bytes, blocks_count),
            segments: Vec::with_capacity(segments_max),
            segments_max,
            free: NONE,
        }
    }

    fn take(&mut self, start: u64, next: u32) -> Option<u32> {
        let segment = Segment { start, chain: Chain::new(), next };
        if self.free != NONE {
            let index = self.free;
            self.free = self.segments[index as usize].next;
            self.segments[index as usize] = segment;
            return Some(index);
        }
        if self.segments.len() == self.segments_max {
            return None;
        }
        self.segments.push(segment);
        Some((self.segments.len() - 1) as u32)
    }

    /// Frees the segment and gives its chain to the caller.
    fn release(&mut self, index: u32) -> Chain {
        let segment = &mut self.segments[index as usize];
        let chain = core::mem::take(&mut segment.chain);
        segment.next = self.free;
        self.free = index;
        chain
    }
}

/// The bytes of one stream.
#[derive(Debug)]
pub struct Reassembly {
    read: u64,
    front: Chain,
    segments: u32,
}

impl Default for Reassembly {
    fn default() -> Self {
        Self::new()
    }
}

impl Reassembly {
    /// Nothing arrived.
    pub const fn new() -> Self {
        Self { read: 0, front: Chain::new(), segments: NONE }
    }

    /// Offset of the first byte not yet consumed.
    pub const fn read_offset(&self) -> u64 {
        self.read
    }

    /// Offset behind the last byte that can be read without a hole in front of it, or before that: the first
    /// stretch only.
    pub const fn front_end(&self) -> u64 {
        self.read + self.front.len() as u64
    }

    /// The next bytes that lie together.
    pub fn front<'a>(&self, memory: &'a ReceiveMemory) -> &'a [u8] {
        memory.blocks.front(&self.front)
    }

    /// Copies the next bytes, as many as are there without a hole and `into` holds; how many.
    pub fn peek(&self, memory: &ReceiveMemory, into: &mut [u8]) -> usize {
        let mut copied = memory.blocks.copy_at(&self.front, 0, into);
        let (mut end, mut next) = (self.front_end(), self.segments);
        while copied < into.len()
            && let Some(segment) = memory.segments.get(next as usize)
            && segment.start == end
        {
            copied += memory.blocks.copy_at(&segment.chain, 0, &mut into[copied..]);
            (end, next) = (end + segment.chain.len() as u64, segment.next);
        }
        copied
    }

    /// Offset behind the last byte that has come without a hole in front of it. Walks the stretches that touch: long ones are
    /// not put together before they are read.
    pub fn in_order_end(&self, memory: &ReceiveMemory) -> u64 {
        let (mut end, mut next) = (self.front_end(), self.segments);
        while let Some(segment) = memory.segments.get(next as usize)
            && segment.start == end
        {
            (end, next) = (end + segment.chain.len() as u64, segment.next);
        }
        end
    }

    /// Drops the first `count` bytes, which must be there without a hole.
    pub fn consume(&mut self, memory: &mut ReceiveMemory, count: usize) {
        let mut left = count;
        loop {
            let now = left.min(self.front.len());
            memory.blocks.advance(&mut self.front, now);
            self.read += now as u64;
            self.promote(memory);
            left -= now;
            if left == 0 {
                break;
            }
            assert!(!self.front.is_empty(), "only what is there can be dropped");
        }
    }

    /// Keeps `data`, which begins at `offset`; what is known already is skipped. [TMP-46.3]
    pub fn insert(&mut self, memory: &mut ReceiveMemory, offset: u64, data: &[u8]) -> Result<(), NoRoom> {
        let (mut start, mut rest) = (offset, data);
        // `at` is the stretch before the hole that is looked at; NONE stands for the front.
        let mut at = NONE;
        loop {
            let (at_end, next) = self.stretch(memory, at);
            let known = at_end.saturating_sub(start).min(rest.len() as u64) as usize;
            (start, rest) = (start + known as u64, &rest[known..]);
            if rest.is_empty() {
                break;
            }
            let hole_end = memory.segments.get(next as usize).map_or(u64::MAX, |segment| segment.start);
            let fits = hole_end.saturating_sub(start).min(rest.len() as u64) as usize;
            at = if fits > 0 { self.fill(memory, at, at_end, start, &rest[..fits])? } else { next };
        }
        self.promote(memory);
        Ok(())
    }

    /// Drops everything.
    pub fn clear(&mut self, memory: &mut ReceiveMemory) {
        memory.blocks.clear(&mut self.front);
        while self.segments != NONE {
            let index = self.segments;
            self.segments = memory.segments[index as usize].next;
            let mut chain = memory.release(index);
            memory.blocks.clear(&mut chain);
        }
    }

    /// Puts bytes into the hole behind `at`: at its end if they touch it, else as a segment. Says where they are.
    fn fill(
        &mut self,
        memory: &mut ReceiveMemory,
        at: u32,
        at_end: u64,
        start: u64,
        bytes: &[u8],
    ) -> Result<u32, NoRoom> {
        let target = if start == at_end { at } else { self.new_segment(memory, at, start)? };
        if self.append(memory, target, bytes) < bytes.len() {
            // Cannot happen while credit is granted out of a budget; what was kept is rightly kept.
            return Err(NoRoom);
        }
        self.merge_next(memory, target);
        Ok(target)
    }

    fn new_segment(&mut self, memory: &mut ReceiveMemory, after: u32, start: u64) -> Result<u32, NoRoom> {
        let next = if after == NONE { self.segments } else { memory.segments[after as usize].next };
        let fresh = memory.take(start, next).ok_or(NoRoom)?;
        self.set_next(memory, after, fresh);
        Ok(fresh)
    }

    fn set_next(&mut self, memory: &mut ReceiveMemory, of: u32, next: u32) {
        if of == NONE {
            self.segments = next;
        } else {
            memory.segments[of as usize].next = next;
        }
    }

    /// The end of a stretch, and the one after it.
    fn stretch(&self, memory: &ReceiveMemory, at: u32) -> (u64, u32) {
        if at == NONE {
            return (self.front_end(), self.segments);
        }
        let segment = &memory.segments[at as usize];
        (segment.end(), segment.next)
    }

    fn append(&mut self, memory: &mut ReceiveMemory, target: u32, bytes: &[u8]) -> usize {
        if target == NONE {
            memory.blocks.append(&mut self.front, bytes)
        } else {
            memory.blocks.append(&mut memory.segments[target as usize].chain, bytes)
        }
    }

    /// Copies a small segment that `target` has come to touch to its end.
    fn merge_next(&mut self, memory: &mut ReceiveMemory, target: u32) {
        let (end, next) = self.stretch(memory, target);
        let Some(segment) = memory.segments.get(next as usize) else { return };
        if segment.start != end || (target == NONE && self.front.is_empty()) {
            return;
        }
        if segment.chain.len() > MERGE_BYTES_MAX {
            self.complete_beginning(memory, target, next);
            return;
        }
        let after = segment.next;
        let mut chain = memory.release(next);
        self.set_next(memory, target, after);
        let mut copy = [0; COPY_BYTES];
        while !chain.is_empty() {
            let count = memory.blocks.copy_at(&chain, 0, &mut copy);
            // What is freed first makes room for the copy, but for a block's rest: so free first.
            memory.blocks.advance(&mut chain, count);
            let kept = self.append(memory, target, &copy[..count]);
            assert!(kept == count, "the reserve covers a block per segment");
        }
    }

    /// Copies the first bytes of a long segment to the front if that is the beginning of the stream and short: a reader
    /// that waits for the whole of what opens a stream consumes nothing until then, and sees the front alone. The bytes
    /// fit what the front's first block has left, so this takes no memory.
    fn complete_beginning(&mut self, memory: &mut ReceiveMemory, target: u32, next: u32) {
        let room = memory.blocks.block_bytes().min(COPY_BYTES).saturating_sub(self.front.len());
        if target != NONE || self.read > 0 || room == 0 {
            return;
        }
        let mut copy = [0; COPY_BYTES];
        let segment = &mut memory.segments[next as usize];
        let count = memory.blocks.copy_at(&segment.chain, 0, &mut copy[..room]);
        memory.blocks.advance(&mut segment.chain, count);
        segment.start += count as u64;
        let kept = memory.blocks.append(&mut self.front, &copy[..count]);
        assert!(kept == count, "the first block had room");
    }

    /// Makes the first segment the front if nothing lies before it.
    fn promote(&mut self, memory: &mut ReceiveMemory) {
        if !self.front.is_empty() {
            return;
        }
        let Some(segment) = memory.segments.get(self.segments as usize) else { return };
        if segment.start == self.read {
            let index = self.segments;
            self.segments = segment.next;
            self.front = memory.release(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: usize = 400;

    fn text(offset: u64, len: usize) -> Vec<u8> {
        (offset..offset + len as u64).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn the_beginning_of_a_stream_lies_together_though_its_first_bytes_came_late() {
        let mut memory = ReceiveMemory::new(4_096, 16, 4);
        let mut stream = Reassembly::new();
        stream.insert(&mut memory, 20, &text(20, 10_000)).unwrap();
        stream.insert(&mut memory, 0, &text(0, 20)).unwrap();
        assert_eq!(stream.front(&memory), text(0, 1_024));
        let mut read = Vec::new();
        while !stream.front(&memory).is_empty() {
            let count = stream.front(&memory).len();
            read.extend_from_slice(stream.front(&memory));
            stream.consume(&mut memory, count);
        }
        assert_eq!((read, memory.blocks.used()), (text(0, 10_020), 0));
    }

    #[test]
    fn segments_are_bounded_and_the_front_still_moves() {
        let mut memory = ReceiveMemory::new(16, 64, 2);
        let mut stream = Reassembly::new();
        assert_eq!(stream.insert(&mut memory, 10, &text(10, 5)), Ok(()));
        assert_eq!(stream.insert(&mut memory, 30, &text(30, 5)), Ok(()));
        assert_eq!(stream.insert(&mut memory, 50, &text(50, 5)), Err(NoRoom));
        assert_eq!(stream.insert(&mut memory, 0, &text(0, 10)), Ok(()));
        assert_eq!(stream.front_end(), 15);
        assert_eq!(stream.insert(&mut memory, 50, &text(50, 5)), Ok(()));
        stream.clear(&mut memory);
        assert_eq!(memory.blocks.used(), 0);
    }

    proptest! {
        /// Whatever order pieces come in, overlapping or not, the bytes come out as they are.
        #[test]
        fn any_order_gives_the_text(
            pieces in proptest::collection::vec((0u64..TEXT as u64, 1usize..60), 1..80),
            reads in proptest::collection::vec(0usize..50, 80),
        ) {
            let mut memory = ReceiveMemory::new(16, 200, 100);
            let mut stream = Reassembly::new();
            let mut known = vec![false; TEXT + 60];
            let mut out = Vec::new();
            for ((offset, len), read) in pieces.into_iter().zip(reads) {
                prop_assert_eq!(stream.insert(&mut memory, offset, &text(offset, len)), Ok(()));
                known[offset as usize..offset as usize + len].fill(true);
                let mut left = read;
                while left > 0 && !stream.front(&memory).is_empty() {
                    let count = left.min(stream.front(&memory).len());
                    out.extend_from_slice(&stream.front(&memory)[..count]);
                    stream.consume(&mut memory, count);
                    left -= count;
                }
                let contiguous = known.iter().take_while(|known| **known).count();
                prop_assert!(left == 0 || out.len() == contiguous);
                prop_assert_eq!(stream.read_offset(), out.len() as u64);
                prop_assert!(stream.front_end() <= contiguous as u64);
            }
            prop_assert_eq!(&out, &text(0, out.len()));
            stream.clear(&mut memory);
            prop_assert_eq!(memory.blocks.used(), 0);
        }
    }
}
