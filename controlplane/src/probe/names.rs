//! Addresses of targets' names, kept for as long as their name servers say. The questions themselves are asked by the
//! probe that needs the answer: their time is its first phase.

use crate::probe::limits::{NAME_TTL_S_MAX, NAME_TTL_S_MIN};
use crate::resolve::files::{hosts_addresses, name_servers};
use core::net::{IpAddr, SocketAddr};
use dataplane::time::{Duration, Instant};
use std::collections::HashMap;
use std::path::PathBuf;

/// Life of what the hosts file says, in seconds: how soon an edit of it counts.
const HOSTS_TTL_S: u32 = 30;

/// The names.
#[derive(Debug)]
pub struct Names {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    servers: Option<Vec<SocketAddr>>,
    known: HashMap<String, (IpAddr, Instant)>,
}

impl Names {
    /// None known yet; with `servers` in place of those of resolv.conf(5).
    pub fn new(servers: Option<Vec<SocketAddr>>) -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            servers,
            known: HashMap::new(),
        }
    }

    /// The address of a host, if it is known without asking anybody.
    pub fn known(&mut self, host: &str, now: Instant) -> Option<IpAddr> {
        if let Ok(address) = host.parse() {
            return Some(address);
        }
        if let Some((address, until)) = self.known.get(host)
            && now < *until
        {
            return Some(*address);
        }
        let address = hosts_addresses(&self.hosts, host).first().copied()?;
        self.learn(host, address, HOSTS_TTL_S, now);
        Some(address)
    }

    /// Keeps what was answered.
    pub fn learn(&mut self, host: &str, address: IpAddr, ttl_s: u32, now: Instant) {
        let ttl_s = ttl_s.clamp(NAME_TTL_S_MIN, NAME_TTL_S_MAX);
        self.known.insert(host.to_owned(), (address, now + Duration::from_secs(ttl_s.into())));
    }

    /// Whom to ask.
    pub fn servers(&self) -> Vec<SocketAddr> {
        self.servers.clone().unwrap_or_else(|| name_servers(&self.resolv_conf))
    }
}
