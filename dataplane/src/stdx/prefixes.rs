//! A table by network in which an address finds the entry of the smallest network that has it. Made whole, then only read:
//! a look-up hashes once for each prefix length that occurs, and allocates nothing.

use crate::stdx::network::Network;
use core::net::IpAddr;
use std::collections::HashMap;

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefixes<T> {
    entries: HashMap<Network, T>,
    /// The prefix lengths that occur, longest first, per family.
    v4_bits: Vec<u8>,
    v6_bits: Vec<u8>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), v4_bits: Vec::new(), v6_bits: Vec::new() }
    }
}

impl<T> FromIterator<(Network, T)> for Prefixes<T> {
    fn from_iter<I: IntoIterator<Item = (Network, T)>>(entries: I) -> Self {
        let entries: HashMap<Network, T> = entries.into_iter().collect();
        let lengths = |is_v4: bool| {
            let of_family = entries.keys().filter(|network| network.base().is_ipv4() == is_v4);
            let mut bits: Vec<u8> = of_family.map(Network::bits).collect();
            bits.sort_unstable_by(|a, b| b.cmp(a));
            bits.dedup();
            bits
        };
        Self { v4_bits: lengths(true), v6_bits: lengths(false), entries }
    }
}

impl<T> Prefixes<T> {
    /// The entry of the smallest network that has `address`.
    pub fn find(&self, address: IpAddr) -> Option<&T> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.v4_bits } else { &self.v6_bits };
        lengths.iter().find_map(|bits| self.entries.get(&Network::of(address, *bits)))
    }

    /// The entry of exactly this network.
    pub fn get(&self, network: &Network) -> Option<&T> {
        self.entries.get(network)
    }

    /// All entries, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values()
    }

    /// Networks in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;
    use core::net::Ipv4Addr;

    #[test]
    fn the_smallest_network_counts() {
        let of = |text: &str| text.parse::<Network>().unwrap();
        let table: Prefixes<u8> =
            [(of("10.0.0.0/8"), 1), (of("10.1.0.0/16"), 2), (of("2001:db8::/32"), 3)].into_iter().collect();
        let find = |text: &str| table.find(text.parse().unwrap()).copied();
        assert_eq!(
            (find("10.9.0.1"), find("10.1.0.1"), find("::ffff:10.1.0.1")),
            (Some(1), Some(2), Some(2))
        );
        assert_eq!((find("11.0.0.1"), find("2001:db8::7"), find("2001:db9::")), (None, Some(3), None));
        assert_eq!((table.len(), table.get(&of("10.0.0.0/8"))), (3, Some(&1)));
        assert!(Prefixes::<u8>::default().find(Ipv4Addr::LOCALHOST.into()).is_none());
    }

    /// Beside a walk over all entries.
    #[test]
    fn tables_at_random_find_what_a_search_finds() {
        let mut random = Prng::new(5);
        for _ in 0..200 {
            let mut any = || Ipv4Addr::from((random.below(4) as u32) << 30 | random.below(8) as u32);
            let addresses: Vec<Ipv4Addr> = (0..20).map(|_| any()).collect();
            let entries: Vec<(Network, usize)> = (0..10)
                .map(|at| {
                    (
                        Network::of(
                            addresses[at].into(),
                            [0, 2, 8, 29, 30, 31, 32][random.below(7) as usize],
                        ),
                        at,
                    )
                })
                .collect();
            let table: Prefixes<usize> = entries.iter().copied().collect();
            for address in addresses {
                let found = entries.iter().filter(|(network, _)| network.contains(address.into()));
                let smallest = found.max_by_key(|(network, at)| (network.bits(), *at)).map(|(_, at)| *at);
                assert_eq!(table.find(address.into()).copied(), smallest);
            }
        }
    }
}
