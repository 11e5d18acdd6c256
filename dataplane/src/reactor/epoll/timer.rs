//! One kernel timer per driver, for deadlines finer than epoll's millisecond: the tunnel paces in tens of µs.
//!
//! A timerfd, edge-triggered: setting it again forgets that it rang, so it is never read.

#![allow(unsafe_code, reason = "timerfd has no safe wrapper among our dependencies")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Timer {
    fd: OwnedFd,
    armed: Option<Instant>,
}

impl Timer {
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

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Rings at `at` (of CLOCK_MONOTONIC, as all instants of the reactor); false if it was set so already.
    pub(crate) fn arm(&mut self, at: Instant) -> io::Result<bool> {
        if self.armed == Some(at) {
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
