//! A few networks: who is meant by a list of them.

use core::net::IpAddr;

use dataplane::stdx::network::Network;

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnets(pub Vec<Network>);

impl Subnets {
    /// Whether one of them has `address`.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}
