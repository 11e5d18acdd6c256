//! One request on its way through a thread: the engine, the generation that it answers from, and the query log beside it.

use crate::dns::engine::{Asked, Engine, Known, Outcome, Transport};
use crate::dns::server::decisions::DecisionTap;
use crate::dns::server::foretell::Foreteller;
use crate::dns::server::query_log::{self, Decided, Tap};
use crate::dns::server::world::{Published, World};
use core::net::{IpAddr, SocketAddr};
use dataplane::time::Instant;
use std::sync::Arc;

/// What a thread answers with.
#[derive(Debug)]
pub(crate) struct Queries {
    engine: Engine,
    published: Arc<Published>,
    world: Arc<World>,
    tap: Option<Tap>,
    foreteller: Option<Foreteller>,
    decisions: DecisionTap,
    now: Instant,
    unix_us: u64,
}

impl Queries {
    pub(crate) fn new(
        engine: Engine,
        published: Arc<Published>,
        tap: Option<Tap>,
        foreteller: Option<Foreteller>,
        decisions: DecisionTap,
    ) -> Self {
        let world = published.newest();
        Self { engine, published, world, tap, foreteller, decisions, now: Instant::ORIGIN, unix_us: 0 }
    }

    /// Begins a turn of the loop: the time, and the newest generation.
    pub(crate) fn begin_turn(&mut self, now: Instant, unix_us: u64) {
        (self.now, self.unix_us) = (now, unix_us);
        self.published.refresh(&mut self.world);
    }

    /// Answers `message` into `out`; the answer's bytes, 0 for silence.
    pub(crate) fn answer(
        &mut self,
        message: &[u8],
        from: SocketAddr,
        transport: Transport,
        out: &mut [u8],
    ) -> usize {
        let unix_s = (self.unix_us / 1_000_000) as u32;
        let asked = Asked { message, from: from.ip().to_canonical(), transport, now: self.now, unix_s };
        let World { catalog, steering, generation, .. } = &*self.world;
        let known = Known { catalog, steering, generation: *generation };
        let outcome = self.engine.answer(known, &asked, out);
        if let Some(policy) = outcome.policy {
            self.tell(message, asked.from, policy);
        }
        if self.tap.as_mut().is_some_and(Tap::is_due) {
            self.log(message, from, transport, &outcome);
        }
        outcome.bytes
    }

    /// Tells who grades, and who looks, of a decision.
    fn tell(&mut self, message: &[u8], from: IpAddr, policy: u32) {
        let (decision, steering) = (self.engine.decision(), &self.world.steering);
        if let Some(foreteller) = &mut self.foreteller {
            let is_taken = foreteller.note(decision, steering, from, self.unix_us);
            self.engine.counters().forecasts_lost.add(u64::from(!is_taken));
        }
        if self.decisions.is_due(self.unix_us) {
            let policy = &steering.policies()[policy as usize];
            self.decisions.take(message, from, (policy, decision, steering), self.unix_us);
        }
    }

    fn log(&mut self, message: &[u8], from: SocketAddr, transport: Transport, outcome: &Outcome) {
        let catalog = &self.world.catalog;
        let zone = outcome.zone.map(|zone| &catalog.zone(zone).apex);
        let decided = outcome.policy.map(|policy| Decided {
            policy: &self.world.steering.policies()[policy as usize],
            decision: self.engine.decision(),
            steering: &self.world.steering,
        });
        let line = query_log::line(self.unix_us, message, (from, transport), zone, outcome, decided);
        if self.tap.as_ref().is_some_and(|tap| !tap.push(line)) {
            self.engine.counters().log_lines_lost.add(1);
        }
    }
}
