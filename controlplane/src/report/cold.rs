//! Resolvers whose way nobody knows, or knows no more: gathered from answers that had to do without, asked for in batches, those
//! first that ask us most. Bounded: a budget per second, a network once in a long while, no memory that a flood could fill.

use crate::probe::manners::Manners;
use crate::probe::resolvers::Outcome;
use core::net::IpAddr;
use dataplane::stdx::network::Network;
use std::collections::HashMap;

/// Networks at once; a flood of forged senders fills it for a minute and no longer.
const NETWORKS_MAX: usize = 20_000;
/// Who has not asked for so long is forgotten, if nobody was asked about it, µs.
const FORGOTTEN_US: u64 = 60_000_000;
/// How often a batch is made, µs.
const BATCH_US: u64 = 1_000_000;
/// How long a result may take before a network is asked for again, µs: a prober's patience and a lost datagram.
const RESULT_US: u64 = 10_000_000;
/// Times that a network is asked for without any result before it is left alone like one that has one.
const TRIES_MAX: u8 = 3;

#[derive(Clone, Copy, Debug)]
struct Line {
    /// The resolver that asked last.
    address: IpAddr,
    /// Ten-second spans in which it asked, of any thread.
    asked_us: u32,
    heard_us: u64,
    /// When probers were asked last, and how often without result.
    sent_us: Option<u64>,
    tries: u8,
    /// When a result came last.
    result_us: Option<u64>,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Cold {
    manners: Manners,
    lines: HashMap<Network, Line>,
    batch_us: u64,
    /// Addresses that probers were asked for.
    asked: u64,
    /// Resolvers for which there was no room.
    refused: u64,
    /// Results, by outcome.
    results: [u64; Outcome::ALL.len()],
}

impl Cold {
    /// An empty table of these manners.
    pub fn new(manners: Manners) -> Self {
        Self { manners, ..Self::default() }
    }

    /// Takes over what another tree's table knows.
    pub fn inherit(&mut self, old: Self) {
        let manners = core::mem::take(&mut self.manners);
        *self = Self { manners, ..old };
        let manners = &self.manners;
        self.lines.retain(|_, line| manners.allow(line.address).is_ok());
    }

    /// A resolver asked, and nobody knows how far it is.
    pub fn note(&mut self, address: IpAddr, now_us: u64) {
        if self.manners.allow(address).is_err() {
            return;
        }
        let network = Manners::network(address);
        if self.lines.len() >= NETWORKS_MAX && !self.lines.contains_key(&network) {
            self.forget(now_us);
            if self.lines.len() >= NETWORKS_MAX {
                self.refused += 1;
                return;
            }
        }
        let line = self.lines.entry(network).or_insert(Line {
            address,
            asked_us: 0,
            heard_us: now_us,
            sent_us: None,
            tries: 0,
            result_us: None,
        });
        (line.address, line.heard_us) = (address, now_us);
        line.asked_us = line.asked_us.saturating_add(1);
    }

    /// A prober has ended a probe of this network.
    pub fn result(&mut self, address: IpAddr, outcome: Outcome, now_us: u64) {
        self.results[outcome as usize] += 1;
        if let Some(line) = self.lines.get_mut(&Manners::network(address)) {
            (line.result_us, line.tries) = (Some(now_us), 0);
        }
    }

    /// The next batch, if it is time for one and there is somebody to ask for.
    pub fn batch(&mut self, now_us: u64) -> Vec<IpAddr> {
        if !self.manners.is_on || now_us.saturating_sub(self.batch_us) < BATCH_US {
            return Vec::new();
        }
        self.batch_us = now_us;
        self.forget(now_us);
        let every_us = self.manners.every.as_micros() as u64;
        let mut due: Vec<(&Network, &mut Line)> =
            self.lines.iter_mut().filter(|(_, line)| line.is_due(now_us, every_us)).collect();
        // By what is asked most; the network decides between equals, so that every name server asks for the same.
        due.sort_by(|(a_network, a), (b_network, b)| {
            b.asked_us.cmp(&a.asked_us).then(a_network.cmp(b_network))
        });
        due.truncate(self.manners.per_second as usize);
        for (_, line) in &mut due {
            (line.sent_us, line.tries, line.asked_us) = (Some(now_us), line.tries + 1, 0);
        }
        self.asked += due.len() as u64;
        due.into_iter().map(|(_, line)| line.address).collect()
    }

    fn forget(&mut self, now_us: u64) {
        let every_us = self.manners.every.as_micros() as u64;
        self.lines.retain(|_, line| {
            let last_us = line.sent_us.map_or(line.heard_us + FORGOTTEN_US, |sent_us| sent_us + every_us);
            now_us < last_us.max(line.heard_us + FORGOTTEN_US)
        });
    }

    /// Networks in the table, addresses asked for, resolvers without room.
    pub fn counts(&self) -> (usize, u64, u64) {
        (self.lines.len(), self.asked, self.refused)
    }

    /// Results, by outcome.
    pub const fn results(&self) -> &[u64; Outcome::ALL.len()] {
        &self.results
    }

    /// How it is done.
    pub const fn manners(&self) -> &Manners {
        &self.manners
    }
}

impl Line {
    fn is_due(&self, now_us: u64, every_us: u64) -> bool {
        if self.asked_us == 0 {
            return false;
        }
        let since = |at_us: Option<u64>| at_us.map_or(u64::MAX, |at_us| now_us.saturating_sub(at_us));
        if since(self.result_us) < every_us {
            return false;
        }
        since(self.sent_us) >= if self.tries >= TRIES_MAX { every_us } else { RESULT_US }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::time::Duration;

    const NOW_US: u64 = 1_800_000_000_000_000;
    const SECOND_US: u64 = 1_000_000;

    fn cold() -> Cold {
        Cold::new(Manners {
            is_on: true,
            opt_out: vec!["9.9.9.0/24".parse().unwrap()],
            every: Duration::from_secs(3_600),
            ..Manners::default()
        })
    }

    fn address(at: u32) -> IpAddr {
        core::net::Ipv4Addr::from(0x2d00_0001 + (at << 8)).into()
    }

    #[test]
    fn who_asks_most_is_asked_for_first_and_then_left_alone() {
        let mut cold = cold();
        for at in 0..30 {
            cold.note(address(at), NOW_US);
        }
        for _ in 0..5 {
            cold.note(address(20), NOW_US);
        }
        cold.note("9.9.9.9".parse().unwrap(), NOW_US);
        cold.note("10.0.0.1".parse().unwrap(), NOW_US);
        let first = cold.batch(NOW_US);
        assert_eq!((first.len(), first[0], first[1]), (10, address(20), address(0)), "{first:?}");
        assert!(cold.batch(NOW_US + SECOND_US - 1).is_empty(), "one batch a second");
        let second = cold.batch(NOW_US + SECOND_US);
        assert!(second.len() == 10 && second.iter().all(|address| !first.contains(address)));
        cold.result(address(20), Outcome::Answered, NOW_US + 2 * SECOND_US);
        let mut asked_us = Vec::new();
        for second in 2..7_300 {
            cold.note(address(20), NOW_US + second * SECOND_US);
            if cold.batch(NOW_US + second * SECOND_US).contains(&address(20)) {
                asked_us.push(second);
                cold.result(address(20), Outcome::Answered, NOW_US + second * SECOND_US);
            }
        }
        assert_eq!(asked_us, [3_602, 7_202], "once an hour");
    }

    /// One who never answers, and probers that never tell: tried a few times, then once in a long while.
    #[test]
    fn what_brings_no_result_is_not_asked_for_ever() {
        let mut cold = cold();
        let mut asked_s = Vec::new();
        for second in 0..4_000 {
            cold.note(address(1), NOW_US + second * SECOND_US);
            if !cold.batch(NOW_US + second * SECOND_US).is_empty() {
                asked_s.push(second);
            }
        }
        assert_eq!(asked_s, [0, 10, 20, 3_620]);
        cold.note(address(2), NOW_US + 4_000 * SECOND_US);
        assert_eq!(cold.batch(NOW_US + 4_000 * SECOND_US), [address(2)]);
        cold.result(address(2), Outcome::Silent, NOW_US + 4_002 * SECOND_US);
        cold.note(address(2), NOW_US + 4_100 * SECOND_US);
        assert!(cold.batch(NOW_US + 4_100 * SECOND_US).is_empty(), "silence is a result");
    }

    #[test]
    fn a_flood_is_bounded_and_passes() {
        let mut cold = cold();
        for at in 0..NETWORKS_MAX as u32 + 100 {
            cold.note(address(at), NOW_US);
        }
        assert_eq!(cold.counts(), (NETWORKS_MAX, 0, 100));
        // Its batch is as small as ever, and a resolver that asks more is first.
        for _ in 0..3 {
            cold.note(address(7_777), NOW_US);
        }
        let batch = cold.batch(NOW_US + SECOND_US);
        assert!(batch.len() == 10 && batch[0] == address(7_777));
        cold.note(address(1 << 16), NOW_US + FORGOTTEN_US + 1);
        assert!(cold.counts().0 <= 11 + 1, "{:?}", cold.counts());
        cold.inherit(Cold::default());
        let mut off = Cold::new(Manners::default());
        off.inherit(cold);
        assert_eq!(off.counts().0, 0);
        assert!(off.batch(NOW_US + 100 * SECOND_US).is_empty());
    }
}
