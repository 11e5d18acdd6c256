//! Signals, waited for in one thread instead of handled in any: nothing runs in a handler, so nothing has to be
//! async-signal-safe.
//!
//! Contract: [`Signals::block`] in the main thread before any other thread is started (threads inherit the mask),
//! then [`Signals::wait`] in one thread. What arrives in between stays pending; several of
//! one kind may arrive as one. Whoever waits for other things too polls the descriptor ([`AsFd`]) and then waits for
//! no time at all. SIGPIPE is ignored by the runtime already.

#![allow(unsafe_code, reason = "the C library's signal sets have no safe form")]

use core::mem::MaybeUninit;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: come to an end.
    Terminate,
    /// SIGUSR1: reopen the log files.
    Reopen,
    /// SIGHUP: read again what may have changed.
    Reload,
}

/// The signals that are blocked and waited for, with their meaning.
const MEANINGS: [(libc::c_int, Signal); 4] = [
    (libc::SIGTERM, Signal::Terminate),
    (libc::SIGINT, Signal::Terminate),
    (libc::SIGUSR1, Signal::Reopen),
    (libc::SIGHUP, Signal::Reload),
];

/// The blocked set. Lives as long as the process; dropping it unblocks nothing.
pub struct Signals {
    set: libc::sigset_t,
    /// Readable while one is pending; nothing is read from it.
    pending: OwnedFd,
}

impl core::fmt::Debug for Signals {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Signals")
    }
}

impl Signals {
    /// Blocks the signals in this thread and in all that it starts from now on.
    pub fn block() -> io::Result<Self> {
        let set = set()?;
        // SAFETY: `set` is initialised and outlives the call; the old mask is not asked for.
        let code = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, core::ptr::null_mut()) };
        if code != 0 {
            return Err(io::Error::from_raw_os_error(code));
        }
        // SAFETY: `set` is initialised and outlives the call; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so `fd` is open, and nobody else has it.
        let pending = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { set, pending })
    }

    /// Waits for the next signal, but no longer than `span`.
    pub fn wait(&self, span: Duration) -> Option<Signal> {
        let deadline = Instant::now() + span;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Nanoseconds are below a thousand million and fit every C integer of this field.
            let timeout = libc::timespec {
                tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: libc::c_long::from(left.subsec_nanos().cast_signed()),
            };
            // SAFETY: `set` and `timeout` are initialised and outlive the call; no details are asked for.
            let number =
                unsafe { libc::sigtimedwait(&raw const self.set, core::ptr::null_mut(), &raw const timeout) };
            if let Some((_, signal)) = MEANINGS.iter().find(|(known, _)| *known == number) {
                return Some(*signal);
            }
            // EINTR: stopped and continued, or traced; wait on for what is left. Else the time is over (EAGAIN).
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return None;
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pending.as_fd()
    }
}

fn set() -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is to memory of the right size, which the call initialises.
    if unsafe { libc::sigemptyset(set.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `sigemptyset` succeeded and has initialised all of it.
    let mut set = unsafe { set.assume_init() };
    for (number, _) in MEANINGS {
        // SAFETY: `set` is initialised; an invalid number would be refused.
        if unsafe { libc::sigaddset(&raw mut set, number) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(set)
}

/// Sends the calling thread a SIGHUP, for tests of whoever waits for one.
#[cfg(test)]
pub(crate) fn raise_hangup() {
    tests::raise(libc::SIGHUP);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread in which the signal is blocked.
    pub(super) fn raise(number: libc::c_int) {
        // SAFETY: `raise` sends to the calling thread, in which the signal is blocked: it only becomes pending.
        assert_eq!(unsafe { libc::raise(number) }, 0);
    }

    #[test]
    fn signals_are_waited_for_and_not_suffered() {
        // A thread of its own: the mask must not leak into other tests.
        let thread = std::thread::spawn(|| {
            let signals = Signals::block().unwrap();
            assert_eq!(signals.wait(Duration::ZERO), None);
            for (number, signal) in MEANINGS {
                raise(number);
                assert_eq!(signals.wait(Duration::from_secs(1)), Some(signal));
            }
            assert_eq!(signals.wait(Duration::from_millis(1)), None);
        });
        thread.join().unwrap();
    }
}
