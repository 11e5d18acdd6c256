//! Sorted sets of byte ranges, many of them, in one pool: what of a stream is acknowledged out of order, what
//! was lost and waits to be sent again.
//!
//! ```text
//! Ranges ──► [3,7) ──► [12,20) ──► …      ranges of one set never touch or overlap
//! ```
//! Sets are short (a hole is a lost packet), so they are lists; both ends of a set are found without a walk
//! only at the front, where nearly all work is. Nothing is allocated after `new`. Unit: stream offsets, bytes.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    start: u64,
    end: u64,
    next: u32,
}

/// One set: twelve bytes beside the pool.
#[derive(Debug)]
pub struct Ranges {
    head: u32,
    bytes: u64,
}

impl Default for Ranges {
    fn default() -> Self {
        Self::new()
    }
}

impl Ranges {
    /// The empty set.
    pub const fn new() -> Self {
        Self { head: NONE, bytes: 0 }
    }

    /// Sum of the lengths of all ranges.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the set has no range.
    pub const fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// The nodes of all sets.
#[derive(Debug)]
pub struct RangePool {
    nodes: Vec<Node>,
    capacity: usize,
    free: u32,
    used: usize,
}

impl RangePool {
    /// A pool for `capacity` ranges; memory is touched on first use.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity < NONE as usize, "ranges are numbered in u32");
        Self { nodes: Vec::with_capacity(capacity), capacity, free: NONE, used: 0 }
    }

    /// Ranges in use.
    pub const fn used(&self) -> usize {
        self.used
    }

    /// The first range of a set.
    pub fn first(&self, set: &Ranges) -> Option<(u64, u64)> {
        let node = self.nodes.get(set.head as usize)?;
        Some((node.start, node.end))
    }

    /// All ranges of a set in order.
    pub fn iter<'a>(&'a self, set: &Ranges) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let mut at = set.head;
        core::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some((node.start, node.end))
        })
    }

    /// Adds `[start, end)`; false, with the set unchanged, if the pool had no range left.
    pub fn insert(&mut self, set: &mut Ranges, start: u64, end: u64) -> bool {
        assert!(start < end, "a range has bytes");
        let (previous, mut at) = self.seek(set, start);
        // `at` is the first range that ends at or behind `start`; whatever begins up to `end` is swallowed.
        let (mut low, mut high) = (start, end);
        let mut swallowed_bytes = 0;
        let first = at;
        let mut merged = false;
        while at != NONE && self.nodes[at as usize].start <= end {
            let node = self.nodes[at as usize];
            low = low.min(node.start);
            high = high.max(node.end);
            swallowed_bytes += node.end - node.start;
            if merged {
                self.release(at);
            }
            merged = true;
            at = node.next;
        }
        if merged {
            self.nodes[first as usize] = Node { start: low, end: high, next: at };
        } else {
            let Some(fresh) = self.take(Node { start, end, next: at }) else { return false };
            self.link(set, previous, fresh);
        }
        set.bytes = set.bytes + (high - low) - swallowed_bytes;
        true
    }

    /// Takes `[start, end)` out as far as it is in; false if a range had to be cut in two and the pool had none
    /// left: then what lies behind the cut stays in.
    pub fn remove(&mut self, set: &mut Ranges, start: u64, end: u64) -> bool {
        let (mut previous, mut at) = self.seek(set, start + 1);
        while at != NONE && self.nodes[at as usize].start < end {
            let node = self.nodes[at as usize];
            let (cut_from, cut_to) = (node.start.max(start), node.end.min(end));
            let keeps_left = node.start < cut_from;
            let keeps_right = cut_to < node.end;
            if keeps_left && keeps_right {
                let Some(right) = self.take(Node { start: cut_to, end: node.end, next: node.next }) else {
                    return false;
                };
                self.nodes[at as usize].end = cut_from;
                self.nodes[at as usize].next = right;
            } else if keeps_left {
                self.nodes[at as usize].end = cut_from;
            } else if keeps_right {
                self.nodes[at as usize].start = cut_to;
            } else {
                self.link(set, previous, node.next);
                self.release(at);
            }
            set.bytes -= cut_to - cut_from;
            if keeps_left {
                previous = at;
            }
            at = node.next;
        }
        true
    }

    /// Takes at most `bytes_max` from the front: start and length.
    pub fn take_front(&mut self, set: &mut Ranges, bytes_max: u64) -> Option<(u64, u64)> {
        let (start, end) = self.first(set)?;
        let bytes = bytes_max.min(end - start);
        self.remove(set, start, start + bytes);
        Some((start, bytes))
    }

    /// Empties a set.
    pub fn clear(&mut self, set: &mut Ranges) {
        while set.head != NONE {
            let head = set.head;
            set.head = self.nodes[head as usize].next;
            self.release(head);
        }
        set.bytes = 0;
    }

    /// The last range that ends before `start` and the one after it.
    fn seek(&self, set: &Ranges, start: u64) -> (u32, u32) {
        let (mut previous, mut at) = (NONE, set.head);
        while at != NONE && self.nodes[at as usize].end < start {
            previous = at;
            at = self.nodes[at as usize].next;
        }
        (previous, at)
    }

    fn link(&mut self, set: &mut Ranges, previous: u32, next: u32) {
        if previous == NONE {
            set.head = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
    }

    fn take(&mut self, node: Node) -> Option<u32> {
        let index = if self.free != NONE {
            let index = self.free;
            self.free = self.nodes[index as usize].next;
            self.nodes[index as usize] = node;
            index
        } else if self.nodes.len() < self.capacity {
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        } else {
            return None;
        };
        self.used += 1;
        Some(index)
    }

    fn release(&mut self, index: u32) {
        self.nodes[index as usize].next = self.free;
        self.free = index;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_pool_refuses_and_changes_nothing() {
        let mut pool = RangePool::new(1);
        let mut set = Ranges::new();
        assert!(pool.insert(&mut set, 0, 10));
        assert!(!pool.insert(&mut set, 20, 30));
        assert!(pool.insert(&mut set, 10, 12), "merging needs no range");
        assert!(!pool.remove(&mut set, 3, 4), "cutting does");
        assert_eq!((pool.first(&set), set.bytes()), (Some((0, 12)), 12));
    }

    proptest! {
        /// A set is a set of numbers.
        #[test]
        fn equals_a_set(ops in proptest::collection::vec((0u8..3, 0u64..60, 1u64..12), 0..60)) {
            let mut pool = RangePool::new(100);
            let (mut set, mut other) = (Ranges::new(), Ranges::new());
            pool.insert(&mut other, 5, 9);
            let mut model = std::collections::BTreeSet::new();
            for (op, start, bytes) in ops {
                match op {
                    0 => {
                        prop_assert!(pool.insert(&mut set, start, start + bytes));
                        model.extend(start..start + bytes);
                    }
                    1 => {
                        prop_assert!(pool.remove(&mut set, start, start + bytes));
                        model.retain(|byte| !(start..start + bytes).contains(byte));
                    }
                    _ => {
                        let taken = pool.take_front(&mut set, bytes);
                        prop_assert_eq!(taken.map(|(start, _)| start), model.first().copied());
                        if let Some((start, bytes)) = taken {
                            prop_assert!((start..start + bytes).all(|byte| model.remove(&byte)));
                        }
                    }
                }
                let all: Vec<u64> = pool.iter(&set).flat_map(|(start, end)| start..end).collect();
                prop_assert_eq!(&all, &model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(set.bytes(), model.len() as u64);
                let ranges: Vec<_> = pool.iter(&set).collect();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", ranges);
                prop_assert_eq!(pool.used(), ranges.len() + 1);
            }
            pool.clear(&mut set);
            pool.clear(&mut other);
            prop_assert_eq!(pool.used(), 0);
        }
    }
}
