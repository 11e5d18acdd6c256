//! `Node`: one worker's role, made of parts. A front-end has clients and a trunk, a back-end a trunk and origins; either
//! end alone has clients and origins. The parts do not know each other: the node hands what one asks to whoever serves
//! it, and the answers back.
//!
//! ```text
//!               ┌ crossing ┐ (other workers)
//!   clients ─ask┤          ├─► trunk ══ tunnel ══ trunk ─ask─► origins      front-end … back-end
//!   clients ─ask────────────────────────────────────────────► origins      one end alone
//! ```

use std::sync::Arc;

use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Ask, Asker, Downstream, Opening, Served, Standing, Upstream, Way};
use crate::port::{Input, Port, Role};
use crate::reactor::sleep::Sleep;
use crate::role::clients::Clients;
use crate::role::control::{Control, Stage};
use crate::role::counters::Counters;
use crate::role::crossing::Crossing;
use crate::role::limits::Limits;
use crate::role::origins::Origins;
use crate::role::plan::Plan;
use crate::role::status::StatusBoard;
use crate::role::token::{self, Part};
use crate::role::trunk::{Parts, Trunk};
use crate::time::{Duration, Instant};

/// Rounds of passing words between the parts in one turn: a request goes up and its refusal comes down in two.
const ROUNDS_MAX: usize = 4;
/// How often the tunnels' numbers are shown to the control thread.
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// When work that could not be done (a ring to another core was full) is tried again, if nothing happens before.
const RETRY_AFTER: Duration = Duration::from_micros(100);
/// Marks the askers that are streams of this worker's trunk.
const STREAM_ASKER: u64 = 0xff << 56;

/// What a node is made of.
pub struct NodeParts {
    /// This worker's number.
    pub worker: u8,
    /// Sites and ways.
    pub plan: Arc<Plan>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Where to count.
    pub counters: Arc<Counters>,
    /// What the control thread says.
    pub control: Arc<Control>,
    /// This worker's sleep flag and the others', by number.
    pub sleeps: Vec<Arc<Sleep>>,
    /// Clients, if this worker accepts any.
    pub clients: Option<Clients>,
    /// Tunnels, if this worker owns any.
    pub trunk: Option<Trunk>,
    /// Origins, if this process has any.
    pub origins: Option<Origins>,
    /// Rings to the other workers.
    pub crossing: Crossing,
    /// Where the tunnels' numbers are shown.
    pub status: Arc<StatusBoard>,
}

/// One worker's role.
pub struct Node {
    parts: NodeParts,
    stage: Stage,
    drain_deadline: Instant,
    status_at: Instant,
    retry_at: Option<Instant>,
    /// This worker has said that it has clients.
    reports_clients: bool,
    settings_seen: u64,
    routes_seen: u64,
    redirects_seen: u64,
    /// Nothing uses a number any more that the plan has retired, and that has been said.
    is_settled: bool,
    is_finished: bool,
    cut: usize,
}

/// Whoever serves, by way.
struct Servers<'a> {
    worker: u8,
    trunk: Option<&'a mut Trunk>,
    origins: Option<&'a mut Origins>,
    crossing: Option<&'a mut Crossing>,
    is_draining: bool,
}

/// Whoever asked, by asker.
struct Askers<'a> {
    worker: u8,
    clients: Option<&'a mut Clients>,
    trunk: Option<&'a mut Trunk>,
    crossing: Option<&'a mut Crossing>,
}

impl Node {
    /// A node that has not begun.
    pub fn new(parts: NodeParts) -> Self {
        let origin = Instant::ORIGIN;
        let reports_clients = parts.clients.is_some();
        parts.control.report_clients(parts.worker, reports_clients);
        Self {
            parts,
            stage: Stage::Running,
            drain_deadline: origin,
            status_at: origin,
            retry_at: None,
            reports_clients,
            settings_seen: 0,
            routes_seen: 0,
            redirects_seen: 0,
            is_settled: true,
            is_finished: false,
            cut: 0,
        }
    }

    /// Exchanges that were cut at the end.
    pub fn cut(&self) -> usize {
        self.cut
    }

    /// The parts, for a simulator's checks.
    pub fn parts(&self) -> &NodeParts {
        &self.parts
    }

    fn pass(&mut self, now: Instant, port: &mut Port) {
        let is_draining = self.stage != Stage::Running;
        let NodeParts { worker, plan, clients, trunk, origins, crossing, .. } = &mut self.parts;
        if let Some(trunk) = trunk {
            let mut up = Servers {
                worker: *worker,
                trunk: None,
                origins: origins.as_mut(),
                crossing: None,
                is_draining,
            };
            let mut down =
                Askers { worker: *worker, clients: clients.as_mut(), trunk: None, crossing: Some(crossing) };
            trunk.deliver(now, port, &mut Parts { up: &mut up, down: &mut down, plan });
        }
        if let Some(origins) = origins {
            let mut down =
                Askers { worker: *worker, clients: clients.as_mut(), trunk: trunk.as_mut(), crossing: None };
            origins.flush(now, port, &mut down);
        }
        if let Some(clients) = clients {
            let mut up = Servers {
                worker: *worker,
                trunk: trunk.as_mut(),
                origins: origins.as_mut(),
                crossing: Some(crossing),
                is_draining,
            };
            clients.flush(now, port, &mut up);
        }
    }

    fn has_work(&self) -> bool {
        let parts = &self.parts;
        parts.clients.as_ref().is_some_and(Clients::has_work)
            || parts.origins.as_ref().is_some_and(Origins::has_work)
            || parts.trunk.as_ref().is_some_and(Trunk::has_work)
    }

    fn receive(&mut self, now: Instant, port: &mut Port) {
        let NodeParts { worker, clients, trunk, origins, crossing, .. } = &mut self.parts;
        if crossing.is_empty() {
            return;
        }
        let mut up = Servers {
            worker: *worker,
            trunk: trunk.as_mut(),
            origins: origins.as_mut(),
            crossing: None,
            is_draining: false,
        };
        let mut down = Askers { worker: *worker, clients: clients.as_mut(), trunk: None, crossing: None };
        crossing.receive(now, port, &mut up, &mut down);
    }

    fn transmit(&mut self, now: Instant, port: &mut Port) {
        let NodeParts { worker, plan, clients, trunk, origins, crossing, .. } = &mut self.parts;
        if let Some(trunk) = trunk {
            let mut up = Servers {
                worker: *worker,
                trunk: None,
                origins: origins.as_mut(),
                crossing: None,
                is_draining: false,
            };
            let mut down =
                Askers { worker: *worker, clients: clients.as_mut(), trunk: None, crossing: Some(crossing) };
            trunk.transmit(now, port, &mut Parts { up: &mut up, down: &mut down, plan });
        }
    }

    /// Takes over the newest plan. Done before every input and not only at the flush: in the batch that wakes a worker a
    /// request may stand before it.
    fn adopt_plan(&mut self, now: Instant, port: &mut Port) {
        let parts = &mut self.parts;
        if parts.control.plan_generation() == parts.plan.generation {
            return;
        }
        let plan = parts.control.plan();
        if let Some(origins) = &mut parts.origins {
            origins.take_plan(port, plan.clone());
        } else if !plan.origins.is_empty() {
            let NodeParts { limits, counters, control, .. } = &*parts;
            let origins = Origins::new(plan.clone(), limits.clone(), counters.clone(), control.clone());
            parts.origins = Some(origins);
        }
        if let Some(clients) = &mut parts.clients {
            clients.take_plan(plan.clone());
        }
        if let Some(trunk) = &mut parts.trunk {
            // A tunnel that cannot be had now is tried again with the next look at the tunnels.
            let _begun = trunk.take_plan(now, &plan);
        }
        parts.crossing.take_plan(plan.clone());
        parts.plan = plan;
        self.is_settled = false;
    }

    /// Says it when nothing is left of what the plan has retired. Walks through all exchanges, as often as the tunnels are
    /// looked at, and only until it is so.
    fn settle(&mut self) {
        let NodeParts { worker, plan, control, clients, trunk, origins, .. } = &self.parts;
        let uses_retired = clients.as_ref().is_some_and(Clients::uses_retired)
            || trunk.as_ref().is_some_and(|trunk| trunk.uses_retired(plan))
            || origins.as_ref().is_some_and(Origins::uses_retired);
        if !uses_retired {
            control.report_settled(*worker, plan.generation);
            self.is_settled = true;
        }
    }

    fn adopt_settings(&mut self) {
        let Some(settings) = self.parts.control.newer_settings(&mut self.settings_seen) else { return };
        if let Some(trunk) = &mut self.parts.trunk {
            trunk.configure(&settings);
        }
        if let Some(clients) = &mut self.parts.clients {
            clients.shed_at(settings.shed_at_percent);
        }
    }

    /// Tells other workers which routes are up, and moves what waits for one that is down.
    fn follow_routes(&mut self, now: Instant, port: &mut Port) {
        let NodeParts { worker, control, clients, trunk, origins, crossing, sleeps, .. } = &mut self.parts;
        if trunk.as_mut().is_some_and(|trunk| trunk.report_routes(control)) {
            let others = (0..sleeps.len() as u8).filter(|other| other != worker);
            others.for_each(|other| port.wake(other));
        }
        let generation = control.routes_generation();
        if generation == self.routes_seen {
            return;
        }
        self.routes_seen = generation;
        let Some(clients) = clients else { return };
        let mut up = Servers {
            worker: *worker,
            trunk: trunk.as_mut(),
            origins: origins.as_mut(),
            crossing: Some(crossing),
            is_draining: self.stage != Stage::Running,
        };
        clients.follow_routes(now, port, &mut up);
    }

    fn adopt_redirects(&mut self) {
        if let Some(clients) = &mut self.parts.clients
            && let Some(redirects) = self.parts.control.newer_redirects(&mut self.redirects_seen)
        {
            clients.take_redirects(redirects);
        }
    }

    fn advance_stage(&mut self, now: Instant, port: &mut Port) {
        let wanted = self.parts.control.stage();
        if wanted > self.stage {
            self.stage = wanted;
            port.stop_listening();
            self.drain_deadline = now + self.parts.limits.drain_timeout;
            if let Some(clients) = &mut self.parts.clients {
                clients.drain(now);
            }
        }
        let is_over = match self.stage {
            Stage::Running => return,
            Stage::Draining => self.is_drained(port) || now >= self.drain_deadline,
            Stage::Stopping => true,
        };
        if is_over && !self.is_finished {
            self.end(now, port);
        }
    }

    fn is_drained(&mut self, port: &mut Port) -> bool {
        let parts = &self.parts;
        let has_clients = parts.clients.as_ref().is_some_and(|clients| clients.clients() > 0);
        if self.reports_clients && !has_clients {
            self.reports_clients = false;
            parts.control.report_clients(parts.worker, false);
            (0..parts.sleeps.len() as u8)
                .filter(|worker| *worker != parts.worker)
                .for_each(|worker| port.wake(worker));
        }
        // Another worker's exchange may still come over this one's tunnel.
        !parts.control.has_clients()
            && parts.trunk.as_ref().is_none_or(|trunk| trunk.streams() == 0)
            && parts.origins.as_ref().is_none_or(|origins| origins.fetches() == 0)
    }

    fn end(&mut self, now: Instant, port: &mut Port) {
        let NodeParts { worker, clients, trunk, origins, crossing, .. } = &mut self.parts;
        if let Some(clients) = clients {
            let mut up = Servers {
                worker: *worker,
                trunk: trunk.as_mut(),
                origins: origins.as_mut(),
                crossing: Some(crossing),
                is_draining: true,
            };
            self.cut += clients.cut(now, port, &mut up);
        } else if let Some(trunk) = trunk {
            self.cut += trunk.streams();
        }
        if let Some(origins) = origins {
            origins.drain(port);
        }
        if let Some(trunk) = trunk {
            trunk.close(now);
        }
        self.is_finished = true;
    }

    fn show_status(&mut self, now: Instant) {
        if now < self.status_at {
            return;
        }
        self.status_at = now + STATUS_EVERY;
        let parts = &mut self.parts;
        if let Some(trunk) = &mut parts.trunk {
            parts.counters.streams.set(trunk.streams() as u64);
            let opened = parts.counters.streams_opened.read();
            parts.counters.streams_opened.add(trunk.streams_opened() - opened);
            let _begun = trunk.follow(now, &parts.plan);
            trunk.show(now, &parts.status);
        }
        if !self.is_settled {
            self.settle();
        }
    }
}

impl Role for Node {
    fn handle(&mut self, now: Instant, input: Input<'_>, port: &mut Port) {
        self.adopt_plan(now, port);
        let is_draining = self.stage != Stage::Running;
        let NodeParts { worker, plan, clients, trunk, origins, crossing, .. } = &mut self.parts;
        let worker = *worker;
        let (part, handle) = match &input {
            Input::Datagrams { .. } => {
                if let (Some(trunk), Input::Datagrams { socket, from, ecn, segment_bytes, bytes }) =
                    (trunk, input)
                {
                    trunk.handle_datagrams(now, (socket, from), ecn, segment_bytes, bytes);
                }
                return;
            }
            Input::Tick => return,
            Input::Accepted { tcp, listener, peer }
                if plan.listeners.get(usize::from(listener.0)).is_some_and(|door| door.carries_tunnels) =>
            {
                match trunk {
                    Some(trunk) => trunk.accept_carrier(now, port, *tcp, *peer),
                    None => port.abort(*tcp),
                }
                return;
            }
            Input::Accepted { tcp, listener, peer } => {
                let Some(clients) = clients else {
                    port.abort(*tcp);
                    return;
                };
                let mut up = Servers {
                    worker,
                    trunk: trunk.as_mut(),
                    origins: origins.as_mut(),
                    crossing: Some(crossing),
                    is_draining,
                };
                clients.on_accepted(now, port, &mut up, *tcp, *listener, *peer);
                return;
            }
            Input::Connected { token, .. }
            | Input::Read { token, .. }
            | Input::ReadEnd { token, .. }
            | Input::Wrote { token, .. }
            | Input::Failed { token, .. } => {
                let Some((part, handle)) = token::unpack(*token) else { return };
                (part, handle)
            }
        };
        match (part, clients, origins) {
            (Part::Carrier, ..) => {
                if let Some(trunk) = trunk {
                    trunk.handle_carrier(now, port, handle, input);
                }
            }
            (Part::Client, Some(clients), origins) => {
                let mut up = Servers {
                    worker,
                    trunk: trunk.as_mut(),
                    origins: origins.as_mut(),
                    crossing: Some(crossing),
                    is_draining,
                };
                match input {
                    Input::Read { bytes, .. } => clients.on_read(now, port, &mut up, handle, bytes),
                    Input::ReadEnd { .. } => clients.on_read_end(now, port, &mut up, handle),
                    Input::Wrote { .. } => clients.on_wrote(now, port, &mut up, handle),
                    Input::Failed { failure, .. } => clients.on_failed(now, port, &mut up, handle, failure),
                    Input::Connected { .. }
                    | Input::Accepted { .. }
                    | Input::Datagrams { .. }
                    | Input::Tick => {}
                }
            }
            (Part::Connection, clients, Some(origins)) => {
                let mut down =
                    Askers { worker, clients: clients.as_mut(), trunk: trunk.as_mut(), crossing: None };
                match input {
                    Input::Connected { .. } => origins.on_connected(now, port, handle),
                    Input::Read { bytes, .. } => origins.on_read(now, port, &mut down, handle, bytes),
                    Input::ReadEnd { .. } => origins.on_read_end(now, port, &mut down, handle),
                    Input::Wrote { .. } => origins.on_wrote(now, port, &mut down, handle),
                    Input::Failed { failure, .. } => origins.on_failed(now, port, &mut down, handle, failure),
                    Input::Accepted { .. } | Input::Datagrams { .. } | Input::Tick => {}
                }
            }
            (Part::Client | Part::Connection | Part::Exchange | Part::Fetch, _, _) => {}
        }
    }

    fn flush(&mut self, now: Instant, port: &mut Port) {
        if self.is_finished {
            return;
        }
        self.adopt_plan(now, port);
        self.adopt_settings();
        self.adopt_redirects();
        self.receive(now, port);
        if let Some(trunk) = &mut self.parts.trunk {
            trunk.tick(now);
        }
        for _ in 0..ROUNDS_MAX {
            self.pass(now, port);
            if !self.has_work() {
                break;
            }
        }
        self.follow_routes(now, port);
        self.advance_stage(now, port);
        self.transmit(now, port);
        // What has left gives others room, and they may have waited for it.
        let owes_room = self.parts.trunk.as_ref().is_some_and(Trunk::owes_room);
        self.retry_at = (owes_room || self.has_work()).then_some(now + RETRY_AFTER);
        self.show_status(now);
        let sleeps = &self.parts.sleeps;
        self.parts.crossing.publish(port, |worker| sleeps[usize::from(worker)].must_wake());
    }

    fn deadline(&self) -> Option<Instant> {
        let parts = &self.parts;
        let drain = (self.stage != Stage::Running).then_some(self.drain_deadline);
        let status = (parts.trunk.is_some() || !self.is_settled).then_some(self.status_at);
        [
            parts.clients.as_ref().and_then(Clients::deadline),
            parts.origins.as_ref().and_then(Origins::deadline),
            parts.trunk.as_ref().and_then(Trunk::deadline),
            self.retry_at,
            drain,
            status,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn patience_us(&self) -> u32 {
        self.parts.trunk.as_ref().map_or(0, Trunk::patience_us)
    }

    fn may_sleep(&mut self) -> bool {
        let parts = &self.parts;
        parts.sleeps[usize::from(parts.worker)].prepare();
        parts.crossing.is_empty()
            && parts.control.stage() <= self.stage
            && parts.control.routes_generation() == self.routes_seen
    }

    fn awake(&mut self) {
        self.parts.sleeps[usize::from(self.parts.worker)].cancel();
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

impl Upstream for Servers<'_> {
    fn standing(&self, way: Way) -> Standing {
        match (way, &self.crossing) {
            (Way::Route(route), Some(crossing)) => crossing.standing(route),
            (Way::Origin(_), _) | (_, None) => Standing::Good,
        }
    }

    fn can_open(&mut self, way: Way, class: u8, first_bytes: usize) -> bool {
        self.server(way).is_none_or(|server| server.can_open(way, class, first_bytes))
    }

    fn open(
        &mut self,
        now: Instant,
        port: &mut Port,
        way: Way,
        asker: Asker,
        opening: &Opening<'_>,
    ) -> Result<Served, Failure> {
        if self.is_draining && self.trunk.is_none() && self.crossing.is_none() {
            return Err(Failure::Draining);
        }
        match self.server(way) {
            Some(server) => server.open(now, port, way, asker, opening),
            None => Err(Failure::UnknownSite),
        }
    }

    fn ask(
        &mut self,
        now: Instant,
        port: &mut Port,
        way: Way,
        asker: Asker,
        served: Served,
        ask: Ask<'_>,
    ) -> bool {
        self.server(way).is_none_or(|server| server.ask(now, port, way, asker, served, ask))
    }
}

impl Servers<'_> {
    fn server(&mut self, way: Way) -> Option<&mut dyn Upstream> {
        match way {
            Way::Origin(_) => self.origins.as_deref_mut().map(|origins| origins as &mut dyn Upstream),
            Way::Route(route) => {
                let is_remote =
                    self.crossing.as_ref().is_some_and(|crossing| crossing.owner(route) != self.worker);
                if is_remote {
                    self.crossing.as_deref_mut().map(|crossing| crossing as &mut dyn Upstream)
                } else {
                    self.trunk.as_deref_mut().map(|trunk| trunk as &mut dyn Upstream)
                }
            }
        }
    }
}

impl Downstream for Askers<'_> {
    fn answer(&mut self, now: Instant, port: &mut Port, asker: Asker, answer: Answer<'_>) -> bool {
        let worker = (asker.0 >> 56) as u8;
        if asker.0 & STREAM_ASKER == STREAM_ASKER {
            return self.trunk.as_mut().is_none_or(|trunk| trunk.answer(now, port, asker, answer));
        }
        if worker == self.worker {
            return self.clients.as_mut().is_none_or(|clients| clients.answer(now, port, asker, answer));
        }
        self.crossing.as_mut().is_none_or(|crossing| crossing.answer(now, port, asker, answer))
    }
}
