//! The one reader of the operating system's clocks. Not a timer: it only says what time it is.
//!
//! Instants are µs of CLOCK_MONOTONIC, whose origin (roughly the machine's start) is the same for every thread
//! and process: instants may cross threads. Unix time serves logs and HTTP dates, never spans.

#![allow(unsafe_code, reason = "clock_gettime is a foreign function")]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Instant;

/// The present, to the microsecond. Answered by the vDSO: about 25 ns, no system call.
pub fn now() -> Instant {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the length of the call; CLOCK_MONOTONIC exists on every Linux.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(code, 0, "CLOCK_MONOTONIC can be read");
    Instant::from_us(time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000)
}

/// µs since 1970-01-01T00:00:00Z; zero on a machine whose clock stands before that.
pub fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let first = now();
        assert!(now() >= first);
        assert!(first > Instant::ORIGIN);
        assert!(unix_us() > 1_600_000_000_000_000, "somewhere after 2020");
    }
}
