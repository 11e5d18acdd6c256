//! What the kernel borrows for sends and connects: message headers with their slices, and addresses. A record is
//! taken when the operation is queued and comes back with its completion, so an idle connection owns none.

#![allow(unsafe_code, reason = "plain C records")]

use core::net::SocketAddr;

use socket2::SockAddr;

use crate::reactor::uring::connection::NO_RECORD;

/// Slices of one send: more would rarely be used, and each costs sixteen bytes of record.
pub(crate) const SLICES_MAX: usize = 8;

/// A message header and its slices.
struct Message {
    header: libc::msghdr,
    slices: [libc::iovec; SLICES_MAX],
}

/// A record that was filled.
pub(crate) struct Gathered {
    /// Its number.
    pub(crate) record: u16,
    /// What the kernel reads; it stays where it is until `release`.
    pub(crate) header: *const libc::msghdr,
    /// Bytes of all slices in it.
    pub(crate) bytes: usize,
}

/// A stack of free record numbers.
#[derive(Debug)]
struct Free(Vec<u16>);

impl Free {
    fn new(count: usize) -> Self {
        assert!(count < usize::from(NO_RECORD), "record numbers fit u16");
        Self((0..count as u16).rev().collect())
    }
}

/// Message headers for gathering sends.
pub(crate) struct Messages {
    records: Box<[Message]>,
    free: Free,
}

impl Messages {
    /// Room for `count` sends in flight.
    pub(crate) fn new(count: usize) -> Self {
        // SAFETY: both are plain C records for which all bits zero is a valid, empty value.
        let (header, slice) =
            unsafe { (core::mem::zeroed::<libc::msghdr>(), core::mem::zeroed::<libc::iovec>()) };
        let records = (0..count).map(|_| Message { header, slices: [slice; SLICES_MAX] }).collect();
        Self { records, free: Free::new(count) }
    }

    /// Fills a record with the slices, which are the caller's to keep; `None` when all records are in use.
    pub(crate) fn gather<'s>(&mut self, slices: impl Iterator<Item = &'s [u8]>) -> Option<Gathered> {
        let number = self.free.0.pop()?;
        let record = &mut self.records[usize::from(number)];
        let (mut count, mut bytes) = (0, 0);
        for (into, slice) in record.slices.iter_mut().zip(slices) {
            *into = libc::iovec { iov_base: slice.as_ptr().cast_mut().cast(), iov_len: slice.len() };
            count += 1;
            bytes += slice.len();
        }
        record.header.msg_iov = record.slices.as_mut_ptr();
        record.header.msg_iovlen = count;
        Some(Gathered { record: number, header: &raw const record.header, bytes })
    }

    /// The kernel has let go of a record.
    pub(crate) fn release(&mut self, number: u16) {
        self.free.0.push(number);
    }
}

/// Addresses of connects.
pub(crate) struct Addresses {
    records: Box<[Option<SockAddr>]>,
    free: Free,
}

impl Addresses {
    /// Room for `count` connects in flight.
    pub(crate) fn new(count: usize) -> Self {
        Self { records: (0..count).map(|_| None).collect(), free: Free::new(count) }
    }

    /// Whether `keep` has room.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.0.is_empty()
    }

    /// Keeps an address where it is until `release`; its number and itself, or `None` when all are in use.
    pub(crate) fn keep(&mut self, address: SocketAddr) -> Option<(u16, &SockAddr)> {
        let number = self.free.0.pop()?;
        let kept = self.records[usize::from(number)].insert(SockAddr::from(address));
        Some((number, kept))
    }

    /// The kernel has let go of a record.
    pub(crate) fn release(&mut self, number: u16) {
        self.free.0.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_used_by_one_at_a_time() {
        let mut messages = Messages::new(1);
        let Gathered { record, header, bytes } =
            messages.gather([b"ab".as_slice(), b"c"].into_iter()).unwrap();
        // SAFETY: the record outlives the test and nothing writes it.
        let (count, first) = unsafe { ((*header).msg_iovlen, *(*header).msg_iov) };
        assert_eq!((count, first.iov_len, bytes), (2, 2, 3));
        assert!(messages.gather([b"d".as_slice()].into_iter()).is_none());
        messages.release(record);
        assert!(messages.gather([b"d".as_slice()].into_iter()).is_some());
    }

    #[test]
    fn a_message_takes_no_more_slices_than_it_has_room_for() {
        let mut messages = Messages::new(1);
        let many = [b"x".as_slice(); SLICES_MAX + 3];
        let gathered = messages.gather(many.into_iter()).unwrap();
        // SAFETY: as above.
        assert_eq!((unsafe { (*gathered.header).msg_iovlen }, gathered.bytes), (SLICES_MAX, SLICES_MAX));
    }
}
