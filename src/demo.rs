//! The door of the demonstration: origin, back-end and front-end in one process, real sockets on loopback.

use crate::args::demo::DemoArgs;
use crate::config::Io;
use crate::exit::Exit;
use crate::problem::Problems;
use core::net::{Ipv4Addr, SocketAddr};

/// What the demonstration is told. The nodes are made by the same doors as an operator's: `front::configure` and
/// `back::configure` over `FrontArgs::from_flags` and `BackArgs::from_flags`, with keys in a folder of its own.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "the nodes of the demonstration read them")]
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

/// Reads and checks the flags.
pub(crate) fn configure(args: &DemoArgs) -> Result<DemoConfig, Problems> {
    let mut problems = Problems::default();
    let nowhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let config = DemoConfig {
        check: args.check,
        listen: args.listen.take_or("listen", &mut problems, nowhere),
        admin: args.admin.take_or("admin", &mut problems, nowhere),
        io: args.io.take_or("io", &mut problems, Io::Auto),
        cpus: args.cpus.take_or("cpus", &mut problems, None),
    };
    let is_free = config.admin.port() == 0 || config.admin != config.listen;
    problems.require(is_free, "--admin", "listens where --listen does", "give another port");
    problems.into_result(config)
}

/// Runs it.
pub(crate) fn run(config: &DemoConfig) -> Exit {
    eprintln!("longhaul demo: the nodes are not connected to this door yet: {config:?}");
    Exit::Failed
}
