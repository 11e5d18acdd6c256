//! What a node is to do: the sites, the ways to them, the listeners. Made from flags (or a simulator's scenario),
//! read by every worker, never written.

use core::net::{IpAddr, SocketAddr};

use std::sync::Arc;

use crate::exchange::link::{Kind, Way};
use crate::rules::Rules;
use crate::stdx::network::Network;

/// How PROXY protocol headers (HAProxy's specification, versions 1 and 2) are written to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// One listening address.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whether every connection starts with a PROXY protocol header.
    pub proxy: bool,
    /// Index into `Plan::sites` of the site that every connection belongs to (plain TCP); `None`: HTTP.
    pub tcp_site: Option<u16>,
}

/// One site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Lower-case name; `*` takes what no other takes.
    pub name: String,
    /// Where its exchanges go; `None` where this end only serves it to a tunnel's peer.
    pub way: Way,
}

/// One origin.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The site that it serves.
    pub site: String,
    /// HTTP or plain TCP.
    pub kind: Kind,
    /// As the operator wrote it, for logs.
    pub label: String,
    /// Whether each connection starts with a PROXY protocol header.
    pub proxy: Option<ProxyVersion>,
}

/// One front-end that may use this back-end.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name in logs: the first characters of its public key.
    pub label: String,
    /// The sites that it may open; `*` for all.
    pub sites: Vec<String>,
}

/// The whole.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Numbered by `ListenerId`.
    pub listeners: Vec<Listener>,
    /// Sites that clients may ask for here.
    pub sites: Vec<Site>,
    /// Names of the routes, numbered by `Way::Route`.
    pub routes: Vec<String>,
    /// Which worker owns each route's tunnel.
    pub route_owners: Vec<u8>,
    /// Origins, numbered by `Way::Origin`.
    pub origins: Vec<Origin>,
    /// Numbered as the tunnel endpoint numbers its peers.
    pub peers: Vec<Peer>,
    /// The rules that hold at the start; `Control` may publish others.
    pub rules: Arc<Rules>,
    /// Clients that are proxies of the operator's own: what they say of the way before them is believed.
    pub trusted_proxies: Vec<Network>,
    /// The name in `Via` and in decision records.
    pub pseudonym: String,
}

impl Plan {
    /// The site that a lower-case host name belongs to.
    pub fn site(&self, host: &[u8]) -> Option<u16> {
        let named = self.sites.iter().position(|site| site.name.as_bytes() == host);
        named.or_else(|| self.sites.iter().position(|site| site.name == "*")).map(|index| index as u16)
    }

    /// Whether what this address says of the way before it is believed.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// The origin that serves a site's streams of one kind, for a peer of the tunnel.
    pub fn origin(&self, site: &[u8], kind: Kind) -> Option<u16> {
        let fits = |name: &str| name.as_bytes() == site || name == "*";
        let exact = self.origins.iter().position(|o| o.kind == kind && o.site.as_bytes() == site);
        exact
            .or_else(|| self.origins.iter().position(|o| o.kind == kind && fits(&o.site)))
            .map(|index| index as u16)
    }

    /// Whether a peer may open a site.
    pub fn is_allowed(&self, peer: usize, site: &[u8]) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|peer| peer.sites.iter().any(|name| name == "*" || name.as_bytes() == site))
    }
}
