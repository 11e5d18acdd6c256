//! How far client networks are from front-ends, as these see it in their own connections: bounded, the oldest forgotten.

use crate::report::wire::LatencyEntry;
use dataplane::stdx::network::Network;
use std::collections::HashMap;

/// Networks of one front-end at most: a front-end serves its own surroundings.
const NETWORKS_MAX: usize = 20_000;
/// What was seen longer ago may be forgotten, µs.
const FORGOTTEN_US: u64 = 3_600_000_000;
/// How much of a new figure counts where one is known: clients of one network differ.
const SHARE: f64 = 0.25;
/// Bits that are kept of an address at most: what one network usually has.
const BITS_MAX: (u8, u8) = (24, 56);

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Round trip, µs.
    pub rtt_us: f64,
    /// When it was seen last, Unix µs.
    pub at_us: u64,
    /// It is that of a resolver which was probed, not of clients.
    pub is_resolver: bool,
}

/// The table, by node.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    by_node: HashMap<usize, HashMap<Network, Latency>>,
    /// Changes so far, so that a reader knows whether there is something new.
    version: u64,
}

impl Latencies {
    /// The network that an entry is kept for.
    pub fn network(entry: &LatencyEntry) -> Network {
        let base = entry.network.base();
        let most = if base.is_ipv4() { BITS_MAX.0 } else { BITS_MAX.1 };
        Network::of(base, entry.network.bits().min(most))
    }

    /// Takes what a node has seen; false if there is no room.
    pub fn take(&mut self, node: usize, entry: LatencyEntry, at_us: u64) -> bool {
        let network = Self::network(&entry);
        let rtt_us = f64::from(entry.rtt_us);
        let fresh = Latency { rtt_us, at_us, is_resolver: false };
        let Some(known) = self.place(node, network, fresh) else { return false };
        // What clients see replaces what stood in for it.
        if known.is_resolver {
            *known = fresh;
        }
        known.rtt_us += (rtt_us - known.rtt_us) * SHARE;
        known.at_us = known.at_us.max(at_us);
        self.version += 1;
        true
    }

    /// Takes how far a resolver of a network is; false if there is no room. Clients of that network count more for an hour: they
    /// are who is served.
    pub fn take_resolver(&mut self, node: usize, network: Network, rtt_us: u32, at_us: u64) -> bool {
        let fresh = Latency { rtt_us: rtt_us.into(), at_us, is_resolver: true };
        let Some(known) = self.place(node, network, fresh) else { return false };
        let is_of_clients = !known.is_resolver && at_us.saturating_sub(known.at_us) < FORGOTTEN_US;
        // Datagrams overtake each other.
        if !is_of_clients && known.at_us <= at_us {
            *known = fresh;
        }
        self.version += 1;
        true
    }

    /// What is known of a network, or the first that is; `None` if there is no room.
    fn place(&mut self, node: usize, network: Network, fresh: Latency) -> Option<&mut Latency> {
        let table = self.by_node.entry(node).or_default();
        if !table.contains_key(&network) && table.len() >= NETWORKS_MAX {
            table.retain(|_, known| fresh.at_us.saturating_sub(known.at_us) < FORGOTTEN_US);
            if table.len() >= NETWORKS_MAX {
                return None;
            }
        }
        Some(table.entry(network).or_insert(fresh))
    }

    /// Everything: node, network, figure.
    pub fn all(&self) -> impl Iterator<Item = (usize, Network, Latency)> {
        self.by_node
            .iter()
            .flat_map(|(node, table)| table.iter().map(|(network, known)| (*node, *network, *known)))
    }

    /// Changes so far.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The same under the nodes' new places; without those that have none.
    pub fn renamed(self, place: impl Fn(usize) -> Option<usize>) -> Self {
        let by_node = self.by_node.into_iter().filter_map(|(node, table)| Some((place(node)?, table)));
        Self { by_node: by_node.collect(), version: self.version + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(network: &str, rtt_us: u32) -> LatencyEntry {
        LatencyEntry { network: network.parse().unwrap(), rtt_us, count: 1 }
    }

    #[test]
    fn networks_are_cut_to_what_one_client_is_and_figures_smoothed() {
        let mut latencies = Latencies::default();
        assert!(latencies.take(0, entry("192.0.2.7/32", 10_000), 5));
        assert!(latencies.take(0, entry("192.0.2.0/24", 20_000), 6));
        let all: Vec<_> = latencies.all().collect();
        let network = "192.0.2.0/24".parse().unwrap();
        assert_eq!(all, [(0, network, Latency { rtt_us: 12_500.0, at_us: 6, is_resolver: false })]);
        assert_eq!(latencies.renamed(|node| (node == 0).then_some(3)).all().next().unwrap().0, 3);
    }

    #[test]
    fn clients_count_more_than_their_resolver() {
        let mut latencies = Latencies::default();
        let network: Network = "192.0.2.0/24".parse().unwrap();
        let known = |latencies: &Latencies| latencies.all().next().unwrap().2;
        assert!(latencies.take_resolver(0, network, 30_000, 5));
        assert!(latencies.take_resolver(0, network, 40_000, 7) && latencies.take_resolver(0, network, 9, 6));
        assert_eq!(known(&latencies), Latency { rtt_us: 40_000.0, at_us: 7, is_resolver: true });
        assert!(latencies.take(0, entry("192.0.2.0/24", 10_000), 8));
        let clients = Latency { rtt_us: 10_000.0, at_us: 8, is_resolver: false };
        assert!(latencies.take_resolver(0, network, 40_000, 9));
        assert_eq!(known(&latencies), clients);
        assert!(latencies.take_resolver(0, network, 40_000, 8 + FORGOTTEN_US));
        assert!(known(&latencies).is_resolver, "nobody has come for an hour");
    }

    #[test]
    fn a_node_that_floods_is_bounded_and_makes_room_in_time() {
        let mut latencies = Latencies::default();
        let network = |at: u32| LatencyEntry {
            network: Network::of(core::net::Ipv4Addr::from(at << 8).into(), 24),
            rtt_us: 1,
            count: 1,
        };
        let taken = (0..NETWORKS_MAX as u32 + 10).filter(|at| latencies.take(0, network(*at), 5)).count();
        assert_eq!(taken, NETWORKS_MAX);
        assert!(latencies.take(1, network(1 << 20), 5), "others have room of their own");
        assert!(latencies.take(0, network(1 << 20), 6 + FORGOTTEN_US));
    }
}
