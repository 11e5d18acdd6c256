//! Who belongs to whom without anybody remembering it: every server draws a number for every client, and the best one has
//! it (highest random weight, Thaler and Ravishankar 1998; with weights by the exponential trick).
//!
//! When a server goes, only its clients move; when it comes back, exactly these return. The same on every name server.

use core::hash::Hasher;
use core::net::IpAddr;
use dataplane::stdx::network::Network;
use siphasher::sip::SipHasher13;

/// A fixed key: all servers must draw the same numbers, and nobody gains by knowing them.
const KEY: [u8; 16] = *b"longhaul who has";

/// The number of a client's network, for the time being.
///
/// With a period, it changes every `period_s` seconds, at another moment for each network, so that a change of period
/// never moves everybody at once.
pub fn ticket(client: Network, period_s: Option<u32>, unix_s: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&KEY);
    match client.base() {
        IpAddr::V4(address) => hasher.write_u32(address.to_bits()),
        IpAddr::V6(address) => hasher.write_u128(address.to_bits()),
    }
    hasher.write_u8(client.bits());
    let network = hasher.finish();
    match period_s.map(|period_s| u64::from(period_s.max(1))) {
        None => network,
        Some(period_s) => mixed(network, unix_s.wrapping_add(network % period_s) / period_s),
    }
}

/// What the server with this hash of its name draws for a ticket: the lowest wins, and a server of twice the weight wins
/// twice as often.
pub fn draw(ticket: u64, server: u64, weight: f32) -> f32 {
    // 24 bits are what a f32 holds exactly; never zero, whose logarithm is none.
    let bits = (mixed(ticket, server) >> 40) as f32 + 0.5;
    -(bits / 16_777_216.0).ln() / weight.max(f32::MIN_POSITIVE)
}

/// The hash of a server's name.
pub fn server_hash(name: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&KEY);
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// Mixes two numbers well enough that no pattern of one shows in the result (the finaliser of MurmurHash3).
pub fn mixed(a: u64, b: u64) -> u64 {
    let mut hash = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(at: u32) -> Network {
        Network::of(IpAddr::V4((at << 8).into()), 24)
    }

    fn winner(ticket: u64, servers: &[(u64, f32)]) -> usize {
        let draws = servers.iter().map(|(hash, weight)| draw(ticket, *hash, *weight));
        draws.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
    }

    #[test]
    fn shares_follow_weights() {
        let servers: Vec<(u64, f32)> =
            [("a", 1.0), ("b", 2.0), ("c", 7.0)].map(|(name, weight)| (server_hash(name), weight)).to_vec();
        let mut counts = [0u32; 3];
        for at in 0..20_000 {
            counts[winner(ticket(network(at), None, 0), &servers)] += 1;
        }
        for (count, share) in counts.iter().zip([0.1, 0.2, 0.7]) {
            assert!((f64::from(*count) / 20_000.0 - share).abs() < 0.02, "{counts:?}");
        }
    }

    #[test]
    fn only_the_clients_of_a_lost_server_move() {
        let all: Vec<(u64, f32)> = (0..20).map(|at| (server_hash(&format!("pop{at}")), 1.0)).collect();
        let without: Vec<(u64, f32)> = all.iter().copied().filter(|(hash, _)| *hash != all[7].0).collect();
        let mut moved = 0;
        for at in 0..5_000 {
            let ticket = ticket(network(at), None, 0);
            let (before, after) = (all[winner(ticket, &all)].0, without[winner(ticket, &without)].0);
            if before == all[7].0 {
                moved += 1;
            } else {
                assert_eq!(before, after, "client {at} moved for nothing");
            }
        }
        assert!((150..350).contains(&moved), "{moved} of 5000 had one of 20");
    }

    #[test]
    fn periods_end_at_different_moments() {
        let changes = |at| {
            let of = |second| ticket(network(at), Some(100), second);
            (1_000_000..1_000_100).filter(|second| of(*second) != of(*second - 1)).collect::<Vec<u64>>()
        };
        let all: Vec<Vec<u64>> = (0..50).map(changes).collect();
        assert!(all.iter().all(|changes| changes.len() == 1), "once in a period");
        let mut moments: Vec<u64> = all.into_iter().flatten().collect();
        moments.sort_unstable();
        moments.dedup();
        assert!(moments.len() > 20, "not all at once");
    }
}
