//! How long a sleeping thread takes to wake: the price of every message to a worker that sleeps.

#![allow(unsafe_code, reason = "poll is a foreign function")]

use std::io;
use std::thread;

use crate::reactor::clock;
use crate::reactor::feature::report::Row;
use crate::reactor::wake::Waker;

/// Round trips measured; their median counts, so that a few interrupted ones do no harm.
const ROUNDS: usize = 200;

/// One way, beyond which something (deep sleep states, a crowded host) costs more than the driver can save.
const SLOW_US: u64 = 50;

/// Milliseconds after which a lost wake-up ends the measurement.
const PATIENCE_MS: i32 = 500;

/// The measurement.
pub(crate) fn row() -> Row {
    const NAME: &str = "wake-up of a thread";
    match measure() {
        Ok(us) if us <= SLOW_US => Row::ok(NAME, format!("{us} µs one way (median)")),
        Ok(us) => Row::warn(
            NAME,
            format!("{us} µs one way (median)"),
            "look for deep sleep states or other load; --spin-us avoids sleeping on cores that are the workers' own",
        ),
        Err(error) => {
            Row::warn(NAME, format!("failed: {error}"), "look for a limit on threads or descriptors")
        }
    }
}

/// Half the median round trip between two threads that sleep in poll, in µs.
fn measure() -> io::Result<u64> {
    let (there, back) = (Waker::new()?, Waker::new()?);
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            (0..ROUNDS).all(|_| {
                wait(&there) && {
                    back.wake();
                    true
                }
            })
        });
        let mut spans = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = clock::now();
            there.wake();
            if !wait(&back) {
                break;
            }
            spans.push(clock::now().us_since(start));
        }
        let heard = echo.join().unwrap_or(false);
        spans.sort_unstable();
        let median = spans.get(spans.len() / 2).filter(|_| heard);
        median.map(|us| us.div_ceil(2)).ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))
    })
}

/// Sleeps until the bell rings; false if it does not.
fn wait(bell: &Waker) -> bool {
    let mut poll = libc::pollfd { fd: bell.fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is one valid record for the length of the call.
    let count = unsafe { libc::poll(&raw mut poll, 1, PATIENCE_MS) };
    count == 1 && bell.drain()
}
