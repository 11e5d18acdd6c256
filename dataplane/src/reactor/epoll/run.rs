//! The loop: settle what the role wishes, wait, hand over what happened.
//!
//! ```text
//!   ┌─► settle (flush, connects, wishes, trains, wakes; again while that made news)
//!   │   finished? ──► return
//!   │   wait (not while work is left; the role is asked whether it may sleep)
//!   └── hand over (events; datagrams, reads, accepts, each with a budget; Tick)
//! ```
//! `Role::flush` is called every turn, so a role that looks at its rings there misses nothing while the worker
//! spins or is busy.

use core::time::Duration;
use std::io;
use std::os::fd::RawFd;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};

use crate::port::{Input, Port, Role};
use crate::reactor::alarm::Alarm;
use crate::reactor::clock;
use crate::reactor::counters::DriverCounters;
use crate::reactor::epoll::connections::Connections;
use crate::reactor::epoll::datagrams::Datagrams;
use crate::reactor::epoll::listeners::Listeners;
use crate::reactor::epoll::source::Source;
use crate::reactor::epoll::stage::Stage;
use crate::reactor::options::{DriverOptions, Sockets};
use crate::reactor::wake::Waker;
use crate::time::Instant;

/// Rounds of news and answers per turn, before the kernel is asked again.
const ROUNDS_PER_TURN: usize = 4;

/// Runs `role` on this thread until it is finished; an error is one of the set-up or of epoll itself.
///
/// `waker` is this worker's own bell; `peers` are the bells of all workers by number, for `Port::wake`. All
/// sockets are closed on return. What the port held before counts as a first batch.
pub fn run<R: Role>(
    role: &mut R,
    port: &mut Port,
    sockets: Sockets,
    options: &DriverOptions,
    waker: &Waker,
    peers: &[Waker],
    counters: &DriverCounters,
) -> io::Result<()> {
    let mut driver = Driver::new(sockets, options, waker, port.tcp_max())?;
    let mut events = Events::with_capacity(options.batch.max(1));
    let mut stage = Stage { role, port, counters, now: clock::now() };
    loop {
        counters.loops.bump();
        driver.settle(&mut stage, peers);
        if stage.role.is_finished() {
            return Ok(());
        }
        driver.wait(&mut stage, &mut events)?;
        driver.hand_over(&mut stage, &events);
    }
}

#[derive(Debug)]
struct Driver {
    poll: Poll,
    alarm: Alarm,
    connections: Connections,
    listeners: Listeners,
    datagrams: Datagrams,
    spin_us: u64,
    /// When something last happened; spinning ends `spin_us` later.
    active: Instant,
    /// The role must get a `Tick` in this turn.
    woken: bool,
    /// The last settling stopped with news undelivered.
    unsettled: bool,
}

impl Driver {
    fn new(sockets: Sockets, options: &DriverOptions, waker: &Waker, tcp_max: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let alarm = Alarm::new()?;
        let watch = |fd: RawFd, source: Source| {
            registry.register(&mut SourceFd(&fd), source.to_token(), Interest::READABLE)
        };
        watch(waker.fd(), Source::Bell)?;
        watch(alarm.fd(), Source::Alarm)?;
        Ok(Self {
            connections: Connections::new(tcp_max, options),
            listeners: Listeners::new(sockets.listeners, registry)?,
            datagrams: Datagrams::new(sockets.udp, options, registry)?,
            alarm,
            poll,
            spin_us: options.spin_us.into(),
            active: clock::now(),
            woken: false,
            unsettled: false,
        })
    }

    fn settle<R: Role>(&mut self, stage: &mut Stage<'_, R>, peers: &[Waker]) {
        for _ in 0..ROUNDS_PER_TURN {
            stage.look_at_clock();
            stage.role.flush(stage.now, stage.port);
            self.connections.start_connects(stage, self.poll.registry());
            self.connections.reconcile(stage);
            self.datagrams.send(stage);
            wake_peers(stage, peers);
            self.unsettled = self.connections.deliver_notices(stage);
            if !self.unsettled {
                return;
            }
        }
    }

    fn wait<R: Role>(&mut self, stage: &mut Stage<'_, R>, events: &mut Events) -> io::Result<()> {
        let busy = self.is_busy(stage);
        let deadline = earlier(stage.role.deadline(), self.listeners.deadline(stage.now));
        let due = deadline.is_some_and(|deadline| deadline <= stage.now);
        let spinning = stage.now.us_since(self.active) < self.spin_us;
        if busy || due || spinning {
            return self.look(stage, events, Some(Duration::ZERO));
        }
        if stage.role.may_sleep() {
            stage.counters.sleeps.bump();
            self.set_alarm(stage, deadline)?;
            self.look(stage, events, None)?;
        } else {
            self.woken = true;
            self.look(stage, events, Some(Duration::ZERO))?;
        }
        stage.role.awake();
        Ok(())
    }

    fn is_busy<R: Role>(&self, stage: &Stage<'_, R>) -> bool {
        self.unsettled
            || self.connections.is_busy()
            || self.datagrams.is_readable()
            || self.listeners.can_accept(stage)
    }

    fn set_alarm<R: Role>(&mut self, stage: &Stage<'_, R>, deadline: Option<Instant>) -> io::Result<()> {
        if let Some(deadline) = deadline
            && self.alarm.arm(deadline)?
        {
            stage.counters.timer_arms.bump();
            stage.counters.syscalls.bump();
        }
        Ok(())
    }

    fn look<R: Role>(
        &mut self,
        stage: &mut Stage<'_, R>,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        stage.counters.syscalls.bump();
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            other => other?,
        }
        stage.look_at_clock();
        if !events.is_empty() {
            self.active = stage.now;
        }
        Ok(())
    }

    fn hand_over<R: Role>(&mut self, stage: &mut Stage<'_, R>, events: &Events) {
        for event in events {
            match Source::from_token(event.token()) {
                Source::Tcp(tcp) => self.connections.on_event(stage, tcp, event),
                Source::Listener(number) => self.listeners.on_event(number),
                Source::Udp(number) => self.datagrams.on_event(number, event),
                Source::Alarm => self.alarm.rang(),
                Source::Bell => {
                    stage.counters.wakes_in.bump();
                    self.woken = true;
                }
            }
        }
        self.datagrams.receive(stage);
        self.connections.serve_readers(stage);
        self.listeners.accept(stage, self.poll.registry(), &mut self.connections);
        self.tick(stage);
    }

    fn tick<R: Role>(&mut self, stage: &mut Stage<'_, R>) {
        stage.look_at_clock();
        let woken = core::mem::take(&mut self.woken);
        let due = stage.role.deadline().is_some_and(|deadline| deadline <= stage.now);
        if due || woken {
            stage.counters.ticks.bump();
            stage.deliver(Input::Tick);
        }
    }
}

fn wake_peers<R: Role>(stage: &mut Stage<'_, R>, peers: &[Waker]) {
    let mut wakes = stage.port.take_wakes();
    while wakes != 0 {
        let worker = wakes.trailing_zeros() as usize;
        wakes &= wakes - 1;
        peers[worker].wake();
        stage.counters.wakes_out.bump();
        stage.counters.syscalls.bump();
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
