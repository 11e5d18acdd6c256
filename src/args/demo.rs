//! The flags of `longhaul demo`.

use crate::config::Io;
use crate::form::address::Address;
use crate::form::cpus::CpuList;
use crate::form::given::Given;
use crate::form::otherwise::{All, Otherwise};
use crate::form::word::Word;
use crate::problem::{Problems, Wrong};
use core::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tools::wan::{PathRules, SpecError};

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul demo                 serves http://127.0.0.1:8080/ until it is interrupted, and shows what happens
  longhaul demo --check         fetches through the pair, compares every byte, exits 0 or says why not
  longhaul demo --check --io epoll
  longhaul demo --check --wan rtt=80ms          a tunnel sours, its users are moved; exits 0 or says why not
  longhaul demo --wan transatlantic,loss=1%     pages over an ocean, beside the kernel's own TCP (root)

Exit statuses: 0 done, 1 failed, 2 wrong flags, 3 the check found a difference, 75 try again.";

/// Runs origin, back-end and front-end here, over real sockets on loopback
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, next_help_heading = "Demo")]
pub(crate) struct DemoArgs {
    /// Fetch through the pair, compare every byte, look into the tunnel's datagrams, end one of the two POPs under its user and
    /// see that he is moved, and end
    #[arg(long)]
    pub(crate) check: bool,
    /// Load pages over an emulated path, through the pair and by the kernel's own TCP (cubic, bbr), for about ten
    /// seconds: a table and a plot; root. Then, and with --check alone (no root): two POPs, each over such a path of its own,
    /// of which the better one's begins to lose 5 %, and its users are sent to the other within 3 s. `longhaul wan --help`
    /// says how paths are written
    #[arg(long, value_name = "SPEC")]
    pub(crate) wan: Option<String>,
    /// Where --wan writes its plot
    #[arg(long, value_name = "FILE", default_value = "longhaul-wan.svg")]
    pub(crate) plot: PathBuf,
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
    /// Load pages over an emulated path and end.
    pub(crate) wan: Option<WanDemo>,
    /// Where the front-end listens.
    pub(crate) listen: SocketAddr,
    /// Where the front-end serves its figures.
    pub(crate) admin: SocketAddr,
    /// The driver of both nodes.
    pub(crate) io: Io,
    /// Cpus of both nodes; `None`: all that may be used.
    pub(crate) cpus: Option<Vec<usize>>,
}

/// What `--wan` is told.
#[derive(Clone, Debug)]
pub(crate) struct WanDemo {
    /// The path as it was written.
    pub(crate) spec: String,
    /// The same, read.
    pub(crate) rules: PathRules,
    /// Where the plot goes.
    pub(crate) plot: PathBuf,
}

impl DemoArgs {
    /// Reads and checks the flags.
    pub(crate) fn configure(&self) -> Result<DemoConfig, Problems> {
        let mut problems = Problems::default();
        let nowhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let wan = self.wan.as_ref().and_then(|spec| self.path(spec, &mut problems));
        // A front-end in a namespace of its own listens where nobody else is.
        let at = |given: SocketAddr| if wan.is_some() { nowhere } else { given };
        let config = DemoConfig {
            check: self.check,
            listen: at(self.listen.take_or("listen", &mut problems, nowhere)),
            admin: at(self.admin.take_or("admin", &mut problems, nowhere)),
            wan,
            io: self.io.take_or("io", &mut problems, Io::Auto),
            cpus: self.cpus.take_or("cpus", &mut problems, None),
        };
        let is_free = config.admin.port() == 0 || config.admin != config.listen;
        problems.require(is_free, "--admin", "listens where --listen does", "give another port");
        problems.into_result(config)
    }

    fn path(&self, spec: &str, problems: &mut Problems) -> Option<WanDemo> {
        match tools::wan::read(spec, "", "") {
            Ok(rules) => Some(WanDemo { spec: spec.to_owned(), rules, plot: self.plot.clone() }),
            Err(SpecError { part, what, instead }) => {
                problems.add(format_args!("--wan {part}"), &Wrong::new(what, instead));
                None
            }
        }
    }
}
