//! The flags of `longhaul origin`.

use crate::form::address::Address;
use crate::form::count::Count;
use crate::form::cpus::CpuList;
use crate::form::given::Given;
use crate::form::otherwise::{Auto, Off, Otherwise};
use crate::form::span::Span;
use crate::form::word::Word;
use core::time::Duration;
use tools::drive::IoChoice;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Paths (N takes k, m and g; SPREAD is milliseconds: 20, uniform:10-50, exp:20, normal:20,5, pareto:5,1.5):
  /bytes/N /b128 /b16k /b1m    with Content-Length       /slow/N?ms=M&piece=P   P bytes every M ms
  /chunked/N                   chunked                   /delay/SPREAD/N        silence, then N bytes
  /close/N                     until the connection ends /status/CODE           that status
  /reset/N /early-close/N      broken off after N bytes  /headers/N             N filler fields
  /echo /hash                  what was sent, told back  /sse?n=N&ms=M          server-sent events
  /trailers                    chunked with a trailer    /ws                    WebSocket echo
  /load                        how busy it is, JSON      /load?busy=on|off&index=0.7|auto   says so

Any path takes, in its query: delay=SPREAD cc=CACHE-CONTROL etag=TAG lm=UNIX-SECONDS to=LOCATION.
/bytes, /slow and /delay serve ranges, also several; conditions are honoured. docs/origin.md tells more.

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
    /// Drop what comes over plain TCP instead of speaking HTTP
    #[arg(long, conflicts_with = "tcp_echo")]
    pub(crate) tcp_discard: bool,
    /// Silence before every answer, milliseconds or a distribution of them
    #[arg(long, value_name = "SPREAD")]
    pub(crate) delay: Option<String>,
    /// Cache-Control of every answer
    #[arg(long, value_name = "VALUE")]
    pub(crate) cache_control: Option<String>,
    /// Give every answer an ETag made from its path
    #[arg(long)]
    pub(crate) etag: bool,
    /// Last-Modified of every answer, seconds since 1970
    #[arg(long, value_name = "SECONDS", default_value = "off")]
    pub(crate) last_modified: Given<Otherwise<Off, Count<u32>>>,
    /// Tell in every answer how busy it is (load-index: 0 to 1): `off`, `auto`, or a number
    #[arg(long, value_name = "INDEX", default_value = "off")]
    pub(crate) load_index: String,
    /// Answer 503 to requests beyond this many under way
    #[arg(long, value_name = "COUNT", default_value = "off")]
    pub(crate) in_flight_max: Given<Otherwise<Off, Count<u32>>>,
    /// Retry-After of those, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Given::of(1))]
    pub(crate) retry_after: Given<Count<u32>>,
    /// Answer 503 to everything until /load?busy=off
    #[arg(long)]
    pub(crate) busy: bool,
    /// Threads, each with its own listeners; `auto` is one for each of --cpus
    #[arg(long, value_name = "COUNT", default_value = "auto")]
    pub(crate) threads: Given<Otherwise<Auto, Count<usize>>>,
    /// Cpus that the threads are pinned to, one each
    #[arg(long, value_name = "LIST", default_value = "off")]
    pub(crate) cpus: Given<Otherwise<Off, CpuList>>,
    /// Driver: `uring`, `epoll`, or `auto`, which takes io_uring where it works
    #[arg(long, value_name = "DRIVER", default_value_t = Given::of(IoChoice::Auto))]
    pub(crate) io: Given<Word<IoChoice>>,
    /// Seed of the delays
    #[arg(long, value_name = "NUMBER", default_value_t = Given::of(1))]
    pub(crate) seed: Given<Count<u64>>,
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
