//! What the load generator can be told, and why it may refuse to start.

use crate::drive::IoChoice;
use crate::load::class::ClassSpec;
use crate::load::schedule::Arrivals;
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::feature::Reason;
use dataplane::stdx::network::Network;
use std::path::PathBuf;

/// What is asked, how often, and what is looked at in the answers.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What to ask for, in turn: `http://host[:port]/path?query`, `tcp://host:port/echo/SIZE` or `…/bulk/SIZE`,
    /// `dns://server[:port]/name/type`. With `mix` the first of them is where the mix's paths are asked for.
    pub urls: Vec<String>,
    /// Classes of requests instead of the URLs, each with its own results (`read_mix`).
    pub mix: Option<Vec<ClassSpec>>,
    /// Connect here instead of where the URLs point.
    pub connect: Option<SocketAddr>,
    /// The Host field instead of the URL's authority.
    pub host: Option<String>,
    /// Fields added to every request.
    pub fields: Vec<(String, String)>,
    /// Connections in all; with a rate, how many may be open at once.
    pub connections: usize,
    /// `None`: a closed loop, each connection asks again as soon as it is answered. `Some`: this many requests
    /// start each second whatever the answers do, and latency counts from when a request should have started.
    pub rate_per_second: Option<f64>,
    /// How the starts of the open loop lie in time.
    pub arrivals: Arrivals,
    /// Requests on a connection that may wait for their answers at once.
    pub pipeline: usize,
    /// Start no request after this long.
    pub duration: Option<Duration>,
    /// Start no more requests than this. At least one of the two bounds must be given.
    pub requests: Option<u64>,
    /// Ask again on the same connection; else each request has its own and says `Connection: close`.
    pub keep_alive: bool,
    /// Check every byte and the length of each body whose content follows from its path.
    pub verify: bool,
    /// This many requests in a million are cut off by a reset at a random place in their body.
    pub abort_ppm: u32,
    /// Send a body of this many seeded bytes (POST). An answer of `/hash` is checked when verifying.
    pub upload_bytes: Option<u64>,
    /// Send that body chunked instead of with Content-Length.
    pub upload_chunked: bool,
    /// A request that is not answered whole after this long is given up.
    pub timeout: Duration,
    /// Threads; connections, rate and request count are shared out.
    pub threads: usize,
    /// The CPUs that the threads are pinned to, one each; none: wherever the kernel likes.
    pub cpus: Vec<usize>,
    /// Which driver moves the bytes.
    pub io: IoChoice,
    /// Seeds all that is random: aborts, arrivals, objects, sizes.
    pub seed: u64,
    /// What `dns://` asks for.
    pub dns: DnsOptions,
    /// Connect once to every address before the run, and refuse to start if nobody is there.
    pub look_first: bool,
    /// Tell each second on standard error how it goes.
    pub progress: bool,
    /// Write the latencies of each second there, as an HdrHistogram interval log.
    pub hdr: Option<PathBuf>,
    /// Draw latency by percentile and over time there, as SVG.
    pub plot: Option<PathBuf>,
    /// Count the CPU time of these processes, their threads and their children.
    pub pids: Vec<u32>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            mix: None,
            connect: None,
            host: None,
            fields: Vec::new(),
            connections: 64,
            rate_per_second: None,
            arrivals: Arrivals::Constant,
            pipeline: 1,
            duration: None,
            requests: None,
            keep_alive: true,
            verify: false,
            abort_ppm: 0,
            upload_bytes: None,
            upload_chunked: false,
            timeout: Duration::from_secs(10),
            threads: 1,
            cpus: Vec::new(),
            io: IoChoice::Auto,
            seed: 1,
            dns: DnsOptions::default(),
            look_first: false,
            progress: false,
            hdr: None,
            plot: None,
            pids: Vec::new(),
        }
    }
}

/// What `dns://` asks for, beside what its path says.
#[derive(Clone, Debug, Default)]
pub struct DnsOptions {
    /// A name and a type on each line; asked in turn where a URL names nothing.
    pub names: Option<PathBuf>,
    /// The client's subnet. A shorter one than resolvers tell (24 bits, 56 of IPv6) stands for random ones within it.
    pub client_subnet: Option<Network>,
}

/// Why a load could not be started.
#[derive(Debug)]
pub enum LoadError {
    /// An option does not make sense: which, and what would.
    Option(String),
    /// A URL cannot be used: the URL and why.
    Url(String, String),
    /// More connections are asked for than the process may have descriptors.
    Descriptors {
        /// Connections asked for.
        wanted: u64,
        /// Connections for which there is room.
        allowed: u64,
    },
    /// Nobody is at an address: what was tried and what became of it.
    Nobody(String, String),
    /// A file cannot be read or written.
    File(PathBuf, std::io::Error),
    /// A file has a mistake: file, line and column if known, and what is wrong.
    Mistake(String),
    /// io_uring was insisted on and does not work here.
    Uring(Reason),
    /// The driver failed.
    Driver(std::io::Error),
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Option(what) => write!(f, "load: {what}"),
            Self::Url(url, why) => write!(f, "load: cannot use {url:?}: {why}"),
            Self::Descriptors { wanted, allowed } => write!(
                f,
                "load: {wanted} connections need more descriptors than the {allowed} this process may open; \
                 raise the hard limit (ulimit -Hn, LimitNOFILE=) or ask for fewer"
            ),
            Self::Nobody(whom, why) => write!(f, "load: {whom} cannot be reached: {why}"),
            Self::File(path, error) => write!(f, "load: {}: {error}", path.display()),
            Self::Mistake(what) => write!(f, "load: {what}"),
            Self::Uring(reason) => write!(f, "load: --io uring: {reason}"),
            Self::Driver(error) => write!(f, "load: the driver failed: {error}"),
        }
    }
}

impl core::error::Error for LoadError {}
