//! The flags of `longhaul dns`.

use crate::form::address::Address;
use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::networks::Networks;
use crate::form::otherwise::{Auto, Off, Otherwise};
use crate::form::size::Size;
use crate::form::span::Span;
use crate::form::word::Word;
use crate::form::zone::Zone;
use clap::{Args, Command, FromArgMatches};
use controlplane::dns::limits::UDP_BYTES_DEFAULT;
use controlplane::logs::daemon::Level;
use core::time::Duration;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  A zone on port 53 of every address, figures on loopback:
    longhaul dns --zone example.test.zone --admin 127.0.0.1:8053
  Two zones on a test port, every hundredth query in a log:
    longhaul dns --listen 127.0.0.1:5300 --listen '[::1]:5300' --zone example.test=zones/a \\
                 --zone 2.0.192.in-addr.arpa=zones/b --query-log queries.log --query-log-sample 100
  Several servers behind one address, which take each other's cookies:
    longhaul key cookie --out dns.cookie
    longhaul dns --zone example.test.zone --cookies dns.cookie --nsid fra1

  From the network's tree, as its node fra1:
    longhaul dns --config longhaul.toml --node fra1 --last-good /var/lib/longhaul/last-good.toml

Signals: SIGHUP reads the tree and all zones again, whole or not at all: on any error the old ones stay, and
the log and /status say why. What was measured is read again when its file changes.
SIGTERM and SIGINT answer what is there and end; SIGUSR1 reopens the query log.
Exit statuses: 0 done, 1 failed, 2 wrong flags or files, 75 try again.";

/// Answers DNS queries for the zones that it is given; refuses all others, never recurses
#[derive(clap::Args, Clone, Debug)]
#[command(
    long_about = "An authoritative name server: zones from RFC 1035 files and names that policies answer, over UDP and \
                  TCP, IPv4 and IPv6. It refuses \
                  what it is not authoritative for and never asks anybody. Sizes take k, m and g (powers of 1,024); \
                  times take us, ms, s, m and h.",
    after_long_help = EXAMPLES,
    next_help_heading = "Names and addresses"
)]
pub(crate) struct DnsArgs {
    /// Listen here, UDP and TCP; port 0 takes a free one; repeatable; without it where the tree says, else on port 53 of
    /// every address
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<Given<Address>>,
    /// A zone and its file (RFC 1035); FILE alone names the zone too (example.test.zone); repeatable
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(crate) zone: Vec<Given<Zone>>,
    /// The network's tree, longhaul.toml: its zones and the names that its policies answer are served, too
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which node of the tree this machine is
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) node: Option<String>,
    /// Keep the last tree that worked here, and start from it if the tree is broken
    #[arg(long, value_name = "FILE", requires = "config")]
    pub(crate) last_good: Option<PathBuf>,
    /// Who this server is, for NSID and id.server; without it what the tree says, else nothing
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) nsid: String,

    /// Take reports of probes and front-ends here, UDP; repeatable; without it where the tree says, if it has reports.key
    #[arg(long, value_name = "ADDR", requires = "config", help_heading = "Reports")]
    pub(crate) reports: Vec<Given<Address>>,
    /// The secret behind all keys of reports (`longhaul key report`); without it the tree's
    #[arg(long, value_name = "FILE", requires = "config", help_heading = "Reports")]
    pub(crate) reports_key: Option<PathBuf>,
    /// Keep here what was reported, so that it is known after a restart, with its age
    #[arg(long, value_name = "FILE", requires = "config", help_heading = "Reports")]
    pub(crate) reports_state: Option<PathBuf>,

    /// Threads, each with its own sockets on every address; `auto` is one per cpu that this process may use
    #[arg(long, value_name = "COUNT", default_value = "auto", help_heading = "Threads and sockets")]
    pub(crate) threads: Given<Otherwise<Auto, Count<usize>>>,
    /// Datagrams that a thread receives, and answers, with one system call
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(64), help_heading = "Threads and sockets")]
    pub(crate) batch: Given<Count<usize>>,
    /// Socket buffers for datagrams, per thread and address, as far as net.core.rmem_max allows
    #[arg(long, value_name = "SIZE", default_value_t = Given::of(4 << 20), help_heading = "Threads and sockets")]
    pub(crate) udp_buffer: Given<Size<usize>>,
    /// Bytes of an answer over UDP at most, whatever a client announces; longer ones are cut and come over TCP
    #[arg(long, value_name = "BYTES", default_value_t = Given::of(UDP_BYTES_DEFAULT), help_heading = "Threads and sockets")]
    pub(crate) udp_size: Given<Count<u16>>,
    /// TCP connections of a thread at once; above it the one idle longest makes room
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(1_000), help_heading = "Threads and sockets")]
    pub(crate) tcp_max: Given<Count<usize>>,
    /// Of these, from one address
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(100), help_heading = "Threads and sockets")]
    pub(crate) tcp_per_client_max: Given<Count<usize>>,
    /// Close a TCP connection without a whole query for this long
    #[arg(long, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(10)), help_heading = "Threads and sockets")]
    pub(crate) tcp_idle: Given<Span>,

    /// Same answers per second and thread to one client network (/24, /56) over UDP; 0 is no limit
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(200), help_heading = "Against abuse")]
    pub(crate) rate_limit: Given<Count<u32>>,
    /// Of the answers over the limit, every how many-th is sent cut instead of dropped; 0: none
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(2), help_heading = "Against abuse")]
    pub(crate) rate_slip: Given<Count<u32>>,
    /// Networks that are not limited, with commas, or `none`; who has a cookie never is
    #[arg(
        long,
        value_name = "NETWORKS",
        default_value = "127.0.0.0/8,::1/128",
        help_heading = "Against abuse"
    )]
    pub(crate) rate_exempt: Given<Networks>,
    /// DNS cookies (RFC 7873): a file with the secret, `auto` makes one for this run, `off` leaves them alone
    #[arg(long, value_name = "FILE", default_value = "auto", help_heading = "Against abuse")]
    pub(crate) cookies: PathBuf,

    /// Serve a page, /metrics, /status and /healthz here, read-only; meant for loopback or a management network
    #[arg(long, value_name = "ADDR", default_value = "off", help_heading = "Seeing it")]
    pub(crate) admin: Given<Otherwise<Off, Address>>,
    /// Another name that the admin server answers to, beside loopback names and its own address; repeatable
    #[arg(long, value_name = "NAME", help_heading = "Seeing it")]
    pub(crate) admin_host: Vec<String>,
    /// Queries as JSON lines: a file, reopened on SIGUSR1, or `stderr`, or `off`
    #[arg(long, value_name = "FILE", default_value = "off", help_heading = "Seeing it")]
    pub(crate) query_log: PathBuf,
    /// Log one of so many queries of each thread
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(1), help_heading = "Seeing it")]
    pub(crate) query_log_sample: Given<Count<u32>>,
    /// How much the server itself says on standard error: error, warning, notice, info, debug
    #[arg(long, value_name = "LEVEL", default_value_t = Given::of(Level::Info), help_heading = "Seeing it")]
    pub(crate) log_level: Given<Word<Level>>,
    /// Take commands of `longhaul ctl` on this Unix socket, which only the server's user and root may use
    #[arg(long, value_name = "PATH", help_heading = "Changing it")]
    pub(crate) control: Option<PathBuf>,
    /// Keep the orders of `longhaul ctl override` here, so that they outlive this process
    #[arg(long, value_name = "FILE", requires = "control", help_heading = "Changing it")]
    pub(crate) overrides: Option<PathBuf>,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long, help_heading = "Seeing it")]
    pub(crate) print_config: bool,
}

impl DnsArgs {
    /// The same from a list of flags; for the demonstration. The error is clap's sentence.
    pub(crate) fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let command = Self::augment_args(Command::new("dns").no_binary_name(true));
        let matches = command.try_get_matches_from(flags).map_err(|error| error.to_string())?;
        Self::from_arg_matches(&matches).map_err(|error| error.to_string())
    }
}
