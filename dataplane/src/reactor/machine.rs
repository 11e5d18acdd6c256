//! What a process asks of its machine when it starts: descriptors, exact timers, huge pages. Called once each, by
//! the one that sets workers up; all but the first are wishes that a machine may leave unfulfilled.

#![allow(unsafe_code, reason = "resource limits, prctl and madvise are foreign functions")]

use std::io;

/// How many descriptors the process may have open: now, and at most without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// What holds now.
    pub soft: u64,
    /// How far it may be raised.
    pub hard: u64,
}

/// Reads RLIMIT_NOFILE.
pub fn descriptor_limit() -> io::Result<DescriptorLimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that the call fills.
    let code = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if code == 0 {
        Ok(DescriptorLimit { soft: limit.rlim_cur, hard: limit.rlim_max })
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Raises RLIMIT_NOFILE to `wanted`, the hard limit too where that is allowed; never lowers it.
///
/// Returns what holds now: a caller that got less than it needs refuses to start, and says both numbers.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let now = descriptor_limit()?;
    if now.soft >= wanted {
        return Ok(now.soft);
    }
    if set_descriptor_limit(DescriptorLimit { soft: wanted, hard: wanted.max(now.hard) }).is_err() {
        set_descriptor_limit(DescriptorLimit { soft: wanted.min(now.hard), hard: now.hard })?;
    }
    descriptor_limit().map(|limit| limit.soft)
}

/// Sets RLIMIT_NOFILE.
pub fn set_descriptor_limit(limit: DescriptorLimit) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
    // SAFETY: `limit` is a valid rlimit that the call only reads.
    let code = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Forbids core dumps: they would carry keys and clients' bytes to disk.
pub fn forbid_core_dumps() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` is a valid rlimit that the call only reads.
    let code = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the kernel be late by at most `slack_ns` (1 or more) with timers of the calling thread; 50,000 is usual,
/// and too much for pacing in tens of µs.
pub fn set_timer_slack(slack_ns: u32) -> io::Result<()> {
    // Zero would mean "the usual".
    let slack_ns = libc::c_ulong::from(slack_ns.max(1));
    // SAFETY: PR_SET_TIMERSLACK takes one number and touches no memory of ours.
    let code = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack_ns) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Bytes of a huge page on the machines that we know.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Asks for huge pages under `memory`, as far as whole ones lie in it: fewer misses in the address cache for
/// pools of many MiB. How many bytes were asked for. Best called before the memory is touched.
pub fn prefer_huge_pages(memory: &mut [u8]) -> io::Result<usize> {
    let skipped = memory.as_ptr().align_offset(HUGE_PAGE_BYTES).min(memory.len());
    let bytes = (memory.len() - skipped) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if bytes == 0 {
        return Ok(0);
    }
    let whole = &mut memory[skipped..skipped + bytes];
    // SAFETY: the range is page-aligned and lies in memory that we may write for the length of the call;
    // MADV_HUGEPAGE changes how it is backed, never what it holds.
    let code = unsafe { libc::madvise(whole.as_mut_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
    if code == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_lowered() {
        let before = descriptor_limit().unwrap();
        assert_eq!(raise_descriptor_limit(1).unwrap(), before.soft);
        assert!(raise_descriptor_limit(before.soft).unwrap() >= before.soft);
    }

    #[test]
    fn timer_slack_is_taken() {
        std::thread::spawn(|| {
            set_timer_slack(1_000).unwrap();
            // SAFETY: PR_GET_TIMERSLACK takes nothing and returns the number.
            assert_eq!(unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }, 1_000);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn only_whole_huge_pages_are_asked_for() {
        let mut memory = vec![0; 3 * HUGE_PAGE_BYTES];
        // A kernel without them says EINVAL, which is its right.
        if let Ok(bytes) = prefer_huge_pages(&mut memory) {
            assert!(bytes == 2 * HUGE_PAGE_BYTES || bytes == 3 * HUGE_PAGE_BYTES);
        }
        assert_eq!(prefer_huge_pages(&mut memory[..100]).unwrap(), 0);
        assert!(memory.iter().all(|byte| *byte == 0));
    }
}
