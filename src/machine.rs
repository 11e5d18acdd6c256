//! What this machine gives to the process: cpus, NUMA nodes, memory. Looked at once, before anything is started.

use dataplane::reactor::placement::{allowed_cpus, memory_node};
use std::fs;
use std::path::Path;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Cpus of the affinity mask, ascending.
    pub(crate) cpus: Vec<usize>,
    /// The NUMA node of each of them; 0 where the kernel tells of none.
    pub(crate) nodes: Vec<usize>,
    /// Bytes of memory: the machine's, or what the cgroup allows if that is less.
    pub(crate) memory_bytes: Option<u64>,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let cpus = allowed_cpus();
        let nodes = cpus.iter().map(|cpu| memory_node(*cpu).unwrap_or(0)).collect();
        Self { cpus, nodes, memory_bytes: memory_bytes() }
    }

    /// The cpus of a NUMA node.
    pub(crate) fn cpus_of_node(&self, node: usize) -> Vec<usize> {
        let of_node = self.cpus.iter().zip(&self.nodes).filter(|(_, of)| **of == node);
        of_node.map(|(cpu, _)| *cpu).collect()
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn memory_bytes() -> Option<u64> {
    let machine = total_bytes(&read("/proc/meminfo"));
    let cgroup = read("/proc/self/cgroup");
    let path = line_after(&cgroup, "0::").unwrap_or("/").trim_start_matches('/').to_owned();
    let limits = Path::new("/sys/fs/cgroup").join(path);
    // A group is also bound by those above it.
    let group =
        limits.ancestors().filter_map(|group| read(group.join("memory.max")).trim().parse().ok()).min();
    machine.into_iter().chain(group).min()
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let kib: u64 = line_after(meminfo, "MemTotal:")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_read() {
        assert_eq!(total_bytes("MemTotal:       24595608 kB\nMemFree: 1 kB\n"), Some(24_595_608 << 10));
        assert_eq!(total_bytes("nothing"), None);
    }

    #[test]
    fn this_machine_has_something() {
        let machine = Machine::look();
        assert!(!machine.cpus.is_empty() && machine.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(machine.cpus_of_node(99_999).is_empty());
    }

    #[test]
    fn nodes_have_their_cpus() {
        let machine = Machine { cpus: vec![0, 1, 4], nodes: vec![0, 1, 1], memory_bytes: None };
        assert_eq!(machine.cpus_of_node(1), [1, 4]);
    }
}
