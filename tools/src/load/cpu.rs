//! CPU time of processes with their threads and children, from `/proc/PID/stat` (proc_pid_stat(5)).
//! Resolution: the kernel's clock tick, 10 ms.

use crate::load::report::Cpu;
use std::collections::BTreeMap;

/// The times before a run, to be compared with those after it.
#[derive(Debug)]
pub(crate) struct Meter(BTreeMap<u32, u64>);

impl Meter {
    /// Reads the clocks of `pids`.
    pub(crate) fn start(pids: &[u32]) -> Self {
        Self(ticks_of(pids))
    }

    /// Reads them again. A process that is gone by now counts nothing.
    pub(crate) fn finish(&self, requests: u64) -> Cpu {
        let pids: Vec<_> = self.0.keys().copied().collect();
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let after = ticks_of(&pids);
        let spent =
            self.0.iter().map(|(pid, before)| (*pid, after[pid].saturating_sub(*before) as f64 / per_second));
        let seconds_by_pid: BTreeMap<_, _> = spent.collect();
        let seconds: f64 = seconds_by_pid.values().sum();
        let requests_per_cpu_second = if seconds > 0.0 { requests as f64 / seconds } else { 0.0 };
        Cpu { seconds, seconds_by_pid, requests_per_cpu_second }
    }
}

/// User and system time of this process so far, s.
pub(crate) fn own_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    parse(&stat).map_or(0.0, |own| own.ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// User and system time of all its threads and of the children it has waited for.
    ticks: u64,
}

/// For each of `pids` the time of the whole tree below it.
fn ticks_of(pids: &[u32]) -> BTreeMap<u32, u64> {
    let all = processes();
    pids.iter().map(|pid| (*pid, tree_ticks(*pid, &all))).collect()
}

fn tree_ticks(root: u32, all: &BTreeMap<u32, Process>) -> u64 {
    let (mut ticks, mut waiting) = (0, vec![root]);
    while let Some(pid) = waiting.pop() {
        ticks += all.get(&pid).map_or(0, |process| process.ticks);
        waiting.extend(
            all.iter()
                .filter(|(child, process)| process.parent == pid && **child != pid)
                .map(|(child, _)| child),
        );
    }
    ticks
}

fn processes() -> BTreeMap<u32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parse(&stat)?))
    })
    .collect()
}

fn parse(stat: &str) -> Option<Process> {
    // The name in parentheses may hold anything, parentheses too; the fields begin behind the last one.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    // utime, stime, cutime, cstime.
    let times = fields.get(11..15)?.iter().map(|field| field.parse::<u64>());
    Some(Process { parent, ticks: times.sum::<Result<_, _>>().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_behind_its_name() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 9 0 1 2 3";
        assert_eq!(parse(line), Some(Process { parent: 7, ticks: 127 }));
        assert_eq!(parse("42 (a) S"), None);
    }

    #[test]
    fn a_tree_is_summed() {
        let process = |parent, ticks| Process { parent, ticks };
        let all = BTreeMap::from([
            (1, process(0, 1)),
            (2, process(1, 10)),
            (3, process(2, 100)),
            (4, process(1, 1000)),
        ]);
        assert_eq!((tree_ticks(2, &all), tree_ticks(1, &all), tree_ticks(9, &all)), (110, 1111, 0));
    }

    #[test]
    fn this_process_is_found() {
        let meter = Meter::start(&[std::process::id()]);
        assert!(processes().contains_key(&std::process::id()));
        assert!(meter.finish(5).seconds < 60.0);
    }
}
