//! The flags of `longhaul demo`.

use crate::config::Io;
use crate::form::address::Address;
use crate::form::cpus::CpuList;
use crate::form::given::Given;
use crate::form::otherwise::{All, Otherwise};
use crate::form::word::Word;
use crate::problem::Problems;
use core::net::{Ipv4Addr, SocketAddr};

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul demo                 serves http://127.0.0.1:8080/ until it is interrupted, and shows what happens
  longhaul demo --check         fetches through the pair, compares every byte, exits 0 or says why not
  longhaul demo --check --io epoll

Exit statuses: 0 done, 1 failed, 2 wrong flags, 3 the check found a difference, 75 try again.";

/// Runs origin, back-end and front-end here, over real sockets on loopback
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, next_help_heading = "Demo")]
pub(crate) struct DemoArgs {
    /// Fetch through the pair, compare every byte, look into the tunnel's datagrams, and end
    #[arg(long)]
    pub(crate) check: bool,
    /// Where the front-end listens for HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Given<Address>,
    /// Where the front-end serves /metrics and /status; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8088")]
    pub(crate) admin: Given<Address>,
    /// Driver: `uring`, `epoll`, or `auto`
    #[arg(long, value_name = "DRIVER", default_value_t = Given::of(Io::Auto))]
    pub(crate) io: Given<Word<Io>>,
    /// Cpus of each of the two processes' workers; `all` is every one that may be used
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub(crate) cpus: Given<Otherwise<All, CpuList>>,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// What the demonstration is told. Its nodes are made by the same doors as an operator's: `front::configure` and
/// `back::configure` over `FrontArgs::from_flags` and `BackArgs::from_flags`, with keys in a folder of its own.
#[derive(Clone, Debug)]
pub(crate) struct DemoConfig {
    /// Fetch, compare and end, instead of serving until interrupted.
    pub(crate) check: bool,
    /// Where the front-end listens.
    pub(crate) listen: SocketAddr,
    /// Where the front-end serves its figures.
    pub(crate) admin: SocketAddr,
    /// The driver of both nodes.
    pub(crate) io: Io,
    /// Cpus of both nodes; `None`: all that may be used.
    pub(crate) cpus: Option<Vec<usize>>,
}

impl DemoArgs {
    /// Reads and checks the flags.
    pub(crate) fn configure(&self) -> Result<DemoConfig, Problems> {
        let mut problems = Problems::default();
        let nowhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let config = DemoConfig {
            check: self.check,
            listen: self.listen.take_or("listen", &mut problems, nowhere),
            admin: self.admin.take_or("admin", &mut problems, nowhere),
            io: self.io.take_or("io", &mut problems, Io::Auto),
            cpus: self.cpus.take_or("cpus", &mut problems, None),
        };
        let is_free = config.admin.port() == 0 || config.admin != config.listen;
        problems.require(is_free, "--admin", "listens where --listen does", "give another port");
        problems.into_result(config)
    }
}
