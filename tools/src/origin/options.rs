//! What an origin can be told, and why it may refuse to start.

use crate::drive::IoChoice;
use crate::spread::Spread;
use core::net::SocketAddr;
use core::time::Duration;
use dataplane::reactor::feature::Reason;

/// What the listeners speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// HTTP/1.1, behaviour by path (`route`).
    #[default]
    Http,
    /// Plain TCP: every byte comes back; the end of the input ends the output.
    TcpEcho,
    /// Plain TCP: every byte is dropped; the end of the input ends the output (RFC 863).
    TcpDiscard,
}

/// How answers say how busy the origin is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LoadIndex {
    /// Not at all.
    #[default]
    Off,
    /// The share of `in_flight_max` that is under way.
    Auto,
    /// Always this, 0 to 1.
    Fixed(f64),
}

/// What all answers have in common, unless the path says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Cache-Control.
    pub cache_control: Option<String>,
    /// An ETag made from the path.
    pub etag: bool,
    /// Last-Modified, seconds since 1970.
    pub last_modified: Option<i64>,
    /// Silence before every answer, ms.
    pub delay_ms: Option<Spread>,
    /// The `load-index` field of every answer.
    pub load_index: LoadIndex,
    /// Requests under way above which the others are answered 503; 0: no bound.
    pub in_flight_max: u32,
    /// Retry-After of those, s.
    pub retry_after_s: u32,
    /// Every request is answered 503 until `/load?busy=off`.
    pub busy: bool,
}

impl Habits {
    /// Whether answers have no fields of their own.
    pub(crate) fn are_plain(&self) -> bool {
        self.cache_control.is_none() && !self.etag && self.last_modified.is_none()
    }
}

/// How an origin runs.
#[derive(Clone, Debug)]
pub struct OriginOptions {
    /// Where to listen; port 0 lets the system choose. IPv6 listeners take IPv6 only, so `0.0.0.0:80` and
    /// `[::]:80` may stand side by side.
    pub listen: Vec<SocketAddr>,
    /// What is spoken there.
    pub mode: Mode,
    /// What all answers have in common.
    pub habits: Habits,
    /// Which driver moves the bytes.
    pub io: IoChoice,
    /// The CPUs that the threads are pinned to, one each; none: wherever the kernel likes.
    pub cpus: Vec<usize>,
    /// Seeds the delays.
    pub seed: u64,
    /// Threads, each with its own listeners (SO_REUSEPORT when more than one).
    pub threads: usize,
    /// Connections per thread; above it nothing is accepted until one ends. Bounds memory: 32 KiB each.
    pub connections_max: usize,
    /// A connection on which nothing moved for this long is closed.
    pub idle: Duration,
}

impl Default for OriginOptions {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            mode: Mode::Http,
            habits: Habits::default(),
            io: IoChoice::Auto,
            cpus: Vec::new(),
            seed: 1,
            threads: 1,
            connections_max: 19_000,
            idle: Duration::from_secs(75),
        }
    }
}

/// Why an origin could not start or go on.
#[derive(Debug)]
pub enum OriginError {
    /// No address to listen on, no thread, or no connection allowed.
    Nothing,
    /// The address could not be listened on.
    Listen(SocketAddr, std::io::Error),
    /// io_uring was insisted on and does not work here.
    Uring(Reason),
    /// The driver failed.
    Driver(std::io::Error),
}

impl core::fmt::Display for OriginError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Nothing => {
                write!(f, "origin: give at least one address, one thread and one connection per thread")
            }
            Self::Listen(address, error) => write!(f, "origin: cannot listen on {address}: {error}"),
            Self::Uring(reason) => write!(f, "origin: --io uring: {reason}"),
            Self::Driver(error) => write!(f, "origin: the driver failed: {error}"),
        }
    }
}

impl core::error::Error for OriginError {}
