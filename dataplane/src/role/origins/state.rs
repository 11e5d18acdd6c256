//! `Origins`: the tables of the part, and what it says when asked.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::exchange::envelope::{OpeningEnvelope, Parsed};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Kind, Opening, Served, Upstream, Way};
use crate::http::{Asked, BodyReader, FieldTable, RequestBody, Trailers};
use crate::port::{Port, Reading, Token};
use crate::role::control::Control;
use crate::role::counters::Counters;
use crate::role::limits::Limits;
use crate::role::origins::connection::{Connection, IdleList, Turn, Use};
use crate::role::origins::fetch::{Down, Fetch, Up};
use crate::role::plan::Plan;
use crate::role::token::{self, Part};
use crate::stdx::chain::{Blocks, Chain};
use crate::stdx::slab::{Handle, Slab};
use crate::stdx::wheel::Wheel;
use crate::time::Instant;

/// Timers looked at in one turn.
const TIMER_BUDGET: usize = 256;

/// The origins' part of one worker.
#[derive(Debug)]
pub struct Origins {
    pub(crate) plan: Arc<Plan>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    control: Arc<Control>,
    generation: u64,
    pub(crate) addresses: Vec<Vec<SocketAddr>>,
    pub(crate) turns: Vec<Turn>,
    pub(crate) idle: Vec<IdleList>,
    pub(crate) fetches: Slab<Fetch>,
    pub(crate) connections: Slab<Connection>,
    pub(crate) blocks: Blocks,
    pub(crate) table: FieldTable,
    /// A head being put together; used within one call only.
    pub(crate) scratch: Vec<u8>,
    /// A head being written; used within one call only.
    pub(crate) written: Vec<u8>,
    pub(crate) listed: Vec<Handle>,
    pub(crate) wheel: Wheel,
    due: Vec<u64>,
}

impl Origins {
    /// A part that has no connection yet.
    pub fn new(plan: Arc<Plan>, limits: Arc<Limits>, counters: Arc<Counters>, control: Arc<Control>) -> Self {
        let count = plan.origins.len();
        let connections_max = limits.origin_connections_max();
        Self {
            control,
            generation: 0,
            addresses: vec![Vec::new(); count],
            turns: (0..count).map(|_| Turn::default()).collect(),
            idle: (0..count).map(|_| IdleList::new(limits.pool_max)).collect(),
            fetches: Slab::new(limits.exchanges_max),
            connections: Slab::new(connections_max),
            blocks: Blocks::new(limits.block_bytes, limits.held_bytes / limits.block_bytes),
            table: FieldTable::new(&limits.http.of_next_hop()),
            scratch: Vec::with_capacity(2 * limits.http.of_next_hop().head_bytes_max),
            written: Vec::with_capacity(2 * limits.http.head_bytes_max),
            listed: Vec::with_capacity(limits.exchanges_max),
            wheel: Wheel::new(limits.exchanges_max + connections_max),
            due: Vec::with_capacity(TIMER_BUDGET),
            plan,
            limits,
            counters,
        }
    }

    /// When `tick` has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.wheel.deadline()
    }

    /// Fetches under way.
    pub fn fetches(&self) -> usize {
        self.fetches.len()
    }

    /// Connections, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        (self.connections.len(), self.idle.iter().map(IdleList::len).sum())
    }

    /// Blocks that hold requests without a connection and answers without credit.
    pub fn held_blocks(&self) -> usize {
        self.blocks.used()
    }

    /// Lets time pass and says what could not be said inside an ask.
    pub fn flush(&mut self, now: Instant, port: &mut Port, down: &mut dyn Downstream) {
        self.adopt_addresses();
        while let Some(handle) = self.listed.pop() {
            self.look(now, port, down, handle);
        }
        self.expire(now, port, down);
        self.counters.origin_connections.set(self.connections.len() as u64);
    }

    /// Takes over what the resolver has said since the last time. Also done before each new connection: in the batch
    /// that wakes a worker a request may stand before the flush.
    pub(crate) fn adopt_addresses(&mut self) {
        self.generation = self.control.adopt(self.generation, &mut self.addresses);
    }

    /// Takes a plan over: what begins from now on goes by it, and connections that wait for origins it has retired are
    /// closed.
    pub fn take_plan(&mut self, port: &mut Port, plan: Arc<Plan>) {
        self.generation = self.control.adopt_for_plan(&mut self.addresses);
        let count = plan.origins.len();
        self.addresses.resize_with(count.max(self.addresses.len()), Vec::new);
        self.turns.resize_with(count, Turn::default);
        self.idle.resize_with(count, || IdleList::new(self.limits.pool_max));
        for (number, _) in plan.origins.iter().enumerate().filter(|(_, origin)| origin.retired.is_some()) {
            self.drop_all_idle(port, number);
        }
        self.plan = plan;
    }

    /// Whether a fetch goes on, or a connection stands, that belongs to an origin that the plan has retired.
    pub fn uses_retired(&self) -> bool {
        let is_retired = |origin: u16| self.plan.is_retired(Way::Origin(origin));
        let mut fetches = self.fetches.handles().filter_map(|handle| self.fetches.get(handle));
        let mut connections = self.connections.handles().filter_map(|handle| self.connections.get(handle));
        fetches.any(|fetch| is_retired(fetch.origin))
            || connections.any(|connection| is_retired(connection.origin))
    }

    /// Whether a flush would say something.
    pub fn has_work(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Closes the idle connections: nothing new will come.
    pub fn drain(&mut self, port: &mut Port) {
        for origin in 0..self.idle.len() {
            self.drop_all_idle(port, origin);
        }
    }

    fn drop_all_idle(&mut self, port: &mut Port, origin: usize) {
        while let Some(handle) = self.idle[origin].take() {
            if let Some(connection) = self.connections.remove(handle) {
                port.close(connection.tcp);
            }
        }
    }

    /// Puts a fetch on the list for the next flush.
    pub(crate) fn list(&mut self, handle: Handle) {
        if let Some(fetch) = self.fetches.get_mut(handle)
            && !fetch.is_listed
        {
            fetch.is_listed = true;
            self.listed.push(handle);
        }
    }

    /// Remembers why a fetch must end; it is told at the next flush.
    pub(crate) fn fail_later(&mut self, handle: Handle, failure: Failure) {
        if let Some(fetch) = self.fetches.get_mut(handle) {
            fetch.failure = fetch.failure.or(Some(failure));
            self.list(handle);
        }
    }

    /// Moves a fetch's deadline, and sets a timer if none would fire in time.
    pub(crate) fn set_deadline(&mut self, handle: Handle, deadline: Instant) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        fetch.deadline = deadline;
        if deadline < fetch.timer {
            fetch.timer = deadline;
            self.wheel.set(deadline, token::pack(Part::Fetch, handle).0);
        }
    }

    fn expire(&mut self, now: Instant, port: &mut Port, down: &mut dyn Downstream) {
        let mut due = core::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due, TIMER_BUDGET);
        for entry in due.drain(..) {
            match token::unpack(Token(entry)) {
                Some((Part::Fetch, handle)) => self.on_fetch_timer(now, port, down, handle),
                Some((Part::Connection, handle)) => self.on_idle_timer(now, port, handle),
                Some((Part::Client | Part::Exchange | Part::Carrier, _)) | None => {}
            }
        }
        self.due = due;
    }

    fn look(&mut self, now: Instant, port: &mut Port, down: &mut dyn Downstream, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        fetch.is_listed = false;
        if let Some(failure) = fetch.failure {
            self.fail(port, now, down, handle, failure);
            return;
        }
        self.say_envelope(now, port, down, handle);
        self.end_if_both(now, port, handle);
        self.pay_room(now, port, down, handle);
        self.pour_held(now, port, down, handle);
    }
}

impl Upstream for Origins {
    fn open(
        &mut self,
        now: Instant,
        port: &mut Port,
        way: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure> {
        let Way::Origin(origin) = way else { panic!("routes are not served by origins") };
        let Parsed::Complete(envelope, _) = OpeningEnvelope::parse(opening.envelope) else {
            return Err(Failure::BadStream);
        };
        let is_tcp = opening.kind == Kind::Tcp;
        let fetch = Fetch {
            asker,
            origin,
            kind: opening.kind,
            class: opening.class,
            later: None,
            answer_bytes: 0,
            client: envelope.client,
            connection: None,
            up: if is_tcp { Up::Opaque } else { Up::Head },
            down: if is_tcp { Down::Opaque } else { Down::Head },
            request_body: BodyReader::for_request(RequestBody::None),
            answer_body: BodyReader::for_request(RequestBody::None),
            request_trailers: Trailers::new(&self.limits.http),
            answer_trailers: Trailers::new(&self.limits.http),
            asked: Asked::Ordinary,
            has_credentials: false,
            is_chunked: false,
            keeps_alive: false,
            is_repeatable: false,
            is_reused: false,
            is_finished: false,
            has_answered: false,
            has_said_envelope: false,
            first_byte_us: 0,
            attempts: 0,
            connects: 0,
            turn: None,
            interim_count: 0,
            pending: Chain::new(),
            queued_seen: u32::MAX,
            held: Chain::new(),
            has_ended: false,
            credit: self.limits.stream_bytes,
            owed: 0,
            opened: now,
            deadline: now + self.limits.answer_timeout,
            timer: Instant::from_us(u64::MAX),
            failure: None,
            is_listed: false,
        };
        let handle = self.fetches.insert(fetch).map_err(|_| Failure::Shed)?;
        self.set_deadline(handle, now + self.limits.answer_timeout);
        if is_tcp {
            self.start(now, port, handle);
        }
        Ok(Served(handle))
    }

    fn ask(&mut self, now: Instant, port: &mut Port, _: Way, _: Asker, served: Served, ask: Ask<'_>) -> bool {
        let handle = served.0;
        if self
            .fetches
            .get(handle)
            .is_none_or(|fetch| fetch.failure.is_some() && !matches!(ask, Ask::Abandon))
        {
            // What has failed must not go on behind what was lost: the origin would take it for the whole.
            return true;
        }
        match ask {
            Ask::Data(bytes) => self.take_up(now, port, handle, bytes),
            Ask::Finish => self.finish_up(port, handle),
            Ask::Abandon => self.abandon(port, handle),
            // Without a tunnel there is no other way.
            Ask::TakeBack => {}
            Ask::Grant(bytes) => {
                if let Some(fetch) = self.fetches.get_mut(handle) {
                    fetch.credit += bytes;
                }
                self.list(handle);
            }
        }
        true
    }
}

/// What every file of this part says at the end of an answer.
pub(crate) fn say(
    now: Instant,
    port: &mut Port,
    down: &mut dyn Downstream,
    asker: Asker,
    answer: Answer<'_>,
) {
    let taken = down.answer(now, port, asker, answer);
    assert!(taken, "parts of one worker take every answer within the credit");
}

/// How much of a connection is read: large buffers, because answers have bodies.
pub(crate) const READING: Reading = Reading::Large;

impl Connection {
    /// The fetch that uses it.
    pub(crate) fn fetch(&self) -> Option<Handle> {
        match self.usage {
            Use::Connecting(fetch) | Use::Busy(fetch) => Some(fetch),
            Use::Idle(_) | Use::Closing(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::envelope::OPENING_BYTES_MAX;
    use crate::port::PortOptions;
    use crate::role::plan::Origin;

    fn origins(control: &Arc<Control>) -> Origins {
        let origin =
            Origin { site: "*".into(), kind: Kind::Tcp, label: String::new(), proxy: None, retired: None };
        let plan = Arc::new(Plan { origins: vec![origin].into(), ..Plan::default() });
        let limits = Limits { exchanges_max: 2, held_bytes: 1 << 16, ..Limits::default() };
        Origins::new(plan, Arc::new(limits), Arc::default(), control.clone())
    }

    #[test]
    fn an_exchange_in_the_batch_that_brings_the_addresses_is_connected() {
        let control = Arc::new(Control::new(Arc::default(), 1));
        let mut origins = origins(&control);
        let mut port = Port::new(&PortOptions { tcp_max: 4, block_bytes: 64, blocks: 4, trains: 1 });
        let address = "192.0.2.1:25".parse().unwrap();
        control.publish(0, &[address]);
        let envelope = OpeningEnvelope { kind: Kind::Tcp, decision: 1, client: address, site: b"mail" };
        let mut bytes = [0; OPENING_BYTES_MAX];
        let length = envelope.encode(&mut bytes);
        let terms = crate::compression::Terms::nothing(crate::compression::Why::Rule);
        let opening = Opening { class: 2, kind: Kind::Tcp, envelope: &bytes[..length], terms };
        let opened = origins.open(Instant::ORIGIN, &mut port, Way::Origin(0), Asker(0), &opening);
        assert!(opened.is_ok());
        assert_eq!(port.take_connect().map(|connect| connect.1), Some(address));
    }
}
