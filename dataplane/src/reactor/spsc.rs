//! A bounded ring of records from one core to another: one producer, one consumer, no locks, no copies; records
//! are written and read in the ring's own memory.
//!
//! Records become visible in batches, by one release store per `publish`. Each side keeps the last value it saw
//! of the other's index and looks again only when that says full or empty, so a busy ring moves two cache lines
//! per batch and not per record. It wakes nobody (see `sleep`) and knows no priority (see `lanes`).

#![allow(unsafe_code, reason = "the two ends write and read one memory in turns")]

use core::fmt;

use crossbeam::utils::CachePadded;

use crate::reactor::atomics::{Arc, AtomicUsize, Ordering};
use crate::reactor::slots::Slots;

/// Indices count records since the start and wrap; the slot is the index modulo the count of slots.
///
/// The invariant that every unsafe block leans on: slots `head..tail` belong to the consumer, all others to the
/// producer. Only the producer moves `tail` (release, after it wrote the record), only the consumer moves `head`
/// (release, after it is done with the record), and each reads the other's index with acquire.
struct Shared {
    tail: CachePadded<AtomicUsize>,
    head: CachePadded<AtomicUsize>,
    slots: Slots,
}

/// The writing end. Not `Clone`, and all that writes takes `&mut`: there is one producer.
///
/// `reserve` a slot, write, `commit` its length; after a batch, `publish`, then ask `Sleep::must_wake`. What is
/// committed but not published when the producer is dropped is lost.
pub struct Producer {
    shared: Arc<Shared>,
    /// Records committed; ahead of the shared tail by what is not yet published.
    tail: usize,
    published: usize,
    head_seen: usize,
}

/// The reading end. Not `Clone`, and all that reads takes `&mut`: there is one consumer.
///
/// `front` shows the oldest record, `release` gives its slot back.
pub struct Consumer {
    shared: Arc<Shared>,
    head: usize,
    tail_seen: usize,
}

/// A ring of `slots` (a power of two) records of at most `slot_bytes` each.
pub fn channel(slots: usize, slot_bytes: usize) -> (Producer, Consumer) {
    let shared = Arc::new(Shared {
        tail: CachePadded::new(AtomicUsize::new(0)),
        head: CachePadded::new(AtomicUsize::new(0)),
        slots: Slots::new(slots, slot_bytes),
    });
    let producer = Producer { shared: shared.clone(), tail: 0, published: 0, head_seen: 0 };
    (producer, Consumer { shared, head: 0, tail_seen: 0 })
}

impl Producer {
    /// The memory of the next free slot, `slot_bytes` long, with whatever an earlier record left there; `None`
    /// when the ring is full. Asked again without a `commit` between, it shows the same slot.
    pub fn reserve(&mut self) -> Option<&mut [u8]> {
        if self.free(1) == 0 {
            return None;
        }
        let slots = &self.shared.slots;
        slots.note_write(self.tail);
        // SAFETY: `free` says that slot `tail` is not in `head..tail` as the consumer sees it, so it is the
        // producer's until `publish` moves the shared tail past it, which the borrow of `self` forbids meanwhile.
        // The memory is initialised (zeroed when allocated) and `slot_bytes` long.
        Some(unsafe { core::slice::from_raw_parts_mut(slots.record(self.tail), slots.slot_bytes()) })
    }

    /// The record in the reserved slot is complete and has `len` bytes. The consumer does not see it yet.
    pub fn commit(&mut self, len: usize) {
        let slots = &self.shared.slots;
        assert!(self.tail.wrapping_sub(self.head_seen) < slots.count(), "a slot was reserved");
        assert!(len <= slots.slot_bytes(), "a record fits its slot");
        slots.note_write(self.tail);
        // SAFETY: slot `tail` is the producer's, as in `reserve`; the assertion says that it is free.
        unsafe { slots.length(self.tail).write(len as u32) };
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows all committed records to the consumer. Says whether there were any: then somebody may have to be
    /// woken.
    pub fn publish(&mut self) -> bool {
        let any = self.published != self.tail;
        if any {
            self.shared.tail.store(self.tail, Ordering::Release);
            self.published = self.tail;
        }
        any
    }

    /// How many slots can be reserved and committed now; looks at the consumer's index only when fewer than
    /// `wanted` seem left.
    pub fn free(&mut self, wanted: usize) -> usize {
        let count = self.shared.slots.count();
        if count - self.tail.wrapping_sub(self.head_seen) < wanted {
            self.head_seen = self.shared.head.load(Ordering::Acquire);
        }
        count - self.tail.wrapping_sub(self.head_seen)
    }

    /// Bytes that one record may have.
    pub fn slot_bytes(&self) -> usize {
        self.shared.slots.slot_bytes()
    }
}

impl Consumer {
    /// The oldest published record that was not released; `None` when the ring is empty.
    pub fn front(&mut self) -> Option<&[u8]> {
        if !self.any() {
            return None;
        }
        let slots = &self.shared.slots;
        slots.note_read(self.head);
        // SAFETY: slot `head` is in `head..tail`, so it is the consumer's until `release` moves the shared head,
        // which the borrow of `self` forbids meanwhile; the acquire load of the tail made the producer's writes
        // visible, and `commit` wrote a length of at most `slot_bytes`.
        Some(unsafe {
            let len = slots.length(self.head).read();
            core::slice::from_raw_parts(slots.record(self.head), len as usize)
        })
    }

    /// Gives the slot of the oldest record back to the producer.
    pub fn release(&mut self) {
        assert!(self.head != self.tail_seen, "front showed a record");
        self.shared.slots.note_read(self.head);
        self.head = self.head.wrapping_add(1);
        self.shared.head.store(self.head, Ordering::Release);
    }

    /// How many published records wait now.
    pub fn len(&mut self) -> usize {
        self.tail_seen = self.shared.tail.load(Ordering::Acquire);
        self.tail_seen.wrapping_sub(self.head)
    }

    /// Whether none waits now.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    fn any(&mut self) -> bool {
        self.head != self.tail_seen || !self.is_empty()
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("tail", &self.tail).field("published", &self.published).finish()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("head", &self.head).finish()
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests;
