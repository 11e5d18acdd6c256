//! How resolvers of users are probed, so that nobody is bothered: only if the operator wants it, seldom, few at once, and never
//! who asked to be left alone. Name servers and probers hold to the same, each by itself: one that is broken into moves nobody.

use core::net::IpAddr;
use dataplane::stdx::network::Network;
use dataplane::time::Duration;

/// Bits of an address that are probed as one, IPv4 and IPv6: what one network usually has.
const BITS: (u8, u8) = (24, 56);

/// The manners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Whether anybody is probed at all.
    pub is_on: bool,
    /// Packets that one prober sends in a second at most, and addresses that one name server asks for.
    pub per_second: u32,
    /// How long a prober leaves a network alone after it was probed.
    pub every: Duration,
    /// Who is never probed.
    pub opt_out: Vec<Network>,
    /// Whether addresses that are nobody's on the Internet are probed: private ones, loopback.
    pub is_private_probed: bool,
    /// The name whose name servers a resolver is asked for.
    pub question: String,
}

/// Why an address is not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PassedOver {
    /// Nobody is probed.
    Off,
    /// Its network is on the list.
    OptedOut,
    /// It is no address of the Internet.
    NotPublic,
    /// Its network was probed lately.
    TooSoon,
    /// Too many were probed in this second.
    OverBudget,
    /// There is no room, or the kernel did not take the packet.
    Busy,
}

impl PassedOver {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Off, Self::OptedOut, Self::NotPublic, Self::TooSoon, Self::OverBudget, Self::Busy];

    /// Its word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OptedOut => "opted_out",
            Self::NotPublic => "not_public",
            Self::TooSoon => "too_soon",
            Self::OverBudget => "over_budget",
            Self::Busy => "busy",
        }
    }
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            is_on: false,
            per_second: 10,
            every: Duration::from_secs(3_600),
            opt_out: Vec::new(),
            is_private_probed: false,
            question: String::new(),
        }
    }
}

impl Manners {
    /// Whether an address may be probed at all.
    pub fn allow(&self, address: IpAddr) -> Result<(), PassedOver> {
        if !self.is_on {
            return Err(PassedOver::Off);
        }
        if self.opt_out.iter().any(|network| network.contains(address)) {
            return Err(PassedOver::OptedOut);
        }
        if !is_unicast(address) || (!self.is_private_probed && is_private(address)) {
            return Err(PassedOver::NotPublic);
        }
        Ok(())
    }

    /// The network that is probed as one.
    pub fn network(address: IpAddr) -> Network {
        let address = address.to_canonical();
        Network::of(address, if address.is_ipv4() { BITS.0 } else { BITS.1 })
    }
}

fn is_unicast(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

/// Loopback, RFC 1918, RFC 6598, link-local, unique local, documentation.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || is_shared
                || first >= 240
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            let is_documentation = first == 0x2001 && second == 0xdb8;
            v6.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || is_documentation
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_probed() {
        let manners = Manners {
            is_on: true,
            opt_out: vec!["8.8.0.0/16".parse().unwrap(), "2600::/16".parse().unwrap()],
            ..Manners::default()
        };
        let of = |address: &str| manners.allow(address.parse().unwrap());
        assert_eq!(of("9.9.9.9"), Ok(()));
        assert_eq!(of("2620:fe::fe"), Ok(()));
        for opted_out in ["8.8.8.8", "::ffff:8.8.4.4", "2600::1"] {
            assert_eq!(of(opted_out), Err(PassedOver::OptedOut), "{opted_out}");
        }
        let private = ["10.1.2.3", "127.0.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "192.0.2.1"];
        let private =
            private.into_iter().chain(["::1", "fe80::1", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"]);
        let never = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "0.1.2.3"];
        for address in private.clone().chain(never) {
            assert_eq!(of(address), Err(PassedOver::NotPublic), "{address}");
        }
        let at_home = Manners { is_private_probed: true, ..manners.clone() };
        for address in private {
            assert_eq!(at_home.allow(address.parse().unwrap()), Ok(()), "{address}");
        }
        for address in never {
            assert!(at_home.allow(address.parse().unwrap()).is_err(), "{address}");
        }
        let off = Manners { is_on: false, ..manners };
        assert_eq!(off.allow("9.9.9.9".parse().unwrap()), Err(PassedOver::Off));
        assert_eq!(Manners::network("9.9.9.9".parse().unwrap()), "9.9.9.0/24".parse().unwrap());
    }
}
