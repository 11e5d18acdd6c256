//! Exchanges whose route is down go over another one that is up, if their site has one and nobody can be harmed.
//!
//! ```text
//!             whole request kept, may be sent twice ── the route goes down, or its stream fails ──► opened anew elsewhere
//!   opened ─┤
//!             opened while its route was down ── another comes up ──► the server gives it back, if nothing of it has left
//! ```
//! May be sent twice: idempotent, without a body, without a byte of its answer, as when an origin's connection breaks
//! (`origins::up`; RFC 9110 §9.2.2). Everything else moves only if the owner of the tunnel says that nothing of it has left.
//! What an exchange has sent is kept for that, for sites with several routes only, and for no longer than it can be of use.

use crate::exchange::failure::Failure;
use crate::exchange::link::{Ask, Opening, Served, Upstream, Way};
use crate::port::Port;
use crate::role::clients::exchange::{Down, Exchange, Move};
use crate::role::clients::state::Clients;
use crate::stdx::chain::{Blocks, Chain};
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// How often one exchange may move: routes that come and go must not carry it about for ever.
const REROUTES_MAX: u8 = 3;
/// Bytes before what is kept: how long its envelope is.
const LENGTH_BYTES: usize = 2;

impl Exchange {
    /// Nothing of an answer has come.
    fn is_unanswered(&self) -> bool {
        self.down == Down::Envelope && self.first_byte.is_none() && !self.has_head
    }

    /// Whether it can be opened anew elsewhere.
    fn can_move(&self) -> bool {
        !self.kept.is_empty() && self.is_unanswered() && self.reroutes < REROUTES_MAX
    }
}

impl Clients {
    /// Begins to keep what an exchange sends, if it may have to move: behind its envelope, its first bytes.
    pub(crate) fn keep_opening(&mut self, up: &dyn Upstream, key: Handle, envelope: &[u8], first: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let has_others =
            self.plan.sites.get(usize::from(exchange.site)).is_some_and(|s| !s.others.is_empty());
        if !has_others || !exchange.is_repeatable && up.is_up(exchange.way) {
            return;
        }
        let length = (envelope.len() as u16).to_le_bytes();
        let bytes = LENGTH_BYTES + envelope.len() + first.len();
        if has_room(&self.blocks, bytes) {
            for bytes in [&length[..], envelope, first] {
                self.blocks.append(&mut exchange.kept, bytes);
            }
        }
    }

    /// Keeps no more of an exchange: it will not move.
    pub(crate) fn keep_nothing(&mut self, key: Handle) {
        if let Some(exchange) = self.exchanges.get_mut(key) {
            self.blocks.clear(&mut exchange.kept);
        }
    }

    /// Bytes of an exchange have left: it moves only if it may be sent twice.
    pub(crate) fn has_left(&mut self, key: Handle) {
        if self.exchanges.get(key).is_some_and(|exchange| !exchange.is_repeatable) {
            self.keep_nothing(key);
        }
    }

    /// A route has come up or gone down: whoever waits for one that is down goes over one that is up.
    pub fn follow_routes(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream) {
        for slot in 0..self.exchanges.slots() as u32 {
            let Some(key) = self.exchanges.handle_at(slot) else { continue };
            let Some(exchange) = self.exchanges.get(key).filter(|exchange| !exchange.kept.is_empty()) else {
                continue;
            };
            if !up.is_up(exchange.way) {
                self.reroute(now, port, up, key);
            }
        }
    }

    /// What became of an exchange that its server has failed; true if it may go on elsewhere, which the next flush does.
    pub(crate) fn may_outlive(&mut self, key: Handle, failure: Failure) -> bool {
        let Some(exchange) = self.exchanges.get_mut(key) else { return false };
        let is_of_way = matches!(failure, Failure::TunnelTimeout | Failure::Restarted);
        if !is_of_way || !exchange.is_repeatable || !exchange.can_move() {
            return false;
        }
        exchange.moving = Move::Failed(failure);
        let client = exchange.client;
        self.list(client);
        true
    }

    /// Its server has given an exchange back.
    pub(crate) fn take_back(&mut self, key: Handle) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.moving = Move::Returned;
        let client = exchange.client;
        self.list(client);
    }

    /// Moves an exchange, or asks for it, or leaves it where it is.
    pub(crate) fn reroute(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, key: Handle) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let (way, moving) = (exchange.way, exchange.moving);
        let other = self.other_way(up, exchange).filter(|_| exchange.can_move());
        match (moving, other) {
            (Move::Failed(failure), None) => self.fail(now, port, key, failure),
            (Move::Failed(_), Some(other)) => self.move_to(now, port, up, key, other),
            // What it had sent is known no more: the pool was short.
            (Move::Returned, _) if exchange.kept.is_empty() => self.fail(now, port, key, Failure::Shed),
            // It is nowhere now: if no route is up it waits as it did.
            (Move::Returned, other) => self.move_to(now, port, up, key, other.unwrap_or(way)),
            (Move::No | Move::Owed, None) => self.set_move(key, Move::No),
            (Move::No | Move::Owed, Some(other)) if exchange.is_repeatable => {
                let (asker, served) = (self.asker(key), exchange.served);
                if up.ask(now, port, way, asker, served, Ask::Abandon) {
                    self.move_to(now, port, up, key, other);
                } else {
                    self.set_move(key, Move::Owed);
                }
            }
            (Move::No | Move::Owed, Some(_)) => {
                let (asker, served) = (self.asker(key), exchange.served);
                let is_asked = up.ask(now, port, way, asker, served, Ask::TakeBack);
                self.set_move(key, if is_asked { Move::No } else { Move::Owed });
            }
        }
    }

    fn set_move(&mut self, key: Handle, moving: Move) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.moving = moving;
        let client = exchange.client;
        if moving != Move::No {
            self.list(client);
        }
    }

    /// The first way of its site that is up, where it is not on it.
    fn other_way(&self, up: &dyn Upstream, exchange: &Exchange) -> Option<Way> {
        let other = self.plan.way_now(exchange.site, |way| up.standing(way))?;
        (other != exchange.way && up.is_up(other)).then_some(other)
    }

    /// Opens an exchange anew, under another name: what may still come from where it was is nobody's.
    fn move_to(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, key: Handle, way: Way) {
        let Some(exchange) = self.exchanges.get(key) else { return };
        let (class, moving) = (exchange.verdict.class, exchange.moving);
        let mut written = core::mem::take(&mut self.written);
        written.clear();
        written.extend(self.blocks.slices(&exchange.kept).flatten());
        if up.can_open(way, class, written.len()) {
            self.open_anew(now, port, up, key, way, &written);
        } else {
            // As with a request that begins: at the next flush. Where it was it is abandoned by now.
            let is_abandoned = matches!(moving, Move::No | Move::Owed);
            self.set_move(key, if is_abandoned { Move::Failed(Failure::TunnelTimeout) } else { moving });
        }
        self.written = written;
    }

    fn open_anew(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        key: Handle,
        way: Way,
        kept: &[u8],
    ) {
        let Some((length, rest)) = kept.split_first_chunk::<LENGTH_BYTES>() else { return };
        let Some((envelope, sent)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))) else {
            return;
        };
        let Some(exchange) = self.exchanges.remove(key) else { return };
        let (handle, is_sent, is_elsewhere) = (exchange.client, exchange.is_sent, exchange.way != way);
        let (class, terms) = (exchange.verdict.class, exchange.terms);
        let opening = Opening { class, kind: exchange.kind, envelope, terms };
        let moved = Exchange {
            way,
            served: Served::default(),
            room: self.limits.stream_bytes.saturating_sub(sent.len() as u32),
            owes_finish: false,
            owed: 0,
            queue_us: None,
            moving: Move::No,
            reroutes: exchange.reroutes + u8::from(is_elsewhere),
            ..exchange
        };
        let Ok(key) = self.exchanges.insert(moved) else { panic!("its own place is free") };
        let Some(client) = self.clients.get_mut(handle) else { return };
        client.exchange = Some(key);
        self.counters.reroutes.add(u64::from(is_elsewhere));
        let asker = self.asker(key);
        let served = match up.open(now, port, way, asker, &opening) {
            Ok(served) => served,
            Err(failure) => return self.fail(now, port, key, failure),
        };
        if let Some(exchange) = self.exchanges.get_mut(key) {
            exchange.served = served;
        }
        if !sent.is_empty() && !up.ask(now, port, way, asker, served, Ask::Data(sent)) {
            return self.fail(now, port, key, Failure::Shed);
        }
        if is_sent {
            self.say_finish(now, port, up, key);
        }
        if up.is_up(way) {
            self.has_left(key);
        }
        // More of its body may wait for the room that it has now.
        self.list(handle);
    }
}

/// Keeps what an exchange sends next, if it keeps anything.
pub(crate) fn keep_more(blocks: &mut Blocks, kept: &mut Chain, bytes: &[u8]) {
    if kept.is_empty() {
        return;
    }
    if !has_room(blocks, bytes.len()) || blocks.append(kept, bytes) < bytes.len() {
        blocks.clear(kept);
    }
}

/// Half of the pool stays for what clients send.
fn has_room(blocks: &Blocks, bytes: usize) -> bool {
    blocks.free_bytes() > blocks.count() * blocks.block_bytes() / 2 + bytes
}
