//! What the machine does to a measurement: who took the core away, and whether an idle core halts. From /proc.

#![allow(unsafe_code, reason = "sched_setscheduler is a foreign function")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use core_affinity::CoreId;

/// Nanoseconds for which this thread was ready to run and did not: the scheduler's own delay after each wake-up, and all the
/// time that others had the core. 0 where /proc does not say.
pub(crate) fn queued_ns() -> u64 {
    number_after("/proc/thread-self/schedstat", "", 1)
}

/// Milliseconds that the host took from all cores since the start (`steal`, in ticks of 10 ms).
pub(crate) fn stolen_ms() -> u64 {
    10 * number_after("/proc/stat", "cpu ", 7)
}

fn number_after(file: &str, start: &str, skip: usize) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let rest = text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default();
    rest.split_whitespace().nth(skip).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// A thread that keeps the core busy whenever nobody else wants it, until this is dropped.
pub(crate) struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps the core from halting: SCHED_IDLE gives way to any other thread at once.
pub(crate) fn keep_from_halting(core: CoreId) -> Busy {
    let is_over = Arc::new(AtomicBool::new(false));
    let until = is_over.clone();
    std::thread::spawn(move || {
        core_affinity::set_for_current(core);
        let priority = libc::sched_param { sched_priority: 0 };
        // SAFETY: the parameter lives through the call; 0 is this thread.
        let refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
        assert_eq!(refused, 0, "a thread may lower its own priority");
        while !until.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    });
    Busy(is_over)
}
