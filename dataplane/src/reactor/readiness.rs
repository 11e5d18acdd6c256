//! Waits for a few descriptors at once: poll(2).
//!
//! For a datagram socket that answers as fast as it can. epoll(7) would stay in the socket's wait queue all the time, and the
//! kernel would call it for every datagram that comes and for every one that has left (sock_def_write_space), though nobody
//! sleeps; poll is there while it sleeps and leaves nothing behind. With many descriptors epoll is the better one.

#![allow(unsafe_code, reason = "poll is a foreign function")]

use std::io;
use std::os::fd::RawFd;

use crate::time::Duration;

/// Who is waited for; its memory is used again.
#[derive(Debug, Default)]
pub struct Readiness {
    entries: Vec<libc::pollfd>,
}

impl Readiness {
    /// Waits until one of the descriptors is readable, or has an error to tell, for `span` at most, in whole milliseconds. An
    /// interruption ends it early. A number that is no descriptor counts as one with an error.
    pub fn wait(&mut self, descriptors: impl Iterator<Item = RawFd>, span: Duration) -> io::Result<()> {
        self.entries.clear();
        let entry = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        self.entries.extend(descriptors.map(entry));
        let span_ms = i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `entries` has this many entries, lives and is ours alone through the call; the kernel checks the numbers.
        let ready =
            unsafe { libc::poll(self.entries.as_mut_ptr(), self.entries.len() as libc::nfds_t, span_ms) };
        if ready >= 0 {
            return Ok(());
        }
        self.entries.iter_mut().for_each(|entry| entry.revents = 0);
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        }
    }

    /// Whether the last wait found something at the descriptor that was named as the `at`th.
    pub fn is_ready(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| entry.revents != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn whoever_has_something_is_named() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (other, _kept) = UnixStream::pair().unwrap();
        let mut readiness = Readiness::default();
        let both = || [other.as_raw_fd(), near.as_raw_fd()].into_iter();
        readiness.wait(both(), Duration::ZERO).unwrap();
        assert!(!readiness.is_ready(0) && !readiness.is_ready(1) && !readiness.is_ready(2));
        far.write_all(b"x").unwrap();
        readiness.wait(both(), Duration::from_secs(20)).unwrap();
        assert!(!readiness.is_ready(0) && readiness.is_ready(1));
        drop(far);
        readiness.wait(both(), Duration::from_secs(20)).unwrap();
        assert!(readiness.is_ready(1), "an end is something, too");
    }
}
