//! Receive buffers that the kernel picks from: a ring of addresses (IORING_REGISTER_PBUF_RING) and the memory
//! that they point to, for one group of equal buffers.
//!
//! ```text
//!   published ──(kernel fills one, its completion names it)──► lent ──recycle──► spare ──publish──► published
//! ```
//! Whoever holds a lent buffer reads it alone: the kernel writes only into published ones. It takes those in turn, so
//! only as many are published as one enter is likely to fill, the last given back first: bytes then come in where the
//! cache still knows the memory. All memory is touched at the start, so that what clients cost shows as what they cost.
//! Sizes in bytes.

#![allow(unsafe_code, reason = "memory shared with the kernel")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// What the kernel takes as the most entries of one ring.
pub(crate) const COUNT_MAX: usize = 1 << 15;

/// Buffers that the kernel is given at first: one enter of a calm worker brings a few completions, never more than twenty
/// (`ring::BATCH_CAP`) unless one of them is a busy socket's.
const PUBLISHED_LEAST: usize = 32;

/// Pages mapped for this process alone.
struct Pages {
    base: *mut u8,
    bytes: usize,
}

impl Pages {
    fn new(bytes: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        // SAFETY: a new anonymous mapping touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base.cast(), bytes })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours; the owner drops it only once the kernel has let go (`Ring::quiesce`).
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}

/// One group of buffers.
pub(crate) struct BufferRing {
    entries: Pages,
    memory: Pages,
    group: u16,
    bytes_each: usize,
    count: usize,
    tail: u16,
    /// Buffers that the kernel can fill.
    published: usize,
    /// How many that should be after `publish`; grows when the kernel takes more than half of them in a turn.
    wanted: usize,
    /// Buffers that the kernel may be given, the last given back on top.
    spare: Vec<u16>,
    lent: Box<[bool]>,
}

impl BufferRing {
    /// Makes `count` buffers (rounded up to a power of two) of `bytes_each` and gives them to the kernel.
    pub(crate) fn new(
        submitter: &Submitter<'_>,
        group: u16,
        bytes_each: usize,
        count: usize,
    ) -> io::Result<Self> {
        let count = count.clamp(1, COUNT_MAX).next_power_of_two();
        let entries = Pages::new(count * size_of::<BufRingEntry>())?;
        let memory = Pages::new(count * bytes_each)?;
        // SAFETY: the entries are a whole mapping of `count` entries, page-aligned, and live as long as the ring
        // is used: the driver drops its rings of buffers after the kernel has let go.
        unsafe { submitter.register_buf_ring_with_flags(entries.base as u64, count as u16, group, 0)? };
        let mut ring = Self {
            entries,
            memory,
            group,
            bytes_each,
            count,
            tail: 0,
            published: 0,
            wanted: PUBLISHED_LEAST.min(count),
            spare: (0..count as u16).rev().collect(),
            lent: vec![false; count].into_boxed_slice(),
        };
        ring.publish();
        Ok(ring)
    }

    /// The number by which operations choose this group.
    pub(crate) fn group(&self) -> u16 {
        self.group
    }

    /// Buffers in all.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Buffers that nobody holds.
    pub(crate) fn free(&self) -> usize {
        self.published + self.spare.len()
    }

    /// Notes that a completion named `buffer`: it is ours until `recycle`.
    pub(crate) fn take(&mut self, buffer: u16) {
        let lent = &mut self.lent[usize::from(buffer)];
        assert!(!*lent, "the kernel fills only what it was given");
        *lent = true;
        self.published -= 1;
    }

    /// The first `bytes` of a buffer that was taken.
    pub(crate) fn bytes(&self, buffer: u16, bytes: usize) -> &[u8] {
        let at = self.place(buffer, bytes);
        // SAFETY: `place` has checked that the range is inside the mapping and that the buffer is lent, so the
        // kernel does not write to it; `&self` keeps others of this thread from writing.
        unsafe { core::slice::from_raw_parts(self.memory.base.add(at), bytes) }
    }

    /// The same for writing.
    pub(crate) fn bytes_mut(&mut self, buffer: u16, bytes: usize) -> &mut [u8] {
        let at = self.place(buffer, bytes);
        // SAFETY: as in `bytes`; `&mut self` makes the slice the only one.
        unsafe { core::slice::from_raw_parts_mut(self.memory.base.add(at), bytes) }
    }

    /// Gives a buffer back; the kernel sees it after `publish`.
    pub(crate) fn recycle(&mut self, buffer: u16) {
        let lent = &mut self.lent[usize::from(buffer)];
        assert!(*lent, "a buffer is given back once");
        *lent = false;
        self.spare.push(buffer);
    }

    /// Gives the kernel what it should have: one store a turn.
    pub(crate) fn publish(&mut self) {
        if self.published * 2 < self.wanted {
            self.wanted = (self.wanted * 2).min(self.count);
        }
        while self.published < self.wanted
            && let Some(buffer) = self.spare.pop()
        {
            self.enter(buffer);
            self.published += 1;
        }
        // SAFETY: the base is that of a mapping of entries; its tail is aligned and only this thread writes it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.base.cast()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    fn enter(&mut self, buffer: u16) {
        let at = usize::from(self.tail) & (self.count - 1);
        // SAFETY: the entry is inside the mapping. The kernel does not read it before the tail passes it, and no
        // unread entry stands here, because no more buffers exist than entries. The fields are written one by
        // one since entry 0 shares its last two bytes with the tail.
        unsafe {
            let entry = &mut *self.entries.base.cast::<BufRingEntry>().add(at);
            entry.set_addr(self.memory.base.add(usize::from(buffer) * self.bytes_each) as u64);
            entry.set_len(self.bytes_each as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn place(&self, buffer: u16, bytes: usize) -> usize {
        assert!(self.lent[usize::from(buffer)] && bytes <= self.bytes_each, "only a lent buffer is read");
        usize::from(buffer) * self.bytes_each
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::ring::{Ring, create_for_test};

    #[test]
    #[should_panic(expected = "given back once")]
    fn a_buffer_is_not_given_back_twice() {
        let Some(mut io_uring) = create_for_test(2, 16) else {
            panic!("skipped: a buffer is given back once")
        };
        let ring = Ring::new(&mut io_uring);
        let mut buffers = BufferRing::new(ring.submitter(), 0, 64, 3).unwrap();
        assert_eq!((buffers.count(), buffers.free()), (4, 4), "a power of two");
        buffers.take(2);
        buffers.bytes_mut(2, 5).copy_from_slice(b"hello");
        assert_eq!((buffers.bytes(2, 5), buffers.free()), (b"hello".as_slice(), 3));
        buffers.recycle(2);
        buffers.recycle(2);
    }
}
