//! Which drivers a scenario runs on: both, where the machine has both.

use std::io::Write;
use std::sync::OnceLock;

use crate::scenario::process::Process;

/// The exit status of a binary that was told `--io uring` where there is none.
const STATUS_UNABLE: i32 = 4;

/// Runs the scenario on each driver.
pub(crate) fn on_each_driver(scenario: impl Fn(&str)) {
    for io in ["uring", "epoll"] {
        if io == "uring" && !uring_is_there() {
            skip("io_uring does not work here (`longhaul doctor` says why)");
            continue;
        }
        eprintln!("driver: {io}");
        scenario(io);
    }
}

/// The machine lacks what a scenario needs: says so, or fails where everything is required.
pub(crate) fn skip(why: &str) {
    let required = std::env::var_os("LONGHAUL_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "everything is required, but {why}");
    // Straight to the descriptor: the test harness swallows what passing tests print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// The cpus that a process started here may use.
pub(crate) fn cpus() -> &'static [usize] {
    static CPUS: OnceLock<Vec<usize>> = OnceLock::new();
    CPUS.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        list.trim().split(',').flat_map(range).collect()
    })
}

fn range(text: &str) -> std::ops::RangeInclusive<usize> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    first.parse().unwrap()..=last.parse().unwrap()
}

fn uring_is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let flags = ["front", "--io", "uring", "--listen", "127.0.0.1:0", "--site", "*=http://127.0.0.1:9"];
        let more = ["--mem-limit", "off", "--cpus", &cpus()[0].to_string()].map(str::to_owned);
        let flags: Vec<String> = flags.map(str::to_owned).into_iter().chain(more).collect();
        let mut process = Process::start(&flags);
        loop {
            if process.everything().contains(" started ") {
                return true;
            }
            if !process.is_running() {
                let (status, said) = process.ended();
                assert_eq!(status.code(), Some(STATUS_UNABLE), "{said}");
                return false;
            }
            std::thread::yield_now();
        }
    })
}
