//! The flags of `longhaul load`.

use crate::form::address::Address;
use crate::form::count::Count;
use crate::form::cpus::CpuList;
use crate::form::given::Given;
use crate::form::network::Network;
use crate::form::otherwise::{Auto, Off, Otherwise};
use crate::form::size::Size;
use crate::form::span::Span;
use crate::form::span::SpanOrOff;
use crate::form::word::Word;
use core::time::Duration;
use std::path::PathBuf;
use tools::drive::IoChoice;
use tools::load::Arrivals;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  64 connections for 10 s, each asking again as soon as it is answered:
    longhaul load http://127.0.0.1:8080/b128
  4,000 requests a second whatever the answers do, latency from the intended start:
    longhaul load --rate 4000 --duration 30s http://127.0.0.1:8080/b16k
  Every byte compared, through a front-end that serves shop.example:
    longhaul load --verify --requests 1000 --connect 127.0.0.1:8080 http://shop.example/bytes/1m
  JSON, with the CPU time of process 4242:
    longhaul load --json --pid 4242 http://127.0.0.1:8080/b128
  Users who come by chance, 500 a second, and a picture of their latencies:
    longhaul load --rate 500 --arrivals poisson --plot out.svg http://127.0.0.1:8080/b16k
  Several classes with results of their own (docs/load.md has the file's words):
    longhaul load --mix mix.toml http://127.0.0.1:8080
  Plain TCP: 128 bytes there and back; 64 MiB there and whatever comes back:
    longhaul load tcp://127.0.0.1:2500/echo/128
    longhaul load --connections 1 --requests 1 tcp://127.0.0.1:2500/bulk/64m
  DNS: one name, or those of a file, as clients of random networks:
    longhaul load dns://127.0.0.1:5353/www.example.org/AAAA
    longhaul load --names names.txt --client-subnet 10.0.0.0/8 dns://127.0.0.1:5353

Ctrl-C ends the run and prints what was measured so far.

Exit statuses: 0 every answer as it should be, 1 failed, 2 wrong flags or nobody there, 3 some answers were
not, 4 this machine is not able.";

/// Asks for URLs, in a closed loop or at a rate, and looks closely at the answers
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// What to ask for, in turn: http://HOST[:PORT]/PATH, tcp://HOST:PORT/echo/SIZE or .../bulk/SIZE,
    /// dns://SERVER[:PORT][/NAME[/TYPE]]; with --mix where its paths are asked for
    #[arg(value_name = "URL", required_unless_present = "mix")]
    pub(crate) url: Vec<String>,
    /// Classes of requests in TOML: weights, paths, methods, headers, body sizes, think times, popularity
    #[arg(long, value_name = "FILE")]
    pub(crate) mix: Option<PathBuf>,
    /// Connect here instead of where the URLs point
    #[arg(long, value_name = "ADDR", default_value = "off")]
    pub(crate) connect: Given<Otherwise<Off, Address>>,
    /// The Host field instead of the URL's
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// A field added to every request; repeatable
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Connections in all; with --rate, how many may be open at once
    #[arg(long, short, value_name = "COUNT", default_value_t = Given::of(64))]
    pub(crate) connections: Given<Count<usize>>,
    /// Requests started each second whatever the answers do; without it a closed loop
    #[arg(long, value_name = "PER_SECOND", default_value = "off")]
    pub(crate) rate: Given<Otherwise<Off, Count<u32>>>,
    /// How the starts of --rate lie: `constant`, or `poisson`, each independent of all others
    #[arg(long, value_name = "KIND", default_value_t = Given::of(Arrivals::Constant))]
    pub(crate) arrivals: Given<Word<Arrivals>>,
    /// Requests that may wait for their answers on one connection
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(1))]
    pub(crate) pipeline: Given<Count<usize>>,
    /// Start no request after this long; `off` needs --requests
    #[arg(long, short, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(10)))]
    pub(crate) duration: Given<SpanOrOff>,
    /// Start no more requests than this
    #[arg(long, value_name = "COUNT", default_value = "off")]
    pub(crate) requests: Given<Otherwise<Off, Count<u64>>>,
    /// A new connection for every request
    #[arg(long)]
    pub(crate) no_keep_alive: bool,
    /// Compare every byte of bodies that `longhaul origin` makes, whole or in ranges
    #[arg(long)]
    pub(crate) verify: bool,
    /// Of a million requests, how many are cut off at a random place in their body
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(0))]
    pub(crate) abort_ppm: Given<Count<u32>>,
    /// Send a body of this many bytes (POST)
    #[arg(long, value_name = "SIZE", default_value = "off")]
    pub(crate) upload: Given<Otherwise<Off, Size<u64>>>,
    /// Send that body chunked
    #[arg(long)]
    pub(crate) upload_chunked: bool,
    /// Give a request up that is not answered whole after this long
    #[arg(long, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(10)))]
    pub(crate) timeout: Given<Span>,
    /// Names for dns://, a name and a type on each line as dnsperf takes them, asked in turn
    #[arg(long, value_name = "FILE")]
    pub(crate) names: Option<PathBuf>,
    /// The client's subnet that DNS questions tell (RFC 7871); of a network wider than /24 (IPv6: /56)
    /// random ones within it
    #[arg(long, value_name = "NETWORK", default_value = "off")]
    pub(crate) client_subnet: Given<Otherwise<Off, Network>>,
    /// Threads; connections, rate and requests are shared out among them; `auto` is one for each of --cpus
    #[arg(long, value_name = "COUNT", default_value = "auto")]
    pub(crate) threads: Given<Otherwise<Auto, Count<usize>>>,
    /// Cpus that the threads are pinned to, one each
    #[arg(long, value_name = "LIST", default_value = "off")]
    pub(crate) cpus: Given<Otherwise<Off, CpuList>>,
    /// Driver: `uring`, `epoll`, or `auto`, which takes io_uring where it works
    #[arg(long, value_name = "DRIVER", default_value_t = Given::of(IoChoice::Auto))]
    pub(crate) io: Given<Word<IoChoice>>,
    /// Seed of all that is random
    #[arg(long, value_name = "NUMBER", default_value_t = Given::of(1))]
    pub(crate) seed: Given<Count<u64>>,
    /// Count the CPU time of this process, its threads and children; repeatable
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<Given<Count<u32>>>,
    /// Write the latencies of each second there, as an HdrHistogram interval log
    #[arg(long, value_name = "FILE")]
    pub(crate) hdr: Option<PathBuf>,
    /// Draw latency by percentile and over time there, as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}
