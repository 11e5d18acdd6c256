//! The flags of `longhaul wan`.

use crate::form::between::Between;
use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::otherwise::{Off, Otherwise};
use crate::form::span::SpanOrOff;
use core::time::Duration;
use std::path::PathBuf;

/// What a path is made of, and examples.
const EXAMPLES: &str = "\
A path is a list of parts, a named one first if at all; what stands later holds:
  lan metro transatlantic transpacific lte satellite
  rtt=80ms      half of it each way       loss=1%               each packet by itself
  delay=40ms    one way                   burst-loss=1%/8       in bursts of 8 packets (mean)
  jitter=5ms    wanders, keeps order      gilbert-elliott=P/R[/BAD[/GOOD]]
  rate=50mbit   of IP packets; off        reorder=1%/5ms        held back so long
  trace=FILE    Mahimahi's, not a rate    duplicate=0.1%  corrupt=0.01%  mtu=1400
  queue=bdp     or 64k (bytes), 50ms      blackout=10s+2s/30s   begins, lasts, comes again
                                          blackout=off          (it may be given repeatedly)

Examples:
  A tunnel over an ocean, without root; the front-end's route then leads to 127.0.0.1:7001:
    longhaul wan --path transatlantic,loss=1% --udp 127.0.0.1:7001=127.0.0.1:7000
  Everything over an ocean, the kernel's TCP too (root):
    longhaul wan topo up ocean --congestion cubic
    longhaul wan --path transatlantic --down rate=20mbit --tun ocean --control /run/ocean.sock &
    ip netns exec ocean-b longhaul origin --listen 198.18.0.2:9000 &
    ip netns exec ocean-a longhaul load http://198.18.0.2:9000/b16k
    longhaul wan ctl /run/ocean.sock set down loss=3%
    longhaul wan topo down ocean

At its end it prints counters as JSON: every packet and what became of it, and how late it was
handed out. As root it runs as a real-time thread; without, packets are later on a busy machine.

Exit statuses: 0 done, 1 failed while running, 2 wrong flags, a missing privilege or namespace,
75 address in use.";

/// A wide-area path in a box: delay, rate, queue, loss and more between UDP sockets or network namespaces
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, next_help_heading = "Path", args_conflicts_with_subcommands = true)]
#[command(group = clap::ArgGroup::new("ends").args(["udp", "tun"]).required(true))]
pub(crate) struct WanArgs {
    #[command(subcommand)]
    pub(crate) door: Option<WanDoor>,
    /// What befalls packets in both directions; nothing does unless it is said
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub(crate) path: String,
    /// The same, beside --path, from the clients (namespace NAME-a) to the servers (NAME-b) only
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub(crate) up: String,
    /// The same, beside --path, from the servers to the clients only
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub(crate) down: String,
    /// Relay UDP: listen there, and carry what comes to the target and back; no privilege
    #[arg(long, value_name = "LISTEN=TARGET", default_value = "off")]
    pub(crate) udp: Given<Otherwise<Off, Between>>,
    /// Join the two namespaces that `wan topo up NAME` made; root
    #[arg(long, value_name = "NAME")]
    pub(crate) tun: Option<String>,
    /// Decides what chance decides: equal seeds and packets have equal fates
    #[arg(long, value_name = "NUMBER", default_value_t = Given::of(1))]
    pub(crate) seed: Given<Count<u64>>,
    /// Take commands (`wan ctl`) on this Unix socket, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) control: Option<PathBuf>,
    /// End after this long
    #[arg(long, short, value_name = "TIME", default_value_t = Given::of(Duration::ZERO))]
    pub(crate) duration: Given<SpanOrOff>,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// What else there is to do with paths.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum WanDoor {
    /// Make, show and remove the pairs of namespaces that `--tun` joins; root
    Topo {
        #[command(subcommand)]
        door: TopoDoor,
    },
    /// Steer a path that runs: `counters`, `set SPEC`, `set up SPEC`, `set down SPEC`
    Ctl {
        /// The socket of its --control
        #[arg(value_name = "FILE")]
        socket: PathBuf,
        /// The command
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
}

/// What is done with namespaces.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum TopoDoor {
    /// Make the namespaces NAME-a (clients, 198.18.0.1) and NAME-b (servers, 198.18.0.2) with a device wan0 each
    Up {
        /// The name: a-z, 0-9 and -
        #[arg(value_name = "NAME")]
        name: String,
        /// The kernel's congestion control of TCP connections over the path, such as cubic or bbr [host's default]
        #[arg(long, value_name = "NAME")]
        congestion: Option<String>,
        /// MTU of the devices, bytes
        #[arg(long, value_name = "BYTES", default_value_t = 1_500)]
        mtu: u16,
    },
    /// Remove both namespaces
    Down {
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Set the kernel's congestion control of new TCP connections over the path
    Congestion {
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        /// Such as cubic or bbr
        #[arg(value_name = "CONTROLLER")]
        controller: String,
    },
    /// Show the names of those that are there
    List,
}
