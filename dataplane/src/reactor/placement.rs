//! Where workers run: lists of CPUs as an operator writes them, pinning a thread to one, and the memory node that
//! a CPU is near to.
//!
//! CPUs are numbered as Linux numbers them. A CPU that the process may not use (cgroup, taskset) is refused here,
//! with a reason, and not discovered later as a slow worker.

#![allow(unsafe_code, reason = "sched_getcpu is a foreign function")]

use core::fmt;
use std::io;

use core_affinity::CoreId;

/// CPUs that a list may name: what the C library's cpu_set_t holds, and with it core_affinity.
pub const CPUS_MAX: usize = 1_024;

/// Why a list of CPUs was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuListError {
    /// Nothing in it.
    Empty,
    /// This part is neither a number nor a range of two.
    Malformed(String),
    /// This range ends before it begins.
    Backwards(String),
    /// There is no such number (`CPUS_MAX`).
    TooGreat(usize),
    /// Named twice: two workers on one CPU is never meant.
    Twice(usize),
}

impl fmt::Display for CpuListError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(to, "the list of CPUs is empty; write for example 0,2-5"),
            Self::Malformed(part) => write!(to, "{part:?} is not a CPU or a range; write for example 0,2-5"),
            Self::Backwards(part) => write!(to, "the range {part:?} ends before it begins"),
            Self::TooGreat(cpu) => write!(to, "CPU {cpu} is beyond {}", CPUS_MAX - 1),
            Self::Twice(cpu) => write!(to, "CPU {cpu} is named twice"),
        }
    }
}

impl core::error::Error for CpuListError {}

/// Reads `"0,2-5"`; in the order written, which is the order of the workers.
pub fn parse_cpus(list: &str) -> Result<Vec<usize>, CpuListError> {
    let mut cpus = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = range(part)?;
        for cpu in first..=last {
            if cpus.contains(&cpu) {
                return Err(CpuListError::Twice(cpu));
            }
            cpus.push(cpu);
        }
    }
    if cpus.is_empty() { Err(CpuListError::Empty) } else { Ok(cpus) }
}

fn range(part: &str) -> Result<(usize, usize), CpuListError> {
    let number = |text: &str| match text.trim().parse::<usize>() {
        Ok(cpu) if cpu < CPUS_MAX => Ok(cpu),
        Ok(cpu) => Err(CpuListError::TooGreat(cpu)),
        Err(_) => Err(CpuListError::Malformed(part.to_owned())),
    };
    let Some((first, last)) = part.split_once('-') else { return number(part).map(|cpu| (cpu, cpu)) };
    let (first, last) = (number(first)?, number(last)?);
    if first <= last { Ok((first, last)) } else { Err(CpuListError::Backwards(part.to_owned())) }
}

/// CPUs that this thread may run on, ascending; the affinity mask that a new process inherits.
pub fn allowed_cpus() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// Pins the calling thread to `cpu`, and looks whether it is there.
pub fn pin(cpu: usize) -> io::Result<()> {
    let refused = |why| io::Error::other(format!("cannot run on CPU {cpu}: {why}"));
    if cpu >= CPUS_MAX {
        return Err(refused("there is no such CPU"));
    }
    if !core_affinity::set_for_current(CoreId { id: cpu }) {
        return Err(refused("it is not there, or this process may not use it"));
    }
    if allowed_cpus() != [cpu] || current_cpu() != Some(cpu) {
        return Err(refused("the kernel accepted it and left the thread elsewhere"));
    }
    Ok(())
}

/// The CPU that the calling thread runs on at this moment.
pub fn current_cpu() -> Option<usize> {
    // SAFETY: sched_getcpu takes nothing and returns a number, or -1 where the kernel cannot say.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

/// The memory node that `cpu` belongs to; `None` on machines without NUMA and without sysfs.
pub fn memory_node(cpu: usize) -> Option<usize> {
    std::fs::read_dir(format!("/sys/devices/system/cpu/cpu{cpu}"))
        .ok()?
        .flatten()
        .find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_written() {
        assert_eq!(parse_cpus("0,2-5"), Ok(vec![0, 2, 3, 4, 5]));
        assert_eq!(parse_cpus(" 7 , 1-1 ,"), Ok(vec![7, 1]));
        assert_eq!(parse_cpus(" , "), Err(CpuListError::Empty));
        assert_eq!(parse_cpus("1,x"), Err(CpuListError::Malformed("x".into())));
        assert_eq!(parse_cpus("-3"), Err(CpuListError::Malformed("-3".into())));
        assert_eq!(parse_cpus("5-2"), Err(CpuListError::Backwards("5-2".into())));
        assert_eq!(parse_cpus("0-9,4"), Err(CpuListError::Twice(4)));
        assert_eq!(parse_cpus("0-99999999"), Err(CpuListError::TooGreat(99_999_999)));
    }

    #[test]
    fn a_pinned_thread_is_where_it_should_be() {
        let cpus = allowed_cpus();
        assert!(!cpus.is_empty());
        for cpu in cpus {
            std::thread::spawn(move || {
                pin(cpu).unwrap();
                assert_eq!(current_cpu(), Some(cpu));
            })
            .join()
            .unwrap();
        }
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused_with_its_number() {
        for cpu in [CPUS_MAX - 1, CPUS_MAX] {
            let error = std::thread::spawn(move || pin(cpu).unwrap_err()).join().unwrap();
            assert!(error.to_string().contains(&cpu.to_string()), "{error}");
        }
        assert_eq!(memory_node(CPUS_MAX), None);
    }
}
