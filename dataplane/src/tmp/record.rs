//! What a packet carried that must be told to someone when the packet is acknowledged or lost, and the pool of
//! such records: lists of them hang at the packets under way. Nothing is allocated after `new`.

use crate::stdx::slab::Handle;

/// End of a list.
pub const NO_RECORD: u32 = u32::MAX;

/// One thing of one stream that a packet carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stream's place in the table, which may be gone by now.
    pub stream: Handle,
    /// What of it.
    pub content: Content,
}

/// See `Record`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes of the stream, perhaps none, perhaps its end.
    Bytes {
        /// Of the first byte.
        offset: u64,
        /// How many.
        len: u16,
        /// The stream ends behind them.
        is_end: bool,
    },
    /// Leave to send up to some offset.
    Credit,
    /// The sending half was given up.
    Reset,
    /// The peer was asked to cease.
    Stop,
    /// The class was changed.
    Class,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    record: Record,
    next: u32,
}

impl RecordPool {
    /// Bytes of a record in the pool.
    pub const RECORD_BYTES: usize = size_of::<Node>();
}

/// The pool.
#[derive(Debug)]
pub struct RecordPool {
    nodes: Vec<Node>,
    capacity: usize,
    free: u32,
    used: usize,
}

impl RecordPool {
    /// A pool for `capacity` records; memory is touched on first use.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity < NO_RECORD as usize, "records are numbered in u32");
        Self { nodes: Vec::with_capacity(capacity), capacity, free: NO_RECORD, used: 0 }
    }

    /// Records that can still be taken.
    pub fn free_count(&self) -> usize {
        self.capacity - self.used
    }

    /// Puts a record in front of a list; false if there is none left.
    pub fn push(&mut self, list: &mut u32, record: Record) -> bool {
        let node = Node { record, next: *list };
        if self.free != NO_RECORD {
            let index = self.free;
            self.free = self.nodes[index as usize].next;
            self.nodes[index as usize] = node;
            *list = index;
        } else if self.nodes.len() < self.capacity {
            self.nodes.push(node);
            *list = (self.nodes.len() - 1) as u32;
        } else {
            return false;
        }
        self.used += 1;
        true
    }

    /// Takes the first record of a list.
    pub fn pop(&mut self, list: &mut u32) -> Option<Record> {
        let index = *list;
        let Node { record, next } = *self.nodes.get(index as usize)?;
        self.nodes[index as usize].next = self.free;
        (self.free, *list) = (index, next);
        self.used -= 1;
        Some(record)
    }

    /// The records of a list, which stay.
    pub fn iter(&self, list: u32) -> impl Iterator<Item = Record> + '_ {
        let mut at = list;
        core::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(node.record)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_share_the_pool() {
        let mut pool = RecordPool::new(3);
        let record = |content| Record { stream: Handle::default(), content };
        let (mut a, mut b) = (NO_RECORD, NO_RECORD);
        assert!(pool.push(&mut a, record(Content::Credit)));
        assert!(pool.push(&mut b, record(Content::Reset)));
        assert!(pool.push(&mut a, record(Content::Stop)));
        assert!(!pool.push(&mut b, record(Content::Class)));
        assert_eq!(pool.iter(a).map(|r| r.content).collect::<Vec<_>>(), [Content::Stop, Content::Credit]);
        assert_eq!(pool.pop(&mut a).map(|r| r.content), Some(Content::Stop));
        assert_eq!((pool.free_count(), pool.pop(&mut b).is_some(), pool.pop(&mut b)), (1, true, None));
    }
}
