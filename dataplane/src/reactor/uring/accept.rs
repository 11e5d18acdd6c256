//! Accepting clients: one multishot accept per listener.
//!
//! A multishot accept gives no addresses, so each connection costs a getpeername. When the role wants no clients or
//! the table is full, the accept is cancelled, so that clients wait in the kernel's backlog; those that came in
//! between wait here. When descriptors are short, one client is turned away and accepting pauses.

#![allow(unsafe_code, reason = "descriptors by number")]

use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};

use crate::port::{Input, ListenerId, Port, Role, Token};
use crate::reactor::errno::{AcceptFailure, accept_failure};
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::socket::peer_address;
use crate::reactor::uring::connection::Life;
use crate::reactor::uring::listeners::Listener;
use crate::reactor::uring::turn::{Turn, errno};
use crate::reactor::uring::worker::Worker;
use crate::time::Duration;

/// How long accepting pauses when descriptors are short: long enough for some to be closed, short for a client.
const PAUSE: Duration = Duration::from_millis(10);

impl Worker<'_> {
    /// An accept has brought a client or an error.
    pub(crate) fn on_accept<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
    ) -> io::Result<()> {
        let at = completion.name.slot as usize;
        if !completion.more {
            let listener = &mut self.listeners.sockets[at];
            (listener.armed, listener.cancelled) = (false, false);
        }
        if completion.result < 0 {
            self.on_accept_failure(turn, at, errno(completion.result));
            return Ok(());
        }
        // SAFETY: the kernel made this descriptor for us; the completion is its only mention.
        let client = unsafe { OwnedFd::from_raw_fd(completion.result) };
        self.counters.accepts.bump();
        let listener = ListenerId(at as u16);
        if self.listeners.has_waiting() || !turn.port.is_accepting() {
            self.listeners.wait(client, listener);
            return Ok(());
        }
        self.admit(turn, client, listener);
        Ok(())
    }

    fn on_accept_failure<R: Role>(&mut self, turn: &Turn<'_, R>, at: usize, errno: i32) {
        if errno == libc::ECANCELED {
            return;
        }
        self.counters.accept_errors.bump();
        match accept_failure(errno) {
            AcceptFailure::Empty | AcceptFailure::Next => {}
            AcceptFailure::Broken => self.listeners.sockets[at].broken = true,
            AcceptFailure::Exhausted => {
                self.counters.accept_pauses.bump();
                self.counters.accept_sheds.bump();
                self.counters.syscalls.add(5);
                self.listeners.turn_one_away(at);
                self.listeners.retry_at = Some(turn.now + PAUSE);
            }
        }
    }

    /// Shows a client to the role, or keeps it if the table is full.
    fn admit<R: Role>(&mut self, turn: &mut Turn<'_, R>, client: OwnedFd, listener: ListenerId) {
        self.counters.syscalls.bump();
        // A client that has reset already has no address any more.
        let Ok(peer) = peer_address(client.as_fd()) else {
            self.counters.accept_errors.bump();
            return;
        };
        let Some(tcp) = turn.port.insert(Token::default()) else {
            self.listeners.wait(client, listener);
            return;
        };
        self.connections.open(tcp, client.into_raw_fd(), Life::Open);
        turn.tell(Input::Accepted { tcp, listener, peer });
        self.settle_later(tcp);
    }

    /// Arms or cancels accepts as the role wishes, and shows it the clients that waited.
    pub(crate) fn want_clients<R: Role>(&mut self, turn: &mut Turn<'_, R>) -> io::Result<()> {
        if turn.port.take_stop_listening() {
            self.listeners.sockets.iter_mut().for_each(Listener::stop);
        }
        while turn.port.is_accepting() && !turn.port.is_full() {
            let Some((client, listener)) = self.listeners.next_waiting() else { break };
            self.admit(turn, client, listener);
            self.restless = true;
        }
        if self.listeners.retry_at.is_some_and(|at| at <= turn.now) {
            self.listeners.retry_at = None;
        }
        let wanted = self.wants_clients(turn.port);
        for at in 0..self.listeners.sockets.len() {
            self.want_listener(at, wanted)?;
        }
        Ok(())
    }

    fn wants_clients(&self, port: &Port) -> bool {
        port.is_accepting() && !self.listeners.has_waiting() && self.listeners.retry_at.is_none()
    }

    fn want_listener(&mut self, at: usize, wanted: bool) -> io::Result<()> {
        let listener = &mut self.listeners.sockets[at];
        let name = Name::of_index(Kind::Accept, at);
        match (listener.armed, wanted) {
            (false, true) if !listener.broken => {
                listener.armed = true;
                self.counters.rearms.bump();
                let fd = listener.fd();
                self.ring.accept(fd, name)
            }
            (true, false) if !listener.cancelled => {
                listener.cancelled = true;
                self.counters.cancels.bump();
                self.ring.cancel(name)
            }
            (false | true, _) => Ok(()),
        }
    }
}
