//! A queue of marked table slots: each slot waits at most once, so it can never overflow. First marked, first
//! out. Sixteen bytes beside four per slot; nothing is allocated after `new`.

/// The queue. `next[slot]` is 0 if the slot is not marked, 1 if it is the last, else the next slot plus 2.
#[derive(Debug)]
pub struct Marks {
    next: Box<[u32]>,
    head: u32,
    tail: u32,
}

const UNMARKED: u32 = 0;
const LAST: u32 = 1;
const NONE: u32 = u32::MAX;

impl Marks {
    /// No slot of a table of `slots` is marked; memory is touched on first use.
    pub fn new(slots: usize) -> Self {
        assert!(slots < (NONE - 2) as usize, "slots are numbered in u32");
        Self { next: vec![UNMARKED; slots].into_boxed_slice(), head: NONE, tail: NONE }
    }

    /// Puts the slot at the end unless it waits already.
    pub fn mark(&mut self, slot: u32) {
        if self.next[slot as usize] != UNMARKED {
            return;
        }
        self.next[slot as usize] = LAST;
        if self.tail == NONE {
            self.head = slot;
        } else {
            self.next[self.tail as usize] = slot + 2;
        }
        self.tail = slot;
    }

    /// The slot that waits longest.
    pub fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// Takes the slot that waits longest.
    pub fn pop(&mut self) -> Option<u32> {
        let slot = self.first()?;
        match core::mem::replace(&mut self.next[slot as usize], UNMARKED) {
            LAST => (self.head, self.tail) = (NONE, NONE),
            next => self.head = next - 2,
        }
        Some(slot)
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_waits_once_and_in_order() {
        let mut marks = Marks::new(4);
        for slot in [2, 0, 2, 3] {
            marks.mark(slot);
        }
        assert_eq!((marks.pop(), marks.first()), (Some(2), Some(0)));
        marks.mark(2);
        assert_eq!([marks.pop(), marks.pop(), marks.pop(), marks.pop()], [Some(0), Some(3), Some(2), None]);
        marks.mark(1);
        assert_eq!((marks.pop(), marks.is_empty()), (Some(1), true));
    }
}
