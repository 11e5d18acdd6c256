//! Receive buffers that came while the role did not read: one queue per connection, linked by buffer number, so
//! that holding costs no memory beyond the buffers themselves.
//!
//! Numbers run over both groups: small buffers first, then the large ones.

/// Ends a queue.
const NONE: u32 = u32::MAX;

/// The held buffers of one connection, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldQueue {
    head: u32,
    tail: u32,
}

impl HeldQueue {
    /// Nothing held.
    pub(crate) const EMPTY: Self = Self { head: NONE, tail: NONE };

    /// Whether nothing is held.
    pub(crate) const fn is_empty(self) -> bool {
        self.head == NONE
    }
}

/// A buffer and how far it is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Its number over both groups.
    pub(crate) number: u32,
    /// Bytes in it.
    pub(crate) bytes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    bytes: u32,
}

/// The links of all queues of a worker: each buffer stands in at most one.
#[derive(Debug)]
pub(crate) struct HeldLinks {
    links: Box<[Link]>,
}

impl HeldLinks {
    /// Links for `count` buffers.
    pub(crate) fn new(count: usize) -> Self {
        Self { links: vec![Link { next: NONE, bytes: 0 }; count].into_boxed_slice() }
    }

    /// Appends a buffer to a queue.
    pub(crate) fn push(&mut self, queue: &mut HeldQueue, filled: Filled) {
        self.links[filled.number as usize] = Link { next: NONE, bytes: filled.bytes };
        if queue.tail == NONE {
            queue.head = filled.number;
        } else {
            self.links[queue.tail as usize].next = filled.number;
        }
        queue.tail = filled.number;
    }

    /// Takes the oldest buffer out of a queue.
    pub(crate) fn pop(&mut self, queue: &mut HeldQueue) -> Option<Filled> {
        if queue.is_empty() {
            return None;
        }
        let number = queue.head;
        let Link { next, bytes } = self.links[number as usize];
        queue.head = next;
        if next == NONE {
            queue.tail = NONE;
        }
        Some(Filled { number, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_keep_their_order_and_do_not_mix() {
        let mut links = HeldLinks::new(6);
        let (mut a, mut b) = (HeldQueue::EMPTY, HeldQueue::EMPTY);
        for number in [5, 0, 3] {
            links.push(&mut a, Filled { number, bytes: number * 10 });
            links.push(&mut b, Filled { number: number ^ 1, bytes: 1 });
        }
        let drained: Vec<u32> =
            core::iter::from_fn(|| links.pop(&mut a)).map(|filled| filled.bytes).collect();
        assert_eq!((drained, a), (vec![50, 0, 30], HeldQueue::EMPTY));
        let drained: Vec<u32> =
            core::iter::from_fn(|| links.pop(&mut b)).map(|filled| filled.number).collect();
        assert_eq!(drained, [4, 1, 2]);
    }
}
