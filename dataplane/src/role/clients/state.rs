//! `Clients`: the tables of the part, its listeners, its timers.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::access::Ended;
use crate::blender::RINGS;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Served, Upstream, Way};
use crate::http::{FieldTable, ImfFixdate, format_imf_fixdate};
use crate::port::{ListenerId, Port, Reading, TcpId, Token};
use crate::role::clients::client::{Client, Phase};
use crate::role::clients::exchange::{Exchange, Move};
use crate::role::counters::Counters;
use crate::role::limits::Limits;
use crate::role::plan::Plan;
use crate::role::redirects::Redirects;
use crate::role::token::{self, Part};
use crate::stdx::chain::{Blocks, Chain};
use crate::stdx::slab::{Handle, Slab};
use crate::stdx::wheel::Wheel;
use crate::time::{Duration, Instant};

/// Timers looked at in one turn.
const TIMER_BUDGET: usize = 256;
/// How long an idle connection may still begin a request while the node drains: longer than most round trips.
const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// A second, in µs.
const SECOND_US: u64 = 1_000_000;

/// Where access records go: a bounded ring to the log's thread, or a simulator's list.
pub trait RecordSink {
    /// Calls `encode` with a slot of `access::SLOT_BYTES` and keeps as much as it says; false if there was none free.
    fn put(&mut self, encode: &mut dyn FnMut(&mut [u8]) -> usize) -> bool;
}

/// What a worker's clients part needs to know.
pub struct ClientsOptions {
    /// Sites and ways.
    pub plan: Arc<Plan>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Where to count.
    pub counters: Arc<Counters>,
    /// This worker's number.
    pub worker: u8,
    /// Unix time of `Instant::ORIGIN`, in µs.
    pub unix_origin_us: u64,
    /// Where decision ids start; the worker's number is mixed in, so that ids of different workers differ.
    pub decision_seed: u64,
    /// Where access records go.
    pub records: Box<dyn RecordSink + Send>,
}

/// The clients of one worker.
pub struct Clients {
    pub(crate) plan: Arc<Plan>,
    pub(crate) redirects: Arc<Redirects>,
    pub(crate) limits: Arc<Limits>,
    /// As in the limits, until an operator changes it.
    shed_at_percent: [u32; RINGS],
    pub(crate) counters: Arc<Counters>,
    pub(crate) worker: u8,
    pub(crate) unix_origin_us: u64,
    pub(crate) decision: u64,
    pub(crate) records: Box<dyn RecordSink + Send>,
    pub(crate) clients: Slab<Client>,
    pub(crate) exchanges: Slab<Exchange>,
    pub(crate) shed_count: usize,
    pub(crate) blocks: Blocks,
    pub(crate) table: FieldTable,
    /// Bytes being put together; used within one call only.
    pub(crate) scratch: Vec<u8>,
    /// A head being written; used within one call only.
    pub(crate) written: Vec<u8>,
    pub(crate) listed: Vec<Handle>,
    /// Exchanges given up while the ring to their server was full.
    pub(crate) abandoned: Vec<(Way, Asker, Served)>,
    pub(crate) wheel: Wheel,
    due: Vec<u64>,
    date: ImfFixdate,
    date_second: u64,
    pub(crate) is_draining: bool,
}

impl Clients {
    /// A part without clients.
    pub fn new(options: ClientsOptions) -> Self {
        let limits = options.limits;
        let clients_max = limits.connections_max + limits.shedding_max;
        Self {
            clients: Slab::new(clients_max),
            exchanges: Slab::new(limits.exchanges_max),
            shed_count: 0,
            blocks: Blocks::new(limits.block_bytes, limits.held_bytes / limits.block_bytes),
            table: FieldTable::new(&limits.http.of_next_hop()),
            scratch: Vec::with_capacity(2 * limits.http.head_bytes_max),
            written: Vec::with_capacity(2 * limits.http.head_bytes_max + limits.stream_bytes as usize),
            listed: Vec::with_capacity(clients_max),
            abandoned: Vec::with_capacity(1_024),
            wheel: Wheel::new(2 * clients_max),
            due: Vec::with_capacity(TIMER_BUDGET),
            date: format_imf_fixdate(0),
            date_second: 0,
            is_draining: false,
            plan: options.plan,
            redirects: Arc::default(),
            counters: options.counters,
            worker: options.worker,
            unix_origin_us: options.unix_origin_us,
            decision: options.decision_seed,
            records: options.records,
            shed_at_percent: limits.shed_at_percent,
            limits,
        }
    }

    /// Takes a plan over: what begins from now on goes by it.
    pub fn take_plan(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
    }

    /// Takes over where clients are better served.
    pub fn take_redirects(&mut self, redirects: Arc<Redirects>) {
        self.redirects = redirects;
    }

    /// Whether an exchange goes on that belongs to a site, or goes a way, that the plan has retired.
    pub fn uses_retired(&self) -> bool {
        let plan = &self.plan;
        self.exchanges.handles().filter_map(|handle| self.exchanges.get(handle)).any(|exchange| {
            let site = plan.sites.get(usize::from(exchange.site));
            plan.is_retired(exchange.way) || site.is_some_and(|site| site.retired.is_some())
        })
    }

    /// How full the exchanges may be from now on, in percent, before requests of each class are refused.
    pub fn shed_at(&mut self, percent: [u32; RINGS]) {
        self.shed_at_percent = percent;
    }

    /// Exchanges under way beyond which a class is refused.
    pub(crate) fn exchanges_max_of(&self, class: u8) -> usize {
        let percent = self.shed_at_percent[usize::from(class).min(RINGS - 1)] as usize;
        self.limits.exchanges_max * percent.min(100) / 100
    }

    /// When `flush` has something to do by itself.
    pub fn deadline(&self) -> Option<Instant> {
        self.wheel.deadline()
    }

    /// Connections open.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Exchanges under way.
    pub fn exchanges(&self) -> usize {
        self.exchanges.len()
    }

    /// Blocks that hold clients' unread input and unfinished heads.
    pub fn held_blocks(&self) -> usize {
        self.blocks.used()
    }

    /// Whether a flush would do something now.
    pub fn has_work(&self) -> bool {
        !self.listed.is_empty() || !self.abandoned.is_empty()
    }

    /// A client has connected.
    pub fn on_accepted(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        tcp: TcpId,
        listener: ListenerId,
        peer: SocketAddr,
    ) {
        let is_shed = self.clients.len() - self.shed_count >= self.limits.connections_max || self.is_draining;
        let plan = self.plan.clone();
        let Some(entrance) = plan.listeners.get(usize::from(listener.0)) else {
            port.abort(tcp);
            return;
        };
        let client = Client {
            tcp,
            peer,
            listener: listener.0,
            phase: if entrance.proxy { Phase::Preface } else { Phase::Head },
            is_shed: false,
            is_listed: false,
            is_held: false,
            has_ended: false,
            queued_seen: 0,
            requests: 0,
            stash: Chain::new(),
            exchange: None,
            deadline: now,
            timer: Instant::from_us(u64::MAX),
            began: now,
        };
        let Ok(handle) = self.clients.insert(client) else {
            port.abort(tcp);
            return;
        };
        self.counters.clients_accepted.add(1);
        port.set_token(tcp, token::pack(Part::Client, handle));
        port.read(tcp, Reading::Small);
        if is_shed {
            self.shed(now, port, handle);
            return;
        }
        self.set_deadline(handle, now + self.limits.idle_timeout.min(self.limits.head_timeout));
        if entrance.tcp_site.is_some() && !entrance.proxy {
            self.begin_tcp(now, port, up, handle);
        }
    }

    /// Lets time pass, and does what could not be done inside an answer.
    pub fn flush(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream) {
        while let Some((way, asker, served)) = self.abandoned.pop() {
            if !up.ask(now, port, way, asker, served, Ask::Abandon) {
                self.abandoned.push((way, asker, served));
                break;
            }
        }
        let listed = self.listed.len();
        for index in 0..listed {
            let handle = self.listed[index];
            self.look(now, port, up, handle);
        }
        self.listed.drain(..listed);
        let mut due = core::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due, TIMER_BUDGET);
        for entry in due.drain(..) {
            if let Some((Part::Client, handle)) = token::unpack(Token(entry)) {
                self.on_timer(now, port, up, handle);
            }
        }
        self.due = due;
        self.counters.clients.set(self.clients.len() as u64);
        self.counters.exchanges.set(self.exchanges.len() as u64);
    }

    /// Stops keeping connections: each is told so with its next answer; idle ones are closed a little later, because
    /// a request may be on its way to us just now, and closing under it would reset it.
    pub fn drain(&mut self, now: Instant) {
        self.is_draining = true;
        let until = now + DRAIN_GRACE.min(self.limits.drain_timeout / 4);
        for slot in 0..self.clients.slots() as u32 {
            let Some(handle) = self.clients.handle_at(slot) else { continue };
            if self.clients.get(handle).is_some_and(|c| c.phase == Phase::Head && c.stash.is_empty()) {
                self.set_deadline(handle, until);
            }
        }
    }

    /// Ends everything now; how many exchanges were cut.
    pub fn cut(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream) -> usize {
        let mut cut = 0;
        for slot in 0..self.clients.slots() as u32 {
            let Some(handle) = self.clients.handle_at(slot) else { continue };
            cut += usize::from(self.clients.get(handle).is_some_and(|client| client.exchange.is_some()));
            self.give_up(now, port, up, handle, Ended::Stopped);
        }
        cut
    }

    /// The date that answers carry.
    pub(crate) fn date(&mut self, now: Instant) -> ImfFixdate {
        let second = (self.unix_origin_us + now.as_us()) / SECOND_US;
        if second != self.date_second {
            (self.date, self.date_second) = (format_imf_fixdate(second), second);
        }
        self.date
    }

    /// The next decision's id: the worker in the upper bits, so that ids are unique in the process.
    pub(crate) fn next_decision(&mut self) -> u64 {
        self.decision = self.decision.wrapping_add(1);
        self.decision
    }

    /// Puts a client on the list for the next flush.
    pub(crate) fn list(&mut self, handle: Handle) {
        if let Some(client) = self.clients.get_mut(handle)
            && !client.is_listed
        {
            client.is_listed = true;
            self.listed.push(handle);
        }
    }

    /// Moves a client's deadline, and sets a timer if none would fire in time.
    pub(crate) fn set_deadline(&mut self, handle: Handle, deadline: Instant) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        client.deadline = deadline;
        if deadline < client.timer {
            client.timer = deadline;
            self.wheel.set(deadline, token::pack(Part::Client, handle).0);
        }
    }

    /// The name under which the server of an exchange answers.
    pub(crate) fn asker(&self, exchange: Handle) -> Asker {
        Asker(u64::from(self.worker) << 56 | exchange.to_u64())
    }

    fn look(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        client.is_listed = false;
        if client.phase == Phase::Opening {
            self.begin_tcp(now, port, up, handle);
        }
        let exchange = self.clients.get(handle).and_then(|client| client.exchange);
        if let Some(key) = exchange
            && self.exchanges.get(key).is_some_and(|exchange| exchange.moving != Move::No)
        {
            self.reroute(now, port, up, key);
        }
        self.pay(now, port, up, handle);
        self.go_on(now, port, up, handle);
    }
}

impl Downstream for Clients {
    fn answer(&mut self, now: Instant, port: &mut Port, asker: Asker, answer: Answer<'_>) -> bool {
        let exchange = Handle::from_u64(asker.0 & 0x00ff_ffff_ffff_ffff);
        let Some(client) = self.exchanges.get(exchange).map(|exchange| exchange.client) else { return true };
        match answer {
            Answer::Room(bytes) => {
                if let Some(exchange) = self.exchanges.get_mut(exchange) {
                    exchange.room += bytes;
                }
                self.has_left(exchange);
                self.list(client);
            }
            Answer::Queued(us) => {
                if let Some(exchange) = self.exchanges.get_mut(exchange) {
                    exchange.queue_us = Some(us);
                }
                self.has_left(exchange);
            }
            Answer::Returned => self.take_back(exchange),
            Answer::Failed(failure) if self.may_outlive(exchange, failure) => {}
            // Without a tunnel there is nothing to be first in.
            Answer::Saved(bytes) => {
                if let Some(exchange) = self.exchanges.get_mut(exchange) {
                    exchange.saved_bytes += u64::from(bytes);
                }
            }
            Answer::Class(_) | Answer::Compress(_) => {}
            Answer::Data(bytes) => self.take_down(now, port, exchange, bytes),
            Answer::Finish | Answer::Enough => self.finish_down(now, port, exchange),
            Answer::Failed(failure) => self.fail(now, port, exchange, failure),
        }
        true
    }
}

/// The shorter of two spans, where zero means "none".
pub(crate) fn bound(span: Duration) -> Option<Duration> {
    (!span.is_zero()).then_some(span)
}
