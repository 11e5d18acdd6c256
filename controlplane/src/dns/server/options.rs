//! What the threads of the name server are told.

use crate::dns::engine::Settings;
use core::net::SocketAddr;
use core::time::Duration;

/// Everything.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen, UDP and TCP on the same port; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Threads, each with its own sockets on every address.
    pub threads: usize,
    /// Datagrams received, and answers sent, with one system call.
    pub batch: usize,
    /// Socket buffers for datagrams, bytes.
    pub udp_buffer_bytes: usize,
    /// What all threads do alike.
    pub settings: Settings,
    /// TCP.
    pub tcp: TcpOptions,
    /// One of so many requests is logged; 0: none.
    pub log_sample: u32,
}

/// The bounds of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Connections of one thread at once.
    pub connections_max: usize,
    /// Of these, from one address.
    pub connections_per_client_max: usize,
    /// A connection without a whole request for this long is closed.
    pub idle: Duration,
    /// Bytes of answers that wait for a client before its next request is read.
    pub output_bytes_max: usize,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            connections_per_client_max: 100,
            // RFC 7766 §6.2.3: "of the order of seconds"; knot and nsd wait 10 and 120.
            idle: Duration::from_secs(10),
            // One answer of the largest kind; a client that does not read holds this much and no more.
            output_bytes_max: 65_537,
        }
    }
}
