//! The flags of `longhaul demo`.

use crate::config::Io;
use crate::form::address::Address;
use crate::form::cpus::CpuList;
use crate::form::given::Given;
use crate::form::otherwise::{All, Otherwise};
use crate::form::word::Word;

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
