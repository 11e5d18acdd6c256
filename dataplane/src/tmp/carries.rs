//! Grants of the blender that a packet had no room for: they come first in the next one. At most two: the run
//! that lost ranges cut into more pieces than were measured, and the grant that ended it.

use crate::stdx::slab::Handle;

/// Bytes granted to a stream and not yet sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carry {
    /// The stream.
    pub handle: Handle,
    /// How many.
    pub bytes: usize,
}

/// The queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carries {
    first: Option<Carry>,
    second: Option<Carry>,
}

impl Carries {
    /// Puts a grant at the end.
    pub fn push(&mut self, carry: Carry) {
        assert!(self.second.is_none(), "a packet ends with the first grant that has no room");
        if self.first.is_none() {
            self.first = Some(carry);
        } else {
            self.second = Some(carry);
        }
    }

    /// Takes the first.
    pub const fn pop(&mut self) -> Option<Carry> {
        let first = self.first.take();
        self.first = self.second.take();
        first
    }

    /// Bytes carried of one stream.
    pub fn bytes_of(&self, handle: Handle) -> usize {
        let of = |carry: &Option<Carry>| {
            carry.filter(|carry| carry.handle == handle).map_or(0, |carry| carry.bytes)
        };
        of(&self.first) + of(&self.second)
    }

    /// Drops those of one stream.
    pub fn forget(&mut self, handle: Handle) {
        let both = [self.pop(), self.pop()];
        both.into_iter().flatten().filter(|carry| carry.handle != handle).for_each(|carry| self.push(carry));
    }

    /// Whether nothing is carried.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_wait_in_order() {
        let carry = |slot, bytes| Carry { handle: Handle { slot, generation: 0 }, bytes };
        let mut carries = Carries::default();
        carries.push(carry(1, 10));
        carries.push(carry(2, 20));
        assert_eq!(carries.bytes_of(carry(2, 0).handle), 20);
        carries.forget(carry(1, 0).handle);
        carries.push(carry(3, 30));
        assert_eq!(
            [carries.pop(), carries.pop(), carries.pop()],
            [Some(carry(2, 20)), Some(carry(3, 30)), None]
        );
        assert!(carries.is_empty());
    }
}
