//! One thread of the origin as a role: connections, timers, counts. No socket and no clock.

use crate::origin::buffer::Buffer;
use crate::origin::connection::{Connection, OUTPUT_BYTES, World};
use crate::origin::options::{Habits, Mode, OriginOptions};
use crate::origin::shared::{Counts, Shared};
use crate::origin::stage::Outcome;
use core::cmp::Reverse;
use dataplane::port::{Input, Port, Reading, Role, TcpId, Token};
use dataplane::stdx::prng::Prng;
use dataplane::stdx::slab::{Handle, Slab};
use dataplane::time::{Duration, Instant};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// How much of an answer may be queued for the kernel, bytes.
pub(crate) const AHEAD_BYTES: usize = 128 << 10;

/// How often idle connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// A connection and its place in the port.
struct Seat {
    tcp: TcpId,
    connection: Connection,
    /// When bytes last moved.
    moved_at: Instant,
    /// The earliest entry among the timers.
    armed: Option<Instant>,
    /// FIN was asked for.
    is_shut: bool,
    /// It waits for room in the pool of write queues.
    is_starved: bool,
}

/// The thread's world.
pub(crate) struct OriginRole {
    shared: Arc<Shared>,
    habits: Habits,
    mode: Mode,
    idle: Duration,
    seats: Slab<Seat>,
    /// Connections whose buffers wait for the next client.
    spare: Vec<Connection>,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    starved: Vec<Handle>,
    random: Prng,
    output: Buffer,
    sweep_at: Instant,
}

impl OriginRole {
    /// A role for so many connections.
    pub(crate) fn new(
        options: &OriginOptions,
        shared: Arc<Shared>,
        connections_max: usize,
        seed: u64,
    ) -> Self {
        Self {
            shared,
            habits: options.habits.clone(),
            mode: options.mode,
            idle: options.idle,
            seats: Slab::new(connections_max),
            spare: Vec::new(),
            timers: BinaryHeap::new(),
            starved: Vec::new(),
            random: Prng::new(seed),
            output: Buffer::new(OUTPUT_BYTES),
            sweep_at: Instant::ORIGIN,
        }
    }

    fn accept(&mut self, tcp: TcpId, now: Instant, port: &mut Port) {
        let mode = self.mode;
        let mut connection = self.spare.pop().unwrap_or_else(|| Connection::new(mode));
        connection.reopen(mode);
        let seat = Seat { tcp, connection, moved_at: now, armed: None, is_shut: false, is_starved: false };
        let Ok(handle) = self.seats.insert(seat) else {
            return port.abort(tcp);
        };
        port.set_token(tcp, Token(handle.to_u64()));
        port.read(tcp, Reading::Small);
        self.shared.count(Counts { connections: 1, ..Counts::default() });
    }

    /// Advances a connection as far as its queue has room, and does what is to become of it.
    fn pump(&mut self, handle: Handle, now: Instant, port: &mut Port) {
        let Some(seat) = self.seats.get_mut(handle) else { return };
        let tcp = seat.tcp;
        loop {
            let queued = port.queued_bytes(tcp);
            if queued >= AHEAD_BYTES {
                port.notify_at(tcp, AHEAD_BYTES / 2);
                break;
            }
            if port.blocks().free_bytes() < 2 * OUTPUT_BYTES {
                if !seat.is_starved {
                    seat.is_starved = true;
                    self.starved.push(handle);
                }
                break;
            }
            let mut world = World {
                now,
                random: &mut self.random,
                shared: &self.shared,
                habits: &self.habits,
                is_drained: queued == 0,
            };
            let moved = seat.connection.advance(&mut world, &mut self.output);
            let sent = self.output.data().len();
            let requests = seat.connection.take_requests();
            self.shared.count(Counts { requests, sent_bytes: sent as u64, ..Counts::default() });
            if sent > 0 && !seat.is_shut {
                let written = port.write(tcp, self.output.data());
                assert!(written, "the pool had room");
            }
            self.output.clear();
            if moved {
                seat.moved_at = now;
            }
            if sent == 0 {
                break;
            }
        }
        self.settle(handle, now, port);
    }

    /// Reading, timers, and the connection's end.
    fn settle(&mut self, handle: Handle, now: Instant, port: &mut Port) {
        let Some(seat) = self.seats.get_mut(handle) else { return };
        let tcp = seat.tcp;
        let is_drained = port.queued_bytes(tcp) == 0;
        match seat.connection.outcome() {
            Outcome::Open => {
                if !is_drained && seat.connection.waits_for_drain() {
                    port.notify_at(tcp, 0);
                }
            }
            Outcome::Shut if !is_drained => port.notify_at(tcp, 0),
            Outcome::Shut => {
                if !core::mem::replace(&mut seat.is_shut, true) {
                    port.finish(tcp);
                }
                seat.connection.linger(now);
                return self.pump(handle, now, port);
            }
            Outcome::Close => return self.close(handle, false, port),
            Outcome::Reset => return self.close(handle, true, port),
        }
        let wanted = if seat.connection.wants_input() { Reading::Small } else { Reading::Off };
        port.read(tcp, wanted);
        if let Some(deadline) = seat.connection.deadline()
            && seat.armed.is_none_or(|armed| deadline < armed)
        {
            seat.armed = Some(deadline);
            self.timers.push(Reverse((deadline, handle.to_u64())));
        }
    }

    fn close(&mut self, handle: Handle, reset: bool, port: &mut Port) {
        if let Some(seat) = self.forget(handle) {
            if reset { port.abort(seat) } else { port.close(seat) }
        }
    }

    /// Lets go of a connection; its place in the port is the caller's.
    fn forget(&mut self, handle: Handle) -> Option<TcpId> {
        let Seat { tcp, mut connection, .. } = self.seats.remove(handle)?;
        connection.leave(&self.shared);
        self.spare.push(connection);
        Some(tcp)
    }

    fn expire(&mut self, now: Instant, port: &mut Port) {
        while let Some(Reverse((due, token))) = self.timers.peek().copied()
            && due <= now
        {
            self.timers.pop();
            let handle = Handle::from_u64(token);
            if let Some(seat) = self.seats.get_mut(handle) {
                seat.armed = seat.armed.filter(|armed| *armed > now);
                self.pump(handle, now, port);
            }
        }
    }

    /// Closes what has been idle for too long.
    fn sweep(&mut self, now: Instant, port: &mut Port) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP_EVERY;
        for slot in 0..self.seats.slots() as u32 {
            if let Some(handle) = self.seats.handle_at(slot)
                && let Some(seat) = self.seats.get(handle)
                && seat.connection.deadline().is_none()
                && now.since(seat.moved_at) > self.idle
            {
                self.close(handle, false, port);
            }
        }
    }

    fn feed_starved(&mut self, now: Instant, port: &mut Port) {
        for handle in core::mem::take(&mut self.starved) {
            if let Some(seat) = self.seats.get_mut(handle) {
                seat.is_starved = false;
                self.pump(handle, now, port);
            }
        }
    }
}

impl Role for OriginRole {
    fn handle(&mut self, now: Instant, input: Input<'_>, port: &mut Port) {
        match input {
            Input::Accepted { tcp, .. } => self.accept(tcp, now, port),
            Input::Read { token, bytes, .. } => {
                let handle = Handle::from_u64(token.0);
                if let Some(seat) = self.seats.get_mut(handle) {
                    seat.connection.take(bytes);
                    seat.moved_at = now;
                    self.pump(handle, now, port);
                }
            }
            Input::ReadEnd { token, .. } => {
                let handle = Handle::from_u64(token.0);
                if let Some(seat) = self.seats.get_mut(handle) {
                    seat.connection.end_input();
                    self.pump(handle, now, port);
                }
            }
            Input::Wrote { token, .. } => {
                let handle = Handle::from_u64(token.0);
                if let Some(seat) = self.seats.get_mut(handle) {
                    seat.moved_at = now;
                    self.pump(handle, now, port);
                }
            }
            Input::Failed { token, .. } => {
                self.forget(Handle::from_u64(token.0));
            }
            Input::Connected { .. } | Input::Datagrams { .. } | Input::Tick => {}
        }
    }

    fn flush(&mut self, now: Instant, port: &mut Port) {
        self.expire(now, port);
        if !self.starved.is_empty() {
            self.feed_starved(now, port);
        }
        self.sweep(now, port);
    }

    fn deadline(&self) -> Option<Instant> {
        // Without a connection only a bell or a client can bring anything.
        let sweep = (!self.seats.is_empty()).then_some(self.sweep_at);
        let timer = self.timers.peek().map(|Reverse((due, _))| *due);
        [sweep, timer].into_iter().flatten().min()
    }

    fn may_sleep(&mut self) -> bool {
        !self.shared.is_stopped()
    }

    fn awake(&mut self) {}

    fn is_finished(&self) -> bool {
        self.shared.is_stopped()
    }
}
