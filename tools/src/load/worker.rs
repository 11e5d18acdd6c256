//! One thread of the load: its poll, its connections, its schedule and its clock.

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::load::connection::{Connection, Phase, Progress};
use crate::load::exchange::{Abort, Judgement};
use crate::load::options::{LoadError, LoadOptions};
use crate::load::schedule::Schedule;
use crate::load::tally::{Failure, Tally};
use crate::load::target::Target;
use core::sync::atomic::{AtomicBool, Ordering};
use dataplane::stdx::prng::Prng;
use dataplane::stdx::wheel::Wheel;
use dataplane::time::{Duration, Instant};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::ErrorKind;

/// Events taken in one go.
const EVENTS_MAX: usize = 1_024;

/// Bytes read or written at once, shared by all connections of the thread.
const SCRATCH_BYTES: usize = 128 << 10;

/// How long a place rests after a connection could not be made: long enough not to hammer a server that is down,
/// short against any restart.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a server that said close may take to close.
const ENDING: Duration = Duration::from_secs(1);

/// How often the stop flag is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The thread's world.
pub(crate) struct Worker<'a> {
    options: &'a LoadOptions,
    targets: &'a [Target],
    stop: &'a AtomicBool,
    clock: Clock,
    poll: Poll,
    alarm: Option<Alarm>,
    schedule: Schedule,
    /// After this, requests that are due but found no connection are no longer sent.
    give_up_at: Instant,
    connections: Vec<Connection>,
    /// Free places, the last used on top: its socket is the warmest.
    free: Vec<usize>,
    paused: VecDeque<(Instant, usize)>,
    wheel: Wheel,
    due: Vec<u64>,
    random: Prng,
    next_target: usize,
    scratch: Box<[u8]>,
    tally: Tally,
}

impl<'a> Worker<'a> {
    /// A worker with `places` for connections.
    pub(crate) fn new(
        options: &'a LoadOptions,
        targets: &'a [Target],
        stop: &'a AtomicBool,
        clock: Clock,
        schedule: Schedule,
        places: usize,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let poll = Poll::new().map_err(LoadError::Poll)?;
        let alarm = if schedule.is_open_loop() {
            Some(Alarm::new(poll.registry()).map_err(LoadError::Poll)?)
        } else {
            None
        };
        let last_start = options.duration.map(|duration| clock.now() + duration);
        Ok(Self {
            options,
            targets,
            stop,
            clock,
            poll,
            alarm,
            schedule,
            give_up_at: last_start.map_or(Instant::from_us(u64::MAX), |last| last + options.timeout),
            connections: (0..places).map(|_| Connection::new()).collect(),
            free: (0..places).rev().collect(),
            paused: VecDeque::with_capacity(places),
            wheel: Wheel::new(places),
            due: Vec::with_capacity(EVENTS_MAX),
            random: Prng::new(seed),
            next_target: seed as usize % targets.len(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            tally: Tally::new(),
        })
    }

    /// Runs to the end: no more requests to start, and none unanswered.
    pub(crate) fn run(mut self) -> Result<Tally, LoadError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            self.start_due();
            if self.is_over() {
                break;
            }
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(LoadError::Poll(error)),
            }
            for event in &events {
                let place = event.token().0;
                if let Some(connection) = self.connections.get_mut(place) {
                    connection.ready(event);
                    self.pump(place);
                }
            }
            self.expire();
        }
        let now = self.clock.now();
        self.tally.unsent(self.schedule.overdue(now));
        Ok(self.tally)
    }

    fn may_start(&self, now: Instant) -> bool {
        !self.stop.load(Ordering::Relaxed) && now < self.give_up_at
    }

    fn is_over(&self) -> bool {
        let now = self.clock.now();
        let more = self.may_start(now) && self.schedule.due_at(now).is_some();
        !more && self.free.len() + self.paused.len() + self.ending() >= self.connections.len()
    }

    /// Places that only wait for the server's end; counted only when everything else is over.
    fn ending(&self) -> usize {
        let quiet = self.free.len() + self.paused.len();
        if quiet == self.connections.len() {
            return 0;
        }
        self.connections.iter().filter(|connection| connection.phase == Phase::Ending).count()
    }

    fn timeout(&mut self) -> Duration {
        let now = self.clock.now();
        let mut next = now + LOOK_EVERY;
        if let Some(deadline) = self.wheel.deadline() {
            next = next.min(deadline);
        }
        if let Some((until, _)) = self.paused.front() {
            next = next.min(*until);
        }
        // A poll sleeps whole milliseconds, which is too coarse for starting on time: the alarm is not.
        if let Some(alarm) = &mut self.alarm
            && !self.free.is_empty()
            && let Some(due) = self.schedule.due_at(now)
            && due < next
        {
            alarm.set(due, now);
        }
        next.since(now)
    }

    /// Starts what is due, as far as there are free places.
    fn start_due(&mut self) {
        let now = self.clock.now();
        while self.paused.front().is_some_and(|(until, _)| *until <= now) {
            self.free.extend(self.paused.pop_front().map(|(_, place)| place));
        }
        while let Some(place) = self.free.last().copied() {
            let now = self.clock.now();
            let Some(intended) = self.may_start(now).then(|| self.schedule.next(now)).flatten() else {
                return;
            };
            self.free.pop();
            self.start(place, intended, now);
        }
    }

    fn start(&mut self, place: usize, intended: Instant, now: Instant) {
        let target = self.next_target;
        self.next_target = (target + 1) % self.targets.len();
        let abort = Abort::draw(&mut self.random, self.options.abort_ppm, &self.targets[target]);
        let connection = &mut self.connections[place];
        connection.exchange.begin(target, intended, abort);
        connection.deadline = now + self.options.timeout;
        if connection.leads_to(target, self.targets) {
            connection.reuse();
        } else if let Err(error) = self.connect(place) {
            return self.failed(place, Failure::Connect, &error.to_string());
        }
        self.arm(place);
        self.pump(place);
    }

    fn connect(&mut self, place: usize) -> std::io::Result<()> {
        let connection = &mut self.connections[place];
        connection.close(false);
        let mut stream = TcpStream::connect(self.targets[connection.exchange.target].address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(place), interest)?;
        // Requests are written whole; waiting for an acknowledgement would only delay their last part.
        let _ = stream.set_nodelay(true);
        connection.connecting(stream);
        Ok(())
    }

    fn arm(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        if connection.armed.is_none_or(|armed| connection.deadline < armed) {
            connection.armed = Some(connection.deadline);
            self.wheel.set(connection.deadline, place as u64);
        }
    }

    fn pump(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let before = connection.phase;
        match connection.pump(self.targets, &mut self.scratch, &mut self.tally) {
            // The server's end, awaited, has come.
            Progress::Open if before == Phase::Ending && connection.phase == Phase::Idle => {
                self.free.push(place)
            }
            Progress::Open => {}
            Progress::Answered => self.answered(place),
            Progress::Aborted => {
                connection.close(true);
                self.tally.aborted(self.clock.now());
                self.free.push(place);
            }
            Progress::Failed(failure, words) => self.failed(place, failure, &words),
        }
    }

    fn answered(&mut self, place: usize) {
        let now = self.clock.now();
        let connection = &mut self.connections[place];
        let exchange = &connection.exchange;
        let target = &self.targets[exchange.target];
        let status = exchange.answer().status();
        let words = match exchange.judge(target) {
            Judgement::Right { verified } => {
                self.tally.answered(status, verified, exchange.intended, now);
                None
            }
            Judgement::WrongByte(at) => Some(format!("the body is wrong from byte {at}")),
            Judgement::WrongLength(bytes) => Some(format!("the body has {bytes} bytes")),
            Judgement::WrongStatus => Some(format!("status {status} where {} is right", target.status)),
        };
        if let Some(words) = words {
            self.tally.failed(Failure::WrongBody, now, || format!("{}: {words}", target.url));
        }
        if connection.settle(self.targets, self.options.keep_alive) {
            self.free.push(place);
        } else {
            connection.deadline = now + ENDING.min(self.options.timeout);
            self.arm(place);
        }
    }

    fn failed(&mut self, place: usize, failure: Failure, words: &str) {
        let now = self.clock.now();
        let connection = &mut self.connections[place];
        let url = &self.targets[connection.exchange.target].url;
        self.tally.failed(failure, now, || format!("{url}: {words}"));
        connection.close(false);
        if failure == Failure::Connect {
            self.paused.push_back((now + PAUSE, place));
        } else {
            self.free.push(place);
        }
    }

    /// Gives up what has taken too long.
    fn expire(&mut self) {
        let now = self.clock.now();
        self.due.clear();
        self.wheel.expire(now, &mut self.due, EVENTS_MAX);
        for index in 0..self.due.len() {
            let place = self.due[index] as usize;
            let connection = &mut self.connections[place];
            if connection.armed.is_some_and(|armed| armed > now) {
                continue;
            }
            connection.armed = None;
            match connection.phase {
                Phase::Idle => {}
                _ if connection.deadline > now => self.arm(place),
                Phase::Ending => {
                    connection.close(false);
                    self.free.push(place);
                }
                Phase::Connecting | Phase::Busy => {
                    let got = connection.exchange.answer().body_bytes();
                    self.failed(
                        place,
                        Failure::Timeout,
                        &format!("no whole answer in time; {got} body bytes"),
                    );
                }
            }
        }
    }
}
