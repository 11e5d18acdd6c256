//! A role for the drivers' tests: echoes TCP with back-pressure, echoes datagrams, relays to another address, and
//! does what the test tells it. What it was told by the driver it reports, in order.
//!
//! Listener 0 echoes, 1 relays to `target`, 2 never reads. Not an example of a role: it allocates and locks.

use core::net::SocketAddr;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use crate::port::{Input, Port, Reading, Role, TcpFailure, TcpId, Token};
use crate::time::{Duration, Instant};

/// Queued bytes at which a connection's source is no longer read.
pub(crate) const QUEUE_HIGH_BYTES: usize = 64 * 1_024;
const QUEUE_LOW_BYTES: usize = 16 * 1_024;

/// What a test tells the role, after which it rings the driver's bell.
#[derive(Debug)]
pub(crate) enum Command {
    Accept(bool),
    Wake(u8),
    TickIn(Duration),
    ReadHushed,
    Report,
    Finish,
}

/// What the role reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Accepted(u16),
    Connected,
    ReadEnd,
    Paused,
    Wrote,
    Failed(TcpFailure),
    Datagrams { bytes: usize, segment_bytes: usize },
    Deadline { late: Duration },
    Reported { tcp_count: usize, queued_max: usize, hushed_bytes: usize },
}

/// The test's end of the wire.
pub(crate) type Commands = Arc<Mutex<VecDeque<Command>>>;

#[derive(Debug, Default)]
struct Side {
    /// Where its bytes go: itself or its partner.
    other: TcpId,
    hushed: bool,
    closing: bool,
    ended: bool,
}

#[derive(Debug)]
pub(crate) struct Echo {
    commands: Commands,
    events: Sender<Event>,
    target: Option<SocketAddr>,
    sides: HashMap<TcpId, Side>,
    deadline: Option<Instant>,
    queued_max: usize,
    hushed_bytes: usize,
    finished: bool,
    asleep: bool,
}

fn token(tcp: TcpId) -> Token {
    Token(!tcp.0.to_u64())
}

impl Echo {
    pub(crate) fn new(commands: Commands, events: Sender<Event>, target: Option<SocketAddr>) -> Self {
        Self {
            commands,
            events,
            target,
            sides: HashMap::new(),
            deadline: None,
            queued_max: 0,
            hushed_bytes: 0,
            finished: false,
            asleep: false,
        }
    }

    fn report(&self, event: Event) {
        // The test may have gone already.
        let _ = self.events.send(event);
    }

    fn on_accepted(&mut self, port: &mut Port, tcp: TcpId, listener: u16) {
        port.set_token(tcp, token(tcp));
        self.sides.insert(tcp, Side { other: tcp, hushed: listener == 2, ..Side::default() });
        match listener {
            0 => port.read(tcp, Reading::Large),
            1 => self.relay(port, tcp),
            _ => {}
        }
        self.report(Event::Accepted(listener));
    }

    fn relay(&mut self, port: &mut Port, tcp: TcpId) {
        let Some(other) = self.target.and_then(|target| port.connect(target, Token(0))) else {
            self.sides.remove(&tcp);
            return port.abort(tcp);
        };
        port.set_token(other, token(other));
        self.sides.insert(other, Side { other: tcp, ..Side::default() });
        self.sides.entry(tcp).and_modify(|side| side.other = other);
        // Read before the other side stands: what comes early must be kept by the port.
        port.read(tcp, Reading::Small);
    }

    fn on_read(&mut self, port: &mut Port, tcp: TcpId, bytes: &[u8]) {
        let side = &self.sides[&tcp];
        if side.hushed {
            self.hushed_bytes += bytes.len();
            return;
        }
        match bytes {
            b"abort" => {
                self.sides.remove(&tcp);
                port.abort(tcp);
            }
            b"mark" => port.notify_at(tcp, 0),
            _ => self.pass(port, tcp, side.other, bytes),
        }
    }

    fn pass(&mut self, port: &mut Port, from: TcpId, to: TcpId, bytes: &[u8]) {
        assert!(port.write(to, bytes), "the test's pool is big enough");
        let queued = port.queued_bytes(to);
        self.queued_max = self.queued_max.max(queued);
        if queued >= QUEUE_HIGH_BYTES {
            port.read(from, Reading::Off);
            port.notify_at(to, QUEUE_LOW_BYTES);
            self.report(Event::Paused);
        }
    }

    fn on_read_end(&mut self, port: &mut Port, tcp: TcpId) {
        self.report(Event::ReadEnd);
        let Some(side) = self.sides.get_mut(&tcp) else { return };
        side.ended = true;
        let other = side.other;
        port.finish(other);
        port.notify_at(other, 0);
        self.sides.entry(other).and_modify(|side| side.closing = true);
    }

    fn on_wrote(&mut self, port: &mut Port, tcp: TcpId) {
        self.report(Event::Wrote);
        let other = self.sides[&tcp].other;
        if self.sides[&tcp].closing && port.queued_bytes(tcp) == 0 {
            return self.close_when_both_ended(port, tcp, other);
        }
        if !self.sides[&other].ended {
            port.read(other, Reading::Large);
        }
    }

    fn close_when_both_ended(&mut self, port: &mut Port, one: TcpId, other: TcpId) {
        if self.sides[&one].ended && self.sides[&other].ended && port.queued_bytes(other) == 0 {
            for tcp in [one, other] {
                if self.sides.remove(&tcp).is_some() {
                    port.close(tcp);
                }
            }
        }
    }

    fn on_failed(&mut self, port: &mut Port, tcp: TcpId, failure: TcpFailure) {
        self.report(Event::Failed(failure));
        let Some(side) = self.sides.remove(&tcp) else { return };
        if side.other != tcp && self.sides.remove(&side.other).is_some() {
            port.abort(side.other);
        }
    }

    fn on_command(&mut self, now: Instant, port: &mut Port, command: Command) {
        match command {
            Command::Accept(accepting) => port.accept(accepting),
            Command::Wake(worker) => port.wake(worker),
            Command::TickIn(span) => self.deadline = Some(now + span),
            Command::ReadHushed => {
                let hushed = self.sides.iter().filter(|(_, side)| side.hushed);
                hushed.for_each(|(tcp, _)| port.read(*tcp, Reading::Small));
            }
            Command::Report => self.report(Event::Reported {
                tcp_count: port.tcp_count(),
                queued_max: self.queued_max,
                hushed_bytes: self.hushed_bytes,
            }),
            Command::Finish => self.finish(port),
        }
    }

    fn finish(&mut self, port: &mut Port) {
        self.sides.drain().for_each(|(tcp, _)| port.close(tcp));
        self.finished = true;
    }

    fn on_tick(&mut self, now: Instant, port: &mut Port) {
        if let Some(deadline) = self.deadline.filter(|deadline| *deadline <= now) {
            self.deadline = None;
            self.report(Event::Deadline { late: now.since(deadline) });
        }
        loop {
            let Some(command) = self.commands.lock().unwrap().pop_front() else { return };
            self.on_command(now, port, command);
        }
    }
}

impl Role for Echo {
    fn handle(&mut self, now: Instant, input: Input<'_>, port: &mut Port) {
        assert!(!self.asleep, "nobody is handed input while asleep");
        match input {
            Input::Accepted { tcp, listener, peer } => {
                assert!(peer.ip().is_loopback() && peer.port() != 0);
                self.on_accepted(port, tcp, listener.0);
            }
            Input::Connected { tcp, token: name } => {
                assert_eq!(name, token(tcp));
                port.read(tcp, Reading::Large);
                self.report(Event::Connected);
            }
            Input::Read { tcp, token: name, bytes } => {
                assert!(name == token(tcp) && !bytes.is_empty());
                assert_ne!(port.reading(tcp), Reading::Off, "nothing is read unasked");
                self.on_read(port, tcp, bytes);
            }
            Input::ReadEnd { tcp, token: name } => {
                assert_eq!(name, token(tcp));
                self.on_read_end(port, tcp);
            }
            Input::Wrote { tcp, token: name } => {
                assert_eq!(name, token(tcp));
                self.on_wrote(port, tcp);
            }
            Input::Failed { tcp, token: name, failure } => {
                assert_eq!(name, token(tcp));
                self.on_failed(port, tcp, failure);
            }
            Input::Datagrams { socket, from, ecn, segment_bytes, bytes } => {
                let Some(train) = port.train() else { return };
                train[..bytes.len()].copy_from_slice(bytes);
                port.send_train(socket, from, bytes.len(), segment_bytes, ecn);
                self.report(Event::Datagrams { bytes: bytes.len(), segment_bytes });
            }
            Input::Tick => self.on_tick(now, port),
        }
    }

    fn flush(&mut self, _now: Instant, _port: &mut Port) {}

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn may_sleep(&mut self) -> bool {
        self.asleep = self.commands.lock().unwrap().is_empty();
        self.asleep
    }

    fn awake(&mut self) {
        self.asleep = false;
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}
