//! The flags of `longhaul origin`.

use crate::form::address::Address;
use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::span::Span;
use core::time::Duration;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Paths (N takes k, m and g):
  /bytes/N /b128 /b16k /b1m    with Content-Length       /slow/N?ms=M&piece=P   P bytes every M ms
  /chunked/N                   chunked                   /delay/MS/N            silence, then N bytes
  /close/N                     until the connection ends /status/CODE           that status
  /reset/N /early-close/N      broken off after N bytes  /headers/N             N filler fields
  /echo /hash                  what was sent, told back  /sse?n=N&ms=M          server-sent events
  /trailers                    chunked with a trailer    /ws                    WebSocket echo

Examples:
  longhaul origin --listen 127.0.0.1:9000
  longhaul origin --listen 127.0.0.1:2500 --tcp-echo";

/// Serves seeded bytes, behaving as the path says: an origin for tests and benchmarks
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, next_help_heading = "Origin")]
pub(crate) struct OriginArgs {
    /// Listen here; port 0 takes a free one and says which; repeatable
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    pub(crate) listen: Vec<Given<Address>>,
    /// Echo plain TCP instead of speaking HTTP
    #[arg(long)]
    pub(crate) tcp_echo: bool,
    /// Threads, each with its own listeners
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(1))]
    pub(crate) threads: Given<Count<usize>>,
    /// Connections per thread
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(19_000))]
    pub(crate) connections_max: Given<Count<usize>>,
    /// Close a connection on which nothing moved for this long
    #[arg(long, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(75)))]
    pub(crate) idle_timeout: Given<Span>,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}
