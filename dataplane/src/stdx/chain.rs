//! Byte queues made of fixed blocks from one pool: what a connection has to send, what a stream keeps until it
//! is acknowledged, what waits to be read.
//!
//! ```text
//! Blocks   memory: |block 0|block 1|block 2| …        next: 0→2→NONE …
//! Chain    head ──► block, start ──► first byte, bytes = length of the queue
//! ```
//! A `Chain` is sixteen bytes and owns its blocks by number; only the pool that made them can free them. The
//! pool's memory never moves, so a driver may lend a slice of it to the kernel while the chain keeps it.
//! An empty chain owns no block: an idle connection costs nothing here.

/// The pool. Memory is reserved at once, touched on first use, reused last-in first-out.
#[derive(Debug)]
pub struct Blocks {
    memory: Box<[u8]>,
    next: Box<[u32]>,
    size: usize,
    free: u32,
    fresh: u32,
    used: usize,
    used_max: usize,
}

/// A queue of bytes in blocks of one pool.
#[derive(Debug)]
pub struct Chain {
    head: u32,
    tail: u32,
    start: u32,
    bytes: u32,
}

/// Where in a queue somebody was last who reads it from the middle on: a block, and which byte of all that was ever queued is
/// its first. With it the next one is found without a walk from the head.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    block: u32,
    begins: u64,
}

const NONE: u32 = u32::MAX;

impl Default for Spot {
    fn default() -> Self {
        Self::new()
    }
}

impl Spot {
    /// Nowhere.
    pub const fn new() -> Self {
        Self { block: NONE, begins: 0 }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// The empty queue.
    pub const fn new() -> Self {
        Self { head: NONE, tail: NONE, start: 0, bytes: 0 }
    }

    /// Bytes queued.
    pub const fn len(&self) -> usize {
        self.bytes as usize
    }

    /// Whether nothing is queued.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Blocks {
    /// A pool of `count` blocks of `size` bytes.
    pub fn new(size: usize, count: usize) -> Self {
        assert!(size > 0 && count < NONE as usize, "blocks have a size and a number");
        Self {
            memory: vec![0; size * count].into_boxed_slice(),
            next: vec![0; count].into_boxed_slice(),
            size,
            free: NONE,
            fresh: 0,
            used: 0,
            used_max: 0,
        }
    }

    /// Appends as many of `bytes` as the pool has room for; how many.
    pub fn append(&mut self, chain: &mut Chain, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut filled = self.tail_filled(chain);
            if filled == self.size {
                if !self.extend(chain) {
                    break;
                }
                filled = 0;
            }
            let count = rest.len().min(self.size - filled);
            let at = chain.tail as usize * self.size + filled;
            self.memory[at..at + count].copy_from_slice(&rest[..count]);
            chain.bytes += count as u32;
            rest = &rest[count..];
        }
        bytes.len() - rest.len()
    }

    /// The first bytes of the queue that lie together; empty when the queue is.
    pub fn front<'a>(&'a self, chain: &Chain) -> &'a [u8] {
        self.piece(chain.head, chain.start as usize, chain.len())
    }

    /// The queue as slices in order, without copying.
    pub fn slices<'a>(&'a self, chain: &Chain) -> Slices<'a> {
        Slices { blocks: self, block: chain.head, start: chain.start as usize, left: chain.len() }
    }

    /// Copies the bytes from `offset` on into `into`; how many there were. Walks `offset / size` blocks.
    pub fn copy_at(&self, chain: &Chain, offset: usize, into: &mut [u8]) -> usize {
        let mut skip = offset;
        let mut copied = 0;
        for slice in self.slices(chain) {
            if skip >= slice.len() {
                skip -= slice.len();
                continue;
            }
            let count = (slice.len() - skip).min(into.len() - copied);
            into[copied..copied + count].copy_from_slice(&slice[skip..skip + count]);
            copied += count;
            skip = 0;
            if copied == into.len() {
                break;
            }
        }
        copied
    }

    /// The same by the count of all that was ever queued, of which `base` is the queue's first byte: walks from `spot` on, where
    /// that is not beyond `at`, and leaves it where it ended.
    pub fn copy_from(
        &self,
        (chain, base): (&Chain, u64),
        spot: &mut Spot,
        at: u64,
        into: &mut [u8],
    ) -> usize {
        let head = Spot { block: chain.head, begins: base - u64::from(chain.start) };
        // A spot before the head is of a block that was given back.
        let is_good = spot.block != NONE && (head.begins..=at).contains(&spot.begins);
        let mut here = if is_good { *spot } else { head };
        let count = into.len().min(usize::try_from(base + chain.len() as u64 - at).unwrap_or(0));
        let mut copied = 0;
        while copied < count {
            let within = (at + copied as u64 - here.begins) as usize;
            if within >= self.size {
                here = Spot { block: self.next[here.block as usize], begins: here.begins + self.size as u64 };
                continue;
            }
            let piece = (self.size - within).min(count - copied);
            let from = here.block as usize * self.size + within;
            into[copied..copied + piece].copy_from_slice(&self.memory[from..from + piece]);
            copied += piece;
            *spot = here;
        }
        copied
    }

    /// Drops the first `count` bytes, which must be there, and frees the blocks that held them.
    pub fn advance(&mut self, chain: &mut Chain, count: usize) {
        assert!(count <= chain.len(), "only what is queued can be dropped");
        let mut start = chain.start as usize + count;
        chain.bytes -= count as u32;
        while start >= self.size && chain.head != NONE {
            start -= self.size;
            self.drop_head(chain);
        }
        chain.start = start as u32;
        if chain.bytes == 0 {
            self.clear(chain);
        }
    }

    /// Drops everything.
    pub fn clear(&mut self, chain: &mut Chain) {
        while chain.head != NONE {
            self.drop_head(chain);
        }
        *chain = Chain::new();
    }

    /// Blocks in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// The most blocks ever in use.
    pub fn used_max(&self) -> usize {
        self.used_max
    }

    /// Blocks in all.
    pub fn count(&self) -> usize {
        self.next.len()
    }

    /// Bytes a block holds.
    pub fn block_bytes(&self) -> usize {
        self.size
    }

    /// Bytes that could still be appended to new chains.
    pub fn free_bytes(&self) -> usize {
        (self.count() - self.used) * self.size
    }

    /// How far the tail block is filled; a full block where there is none, so that the next byte asks for one.
    fn tail_filled(&self, chain: &Chain) -> usize {
        if chain.tail == NONE {
            return self.size;
        }
        let end = (chain.start as usize + chain.len()) % self.size;
        if end == 0 { self.size } else { end }
    }

    fn extend(&mut self, chain: &mut Chain) -> bool {
        let block = if self.free != NONE {
            let block = self.free;
            self.free = self.next[block as usize];
            block
        } else if (self.fresh as usize) < self.count() {
            self.fresh += 1;
            self.fresh - 1
        } else {
            return false;
        };
        self.used += 1;
        self.used_max = self.used_max.max(self.used);
        self.next[block as usize] = NONE;
        if chain.tail == NONE {
            (chain.head, chain.start) = (block, 0);
        } else {
            self.next[chain.tail as usize] = block;
        }
        chain.tail = block;
        true
    }

    fn drop_head(&mut self, chain: &mut Chain) {
        let block = chain.head;
        chain.head = self.next[block as usize];
        if chain.head == NONE {
            chain.tail = NONE;
        }
        self.next[block as usize] = self.free;
        self.free = block;
        self.used -= 1;
    }

    fn piece(&self, block: u32, start: usize, left: usize) -> &[u8] {
        if block == NONE {
            return &[];
        }
        let at = block as usize * self.size;
        &self.memory[at + start..at + self.size.min(start + left)]
    }
}

/// Iterator over the slices of a chain.
#[derive(Debug)]
pub struct Slices<'a> {
    blocks: &'a Blocks,
    block: u32,
    start: usize,
    left: usize,
}

impl<'a> Iterator for Slices<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        let piece = self.blocks.piece(self.block, self.start, self.left);
        self.left -= piece.len();
        self.block = self.blocks.next[self.block as usize];
        self.start = 0;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_chain_owns_nothing() {
        let mut blocks = Blocks::new(4, 2);
        let mut chain = Chain::new();
        assert_eq!(blocks.append(&mut chain, b"abcdefghij"), 8, "two blocks of four");
        blocks.advance(&mut chain, 8);
        assert_eq!((blocks.used(), blocks.used_max(), chain.len()), (0, 2, 0));
        assert_eq!(blocks.front(&chain), b"");
    }

    proptest! {
        /// A chain is a queue: whatever is done to it, it holds what a `Vec` would.
        #[test]
        fn equals_a_vec(ops in proptest::collection::vec((any::<bool>(), 0usize..20), 0..60)) {
            let mut blocks = Blocks::new(4, 8);
            let mut chain = Chain::new();
            let mut model: Vec<u8> = Vec::new();
            let mut byte = 0u8;
            let (mut base, mut spot) = (0, Spot::new());
            for (append, count) in ops {
                if append {
                    let bytes: Vec<u8> = (0..count).map(|_| { byte = byte.wrapping_add(1); byte }).collect();
                    let taken = blocks.append(&mut chain, &bytes);
                    model.extend_from_slice(&bytes[..taken]);
                    prop_assert!(taken == count || blocks.used() == 8);
                } else {
                    let count = count.min(model.len());
                    blocks.advance(&mut chain, count);
                    model.drain(..count);
                    base += count as u64;
                }
                let all: Vec<u8> = blocks.slices(&chain).flatten().copied().collect();
                prop_assert_eq!(&all, &model);
                let mut part = [0; 7];
                let offset = model.len() / 2;
                let got = blocks.copy_at(&chain, offset, &mut part);
                prop_assert_eq!(&part[..got], &model[offset..(offset + 7).min(model.len())]);
                // Here and there, forth and back.
                for offset in [usize::from(byte) % (model.len() + 1), offset, model.len()] {
                    let got = blocks.copy_from((&chain, base), &mut spot, base + offset as u64, &mut part);
                    prop_assert_eq!(&part[..got], &model[offset..(offset + 7).min(model.len())]);
                }
                prop_assert!(blocks.used() <= model.len() / 4 + 2);
            }
        }
    }
}
