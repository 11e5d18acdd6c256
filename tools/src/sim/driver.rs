//! The simulator's driver: runs one worker's role against pipes and simulated datagrams, by the same contract
//! as the drivers over a kernel (`dataplane::port`).
//!
//! One turn: accepts, then connections that have news in random order, then datagrams, then a tick if one is due;
//! then `flush`, then the wishes. What a fault allows to be late is late; nothing is reordered within one direction
//! of one connection.

use core::net::SocketAddr;
use std::collections::VecDeque;

use dataplane::port::{
    Ecn, Ending, Input, ListenerId, Port, Reading, Role, SocketId, TcpFailure, TcpId, Token,
};
use dataplane::role::node::Node;

use crate::sim::fault::Fault;
use crate::sim::pipe::{Owner, Pipes};
use crate::sim::stage::Setting;
use crate::sim::turns;
use crate::sim::world::{Event, Hits, World};

/// What a turn costs, µs.
const TURN_US: u64 = 20;
/// Connections served in one turn.
const BATCH: usize = 32;
/// A worker that goes round so often at one place is stuck.
const SPIN_MAX: u32 = 100_000;

/// What the driver knows of one connection.
#[derive(Clone, Copy, Debug)]
struct Conn {
    tcp: TcpId,
    pipe: u32,
    end: u8,
    is_connecting: bool,
    /// How an attempt to connect came out.
    outcome: Option<Result<(), TcpFailure>>,
    is_ready: bool,
    /// Not looked at before this time.
    ready_us: u64,
    has_ended: bool,
    is_finished: bool,
    owes_wrote: bool,
    lives: bool,
}

/// A datagram that has come in.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    /// The socket of the receiver that it came to.
    pub(crate) socket: u16,
    pub(crate) ecn: Ecn,
    pub(crate) bytes: Vec<u8>,
}

/// A train that leaves.
#[derive(Debug)]
pub(crate) struct Departure {
    /// The sender's socket.
    pub(crate) socket: u16,
    pub(crate) to: SocketAddr,
    pub(crate) ecn: Ecn,
    pub(crate) segment_bytes: usize,
    pub(crate) bytes: Vec<u8>,
}

/// What a worker may touch in a turn.
pub(crate) struct Yard<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) pipes: &'a mut Pipes,
    pub(crate) hits: &'a mut Hits,
    pub(crate) setting: &'a Setting,
    /// Connections that the worker wants, as pipes still to be decided.
    pub(crate) connects: &'a mut Vec<u32>,
    pub(crate) departures: &'a mut Vec<Departure>,
}

/// One worker.
pub(crate) struct Worker {
    pub(crate) me: u16,
    pub(crate) node: Node,
    pub(crate) port: Port,
    pub(crate) address: SocketAddr,
    conns: Vec<Conn>,
    ready: Vec<u32>,
    accepts: VecDeque<(u32, ListenerId, SocketAddr)>,
    inbox: VecDeque<Packet>,
    releases: Vec<(u64, TcpId)>,
    turn_us: Option<u64>,
    is_woken: bool,
    spins: u32,
    bound_bytes: usize,
    buffer: Vec<u8>,
}

impl Worker {
    /// `bound_bytes` is what one connection may have queued at the most.
    pub(crate) fn new(me: u16, node: Node, port: Port, address: SocketAddr, bound_bytes: usize) -> Self {
        Self {
            me,
            node,
            port,
            address,
            conns: Vec::new(),
            ready: Vec::new(),
            accepts: VecDeque::new(),
            inbox: VecDeque::new(),
            releases: Vec::new(),
            turn_us: None,
            is_woken: false,
            spins: 0,
            bound_bytes,
            buffer: Vec::new(),
        }
    }

    /// Makes the loop go round at `at_us` or before.
    pub(crate) fn turn_at(&mut self, world: &mut World, at_us: u64) {
        if self.turn_us.is_none_or(|turn| at_us < turn) {
            self.turn_us = Some(at_us);
            world.at(at_us, Event::Turn(self.me));
        }
    }

    /// Wakes the worker.
    pub(crate) fn wake(&mut self, world: &mut World) {
        self.is_woken = true;
        self.turn_at(world, world.now_us + TURN_US);
    }

    /// A client wants in.
    pub(crate) fn offer(&mut self, world: &mut World, pipe: u32, listener: ListenerId, peer: SocketAddr) {
        self.accepts.push_back((pipe, listener, peer));
        self.turn_at(world, world.now_us + TURN_US);
    }

    /// A datagram has come.
    pub(crate) fn receive(&mut self, world: &mut World, packet: Packet) {
        // A socket's buffer is finite too.
        if self.inbox.len() < 4_096 {
            self.inbox.push_back(packet);
        }
        self.turn_at(world, world.now_us + TURN_US);
    }

    /// A connection has news; with late completions it is heard of later.
    pub(crate) fn poke(&mut self, yard: &mut Yard<'_>, slot: u32, pipe: u32) {
        let Some(conn) = self.conns.get_mut(slot as usize).filter(|conn| conn.lives && conn.pipe == pipe)
        else {
            return;
        };
        let mut at_us = yard.world.now_us + TURN_US;
        if yard.setting.faults.has(Fault::LateCompletions) && yard.world.dice.driver.ppm(300_000) {
            let most = if yard.world.dice.driver.ppm(50_000) { 400_000 } else { 5_000 };
            at_us += yard.world.dice.driver.below(most);
            yard.hits.hit(Fault::LateCompletions.name());
        }
        if !conn.is_ready {
            (conn.is_ready, conn.ready_us) = (true, at_us);
            self.ready.push(slot);
        }
        let at_us = conn.ready_us.max(yard.world.now_us);
        self.turn_at(yard.world, at_us);
    }

    /// How an attempt to connect came out.
    pub(crate) fn decide(
        &mut self,
        yard: &mut Yard<'_>,
        slot: u32,
        pipe: u32,
        outcome: Result<(), TcpFailure>,
    ) {
        if let Some(conn) = self.conns.get_mut(slot as usize).filter(|conn| conn.lives && conn.pipe == pipe) {
            conn.outcome = Some(outcome);
            self.poke(yard, slot, pipe);
        }
    }

    /// Whether this event is the turn that the worker waits for.
    pub(crate) fn is_due(&self, world: &World) -> bool {
        self.turn_us == Some(world.now_us)
    }

    /// Cuts everything, as when the machine loses its power.
    pub(crate) fn kill(&mut self, yard: &mut Yard<'_>) {
        for conn in self.conns.iter().filter(|conn| conn.lives) {
            yard.pipes.reset(yard.world, conn.pipe, conn.end);
        }
        for (pipe, ..) in self.accepts.drain(..) {
            yard.pipes.reset(yard.world, pipe, 1);
        }
        self.conns.clear();
    }

    /// One round of the loop; bits of the workers to wake.
    pub(crate) fn turn(&mut self, yard: &mut Yard<'_>) -> u64 {
        let before_us = self.turn_us.take();
        yard.world.mix(u64::from(self.me) ^ before_us.unwrap_or(0) << 8);
        self.release(yard, false);
        let heard = self.hand_over(yard);
        let now = yard.world.now();
        let is_late = yard.setting.faults.has(Fault::LateTicks);
        let due = self.node.deadline().is_some_and(|deadline| deadline <= now);
        if due || core::mem::take(&mut self.is_woken) {
            self.node.handle(now, Input::Tick, &mut self.port);
        }
        let said = self.settle(yard);
        let wakes = self.port.take_wakes();
        self.spins = if heard || said { 0 } else { self.spins + 1 };
        if self.spins > SPIN_MAX {
            let me = self.me;
            yard.world.violate(|| format!("worker {me} goes round and does nothing"));
        }
        self.plan(yard, is_late);
        wakes
    }

    /// When to go round next.
    fn plan(&mut self, yard: &mut Yard<'_>, is_late: bool) {
        if self.node.is_finished() {
            return;
        }
        let now_us = yard.world.now_us;
        let soonest = self.ready.iter().map(|slot| self.conns[*slot as usize].ready_us).min();
        let can_accept = self.port.is_accepting() && !self.accepts.is_empty() && self.has_room();
        if can_accept || !self.inbox.is_empty() {
            self.turn_at(yard.world, now_us + TURN_US);
        }
        if let Some(at_us) = soonest {
            self.turn_at(yard.world, at_us.max(now_us + TURN_US));
        }
        if let Some(at_us) = self.releases.iter().map(|(at_us, _)| *at_us).min() {
            self.turn_at(yard.world, at_us.max(now_us + TURN_US));
        }
        if let Some(deadline) = self.node.deadline() {
            let mut at_us = deadline.as_us().max(now_us + TURN_US);
            if is_late && at_us > now_us + TURN_US && yard.world.dice.driver.ppm(200_000) {
                at_us += yard.world.dice.driver.below(30_000);
                yard.hits.hit(Fault::LateTicks.name());
            }
            self.turn_at(yard.world, at_us);
        }
        if self.turn_us.is_none_or(|at_us| at_us > now_us + TURN_US) && !self.node.may_sleep() {
            self.is_woken = true;
            self.turn_at(yard.world, now_us + TURN_US);
        }
    }

    /// Gives the role what has come; whether there was anything.
    fn hand_over(&mut self, yard: &mut Yard<'_>) -> bool {
        self.node.awake();
        let mut any = self.accept(yard);
        let mut budget = BATCH;
        let now_us = yard.world.now_us;
        let mut at = 0;
        while at < self.ready.len() && budget > 0 {
            let other = yard.world.dice.driver.between(at as u64, self.ready.len() as u64 - 1) as usize;
            self.ready.swap(at, other);
            let slot = self.ready[at];
            if self.conns[slot as usize].lives && self.conns[slot as usize].ready_us > now_us {
                at += 1;
                continue;
            }
            self.ready.swap_remove(at);
            self.conns[slot as usize].is_ready = false;
            budget -= 1;
            any = true;
            self.serve(yard, slot);
        }
        any | self.datagrams(yard)
    }

    /// A connection's name in the notes: the worker in thousands, the slot in ones.
    fn name(&self, slot: u32) -> u64 {
        u64::from(self.me) * 1_000 + u64::from(slot)
    }

    fn has_room(&self) -> bool {
        self.port.tcp_count() < self.port.tcp_max()
    }

    fn accept(&mut self, yard: &mut Yard<'_>) -> bool {
        let mut any = false;
        while self.port.is_accepting() && self.has_room() {
            let Some((pipe, listener, peer)) = self.accepts.pop_front() else { break };
            let Some(tcp) = self.port.insert(Token::default()) else { break };
            any = true;
            self.adopt(tcp, pipe, 1, false);
            yard.pipes.get(pipe).owners[1] = Owner::Worker(self.me, tcp.0.slot);
            yard.world.note("accept", self.name(tcp.0.slot), u64::from(pipe) * 10 + u64::from(listener.0));
            self.node.handle(yard.world.now(), Input::Accepted { tcp, listener, peer }, &mut self.port);
            self.poke(yard, tcp.0.slot, pipe);
        }
        any
    }

    fn adopt(&mut self, tcp: TcpId, pipe: u32, end: u8, is_connecting: bool) {
        let slot = tcp.0.slot as usize;
        let is_ready = self.conns.get(slot).is_some_and(|conn| conn.is_ready);
        let conn = Conn {
            tcp,
            pipe,
            end,
            is_connecting,
            outcome: None,
            is_ready,
            ready_us: 0,
            has_ended: false,
            is_finished: false,
            owes_wrote: false,
            lives: true,
        };
        if self.conns.len() <= slot {
            self.conns.resize(slot + 1, Conn { lives: false, is_ready: false, ..conn });
        }
        self.conns[slot] = conn;
    }

    /// Tells the role what one connection has to tell.
    fn serve(&mut self, yard: &mut Yard<'_>, slot: u32) {
        let conn = self.conns[slot as usize];
        if !conn.lives || self.port.ending(conn.tcp).is_some() {
            return;
        }
        if conn.is_connecting {
            return self.serve_outcome(yard, slot);
        }
        if conn.owes_wrote {
            self.conns[slot as usize].owes_wrote = false;
            if let Some(token) = self.port.token(conn.tcp) {
                yard.world.note("wrote", self.name(slot), 0);
                self.node.handle(yard.world.now(), Input::Wrote { tcp: conn.tcp, token }, &mut self.port);
            }
        }
        self.read(yard, slot);
        if self.conns[slot as usize].lives && self.port.ending(conn.tcp).is_none() {
            self.write(yard, slot);
        }
    }

    fn serve_outcome(&mut self, yard: &mut Yard<'_>, slot: u32) {
        let Conn { tcp, outcome, .. } = self.conns[slot as usize];
        match outcome {
            None => {}
            Some(Err(failure)) => self.fail(yard, slot, failure),
            Some(Ok(())) => {
                self.conns[slot as usize].is_connecting = false;
                if let Some(token) = self.port.token(tcp) {
                    yard.world.note("connected", self.name(slot), 0);
                    self.node.handle(yard.world.now(), Input::Connected { tcp, token }, &mut self.port);
                    self.write(yard, slot);
                    self.again(yard, slot);
                }
            }
        }
    }

    /// The connection has more to tell in the next turn.
    fn again(&mut self, yard: &mut Yard<'_>, slot: u32) {
        let pipe = self.conns[slot as usize].pipe;
        self.poke(yard, slot, pipe);
    }

    fn read(&mut self, yard: &mut Yard<'_>, slot: u32) {
        let Conn { tcp, pipe, end, .. } = self.conns[slot as usize];
        for _ in 0..4 {
            if self.port.ending(tcp).is_some() {
                return;
            }
            let Some(token) = self.port.token(tcp) else { return };
            let is_reset = yard.pipes.is_reset(pipe, end);
            let readable = yard.pipes.readable(pipe, end);
            let reading = self.port.reading(tcp);
            if is_reset && (readable == 0 || (reading == Reading::Off && yard.world.dice.driver.ppm(500_000)))
            {
                return self.fail(yard, slot, TcpFailure::Reset);
            }
            if reading == Reading::Off {
                return;
            }
            if readable == 0 {
                if yard.pipes.is_at_end(pipe, end) && !self.conns[slot as usize].has_ended {
                    self.conns[slot as usize].has_ended = true;
                    yard.world.note("read end", self.name(slot), 0);
                    self.node.handle(yard.world.now(), Input::ReadEnd { tcp, token }, &mut self.port);
                }
                return;
            }
            let mut most = if reading == Reading::Small { 4_096 } else { 16_384 };
            if yard.setting.faults.has(Fault::SplitReads) && yard.world.dice.driver.ppm(500_000) {
                let piece = if yard.world.dice.driver.ppm(500_000) { 8 } else { 2_000 };
                most = 1 + yard.world.dice.driver.below(piece);
                yard.hits.hit(Fault::SplitReads.name());
            }
            let mut buffer = core::mem::take(&mut self.buffer);
            yard.pipes.read(yard.world, pipe, end, most as usize, &mut buffer);
            yard.world.note("read", self.name(slot), buffer.len() as u64);
            self.node.handle(yard.world.now(), Input::Read { tcp, token, bytes: &buffer }, &mut self.port);
            self.buffer = buffer;
        }
        if yard.pipes.readable(pipe, end) > 0 || yard.pipes.is_at_end(pipe, end) {
            self.again(yard, slot);
        }
    }

    fn fail(&mut self, yard: &mut Yard<'_>, slot: u32, failure: TcpFailure) {
        let Conn { tcp, pipe, end, .. } = self.conns[slot as usize];
        self.conns[slot as usize].lives = false;
        yard.pipes.reset(yard.world, pipe, end);
        yard.world.note("failed", self.name(slot), failure as u64);
        if let Some(token) = self.port.token(tcp) {
            self.node.handle(yard.world.now(), Input::Failed { tcp, token, failure }, &mut self.port);
        }
        self.port.release(tcp);
    }

    fn datagrams(&mut self, yard: &mut Yard<'_>) -> bool {
        let mut any = false;
        for _ in 0..BATCH {
            let Some(first) = self.inbox.pop_front() else { break };
            any = true;
            let Packet { from, socket, ecn, mut bytes } = first;
            let segment_bytes = bytes.len();
            let mut is_open = true;
            while is_open
                && bytes.len() < 60_000
                && yard.world.dice.driver.ppm(700_000)
                && let Some(next) = self.inbox.front()
                && (next.from, next.socket) == (from, socket)
                && next.ecn == ecn
                && next.bytes.len() <= segment_bytes
            {
                is_open = next.bytes.len() == segment_bytes;
                bytes.extend_from_slice(&next.bytes);
                self.inbox.pop_front();
                yard.hits.hit("datagrams merged");
            }
            let socket = SocketId(socket);
            let input = Input::Datagrams { socket, from, ecn, segment_bytes, bytes: &mut bytes };
            self.node.handle(yard.world.now(), input, &mut self.port);
        }
        any
    }

    /// Flushes the role and closes the gap between its wishes and the world; whether it wished anything.
    fn settle(&mut self, yard: &mut Yard<'_>) -> bool {
        self.node.flush(yard.world.now(), &mut self.port);
        if let Some(complaint) = turns::starves(&self.node) {
            yard.world.violate(|| complaint);
        }
        let mut any = false;
        while let Some((tcp, to)) = self.port.take_connect() {
            any = true;
            let habits = yard.setting.habits(&mut yard.world.dice.tcp);
            let owner = Owner::Worker(self.me, tcp.0.slot);
            let pipe = yard.pipes.add(owner, self.address, to, habits);
            yard.world.note("connect", self.name(tcp.0.slot), pipe.into());
            self.adopt(tcp, pipe, 0, true);
            yard.connects.push(pipe);
        }
        while let Some(tcp) = self.port.take_dirty() {
            any = true;
            self.reconcile(yard, tcp);
        }
        while let Some(train) = self.port.take_train() {
            any = true;
            let bytes = self.port.train_bytes(&train).to_vec();
            yard.departures.push(Departure {
                socket: train.socket.0,
                to: train.to,
                ecn: train.ecn,
                segment_bytes: train.segment_bytes,
                bytes,
            });
            self.port.release_train(train.buffer);
        }
        any
    }

    fn reconcile(&mut self, yard: &mut Yard<'_>, tcp: TcpId) {
        let slot = tcp.0.slot;
        let queued = self.port.queued_bytes(tcp);
        if queued > self.bound_bytes {
            let bound = self.bound_bytes;
            yard.world.violate(|| format!("connection {slot} has {queued} B queued, beyond {bound}"));
        }
        if let Some(ending) = self.port.ending(tcp) {
            return self.end(yard, tcp, ending);
        }
        self.write(yard, slot);
        if self.port.take_mark(tcp) {
            self.owe_wrote(yard, slot);
        }
        self.again(yard, slot);
    }

    fn end(&mut self, yard: &mut Yard<'_>, tcp: TcpId, ending: Ending) {
        let name = self.name(tcp.0.slot);
        let conn = &mut self.conns[tcp.0.slot as usize];
        assert!(conn.lives && conn.tcp == tcp, "an ended connection is one that the driver keeps");
        conn.lives = false;
        yard.world.note("end", name, ending as u64);
        match ending {
            Ending::Close if !conn.is_connecting => yard.pipes.close(yard.world, conn.pipe, conn.end),
            Ending::Close | Ending::Abort => yard.pipes.reset(yard.world, conn.pipe, conn.end),
        }
        let is_late = yard.setting.faults.has(Fault::LateReleases) && yard.world.dice.driver.ppm(500_000);
        if is_late {
            yard.hits.hit(Fault::LateReleases.name());
            self.releases.push((yard.world.now_us + yard.world.dice.driver.below(50_000), tcp));
        } else {
            self.port.release(tcp);
        }
    }

    /// Lets go of connections whose last completion has come.
    fn release(&mut self, yard: &Yard<'_>, all: bool) {
        let now_us = yard.world.now_us;
        let mut at = 0;
        while at < self.releases.len() {
            if all || self.releases[at].0 <= now_us {
                let (_, tcp) = self.releases.swap_remove(at);
                self.port.release(tcp);
            } else {
                at += 1;
            }
        }
    }

    fn owe_wrote(&mut self, yard: &mut Yard<'_>, slot: u32) {
        self.conns[slot as usize].owes_wrote = true;
        self.again(yard, slot);
    }

    fn write(&mut self, yard: &mut Yard<'_>, slot: u32) {
        let Conn { tcp, pipe, end, is_connecting, is_finished, lives, .. } = self.conns[slot as usize];
        if is_connecting || !lives || yard.pipes.is_reset(pipe, end) {
            return;
        }
        let mut taken = 0;
        for slice in self.port.outgoing(tcp) {
            let count = yard.pipes.write(yard.world, pipe, end, slice);
            taken += count;
            if count < slice.len() {
                break;
            }
        }
        if taken > 0 {
            yard.world.note("write", self.name(slot), taken as u64);
            if self.port.sent(tcp, taken) {
                self.owe_wrote(yard, slot);
            }
        }
        if self.port.queued_bytes(tcp) == 0 && self.port.is_finishing(tcp) && !is_finished {
            self.conns[slot as usize].is_finished = true;
            yard.world.note("finish", self.name(slot), 0);
            yard.pipes.finish(yard.world, pipe, end);
        }
    }
}
