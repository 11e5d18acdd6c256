//! The memory of a ring of records: equal slots, each a length and room for a record, none sharing a cache line
//! with another.
//!
//! It hands out raw pointers and decides nothing: who may touch which slot when is the ring's affair. The memory
//! comes zeroed from the system and is first touched when its slot is first used.

#![allow(unsafe_code, reason = "the slots are one allocation that two cores write in turns")]

use core::ptr::NonNull;

/// Slots start on their own cache line, so that the two sides work on neighbours without disturbing each other.
const LINE_BYTES: usize = 64;

/// The length stands before the record and leaves it aligned to 8.
const LENGTH_BYTES: usize = 8;

/// The memory of one ring.
#[derive(Debug)]
pub(crate) struct Slots {
    /// What was allocated, to give it back.
    whole: NonNull<[u8]>,
    /// The first slot, on a line boundary inside `whole`.
    first: NonNull<u8>,
    stride: usize,
    slot_bytes: usize,
    mask: usize,
    #[cfg(loom)]
    races: Vec<loom::cell::UnsafeCell<()>>,
}

// SAFETY: `Slots` owns its allocation alone, and the pointers it hands out carry no right: whoever dereferences
// one answers for it there.
unsafe impl Send for Slots {}

// SAFETY: no method writes to `Slots` itself or to the memory; see `Send`.
unsafe impl Sync for Slots {}

impl Slots {
    /// `slots` (a power of two) slots of `slot_bytes` each.
    pub(crate) fn new(slots: usize, slot_bytes: usize) -> Self {
        assert!(slots.is_power_of_two(), "the slots of a ring are a power of two");
        assert!(slot_bytes > 0 && u32::try_from(slot_bytes).is_ok(), "a record's length fits u32");
        let stride = (LENGTH_BYTES + slot_bytes).next_multiple_of(LINE_BYTES);
        let bytes = slots.checked_mul(stride).and_then(|bytes| bytes.checked_add(LINE_BYTES));
        let bytes = bytes.expect("the memory of a ring fits the address space");
        // `vec![0; n]` asks the system for zeroed pages, which an aligned allocation would write to itself.
        let whole = NonNull::from(Box::leak(vec![0u8; bytes].into_boxed_slice()));
        let start = whole.cast::<u8>();
        // SAFETY: the allocation is `LINE_BYTES` longer than the slots, and the offset is below `LINE_BYTES`.
        let first = unsafe { start.add(start.align_offset(LINE_BYTES)) };
        Self {
            whole,
            first,
            stride,
            slot_bytes,
            mask: slots - 1,
            #[cfg(loom)]
            races: (0..slots).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        }
    }

    /// How many slots.
    pub(crate) fn count(&self) -> usize {
        self.mask + 1
    }

    /// Bytes that one record may have.
    pub(crate) fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// Where the length of the record in slot `index` (modulo the count) stands.
    pub(crate) fn length(&self, index: usize) -> *mut u32 {
        self.slot(index).cast()
    }

    /// Where the record in slot `index` (modulo the count) stands; `slot_bytes` long.
    pub(crate) fn record(&self, index: usize) -> *mut u8 {
        self.slot(index).wrapping_add(LENGTH_BYTES)
    }

    fn slot(&self, index: usize) -> *mut u8 {
        self.first.as_ptr().wrapping_add((index & self.mask) * self.stride)
    }

    /// Tells the model checker that the slot is read now.
    pub(crate) fn note_read(&self, _index: usize) {
        #[cfg(loom)]
        self.races[_index & self.mask].with(|_| ());
    }

    /// Tells the model checker that the slot is written now.
    pub(crate) fn note_write(&self, _index: usize) {
        #[cfg(loom)]
        self.races[_index & self.mask].with_mut(|_| ());
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: `whole` came from `Box::leak` in `new`, nothing else frees it, and the borrows that the ring
        // hands out end before the ring's two ends do.
        drop(unsafe { Box::from_raw(self.whole.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_apart_and_inside_the_allocation() {
        let slots = Slots::new(4, 57);
        let end = slots.whole.cast::<u8>().as_ptr().addr() + slots.whole.len();
        for index in 0..4 {
            assert_eq!(slots.length(index).addr() % LINE_BYTES, 0);
            assert_eq!(slots.length(index), slots.length(index + 4));
            assert!(slots.record(index).addr() + 57 <= end);
        }
        assert_eq!(slots.length(1).addr() - slots.length(0).addr(), 128);
    }
}
