//! One thread of the origin: its poll, listeners, sockets and timers.

use crate::clock::Clock;
use crate::origin::connection::Connection;
use crate::origin::options::{Mode, OriginError, OriginOptions};
use crate::origin::shared::{Counts, Shared};
use crate::origin::socket::{Socket, Verdict};
use dataplane::stdx::slab::{Handle, Slab};
use dataplane::stdx::wheel::Wheel;
use dataplane::time::{Duration, Instant};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::ErrorKind;
use std::sync::Arc;

/// Events taken in one go.
const EVENTS_MAX: usize = 1_024;

/// Listeners have the tokens from here up, the waker the last one; sockets have their handles, whose generations
/// never come here.
const LISTENER_TOKENS: usize = usize::MAX - 256;

/// The waker's token.
pub(crate) const WAKER_TOKEN: Token = Token(usize::MAX);

/// The most listeners of one thread.
pub(crate) const LISTENERS_MAX: usize = 128;

/// How often idle sockets are looked for, and at the latest accepting is tried again when descriptors had run out.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// The thread's world.
pub(crate) struct Worker {
    poll: Poll,
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    mode: Mode,
    idle: Duration,
    sockets: Slab<Socket>,
    /// Connections whose buffers wait for the next socket.
    spare: Vec<Connection>,
    wheel: Wheel,
    due: Vec<u64>,
    again: Vec<Handle>,
    turn: Vec<Handle>,
    /// Sockets may wait unaccepted: there was no room for them.
    accept_later: bool,
    sweep_at: Instant,
    clock: Clock,
}

impl Worker {
    /// A worker for listeners that are bound but not registered yet.
    pub(crate) fn new(
        poll: Poll,
        mut listeners: Vec<TcpListener>,
        shared: Arc<Shared>,
        options: &OriginOptions,
        connections_max: usize,
    ) -> Result<Self, OriginError> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            let token = Token(LISTENER_TOKENS + index);
            poll.registry().register(listener, token, Interest::READABLE).map_err(OriginError::Poll)?;
        }
        Ok(Self {
            poll,
            listeners,
            shared,
            mode: options.mode,
            idle: options.idle,
            sockets: Slab::new(connections_max),
            spare: Vec::new(),
            wheel: Wheel::new(1_024),
            due: Vec::with_capacity(EVENTS_MAX),
            again: Vec::with_capacity(EVENTS_MAX),
            turn: Vec::with_capacity(EVENTS_MAX),
            accept_later: false,
            sweep_at: Instant::ORIGIN,
            clock: Clock::start(),
        })
    }

    /// Serves until stopped.
    pub(crate) fn run(mut self) -> Result<(), OriginError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.shared.is_stopped() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(OriginError::Poll(error)),
            }
            let now = self.clock.now();
            for event in &events {
                self.event(event, now);
            }
            self.go_on(now);
            self.expire(now);
            self.sweep(now);
            if self.accept_later && !self.sockets.is_full() {
                self.accept_all(now);
            }
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        if !self.again.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        let next = self.wheel.deadline().map_or(self.sweep_at, |deadline| deadline.min(self.sweep_at));
        // With no socket open, only a bell or a listener can bring anything.
        if self.sockets.is_empty() && !self.accept_later {
            Duration::from_secs(3_600)
        } else {
            next.since(now)
        }
    }

    fn event(&mut self, event: &mio::event::Event, now: Instant) {
        let token = event.token();
        if token == WAKER_TOKEN {
            return;
        }
        if token.0 >= LISTENER_TOKENS {
            return self.accept(token.0 - LISTENER_TOKENS, now);
        }
        let handle = Handle::from_u64(token.0 as u64);
        if let Some(socket) = self.sockets.get_mut(handle) {
            socket.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            socket.writable |= event.is_writable() || event.is_error();
            socket.hung_up |= event.is_read_closed();
            self.pump(handle, now);
        }
    }

    fn pump(&mut self, handle: Handle, now: Instant) {
        let Some(socket) = self.sockets.get_mut(handle) else {
            return;
        };
        match socket.pump(now, &self.shared) {
            Verdict::Wait => {
                if let Some(deadline) = socket.connection.deadline()
                    && socket.armed.is_none_or(|armed| deadline < armed)
                {
                    socket.armed = Some(deadline);
                    self.wheel.set(deadline, handle.to_u64());
                }
            }
            Verdict::Again if socket.waits_for_turn => {}
            Verdict::Again => {
                socket.waits_for_turn = true;
                self.again.push(handle);
            }
            Verdict::Close => self.close(handle, false),
            Verdict::Reset => self.close(handle, true),
        }
    }

    /// Gives those that had used up their rounds another turn.
    fn go_on(&mut self, now: Instant) {
        core::mem::swap(&mut self.again, &mut self.turn);
        for index in 0..self.turn.len() {
            let handle = self.turn[index];
            if let Some(socket) = self.sockets.get_mut(handle) {
                socket.waits_for_turn = false;
                self.pump(handle, now);
            }
        }
        self.turn.clear();
    }

    fn expire(&mut self, now: Instant) {
        self.due.clear();
        self.wheel.expire(now, &mut self.due, EVENTS_MAX);
        for index in 0..self.due.len() {
            let handle = Handle::from_u64(self.due[index]);
            if let Some(socket) = self.sockets.get_mut(handle) {
                socket.armed = socket.armed.filter(|armed| *armed > now);
                self.pump(handle, now);
            }
        }
    }

    /// Closes what has been idle for too long.
    fn sweep(&mut self, now: Instant) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP_EVERY;
        for slot in 0..self.sockets.slots() as u32 {
            if let Some(handle) = self.sockets.handle_at(slot)
                && let Some(socket) = self.sockets.get(handle)
                && socket.connection.deadline().is_none()
                && now.since(socket.moved_at) > self.idle
            {
                self.close(handle, false);
            }
        }
    }

    fn accept_all(&mut self, now: Instant) {
        self.accept_later = false;
        for index in 0..self.listeners.len() {
            self.accept(index, now);
        }
    }

    fn accept(&mut self, listener: usize, now: Instant) {
        while !self.sockets.is_full() {
            match self.listeners[listener].accept() {
                Ok((stream, _)) => self.open(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Out of descriptors or memory: those who wait in the backlog are served when something ends.
                Err(_) => break,
            }
        }
        self.accept_later = true;
    }

    fn open(&mut self, stream: TcpStream, now: Instant) {
        // Answers are written whole; waiting for an acknowledgement would only delay their last part.
        let _ = stream.set_nodelay(true);
        let mode = self.mode;
        let mut connection = self.spare.pop().unwrap_or_else(|| Connection::new(mode));
        connection.reopen(mode);
        let Ok(handle) = self.sockets.insert(Socket::new(stream, connection, now)) else {
            return;
        };
        self.shared.count(Counts { connections: 1, ..Counts::default() });
        let token = Token(handle.to_u64() as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Some(socket) = self.sockets.get_mut(handle)
            && self.poll.registry().register(&mut socket.stream, token, interest).is_err()
        {
            self.close(handle, true);
        }
    }

    fn close(&mut self, handle: Handle, reset: bool) {
        let Some(Socket { stream, connection, .. }) = self.sockets.remove(handle) else {
            return;
        };
        if reset {
            // Closing with a linger time of zero sends a reset (socket(7)).
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        self.spare.push(connection);
    }
}
