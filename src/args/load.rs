//! The flags of `longhaul load`.

use crate::form::address::Address;
use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::otherwise::{Off, Otherwise};
use crate::form::size::Size;
use crate::form::span::Span;
use crate::form::span::SpanOrOff;
use core::time::Duration;

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

Exit statuses: 0 every answer as it should be, 1 failed, 2 wrong flags, 3 some answers were not,
4 not enough descriptors.";

/// Asks for URLs, in a closed loop or at a constant rate, and looks closely at the answers
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// What to ask for, http://HOST[:PORT]/PATH, in turn
    #[arg(value_name = "URL", required = true)]
    pub(crate) url: Vec<String>,
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
    /// Start no request after this long; `off` needs --requests
    #[arg(long, short, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(10)))]
    pub(crate) duration: Given<SpanOrOff>,
    /// Start no more requests than this
    #[arg(long, value_name = "COUNT", default_value = "off")]
    pub(crate) requests: Given<Otherwise<Off, Count<u64>>>,
    /// A new connection for every request
    #[arg(long)]
    pub(crate) no_keep_alive: bool,
    /// Compare every byte of bodies that `longhaul origin` makes
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
    /// Threads; connections, rate and requests are shared out among them
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(1))]
    pub(crate) threads: Given<Count<usize>>,
    /// Seed of the random cuts
    #[arg(long, value_name = "NUMBER", default_value_t = Given::of(1))]
    pub(crate) seed: Given<Count<u64>>,
    /// Count the CPU time of this process, its threads and children; repeatable
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<Given<Count<u32>>>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}
