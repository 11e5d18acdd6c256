//! What an answer tells of the way to its client: how far it is from where it is sent, which whoever grades holds against what is
//! measured then; or that nobody knows. The rule's stand-in for a latency that nobody knows is no forecast.

use crate::dns::policy::decide::Decision;
use crate::dns::policy::figures::Basis;
use crate::dns::policy::rendezvous::mixed;
use crate::dns::policy::steering::Steering;
use core::net::IpAddr;
use dataplane::stdx::network::Network;

/// Bits of a network that front-ends report, IPv4 and IPv6.
const BITS: (u8, u8) = (24, 56);

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

/// What an answer tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told {
    /// How far its client is.
    Forecast(Forecast),
    /// A resolver asked for itself, and nobody knows how far it is, or knew it long ago.
    Unknown(IpAddr),
}

impl Told {
    /// What a decision tells that was made for `from`; `refresh_s`: where resolvers are probed, the age at which what is known of one
    /// is measured again.
    pub fn of(
        decision: &Decision,
        steering: &Steering,
        from: IpAddr,
        refresh_s: Option<u64>,
        at_us: u64,
    ) -> Option<Self> {
        let (server, score) = decision.first()?;
        let (client, score) = (decision.client?, score?);
        // A subnet that a resolver tells of is its clients': they asked nobody for a packet.
        let is_resolver = client.address == from && client.bits == if from.is_ipv4() { 32 } else { 128 };
        let is_old = |refresh_s| match score.basis {
            None => true,
            Some(basis) => {
                basis == Basis::Resolver && score.latency_age_s.is_some_and(|age_s| age_s >= refresh_s)
            }
        };
        if is_resolver && refresh_s.is_some_and(is_old) {
            return Some(Self::Unknown(from));
        }
        let network = client.network();
        let bits = if network.base().is_ipv4() { BITS.0 } else { BITS.1 };
        if network.bits() != bits {
            return None;
        }
        let (server, rtt_us) = (steering.server_hash(server), (score.latency_ms * 1e3) as u32);
        Some(Self::Forecast(Forecast { network, server, rtt_us, basis: score.basis?, at_us }))
    }

    /// A number of what it tells of: the same for the same way.
    pub fn way(&self) -> u64 {
        let bits = |address| match address {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        };
        match self {
            Self::Forecast(forecast) => mixed(forecast.server, bits(forecast.network.base())),
            Self::Unknown(resolver) => mixed(0, bits(*resolver)),
        }
    }
}
