//! A bell that any thread may ring to get a driver out of its sleep. It carries no message: what there is to do
//! stands in the rings between workers, and the driver turns a ring of the bell into `Input::Tick`.
//!
//! An eventfd: rings that come before the driver looks are one ring. Cheap to ring (one write, about 0.4 µs when
//! nobody sleeps), so producers ring only when `may_sleep` was announced (io_uring.md, rule 18).

#![allow(unsafe_code, reason = "eventfd is a foreign function")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// The bell of one worker; clones ring the same one.
#[derive(Clone, Debug)]
pub struct Waker {
    bell: Arc<File>,
}

impl Waker {
    /// A new bell. Its descriptor is non-blocking.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointer; a negative answer is checked before use.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made by eventfd and belongs to nobody else.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { bell: Arc::new(File::from(owned)) })
    }

    /// Rings it; never blocks. A bell that has been rung 2⁶⁴ − 2 times unheard stays rung, so the result says nothing.
    pub fn wake(&self) {
        let _ = (&*self.bell).write(&1_u64.to_ne_bytes());
    }

    /// Takes all rings in; whether there were any. Only needed where readiness is a level, not an edge.
    pub fn drain(&self) -> bool {
        (&*self.bell).read(&mut [0; 8]).is_ok()
    }

    /// The eventfd, to be polled or read by the worker that owns the bell.
    pub fn fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rings_are_one() {
        let bell = Waker::new().unwrap();
        assert!(!bell.drain());
        let other = bell.clone();
        std::thread::spawn(move || (other.wake(), other.wake())).join().unwrap();
        assert!(bell.drain() && !bell.drain());
    }
}
