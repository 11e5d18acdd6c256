//! A bounded table whose handles carry a generation, so that a late message for an entry that has gone finds
//! nothing instead of a stranger.
//!
//! The memory is reserved at once and touched as it is first used; freed slots are reused last-in first-out, so
//! a quiet table stays small in the cache. Nothing is allocated after `new`.

/// Names one entry for as long as it lives: the slot and how often the slot had been used before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle {
    /// Index into the table.
    pub slot: u32,
    /// Grows by one each time the slot is freed, modulo 2^24, so that a handle fits a word beside a tag of one byte.
    pub generation: u32,
}

impl Handle {
    /// Both halves in one word: generation above, slot below.
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The inverse of `to_u64`.
    pub const fn from_u64(word: u64) -> Self {
        Self { slot: word as u32, generation: (word >> 32) as u32 }
    }
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Free { next: u32 },
    Used(T),
}

const NONE: u32 = u32::MAX;
const GENERATION_MASK: u32 = 0x00ff_ffff;

/// The table.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    capacity: usize,
    free: u32,
    used: usize,
}

impl<T> Slab<T> {
    /// A table for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity < NONE as usize, "a slab's slots fit u32");
        Self { entries: Vec::with_capacity(capacity), capacity, free: NONE, used: 0 }
    }

    /// Puts `value` in and names it; gives it back when the table is full.
    pub fn insert(&mut self, value: T) -> Result<Handle, T> {
        let slot = if self.free != NONE {
            let slot = self.free;
            let entry = &mut self.entries[slot as usize];
            let Content::Free { next } = entry.content else {
                panic!("the free list names free slots only");
            };
            self.free = next;
            entry.content = Content::Used(value);
            slot
        } else if self.entries.len() < self.capacity {
            self.entries.push(Entry { generation: 0, content: Content::Used(value) });
            (self.entries.len() - 1) as u32
        } else {
            return Err(value);
        };
        self.used += 1;
        Ok(Handle { slot, generation: self.entries[slot as usize].generation })
    }

    /// Takes the entry out, if the handle still names one.
    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;
        let entry = &mut self.entries[handle.slot as usize];
        let content = core::mem::replace(&mut entry.content, Content::Free { next: self.free });
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
        self.free = handle.slot;
        self.used -= 1;
        match content {
            Content::Used(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// The entry, if the handle still names one.
    pub fn get(&self, handle: Handle) -> Option<&T> {
        match self.entries.get(handle.slot as usize) {
            Some(Entry { generation, content: Content::Used(value) }) if *generation == handle.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The entry for writing, if the handle still names one.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        match self.entries.get_mut(handle.slot as usize) {
            Some(Entry { generation, content: Content::Used(value) }) if *generation == handle.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The handle of the entry that lives in `slot` now, if any.
    pub fn handle_at(&self, slot: u32) -> Option<Handle> {
        match self.entries.get(slot as usize) {
            Some(Entry { generation, content: Content::Used(_) }) => {
                Some(Handle { slot, generation: *generation })
            }
            _ => None,
        }
    }

    /// Handles of all living entries, lowest slot first.
    pub fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        (0..self.entries.len() as u32).filter_map(|slot| self.handle_at(slot))
    }

    /// How many slots have ever been used: living entries have slots below this.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// How many entries live.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether `insert` would give the value back.
    pub fn is_full(&self) -> bool {
        self.used == self.capacity
    }

    /// The bound given to `new`.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_finds_nothing() {
        let mut slab = Slab::new(2);
        let a = slab.insert('a').unwrap();
        assert_eq!(slab.remove(a), Some('a'));
        let b = slab.insert('b').unwrap();
        assert_eq!(b.slot, a.slot);
        assert_eq!((slab.remove(a), slab.get(a), slab.get(b)), (None, None, Some(&'b')));
    }

    #[test]
    fn a_full_table_gives_the_value_back() {
        let mut slab = Slab::new(1);
        let a = slab.insert(1).unwrap();
        assert_eq!(slab.insert(2), Err(2));
        slab.remove(a);
        assert!(slab.insert(3).is_ok() && slab.is_full());
    }
}
