//! One seed from beginning to end: clients, nodes, network and origins in one world, faults, and then the questions
//! that must be answered with yes.

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dataplane::port::{Role as _, TcpFailure};
use dataplane::role::control::Stage as NodeStage;
use dataplane::stdx::prng::Prng;

use crate::sim::audit;
use crate::sim::check::Book;
use crate::sim::client::{Client, Manners};
use crate::sim::driver::{Departure, Worker, Yard};
use crate::sim::fault::{Fault, Faults};
use crate::sim::film::Film;
use crate::sim::given::{Given, Topology as TopologyGiven};
use crate::sim::network::Network;
use crate::sim::origin::OriginEnd;
use crate::sim::pipe::{Owner, Pipes};
use crate::sim::scenario::{
    DOORS, ORIGINS, Process, Scenario, Shape as Topology, address, listener_of, origin_addresses, origin_of,
    process_at,
};
use crate::sim::shape::{Scale, Shape};
use crate::sim::stage::{Setting, Stage};
use crate::sim::timetable::{self, Action};
use crate::sim::world::{Event, Hits, World};

/// All exchanges must have ended by then. Every time-out of a scenario is below two minutes, and a client does at
/// most some ten exchanges one after another.
const LIMIT_US: u64 = 3_600_000_000;
/// How often an exchange goes over another route at most (`role::clients::reroute`).
const MOVES_MAX: u16 = 3;
/// Time after the last exchange in which everything that serves exchanges must have been let go.
const TIDY_US: u64 = 30_000_000;
/// Time after that in which pools and lingering connections end too.
const EMPTY_US: u64 = 40_000_000;

/// What is run; nothing given is drawn from the seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Runs one node without a tunnel.
    pub alone: bool,
    /// No faults at all.
    pub calm: bool,
    /// What is not drawn.
    pub given: Given,
    /// Keeps a film of the run.
    pub films: bool,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// The trace in one number: equal for equal seeds.
    pub hash: u64,
    /// Exchanges that were begun and ended.
    pub exchanges: usize,
    /// Events of the world.
    pub events: u64,
    /// The first broken promise, with the last events before it.
    pub violation: Option<String>,
    /// How often each fault, refusal and ending was met.
    pub hits: Vec<(&'static str, u64)>,
    /// What it looked like, if that was wanted.
    pub film: Option<Film>,
}

/// An actor with the time for which it has asked.
struct Place {
    actor: Actor,
    wake_us: Option<u64>,
}

enum Actor {
    Client(Box<Client>),
    Origin(Box<OriginEnd>),
    Gone,
}

struct Sim {
    world: World,
    pipes: Pipes,
    book: Book,
    setting: Setting,
    scenario: Scenario,
    network: Network,
    processes: Vec<Process>,
    workers: Vec<Worker>,
    places: Vec<Place>,
    clients: usize,
    actions: Vec<Action>,
    connects: Vec<u32>,
    departures: Vec<Departure>,
    lives: u64,
    events: u64,
    is_tidy: bool,
}

/// Runs one seed.
pub fn run(seed: u64, options: &Options) -> Outcome {
    let mut sim = Sim::new(seed, options);
    let panic = catch_unwind(AssertUnwindSafe(|| while sim.world.violation().is_none() && !sim.step() {}));
    if let Err(panic) = panic {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words");
        sim.world.violate(|| format!("panic: {text}"));
    }
    sim.outcome(seed)
}

impl Sim {
    fn new(seed: u64, options: &Options) -> Self {
        let mut dice = Prng::new(seed);
        let drawn = dice.below(4);
        let topology = match (options.given.topology, drawn) {
            _ if options.alone => Topology::Alone,
            (Some(TopologyGiven::Alone), _) | (None, 0) => Topology::Alone,
            (Some(TopologyGiven::Twins(workers)), _) => Topology::Twins(workers.clamp(1, 2)),
            (Some(TopologyGiven::Pair(workers)), _) => Topology::Pair(workers.clamp(1, 2)),
            (None, 1) => Topology::Pair(2),
            (None, 2) => Topology::Twins(1 + (seed & 1) as u8),
            (None, _) => Topology::Pair(1),
        };
        let faults =
            if options.calm { Faults::NONE } else { Faults::draw(&mut dice, topology != Topology::Alone) };
        let faults = options.given.faults(faults);
        let scenario = Scenario::draw(seed, topology, &faults, &options.given);
        let mut world = World::new(seed);
        if options.films {
            world.start_film();
        }
        let is_tiny = faults.has(Fault::TinyBuffers);
        let scale = Scale {
            body_bytes: if is_tiny {
                1_500
            } else {
                [4_000, 20_000, 150_000, 400_000][dice.below(4) as usize]
            },
            body_bytes_max: scenario.limits.body_bytes_max as usize,
            origins: ORIGINS,
        };
        let setting = Setting {
            faults,
            scale,
            tiny_ppm: if is_tiny { 400_000 } else { 0 },
            short_ppm: if faults.has(Fault::ShortWrites) { 300_000 } else { 0 },
            latency_us: dice.between(20, if is_tiny { 5_000 } else { 20_000 }),
            capacity_bytes: if is_tiny { 2_000 } else { dice.between(4_000, 200_000) as usize },
        };
        let mut sim = Self {
            network: Network::draw(&mut world, faults, &options.given.path),
            world,
            pipes: Pipes::default(),
            book: Book::new(&faults, if matches!(topology, Topology::Twins(_)) { MOVES_MAX } else { 0 }),
            setting,
            scenario,
            processes: Vec::new(),
            workers: Vec::new(),
            places: Vec::new(),
            clients: 0,
            actions: Vec::new(),
            connects: Vec::new(),
            departures: Vec::new(),
            lives: 0,
            events: 0,
            is_tidy: false,
        };
        faults.each().for_each(|fault| sim.world.note(fault.name(), 0, 0));
        sim.start_processes();
        sim.draw_clients(&mut dice, options.given.exchanges);
        let timetable = match &options.given.incidents[..] {
            [] => timetable::drawn(&mut dice, &faults, &sim.scenario),
            incidents => timetable::given(incidents, &sim.scenario),
        };
        timetable.into_iter().for_each(|(at_us, action)| sim.plan(at_us, action));
        sim
    }

    fn start_processes(&mut self) {
        for process in 0..self.scenario.processes() {
            let first = self.workers.len() as u16;
            let (started, workers) = self.scenario.start(process, 0, first, self.world.now());
            self.processes.push(started);
            self.workers.extend(workers);
        }
        self.workers.iter_mut().for_each(|worker| worker.wake(&mut self.world));
    }

    fn draw_clients(&mut self, dice: &mut Prng, given: Option<usize>) {
        let faults = self.setting.faults;
        let drawn = 20 + dice.below(20) as usize;
        let mut left = given.unwrap_or(drawn);
        let is_burst = faults.has(Fault::Bursts);
        let spread_us = if is_burst { 1 } else { dice.between(1_000, 3_000_000) };
        while left > 0 {
            let count = (1 + dice.below(if is_burst { 2 } else { 6 }) as usize).min(left);
            left -= count;
            let todo: VecDeque<u32> = (0..count)
                .map(|_| {
                    let shape = Shape::draw(dice, &faults, &self.setting.scale);
                    self.book.add(shape, &faults, &self.setting.scale)
                })
                .collect();
            let me = self.places.len() as u32;
            let manners = Manners {
                address: address(9, 1 + me as u8, 40_000 + me as u16),
                proxied: [0, 0, 0, 1, 2][dice.below(5) as usize],
                depth: [1, 1, 1, 2, 4][dice.below(5) as usize],
            };
            let at_us = dice.below(spread_us);
            let client = Client::new(me, DOORS, manners, todo, at_us);
            self.places.push(Place { actor: Actor::Client(Box::new(client)), wake_us: None });
            self.clients += 1;
            self.wake_actor(me, at_us);
        }
        if is_burst {
            self.book.hits.hit(Fault::Bursts.name());
        }
    }

    fn plan(&mut self, at_us: u64, action: Action) {
        self.actions.push(action);
        self.world.at(at_us, Event::Fault(self.actions.len() as u32 - 1));
    }

    /// Makes one event happen; true when all is over.
    fn step(&mut self) -> bool {
        self.events += 1;
        let Some(event) = self.world.pop() else {
            let open = self.open_clients();
            self.world.violate(|| format!("nothing more happens, but not all has ended: {open}"));
            return true;
        };
        if self.world.now_us > LIMIT_US {
            let open = self.open_clients();
            self.world.violate(|| format!("exchanges do not end: {open}"));
        }
        match event {
            Event::Turn(worker) => self.turn(usize::from(worker)),
            Event::Arrive(pipe, end) => {
                self.pipes.arrive(&mut self.world, pipe, end);
                self.tell(pipe, 1 - end);
            }
            Event::Reset(pipe, end) => {
                self.pipes.take_reset(&mut self.world, pipe, end);
                self.tell(pipe, 1 - end);
            }
            Event::Room(pipe, end) => self.tell(pipe, end),
            Event::Connect(pipe) => self.connect(pipe),
            Event::Step(actor) => self.act(actor),
            Event::Datagram(index) => self.deliver(index),
            Event::Fault(index) => self.afflict(index),
            Event::Settled => return self.settle(),
        }
        false
    }

    fn open_clients(&self) -> String {
        let open = self.places.iter().filter_map(|place| match &place.actor {
            Actor::Client(client) => Some(client.state()),
            Actor::Origin(_) | Actor::Gone => None,
        });
        open.collect::<Vec<String>>().join("; ")
    }

    /// The actors have no exchange left: first everything that serves must be let go, then everything.
    fn settle(&mut self) -> bool {
        let is_calm = self.book.is_calm;
        let lives: Vec<&Worker> = self.live_workers();
        if self.is_tidy {
            let complaint = audit::is_empty(&lives, &self.pipes, &self.processes);
            if let Some(complaint) = complaint {
                self.world.violate(|| complaint);
            }
            return true;
        }
        let complaint = if is_calm { audit::is_quiet(&lives) } else { None };
        if let Some(complaint) = complaint {
            self.world.violate(|| complaint);
        }
        self.is_tidy = true;
        self.world.at(self.world.now_us + EMPTY_US, Event::Settled);
        false
    }

    fn live_workers(&self) -> Vec<&Worker> {
        let numbers =
            self.processes.iter().filter(|process| process.lives).flat_map(|process| &process.workers);
        numbers.map(|number| &self.workers[usize::from(*number)]).collect()
    }

    fn process_of(&self, worker: usize) -> Option<usize> {
        self.processes.iter().position(|process| process.lives && process.workers.contains(&(worker as u16)))
    }

    fn turn(&mut self, index: usize) {
        let Some(process) = self.process_of(index) else { return };
        if !self.workers[index].is_due(&self.world) {
            return;
        }
        let Self { world, pipes, book, setting, connects, departures, workers, .. } = self;
        let worker = &mut workers[index];
        let mut yard = Yard { world, pipes, hits: &mut book.hits, setting, connects, departures };
        let wakes = worker.turn(&mut yard);
        for pipe in self.connects.drain(..) {
            let latency_us = self.pipes.get(pipe).habits.latency_us;
            self.world.at(self.world.now_us + latency_us, Event::Connect(pipe));
        }
        for train in self.departures.drain(..) {
            self.network.send(&mut self.world, &mut self.book.hits, &train, process);
        }
        for number in 0..64 {
            if wakes & 1 << number != 0 {
                let peer = self.processes[process].workers[number];
                self.workers[usize::from(peer)].wake(&mut self.world);
            }
        }
        if self.workers[index].node.is_finished() {
            self.on_finished(process);
        }
    }

    /// A worker has drained; when all of its process have, the process ends and is started again.
    fn on_finished(&mut self, process: usize) {
        let all = self.processes[process].workers.iter();
        if all.into_iter().all(|worker| self.workers[usize::from(*worker)].node.is_finished()) {
            self.kill(process);
            self.plan_start(process, 300_000);
        }
    }

    fn yard(&mut self) -> (Yard<'_>, &mut Vec<Worker>) {
        let Self { world, pipes, book, setting, connects, departures, workers, .. } = self;
        (Yard { world, pipes, hits: &mut book.hits, setting, connects, departures }, workers)
    }

    fn kill(&mut self, process: usize) {
        self.processes[process].lives = false;
        for worker in self.processes[process].workers.clone() {
            let (mut yard, workers) = self.yard();
            workers[usize::from(worker)].kill(&mut yard);
        }
    }

    fn plan_start(&mut self, process: usize, after_us: u64) {
        self.plan(self.world.now_us + after_us, Action::Start(process));
    }

    fn tell(&mut self, pipe: u32, end: u8) {
        match self.pipes.owner(pipe, end) {
            Owner::Nobody => {}
            Owner::Actor(actor) => {
                let delay_us = 1 + self.world.dice.actor.below(30);
                self.wake_actor(actor, self.world.now_us + delay_us);
            }
            Owner::Worker(worker, slot) => {
                let (mut yard, workers) = self.yard();
                workers[usize::from(worker)].poke(&mut yard, slot, pipe);
            }
        }
    }

    fn wake_actor(&mut self, actor: u32, at_us: u64) {
        let place = &mut self.places[actor as usize];
        if place.wake_us.is_none_or(|wake| at_us < wake) {
            place.wake_us = Some(at_us);
            self.world.at(at_us, Event::Step(actor));
        }
    }

    fn act(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        if place.wake_us != Some(self.world.now_us) {
            return;
        }
        place.wake_us = None;
        let mut wake = None;
        let Self { world, pipes, book, setting, .. } = self;
        let mut stage = Stage { world, pipes, book, setting };
        let goes_on = match &mut place.actor {
            Actor::Client(client) => client.step(&mut stage, &mut wake),
            Actor::Origin(origin) => origin.step(&mut stage, &mut wake),
            Actor::Gone => return,
        };
        if let Some(at_us) = wake.filter(|_| goes_on) {
            self.wake_actor(index, at_us.max(self.world.now_us + 1));
        }
        if !goes_on {
            let was_client = matches!(self.places[index as usize].actor, Actor::Client(_));
            self.places[index as usize].actor = Actor::Gone;
            self.clients -= usize::from(was_client);
            if was_client && self.clients == 0 {
                self.world.at(self.world.now_us + TIDY_US, Event::Settled);
            }
        }
    }

    /// Decides a connection that is being made.
    fn connect(&mut self, pipe: u32) {
        let to = self.pipes.get(pipe).addresses[1];
        if self.pipes.owner(pipe, 0) == Owner::Nobody {
            return;
        }
        if let Some(origin) = origin_of(to) {
            self.connect_to_origin(pipe, origin, to);
        } else if let Some(listener) = listener_of(to) {
            self.connect_to_node(pipe, listener);
        }
    }

    fn connect_to_node(&mut self, pipe: u32, listener: dataplane::port::ListenerId) {
        let process = &self.processes[0];
        if !process.lives {
            // Nothing listens: the kernel answers with a reset.
            self.pipes.get(pipe).owners[1] = Owner::Nobody;
            self.pipes.reset(&mut self.world, pipe, 1);
            return;
        }
        let choice = self.world.dice.driver.below(process.workers.len() as u64) as usize;
        let worker = usize::from(process.workers[choice]);
        if self.workers[worker].node.is_finished() {
            return self.pipes.reset(&mut self.world, pipe, 1);
        }
        let entry = self.pipes.get(pipe);
        entry.stands = true;
        let peer = entry.addresses[0];
        self.workers[worker].offer(&mut self.world, pipe, listener, peer);
        self.tell(pipe, 0);
    }

    fn connect_to_origin(&mut self, pipe: u32, origin: usize, to: SocketAddr) {
        let faults = self.setting.faults;
        let is_bad = (origin + 1 == ORIGINS) || to == origin_addresses(origin)[1];
        let mut refuses = faults.has(Fault::Refusals);
        let swallows = faults.has(Fault::ConnectTimeouts) && !(refuses && self.world.dice.tcp.ppm(500_000));
        refuses &= !swallows;
        if is_bad && swallows {
            self.book.hits.hit(Fault::ConnectTimeouts.name());
            return;
        }
        let outcome = if is_bad && refuses {
            self.book.hits.hit(Fault::Refusals.name());
            let refused = self.world.dice.tcp.ppm(700_000);
            Err(if refused { TcpFailure::Refused } else { TcpFailure::Unreachable })
        } else {
            Ok(())
        };
        if outcome.is_ok() {
            let is_proxied = self.scenario.proxy_origin().is_some();
            let actor = Actor::Origin(Box::new(OriginEnd::new(pipe, origin == ORIGINS, is_proxied)));
            self.places.push(Place { actor, wake_us: None });
            let me = self.places.len() as u32 - 1;
            let entry = self.pipes.get(pipe);
            (entry.owners[1], entry.stands) = (Owner::Actor(me), true);
            self.wake_actor(me, self.world.now_us + 1);
        }
        if let Owner::Worker(worker, slot) = self.pipes.owner(pipe, 0) {
            let (mut yard, workers) = self.yard();
            workers[usize::from(worker)].decide(&mut yard, slot, pipe, outcome);
        }
    }

    fn deliver(&mut self, index: u32) {
        let Some((to, packet)) = self.network.take(index) else { return };
        let (process, _) = process_at(to);
        if !self.processes[process].lives {
            return;
        }
        let owner = self.processes[process]
            .workers
            .iter()
            .map(|worker| usize::from(*worker))
            .find(|worker| self.workers[*worker].node.parts().trunk.is_some());
        if let Some(owner) = owner {
            self.workers[owner].receive(&mut self.world, packet);
        }
    }

    fn afflict(&mut self, index: u32) {
        let action = self.actions[index as usize];
        self.world.note("action", index.into(), self.clients as u64);
        match action {
            Action::Start(process) => {
                self.lives += 1;
                let first = self.workers.len() as u16;
                let (started, workers) = self.scenario.start(process, self.lives, first, self.world.now());
                self.processes[process] = started;
                self.workers.extend(workers);
                self.workers[usize::from(first)..].iter_mut().for_each(|worker| worker.wake(&mut self.world));
            }
            // Once the last exchange is over nothing more is broken.
            _ if self.clients == 0 => {}
            Action::Partition(back, path, span_us) => {
                let fault = if path.is_some() { Fault::DarkPath } else { Fault::Partition };
                self.book.hits.hit(fault.name());
                self.network.darken(&self.world, back, path, span_us);
            }
            Action::Shrink(bytes) => {
                self.book.hits.hit(Fault::MtuDrop.name());
                self.network.mtu_bytes = bytes;
            }
            Action::Kill(process, down_us) => {
                if self.processes[process].lives {
                    let fault = [Fault::RestartFront, Fault::RestartBack][process.min(1)];
                    self.book.hits.hit(fault.name());
                    self.kill(process);
                    self.plan_start(process, down_us);
                }
            }
            Action::Drain(process) => {
                if self.processes[process].lives {
                    self.book.hits.hit(Fault::Drain.name());
                    self.processes[process].control.enter(NodeStage::Draining);
                    for worker in self.processes[process].workers.clone() {
                        self.workers[usize::from(worker)].wake(&mut self.world);
                    }
                }
            }
            Action::Reset => self.reset_some(),
        }
    }

    /// The network resets a connection that somebody holds at both ends.
    fn reset_some(&mut self) {
        let held: Vec<usize> = self.pipes.held().map(|(pipe, _)| pipe).collect();
        let pairs: Vec<usize> =
            held.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        if pairs.is_empty() {
            return;
        }
        self.book.hits.hit(Fault::Resets.name());
        let pipe = pairs[self.world.dice.tcp.below(pairs.len() as u64) as usize] as u32;
        for end in [0, 1] {
            let at_us = self.world.now_us + self.world.dice.tcp.below(20_000);
            self.world.at(at_us, Event::Reset(pipe, end));
        }
    }

    fn outcome(mut self, seed: u64) -> Outcome {
        let (short, full) = (self.pipes.short_writes, self.pipes.full_writes);
        for (fault, count) in [(Fault::ShortWrites, short), (Fault::TinyBuffers, full)] {
            if self.setting.faults.has(fault) && count > 0 {
                self.book.hits.hit(fault.name());
            }
        }
        audit::count(&self.setting.faults, &self.book.exchanges, &self.processes, &mut self.book.hits);
        let violation = self.world.violation().map(|why| {
            let names: Vec<&str> = self.setting.faults.each().map(Fault::name).collect();
            let shape = self.scenario.shape;
            format!("seed {seed}: {why}\n{shape:?}, {}\n{}", names.join(", "), self.world.last_notes())
        });
        let Hits(hits) = self.book.hits.clone();
        Outcome {
            seed,
            hash: self.world.hash(),
            exchanges: self.book.exchanges.len() - self.book.open(),
            events: self.events,
            violation,
            hits: hits.into_iter().collect(),
            film: self.world.take_film(),
        }
    }
}
