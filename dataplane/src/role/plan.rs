//! What a node is to do: the sites, the ways to them, the listeners. Made from flags (or a simulator's scenario),
//! read by every worker, never written: a change is another plan, which workers take over as a whole (`Control`).
//!
//! Exchanges name sites, routes, origins and peers by their numbers, so a number means the same in every plan of a
//! process. What is gone stays in its place as *retired*: nothing new begins with it, what is under way goes on
//! (`succession`).

use core::net::{IpAddr, SocketAddr};

use std::collections::HashSet;
use std::sync::Arc;

use crate::exchange::link::{Kind, Standing, Way};
use crate::role::named::{Entry, Named};
use crate::rules::Rules;
use crate::stdx::network::Network;
use crate::tmp::key::PublicKey;
use crate::tmp::spread::PathUse;

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
    /// Connections carry tunnels of front-ends, and nothing of clients.
    pub carries_tunnels: bool,
}

/// One site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Lower-case name; `*` takes what no other takes.
    pub name: String,
    /// Where its exchanges go.
    pub way: Way,
    /// Where they go instead, the first that is up, while that is not.
    pub others: Vec<Way>,
    /// The site whose own name for one machine this is: the next hop is told that site's name, and whoever asks is served
    /// here.
    pub alias_of: Option<String>,
    /// The plan that no longer had it.
    pub retired: Option<u64>,
}

impl Site {
    /// The name that rules, the tunnel and the next hop know it by.
    pub fn served_name(&self) -> &str {
        self.alias_of.as_deref().unwrap_or(&self.name)
    }
}

impl Entry for Site {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_retired(&self) -> bool {
        self.retired.is_some()
    }
}

impl Entry for Origin {
    fn name(&self) -> &str {
        &self.site
    }

    fn is_retired(&self) -> bool {
        self.retired.is_some()
    }
}

/// One way to a back-end.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// The back-end's key.
    pub public_key: PublicKey,
    /// Where the back-end listens: a path leads to each, `PATHS_MAX` at most with the carriers.
    pub addresses: Vec<SocketAddr>,
    /// Where it takes the same over TCP: further paths.
    pub carriers: Vec<SocketAddr>,
    /// How the paths are used.
    pub chosen: PathUse,
    /// The worker that owns its tunnel.
    pub owner: u8,
    /// The plan that no longer had it: its tunnel closes when its streams are done.
    pub retired: Option<u64>,
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
    /// The plan that no longer had it.
    pub retired: Option<u64>,
}

/// One front-end that may use this back-end.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name in logs: the first characters of its public key.
    pub label: String,
    /// Its key.
    pub public_key: PublicKey,
    /// The sites that it may open; `*` for all.
    pub sites: HashSet<Vec<u8>>,
    /// The plan that no longer had it: it opens nothing, and its tunnels close when their streams are done.
    pub retired: Option<u64>,
}

/// The whole.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// 0 at the start, one more with each plan that follows.
    pub generation: u64,
    /// Numbered by `ListenerId`.
    pub listeners: Vec<Listener>,
    /// Sites that clients may ask for here.
    pub sites: Named<Site>,
    /// Numbered by `Way::Route`.
    pub routes: Vec<Route>,
    /// Origins, numbered by `Way::Origin`.
    pub origins: Named<Origin>,
    /// Numbered as the tunnel endpoint numbers its peers.
    pub peers: Vec<Peer>,
    /// Which class requests and answers get.
    pub rules: Arc<Rules>,
    /// Clients that are proxies of the operator's own: what they say of the way before them is believed.
    pub trusted_proxies: Vec<Network>,
    /// The name in `Via` and in decision records.
    pub pseudonym: String,
}

impl Plan {
    /// Where an exchange of a site goes now: the first of those ways that stand best.
    pub fn way_now(&self, site: u16, standing: impl Fn(Way) -> Standing) -> Option<Way> {
        let Site { way, others, .. } = self.sites.get(usize::from(site))?;
        if others.is_empty() {
            return Some(*way);
        }
        // Of several that are the greatest the last is found.
        core::iter::once(way).chain(others).rev().max_by_key(|way| standing(**way)).copied()
    }

    /// The site that a lower-case host name belongs to.
    pub fn site(&self, host: &[u8]) -> Option<u16> {
        self.sites.find(host).next().or_else(|| self.sites.find(b"*").next())
    }

    /// Whether what this address says of the way before it is believed.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// The origin that serves a site's streams of one kind, for a peer of the tunnel.
    pub fn origin(&self, site: &[u8], kind: Kind) -> Option<u16> {
        let of = |site: &[u8]| {
            self.origins.find(site).find(|number| self.origins[usize::from(*number)].kind == kind)
        };
        of(site).or_else(|| of(b"*"))
    }

    /// Whether a peer may open a site.
    pub fn is_allowed(&self, peer: usize, site: &[u8]) -> bool {
        self.peers
            .get(peer)
            .filter(|peer| peer.retired.is_none())
            .is_some_and(|peer| peer.sites.contains(site) || peer.sites.contains(&b"*"[..]))
    }

    /// The worker that owns a route's tunnel.
    pub fn owner(&self, route: u16) -> Option<u8> {
        self.routes.get(usize::from(route)).map(|route| route.owner)
    }

    /// Whether a way is retired.
    pub fn is_retired(&self, way: Way) -> bool {
        let retired = match way {
            Way::Route(route) => self.routes.get(usize::from(route)).and_then(|route| route.retired),
            Way::Origin(origin) => self.origins.get(usize::from(origin)).and_then(|origin| origin.retired),
        };
        retired.is_some()
    }
}
