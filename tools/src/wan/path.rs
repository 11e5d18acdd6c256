//! Both directions of a path.

use crate::wan::link::Link;
use crate::wan::packet::Packet;
use crate::wan::spec::{PathRules, SpecError};
use crate::wan::way::Way;
use dataplane::stdx::prng::Prng;
use dataplane::time::Instant;

/// A path.
#[derive(Debug)]
pub struct Path {
    /// From the clients' side.
    pub up: Link,
    /// Towards the clients.
    pub down: Link,
}

impl Path {
    /// A path that begins now. The two directions have fates of their own.
    pub fn new(rules: PathRules, seed: u64, now: Instant) -> Self {
        let mut seeds = Prng::new(seed);
        let mut link = |rules| Link::new(rules, seeds.next_u64(), now);
        Self { up: link(rules.up), down: link(rules.down) }
    }

    /// One direction.
    pub fn link(&mut self, way: Way) -> &mut Link {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Takes a packet in.
    pub fn offer(&mut self, way: Way, packet: Packet, now: Instant) {
        self.link(way).offer(packet, now);
    }

    /// When to look again.
    pub fn next_wake(&self) -> Option<Instant> {
        [self.up.next_wake(), self.down.next_wake()].into_iter().flatten().min()
    }

    /// The rules that hold.
    pub fn rules(&self) -> PathRules {
        PathRules { up: self.up.rules().clone(), down: self.down.rules().clone() }
    }

    /// Changes the rules of `ways` as `spec` says; if it cannot be read, nothing changes.
    pub fn set(&mut self, ways: &[Way], spec: &str, now: Instant) -> Result<(), SpecError> {
        let mut rules = self.rules();
        rules.apply(ways, spec)?;
        for way in ways {
            let rules = match way {
                Way::Up => rules.up.clone(),
                Way::Down => rules.down.clone(),
            };
            self.link(*way).set(rules, now);
        }
        Ok(())
    }
}
