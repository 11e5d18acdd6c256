//! A timer that wakes a poll with microsecond resolution (timerfd_create(2)); a poll alone counts milliseconds.

use dataplane::time::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// The alarm's token: no connection has it.
const ALARM_TOKEN: Token = Token(usize::MAX);

/// The alarm.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    set_for: Option<Instant>,
}

impl Alarm {
    /// An alarm that wakes the poll of `registry`.
    pub(crate) fn new(registry: &Registry) -> std::io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), ALARM_TOKEN, Interest::READABLE)?;
        Ok(Self { timer, set_for: None })
    }

    /// Wakes the poll at `due`. It need not be read: each expiry is an edge of its own.
    pub(crate) fn set(&mut self, due: Instant, now: Instant) {
        if self.set_for == Some(due) && due > now {
            return;
        }
        self.set_for = Some(due);
        // Zero would disarm it.
        let us = due.us_since(now).max(1);
        let it_value = Timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1_000) as i64 };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let set =
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value });
        assert!(set.is_ok(), "a timer of ours takes any positive time");
    }
}
