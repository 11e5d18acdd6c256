//! One kernel timer per driver, finer than epoll's millisecond: the tunnel paces in tens of µs.
//!
//! Setting a timer, and taking it back, costs an idle core more than a system call (a virtual machine leaves for its host
//! each time; measured: 2 µs a sleep, 16 of 76 µs per request at 4,000 req/s), and most deadlines move on before they
//! come. So it is only ever set to ring sooner: it may ring for nothing, once per deadline that has moved.
//!
//! A timerfd, edge-triggered: setting it again forgets that it rang, so it is never read.

#![allow(unsafe_code, reason = "timerfd has no safe wrapper among our dependencies")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::time::Instant;

/// The timer.
#[derive(Debug)]
pub(crate) struct Alarm {
    fd: OwnedFd,
    armed: Option<Instant>,
}

impl Alarm {
    /// One that does not ring.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: timerfd_create takes no pointer; a negative answer is checked before use.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made by timerfd_create and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, armed: None })
    }

    /// To be polled for reading.
    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Rings at `at` (of CLOCK_MONOTONIC, as all instants of the reactor) or before; false if it was set so already.
    pub(crate) fn arm(&mut self, at: Instant) -> io::Result<bool> {
        if self.armed.is_some_and(|armed| armed <= at) {
            return Ok(false);
        }
        // A time of zero would switch the timer off.
        let us = at.as_us().max(1);
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec {
            tv_sec: (us / 1_000_000) as libc::time_t,
            tv_nsec: (us % 1_000_000 * 1_000) as libc::c_long,
        };
        let setting = libc::itimerspec { it_interval: none, it_value: value };
        // SAFETY: `setting` is a valid itimerspec that the call only reads; the old setting is not asked for.
        let code = unsafe {
            libc::timerfd_settime(
                self.fd.as_raw_fd(),
                libc::TFD_TIMER_ABSTIME,
                &raw const setting,
                core::ptr::null_mut(),
            )
        };
        if code < 0 {
            return Err(io::Error::last_os_error());
        }
        self.armed = Some(at);
        Ok(true)
    }

    /// It rang.
    pub(crate) fn rang(&mut self) {
        self.armed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::clock;
    use crate::time::Duration;

    #[test]
    fn it_is_only_set_to_ring_sooner_until_it_rings() {
        let mut alarm = Alarm::new().unwrap();
        let start = clock::now();
        let [soon, later, last] = [1_000, 2_000, 3_000].map(|us| start + Duration::from_micros(us));
        assert!(alarm.arm(later).unwrap() && !alarm.arm(last).unwrap() && alarm.arm(soon).unwrap());
        let mut poll = libc::pollfd { fd: alarm.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd, which the call may write.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 10_000) };
        assert_eq!(ready, 1);
        assert!(clock::now() >= soon);
        alarm.rang();
        assert!(alarm.arm(last).unwrap());
    }
}
