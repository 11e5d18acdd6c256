//! Who may say what: the nodes with their keys, the targets with those who look at them. Made from the tree, replaced whole.

use crate::probe::manners::Manners;
use crate::report::key::ReportKey;
use crate::report::poll::Rules;
use core::net::SocketAddr;

/// A node.
#[derive(Clone, Debug)]
pub struct ExpectedNode {
    /// Its name.
    pub name: String,
    /// Its key; without one nothing that comes in its name is believed.
    pub key: Option<ReportKey>,
    /// Whether it may speak of tunnels and clients.
    pub is_front: bool,
    /// Its own place among the servers.
    pub server: Option<usize>,
    /// Where its prober takes requests to probe resolvers, if it does; then it may speak of these.
    pub asked_at: Option<SocketAddr>,
}

/// A target.
#[derive(Clone, Debug)]
pub struct ExpectedTarget {
    /// Its name.
    pub name: String,
    /// Whose state it shows, by its place among the servers.
    pub server: Option<usize>,
    /// Who looks at it, by their places among the nodes.
    pub lookers: Vec<usize>,
    /// How many of them decide, and how long their word counts.
    pub rules: Rules,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The nodes.
    pub nodes: Vec<ExpectedNode>,
    /// The targets.
    pub targets: Vec<ExpectedTarget>,
    /// The servers' names, in the order of the name server's table.
    pub servers: Vec<String>,
    /// How resolvers are probed.
    pub manners: Manners,
}
