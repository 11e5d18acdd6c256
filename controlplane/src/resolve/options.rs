//! How names are resolved: where to look and how long to wait. Every number has its reason here.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Options of a resolver; start from the default.
#[derive(Clone, Debug)]
pub struct ResolveOptions {
    /// Names with fixed addresses, hosts(5). Read at every refresh, so that a change needs no restart.
    pub hosts_path: PathBuf,
    /// Where the name servers are named, resolv.conf(5). Read at every refresh.
    pub resolv_conf_path: PathBuf,
    /// Name servers to ask instead of those in `resolv_conf_path`, over UDP and TCP alike.
    pub servers: Option<Vec<SocketAddr>>,
    /// Wait for one server in one try, in ms. Recursive servers give up after about this themselves; the resolver
    /// of the C library waits 5 s, which is long for an origin that is down without it.
    pub try_wait_ms: u32,
    /// Rounds over all servers before a refresh has failed.
    pub tries: u32,
    /// Shortest life of an answer, in ms: a TTL of 0 must not become a storm of questions.
    pub ttl_ms_min: u32,
    /// Longest life of an answer, in ms: somebody who moved a server with a TTL of days will want it sooner.
    pub ttl_ms_max: u32,
    /// First pause after a failed refresh, in ms; it doubles with each further failure.
    pub retry_ms_min: u32,
    /// Longest such pause, in ms.
    pub retry_ms_max: u32,
}

impl Default for ResolveOptions {
    fn default() -> Self {
        Self {
            hosts_path: "/etc/hosts".into(),
            resolv_conf_path: "/etc/resolv.conf".into(),
            servers: None,
            try_wait_ms: 2_000,
            tries: 2,
            ttl_ms_min: 1_000,
            ttl_ms_max: 3_600_000,
            retry_ms_min: 1_000,
            retry_ms_max: 30_000,
        }
    }
}
