//! The prober: one thread, one poll, any number of targets. It starts what the schedule says, drives what is under way and
//! hands out what came of it; what that means is not its business (`board`).

use crate::probe::flight::{Flight, IDLE, Ready, World};
use crate::probe::limits::FLIGHTS_MAX;
use crate::probe::names::Names;
use crate::probe::outcome::Outcome;
use crate::probe::schedule::Schedule;
use crate::probe::talk::KnockKeys;
use crate::probe::target::Target;
use crate::probe::tls::Authorities;
use crate::probe::url::Kind;
use core::cmp::Reverse;
use core::net::SocketAddr;
use dataplane::reactor::clock;
use dataplane::stdx::prng::Prng;
use dataplane::time::{Duration, Instant};
use mio::{Events, Poll, Token};
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

/// Events taken with one poll.
const EVENTS_MAX: usize = 1_024;
/// Room that all probes read into.
const BUFFER_BYTES: usize = 64 << 10;

/// What the prober is told.
#[derive(Clone, Debug, Default)]
pub struct ProberOptions {
    /// The targets.
    pub targets: Vec<Arc<Target>>,
    /// Keys for targets of kind tmp.
    pub keys: Option<KnockKeys>,
    /// Name servers in place of those of resolv.conf(5).
    pub name_servers: Option<Vec<SocketAddr>>,
    /// Probes under way at once, [`FLIGHTS_MAX`] at most; `None`: that many.
    pub flights_max: Option<usize>,
    /// Where jitter and the numbers of questions begin.
    pub seed: u64,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Which target, by its place.
    pub target: usize,
    /// When it ended.
    pub at: Instant,
    /// What came.
    pub outcome: Outcome,
}

/// The prober.
///
/// Contract: [`turn`](Self::turn) in a loop; it fills the list that it is given.
#[derive(Debug)]
pub struct Prober {
    poll: Poll,
    events: Events,
    targets: Vec<Arc<Target>>,
    schedule: Schedule,
    /// Targets that are due and have no place yet.
    waiting: VecDeque<usize>,
    flights: Vec<Option<(usize, Flight)>>,
    free: Vec<usize>,
    generations: Vec<u32>,
    wakes: BinaryHeap<Reverse<(Instant, usize, u32)>>,
    names: Names,
    authorities: HashMap<Option<PathBuf>, Authorities>,
    keys: Option<KnockKeys>,
    random: Prng,
    buffer: Vec<u8>,
    /// Targets that were still under way when they were due again, or waited for a place.
    late: u64,
    started: u64,
}

impl Prober {
    /// Prepares everything; nothing is sent yet. A sentence says what is wrong with a file of authorities.
    pub fn new(options: ProberOptions) -> Result<Self, String> {
        let ProberOptions { targets, keys, name_servers, flights_max, seed } = options;
        let mut authorities = HashMap::new();
        let may_be_tls = |target: &&Arc<Target>| target.url.kind == Kind::Https || target.redirects > 0;
        for target in targets.iter().filter(may_be_tls) {
            if authorities.contains_key(&target.authorities) {
                continue;
            }
            match Authorities::read(target.authorities.as_deref()) {
                Ok(read) => drop(authorities.insert(target.authorities.clone(), read)),
                Err(what) if target.url.kind == Kind::Https => return Err(what),
                // Nobody has said that this one leads to TLS; if it does, the probe says what is missing.
                Err(_) => {}
            }
        }
        let paces = targets.iter().map(|target| target.pace).collect();
        let places = flights_max.unwrap_or(FLIGHTS_MAX).clamp(1, FLIGHTS_MAX).min(targets.len().max(1));
        Ok(Self {
            poll: Poll::new().map_err(|error| format!("no poll: {error}"))?,
            events: Events::with_capacity(EVENTS_MAX),
            schedule: Schedule::new(paces, clock::now(), seed),
            targets,
            waiting: VecDeque::new(),
            flights: (0..places).map(|_| None).collect(),
            free: (0..places).rev().collect(),
            generations: vec![0; places],
            wakes: BinaryHeap::new(),
            names: Names::new(name_servers),
            authorities,
            keys,
            random: Prng::new(seed ^ 0x5eed),
            buffer: vec![0; BUFFER_BYTES],
            late: 0,
            started: 0,
        })
    }

    /// The targets.
    pub fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// Probes that were started, and those that were due when there was no place for them.
    pub const fn counts(&self) -> (u64, u64) {
        (self.started, self.late)
    }

    /// Probes every target once and is done.
    pub fn once(mut self) -> io::Result<Vec<Outcome>> {
        let mut outcomes: Vec<Option<Outcome>> = self.targets.iter().map(|_| None).collect();
        let mut ended = Vec::new();
        while outcomes.iter().any(Option::is_none) {
            self.turn(IDLE, &mut ended)?;
            for one in ended.drain(..) {
                outcomes[one.target].get_or_insert(one.outcome);
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Waits for something to happen, no longer than `wait`, and adds what ended to `ended`.
    pub fn turn(&mut self, wait: Duration, ended: &mut Vec<Observation>) -> io::Result<()> {
        let now = clock::now();
        let until =
            [self.schedule.deadline(), self.wakes.peek().map(|wake| wake.0.0)].into_iter().flatten().min();
        let wait = until.map_or(IDLE, |until| until.since(now)).min(wait);
        // To the next millisecond: the kernel's poll rounds down, and would spin through the last one.
        let wait = wait.as_micros().div_ceil(1_000) as u64;
        match self.poll.poll(&mut self.events, Some(Duration::from_millis(wait))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let now = clock::now();
        let ready: Vec<Token> = self.events.iter().map(|event| event.token()).collect();
        for Token(token) in ready {
            let which = if token % 2 == 0 { Ready::First } else { Ready::Content };
            self.drive(token / 2, now, ended, |flight, world| flight.advance(which, world));
        }
        while let Some(Reverse((at, place, generation))) = self.wakes.peek().copied() {
            if at > now {
                break;
            }
            self.wakes.pop();
            if self.generations[place] == generation {
                self.drive(place, now, ended, Flight::wake);
                self.set_wake(place);
            }
        }
        self.start_due(now, ended);
        Ok(())
    }

    fn start_due(&mut self, now: Instant, ended: &mut Vec<Observation>) {
        while let Some((target, _)) = self.schedule.next(now) {
            self.waiting.push_back(target);
            self.late += u64::from(self.waiting.len() > self.free.len());
        }
        while let (Some(target), false) = (self.waiting.front().copied(), self.free.is_empty()) {
            self.waiting.pop_front();
            self.start(target, now, ended);
        }
    }

    fn start(&mut self, target: usize, now: Instant, ended: &mut Vec<Observation>) {
        let Some(place) = self.free.pop() else { return };
        self.started += 1;
        let tokens = (Token(2 * place), Token(2 * place + 1));
        let of = self.targets[target].clone();
        let (flight, outcome) = Flight::begin(of, tokens, &mut self.world(now));
        match outcome {
            Some(outcome) => {
                self.free.push(place);
                ended.push(Observation { target, at: now, outcome });
            }
            None => {
                self.flights[place] = Some((target, flight));
                self.set_wake(place);
            }
        }
    }

    fn set_wake(&mut self, place: usize) {
        if let Some((_, flight)) = &self.flights[place] {
            self.wakes.push(Reverse((flight.deadline(), place, self.generations[place])));
        }
    }

    /// Lets the flight of a place do something; its place is free again if that was its end.
    fn drive(
        &mut self,
        place: usize,
        now: Instant,
        ended: &mut Vec<Observation>,
        act: impl FnOnce(&mut Flight, &mut World<'_>) -> Option<Outcome>,
    ) {
        let Some((target, mut flight)) = self.flights.get_mut(place).and_then(Option::take) else { return };
        let before = flight.deadline();
        match act(&mut flight, &mut self.world(now)) {
            Some(outcome) => {
                self.generations[place] = self.generations[place].wrapping_add(1);
                self.free.push(place);
                ended.push(Observation { target, at: now, outcome });
            }
            None => {
                let is_sooner = flight.deadline() < before;
                self.flights[place] = Some((target, flight));
                if is_sooner {
                    self.set_wake(place);
                }
            }
        }
    }

    fn world(&mut self, now: Instant) -> World<'_> {
        World {
            registry: self.poll.registry(),
            names: &mut self.names,
            authorities: &self.authorities,
            keys: self.keys.as_ref(),
            random: &mut self.random,
            buffer: &mut self.buffer,
            now,
        }
    }
}

#[cfg(test)]
mod tests;
