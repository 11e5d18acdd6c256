//! Workers, where they run, how they meet the kernel, and how much memory all of it may take.

use crate::args::tunnel::Offload;
use crate::config::{
    Buffers, Cores, DriverTuning, HugePages, Io, Numa, SocketTuning, TunnelCores, WORKERS_MAX,
};
use crate::form::buffers::BufferGroup;
use crate::form::count::Count;
use crate::form::cpus::{self, CpuList};
use crate::form::given::Given;
use crate::form::otherwise::{All, Auto, Off, Otherwise, Shared};
use crate::form::size::Size;
use crate::form::word::Word;
use crate::machine::Machine;
use crate::problem::Problems;

/// Bytes of a datagram buffer: what UDP_GRO hands over at most.
const DATAGRAM_BUFFER_BYTES: usize = 65_536;

/// Entries of a submission queue that the kernel grants at most (IORING_MAX_ENTRIES).
const SUBMISSION_ENTRIES_MAX: u32 = 32_768;

/// Counts and bytes are per worker, except --mem-limit.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Cores and memory")]
pub(crate) struct CoreArgs {
    /// Cpus to run on, one worker each, such as `0,2-5`; `all` is every one that this process may use
    #[arg(long, value_name = "LIST", default_value = "all")]
    cpus: Given<Otherwise<All, CpuList>>,
    /// Which of --cpus own tunnels and accept no clients; `shared`: every worker does both
    #[arg(long, value_name = "LIST", default_value = "shared")]
    tunnel_cores: Given<Otherwise<Shared, CpuList>>,
    /// Run on the cpus of this NUMA node only; `auto`: each worker uses the memory of its own core's node
    #[arg(long, value_name = "NODE", default_value = "auto")]
    numa: Given<Otherwise<Auto, Count<usize>>>,
    /// Driver: `uring`, `epoll`, or `auto`, which takes io_uring where it works and says why where not
    #[arg(long, value_name = "DRIVER", default_value_t = Given::of(Io::Auto))]
    io: Given<Word<Io>>,
    /// Entries of the io_uring submission queue, a power of two
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(1_024))]
    sq: Given<Count<u32>>,
    /// Entries of the io_uring completion queue, a power of two; at least twice the receive buffers is best
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(8_192))]
    cq: Given<Count<u32>>,
    /// Receive buffers for heads and idle connections
    #[arg(long, value_name = "SIZE:COUNT", default_value_t = Given::of(Buffers { bytes: 4_096, count: 2_048 }))]
    buf_small: Given<BufferGroup>,
    /// Receive buffers for bodies
    #[arg(long, value_name = "SIZE:COUNT", default_value_t = Given::of(Buffers { bytes: 32_768, count: 256 }))]
    buf_large: Given<BufferGroup>,
    /// Receive buffers for datagrams, 64k each, a power of two
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(128))]
    buf_udp: Given<Count<usize>>,
    /// Trains of datagrams on their way to the kernel at once, 65000 bytes each
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(64))]
    trains: Given<Count<usize>>,
    /// Records per priority ring between two workers, a power of two
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(256))]
    ring_slots: Given<Count<usize>>,
    /// Buffer memory on huge pages: `try` takes them where the kernel has some, `off` never
    #[arg(long, value_name = "WHEN", default_value_t = Given::of(HugePages::Off))]
    hugepages: Given<Word<HugePages>>,
    /// Microseconds to go on looking for work before sleeping; costs the core, saves wake-ups
    #[arg(long, value_name = "US", default_value_t = Given::of(0))]
    spin_us: Given<Count<u32>>,
    /// Microseconds to wait for a batch to fill while busy (io_uring); 0 does not wait
    #[arg(long, value_name = "US", default_value_t = Given::of(0))]
    batch_wait_us: Given<Count<u32>>,
    /// Microseconds that datagrams of a long path may gather before a sleeping worker wakes for them (io_uring), a 128th of
    /// the least rtt at most; 0 wakes for each
    #[arg(long, value_name = "US", default_value_t = Given::of(500))]
    coalesce_us: Given<Count<u32>>,
    /// Receive buffer of client connections (SO_RCVBUF), bytes; `auto` leaves it to the kernel
    #[arg(long, value_name = "SIZE", default_value = "auto")]
    so_rcvbuf: Given<Otherwise<Auto, Size<usize>>>,
    /// Send buffer of client connections (SO_SNDBUF), bytes; `auto` leaves it to the kernel
    #[arg(long, value_name = "SIZE", default_value = "auto")]
    so_sndbuf: Given<Otherwise<Auto, Size<usize>>>,
    /// Clients that may wait to be accepted, per listener; the kernel caps it at net.core.somaxconn
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(4_096))]
    backlog: Given<Count<u32>>,
    /// Refuse to start when the sum of all bounds exceeds this many bytes; `auto` is the machine's or the cgroup's
    /// memory, `off` does not look
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(Some(None)))]
    mem_limit: Given<Otherwise<Off, Otherwise<Auto, Size<u64>>>>,
}

/// The longest spin and batch wait: a worker that looks away longer is a fault, not tuning.
const WAIT_US_MAX: u32 = 100_000;

impl CoreArgs {
    /// Workers and where they run.
    pub(crate) fn cores(&self, machine: &Machine, problems: &mut Problems) -> Cores {
        let numa = self.numa.take_or("numa", problems, None).map_or(Numa::Auto, Numa::Node);
        let usable = self.usable(numa, machine, problems);
        let mut cpus = self
            .cpus
            .take_or("cpus", problems, None)
            .unwrap_or_else(|| usable.iter().copied().take(WORKERS_MAX).collect());
        cpus.retain(|cpu| self.is_usable(*cpu, &usable, problems));
        problems.require(
            cpus.len() <= WORKERS_MAX,
            "--cpus",
            format!("asks for {} workers", cpus.len()),
            format!("name at most {WORKERS_MAX}; start a second process for the others"),
        );
        let tunnel_cores = self.tunnel_cores(&cpus, problems);
        Cores { cpus, tunnel_cores, numa }
    }

    /// The drivers' sizes.
    pub(crate) fn driver(&self, offload: Offload, problems: &mut Problems) -> DriverTuning {
        let empty = Buffers { bytes: 0, count: 0 };
        let datagram_count = self.buf_udp.take_or("buf_udp", problems, 0);
        let tuning = DriverTuning {
            io: self.io.take_or("io", problems, Io::Auto),
            submission_entries: self.sq.take_or("sq", problems, 0),
            completion_entries: self.cq.take_or("cq", problems, 0),
            small: self.buf_small.take_or("buf_small", problems, empty),
            large: self.buf_large.take_or("buf_large", problems, empty),
            datagrams: Buffers { bytes: DATAGRAM_BUFFER_BYTES, count: datagram_count },
            trains: self.trains.take_or("trains", problems, 0),
            ring_slots: self.ring_slots.take_or("ring_slots", problems, 0),
            huge_pages: self.hugepages.take_or("hugepages", problems, HugePages::Off),
            spin_us: self.spin_us.take_or("spin_us", problems, 0),
            batch_wait_us: self.batch_wait_us.take_or("batch_wait_us", problems, 0),
            coalesce_us: self.coalesce_us.take_or("coalesce_us", problems, 0),
            gso_segments_max: offload.gso_segments_max,
            gro: offload.gro,
        };
        self.check(&tuning, problems);
        tuning
    }

    /// The sockets' options.
    pub(crate) fn sockets(&self, offload: Offload, problems: &mut Problems) -> SocketTuning {
        SocketTuning {
            tcp_receive_bytes: self.so_rcvbuf.take_or("so_rcvbuf", problems, None),
            tcp_send_bytes: self.so_sndbuf.take_or("so_sndbuf", problems, None),
            udp_receive_bytes: offload.receive_bytes,
            udp_send_bytes: offload.send_bytes,
            backlog: self.backlog.take_or("backlog", problems, 1),
        }
    }

    /// Bytes that the sum of the bounds may reach; `None`: it is not looked at.
    pub(crate) fn memory_limit_bytes(&self, machine: &Machine, problems: &mut Problems) -> Option<u64> {
        let given = self.mem_limit.take_or("mem_limit", problems, None);
        given.and_then(|limit| limit.or(machine.memory_bytes))
    }

    fn usable(&self, numa: Numa, machine: &Machine, problems: &mut Problems) -> Vec<usize> {
        let Numa::Node(node) = numa else { return machine.cpus.clone() };
        let usable = machine.cpus_of_node(node);
        problems.require(
            !usable.is_empty(),
            format_args!("--numa {node}"),
            "has no cpu that this process may use",
            "see /sys/devices/system/node, or give auto",
        );
        usable
    }

    fn is_usable(&self, cpu: usize, usable: &[usize], problems: &mut Problems) -> bool {
        let is_usable = usable.contains(&cpu);
        problems.require(
            is_usable,
            format_args!("--cpus {}", self.cpus),
            format!("cpu {cpu} is not among those that may be used here"),
            format!("choose from {}", cpus::write(usable)),
        );
        is_usable
    }

    fn tunnel_cores(&self, cpus: &[usize], problems: &mut Problems) -> TunnelCores {
        let Some(owners) = self.tunnel_cores.take_or("tunnel_cores", problems, None) else {
            return TunnelCores::Shared;
        };
        let flag = format!("--tunnel-cores {}", self.tunnel_cores);
        problems.require(
            owners.iter().all(|cpu| cpus.contains(cpu)),
            &flag,
            "names a cpu that has no worker",
            format!("choose from --cpus {}", cpus::write(cpus)),
        );
        problems.require(
            cpus.iter().any(|cpu| !owners.contains(cpu)),
            &flag,
            "leaves no worker for the TCP connections",
            "leave at least one of --cpus out, or give shared",
        );
        TunnelCores::Dedicated(owners)
    }

    fn check(&self, tuning: &DriverTuning, problems: &mut Problems) {
        let mut power = |name: &str, value: usize, least: usize, most: usize| {
            problems.require(
                value.is_power_of_two() && (least..=most).contains(&value),
                format_args!("{name} {value}"),
                "is no usable power of two",
                format!("give {least} to {most}"),
            );
        };
        let entries_max = SUBMISSION_ENTRIES_MAX as usize;
        power("--sq", tuning.submission_entries as usize, 8, entries_max);
        power("--cq", tuning.completion_entries as usize, 16, 2 * entries_max);
        power("--buf-udp", tuning.datagrams.count, 2, 32_768);
        power("--ring-slots", tuning.ring_slots, 256, 65_536);
        problems.require(
            tuning.completion_entries >= tuning.submission_entries,
            format_args!("--cq {}", tuning.completion_entries),
            "is smaller than --sq",
            "give at least twice --sq",
        );
        problems.require(
            (1..=4_096).contains(&tuning.trains),
            format_args!("--trains {}", tuning.trains),
            "is no usable number of trains",
            "give 1 to 4096",
        );
        for (name, us) in [
            ("--spin-us", tuning.spin_us),
            ("--batch-wait-us", tuning.batch_wait_us),
            ("--coalesce-us", tuning.coalesce_us),
        ] {
            let flag = format!("{name} {us}");
            problems.require(us <= WAIT_US_MAX, flag, "is longer than a tenth of a second", "give less");
        }
    }
}
