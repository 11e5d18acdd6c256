//! What the load generator can be told, and why it may refuse to start.

use core::net::SocketAddr;
use core::time::Duration;

/// What is asked, how often, and what is looked at in the answers.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What to ask for, `http://host[:port]/path?query`, in turn.
    pub urls: Vec<String>,
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
    /// Seeds the random aborts.
    pub seed: u64,
    /// Count the CPU time of these processes, their threads and their children.
    pub pids: Vec<u32>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            connect: None,
            host: None,
            fields: Vec::new(),
            connections: 64,
            rate_per_second: None,
            duration: None,
            requests: None,
            keep_alive: true,
            verify: false,
            abort_ppm: 0,
            upload_bytes: None,
            upload_chunked: false,
            timeout: Duration::from_secs(10),
            threads: 1,
            seed: 1,
            pids: Vec::new(),
        }
    }
}

/// Why a load could not be started.
#[derive(Debug)]
pub enum LoadError {
    /// An option does not make sense: which, and what would.
    Option(&'static str),
    /// A URL cannot be used: the URL and why.
    Url(String, String),
    /// More connections are asked for than the process may have descriptors.
    Descriptors {
        /// Connections asked for.
        wanted: u64,
        /// Connections for which there is room.
        allowed: u64,
    },
    /// The event loop's own descriptors failed.
    Poll(std::io::Error),
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
            Self::Poll(error) => write!(f, "load: the event loop failed: {error}"),
        }
    }
}

impl core::error::Error for LoadError {}
