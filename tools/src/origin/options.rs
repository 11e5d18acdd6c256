//! What an origin can be told, and why it may refuse to start.

use core::net::SocketAddr;
use core::time::Duration;

/// What the listeners speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// HTTP/1.1, behaviour by path (`route`).
    #[default]
    Http,
    /// Plain TCP: every byte comes back; the end of the input ends the output.
    TcpEcho,
}

/// How an origin runs.
#[derive(Clone, Debug)]
pub struct OriginOptions {
    /// Where to listen; port 0 lets the system choose. IPv6 listeners take IPv6 only, so `0.0.0.0:80` and
    /// `[::]:80` may stand side by side.
    pub listen: Vec<SocketAddr>,
    /// What is spoken there.
    pub mode: Mode,
    /// Threads, each with its own listeners (SO_REUSEPORT when more than one).
    pub threads: usize,
    /// Connections per thread; above it nothing is accepted until one ends. Bounds memory: 48 KiB each.
    pub connections_max: usize,
    /// A connection on which nothing moved for this long is closed.
    pub idle: Duration,
}

impl Default for OriginOptions {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            mode: Mode::Http,
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
    /// The event loop's own descriptors failed.
    Poll(std::io::Error),
}

impl core::fmt::Display for OriginError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Nothing => {
                write!(f, "origin: give at least one address, one thread and one connection per thread")
            }
            Self::Listen(address, error) => write!(f, "origin: cannot listen on {address}: {error}"),
            Self::Poll(error) => write!(f, "origin: the event loop failed: {error}"),
        }
    }
}

impl core::error::Error for OriginError {}
