//! Accepts clients: a bounded number per turn, none while the role or the table has no room, and with a way out
//! when descriptors run short.
//!
//! A listener that pauses stays registered. New clients then cost an edge each until the backlog is full, which
//! bounds them; taking the listener out and in again would cost two system calls per pause.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry};

use crate::port::{Input, ListenerId, Role, Token};
use crate::reactor::epoll::connections::Connections;
use crate::reactor::epoll::source::Source;
use crate::reactor::epoll::stage::Stage;
use crate::reactor::errno::{AcceptFailure, accept_failure};
use crate::reactor::socket;
use crate::time::{Duration, Instant};

/// Clients taken per listener and turn: enough for a storm, few enough that standing connections go on.
const ACCEPTS_PER_TURN: usize = 64;

/// Pause after running out of descriptors or memory: one client is shed per pause, the others wait meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    /// Somebody may wait.
    waiting: bool,
}

#[derive(Debug)]
pub(crate) struct Listeners {
    all: Vec<Listener>,
    /// Given up for a moment when descriptors run short, so that a client can be told by a close.
    spare: Option<File>,
    paused_until: Option<Instant>,
}

impl Listeners {
    pub(crate) fn new(sockets: Vec<OwnedFd>, registry: &Registry) -> io::Result<Self> {
        for (number, socket) in sockets.iter().enumerate() {
            let token = Source::Listener(number).to_token();
            registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        }
        let all = sockets.into_iter().map(|socket| Listener { socket, waiting: true }).collect();
        Ok(Self { all, spare: spare(), paused_until: None })
    }

    pub(crate) fn on_event(&mut self, number: usize) {
        self.all[number].waiting = true;
    }

    /// When to try again after a shortage. A pause that is over is no deadline: `can_accept` answers then.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    /// Whether `accept` would try something.
    pub(crate) fn can_accept<R: Role>(&self, stage: &Stage<'_, R>) -> bool {
        self.paused_until.is_none_or(|until| until <= stage.now)
            && has_room(stage)
            && self.all.iter().any(|listener| listener.waiting)
    }

    pub(crate) fn accept<R: Role>(
        &mut self,
        stage: &mut Stage<'_, R>,
        registry: &Registry,
        connections: &mut Connections,
    ) {
        if stage.port.take_stop_listening() {
            for listener in &mut self.all {
                listener.waiting = false;
                // A listener that cannot be stopped is closed at the end, a little later.
                let _stopped = socket::stop_listening(listener.socket.as_fd());
            }
        }
        if !self.can_accept(stage) {
            return;
        }
        self.paused_until = None;
        for number in 0..self.all.len() {
            self.accept_at(number, stage, registry, connections);
        }
    }

    fn accept_at<R: Role>(
        &mut self,
        number: usize,
        stage: &mut Stage<'_, R>,
        registry: &Registry,
        connections: &mut Connections,
    ) {
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.all[number].waiting || self.paused_until.is_some() || !has_room(stage) {
                return;
            }
            stage.counters.syscalls.bump();
            match socket::accept(self.all[number].socket.as_fd()) {
                Ok((socket, peer)) => {
                    let Some(tcp) = stage.port.insert(Token::default()) else { return };
                    if connections.adopt(tcp, socket, registry, stage).is_err() {
                        stage.counters.accept_errors.bump();
                        stage.port.release(tcp);
                        continue;
                    }
                    stage.counters.accepts.bump();
                    stage.deliver(Input::Accepted { tcp, listener: ListenerId(number as u16), peer });
                }
                Err(error) => self.refused(number, &error, stage),
            }
        }
    }

    fn refused<R: Role>(&mut self, number: usize, error: &io::Error, stage: &Stage<'_, R>) {
        let failure = accept_failure(error.raw_os_error().unwrap_or(0));
        if failure != AcceptFailure::Empty {
            stage.counters.accept_errors.bump();
        }
        match failure {
            AcceptFailure::Next => {}
            AcceptFailure::Empty | AcceptFailure::Broken => self.all[number].waiting = false,
            AcceptFailure::Exhausted => self.shed(number, stage),
        }
    }

    /// Takes one client with the spare descriptor and closes it, then rests.
    fn shed<R: Role>(&mut self, number: usize, stage: &Stage<'_, R>) {
        stage.counters.accept_pauses.bump();
        stage.counters.syscalls.add(4);
        if self.spare.take().is_some() {
            match socket::accept(self.all[number].socket.as_fd()) {
                Ok(_) => stage.counters.accept_sheds.bump(),
                // The kernel looks for a descriptor before it looks for a client: nobody was there.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.all[number].waiting = false;
                }
                Err(_) => {}
            }
        }
        self.spare = spare();
        self.paused_until = Some(stage.now + EXHAUSTED_PAUSE);
    }
}

fn has_room<R>(stage: &Stage<'_, R>) -> bool {
    stage.port.is_accepting() && stage.port.tcp_count() < stage.port.tcp_max()
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}
