//! What an answer foretells: how far the client is from where it is sent. Whoever grades holds it against what is measured
//! then. Only what was known is foretold: the rule's stand-in for a latency that nobody knows is no forecast.

use crate::dns::policy::decide::Decision;
use crate::dns::policy::figures::Basis;
use crate::dns::policy::steering::Steering;
use core::net::IpAddr;
use dataplane::stdx::network::Network;

/// A forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Whose way: a /24 or a /56, as front-ends report them.
    pub network: Network,
    /// Where it was sent, by the hash of the server's name: numbers change with the tree.
    pub server: u64,
    /// How far that is, µs.
    pub rtt_us: u32,
    /// What this rests on.
    pub basis: Basis,
    /// When, Unix µs.
    pub at_us: u64,
}

/// Bits of a network that front-ends report, IPv4 and IPv6.
const BITS: (u8, u8) = (24, 56);

impl Forecast {
    /// What a decision foretells of the first server of its answer.
    pub fn of(decision: &Decision, steering: &Steering, at_us: u64) -> Option<Self> {
        let (server, score) = decision.first()?;
        let network = decision.network?;
        let score = score?;
        let bits = match network.base() {
            IpAddr::V4(_) => BITS.0,
            IpAddr::V6(_) => BITS.1,
        };
        if network.bits() != bits {
            return None;
        }
        let (server, rtt_us) = (steering.server_hash(server), (score.latency_ms * 1e3) as u32);
        Some(Self { network, server, rtt_us, basis: score.basis?, at_us })
    }

    /// A number of the network and the server: forecasts of one way have the same.
    pub fn way(&self) -> u64 {
        let network = match self.network.base() {
            IpAddr::V4(base) => u64::from(base.to_bits()),
            IpAddr::V6(base) => (base.to_bits() >> 64) as u64,
        };
        crate::dns::policy::rendezvous::mixed(self.server, network)
    }
}
