//! The way up: a request, or the client's half of an opaque stream, from the asker to the origin's connection.

use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Downstream, Kind};
use crate::http::{Asked, BodyReader, Parsed, RequestBody, Upgrade, parse_request};
use crate::port::{Port, Reading, TcpFailure};
use crate::role::compressible::has_credentials;
use crate::role::origins::connection::{Connection, Use};
use crate::role::origins::fetch::Up;
use crate::role::origins::state::Origins;
use crate::role::origins::state::{READING, say};
use crate::role::proxy_protocol;
use crate::role::token::{self, Part};
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// A request's connections to different addresses, before the client is told.
const ATTEMPTS_MAX: u8 = 3;

impl Origins {
    /// Takes bytes from the asker; they are within the credit.
    pub(crate) fn take_up(&mut self, now: Instant, port: &mut Port, handle: Handle, bytes: &[u8]) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        fetch.owed += bytes.len() as u32;
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.fetches.get(handle).map(|fetch| fetch.up) {
                Some(Up::Head) => self.take_request_head(now, port, handle, rest),
                Some(Up::Body) => self.take_request_body(port, handle, rest),
                Some(Up::Opaque) => {
                    self.forward(port, handle, rest);
                    Some(rest.len())
                }
                Some(Up::Done) | None => None,
            };
            let Some(taken) = taken else {
                self.fail_later(handle, Failure::BadStream);
                return;
            };
            rest = &rest[taken..];
        }
        self.progress(now, handle);
    }

    /// The asker has said its last byte.
    pub(crate) fn finish_up(&mut self, port: &mut Port, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        fetch.is_finished = true;
        match fetch.up {
            Up::Head | Up::Body => self.fail_later(handle, Failure::BadStream),
            Up::Done => {}
            Up::Opaque => self.finish_opaque(port, handle),
        }
    }

    /// Finds a connection for the fetch: a pooled one, or else a new one.
    pub(crate) fn start(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        fetch.attempts += 1;
        let origin = fetch.origin;
        let may_reuse = fetch.kind == Kind::Http && fetch.attempts == 1;
        match may_reuse.then(|| self.idle[usize::from(origin)].take()).flatten() {
            Some(connection) => self.reuse(now, port, handle, connection),
            None => self.connect(now, port, handle, origin),
        }
    }

    /// The connection stands: everything that waited for it goes out.
    pub fn on_connected(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let Some(connection) = self.connections.get_mut(handle) else { return };
        let Use::Connecting(fetch) = connection.usage else { return };
        connection.usage = Use::Busy(fetch);
        let (tcp, origin, address) = (connection.tcp, connection.origin, connection.address);
        port.read(tcp, READING);
        self.counters.origin_connects.add(1);
        if let Some(version) = self.plan.origins[usize::from(origin)].proxy
            && let Some(client) = self.fetches.get(fetch).map(|fetch| fetch.client)
        {
            let header = proxy_protocol::emit(version, client, address);
            if !port.write(tcp, header.bytes()) {
                self.shortage(fetch);
            }
        }
        self.send_pending(port, fetch);
        self.set_deadline(fetch, now + self.limits.answer_timeout);
        if self.fetches.get(fetch).is_some_and(|fetch| fetch.up == Up::Opaque && fetch.is_finished) {
            self.finish_opaque(port, fetch);
        }
        self.list(fetch);
    }

    /// The connection's queue has fallen to the mark.
    pub fn on_wrote(&mut self, now: Instant, port: &mut Port, down: &mut dyn Downstream, handle: Handle) {
        let Some(connection) = self.connections.get(handle) else { return };
        match connection.usage {
            Use::Busy(fetch) | Use::Connecting(fetch) => {
                self.progress(now, fetch);
                self.pay_room(now, port, down, fetch);
            }
            // A word about an earlier mark may come late.
            Use::Closing(..) if port.queued_bytes(connection.tcp) > 0 => {}
            Use::Closing(..) => self.close(port, handle),
            Use::Idle(_) => {}
        }
    }

    /// A connection could not be made: the next address, or the end.
    pub(crate) fn on_connect_failed(
        &mut self,
        now: Instant,
        port: &mut Port,
        fetch: Handle,
        failure: TcpFailure,
    ) {
        let Some(record) = self.fetches.get_mut(fetch) else { return };
        record.connection = None;
        let addresses = self.addresses[usize::from(record.origin)].len();
        if usize::from(record.connects) < addresses.min(usize::from(ATTEMPTS_MAX)) {
            self.start(now, port, fetch);
            return;
        }
        let why = match failure {
            TcpFailure::TimedOut => Failure::ConnectTimeout,
            TcpFailure::Exhausted => Failure::Shed,
            TcpFailure::Refused | TcpFailure::Unreachable | TcpFailure::Reset => Failure::ConnectFailed,
        };
        self.fail_later(fetch, why);
    }

    /// Gives the asker room for what the kernel has taken, in portions worth a word.
    pub(crate) fn pay_room(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
    ) {
        let portion = self.limits.stream_bytes / 4;
        let Some(fetch) = self.fetches.get(handle).filter(|fetch| fetch.owed >= portion) else { return };
        let Some(connection) = fetch.connection.and_then(|handle| self.connections.get(handle)) else {
            return;
        };
        if matches!(connection.usage, Use::Connecting(_)) {
            return;
        }
        let tcp = connection.tcp;
        if port.queued_bytes(tcp) > portion as usize {
            port.notify_at(tcp, portion as usize);
            return;
        }
        let asker = fetch.asker;
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        let room = core::mem::take(&mut fetch.owed);
        say(now, port, down, asker, Answer::Room(room));
    }

    /// [EXC-10]
    fn take_request_head(
        &mut self,
        now: Instant,
        port: &mut Port,
        handle: Handle,
        bytes: &[u8],
    ) -> Option<usize> {
        let fetch = self.fetches.get_mut(handle)?;
        let before = fetch.pending.len();
        // What the front-end adds to a head that it found just small enough must fit here.
        let limits = self.limits.http.of_next_hop();
        let mut scratch = core::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend(self.blocks.slices(&fetch.pending).flatten());
        scratch.extend_from_slice(&bytes[..bytes.len().min(limits.head_bytes_max)]);
        let parsed = match parse_request(&scratch, &limits, &mut self.table) {
            Parsed::Complete { head, bytes } => {
                fetch.asked = Asked::by(&head);
                fetch.has_credentials = has_credentials(&head.fields);
                fetch.request_body = BodyReader::for_request(head.body);
                let bodyless = matches!(head.body, RequestBody::None | RequestBody::Length(0));
                fetch.is_repeatable = bodyless && head.method.is_idempotent();
                fetch.up = match (head.upgrade, bodyless) {
                    (Upgrade::WebSocket, _) => Up::Opaque,
                    (Upgrade::None | Upgrade::OtherIgnored, true) => Up::Done,
                    (Upgrade::None | Upgrade::OtherIgnored, false) => Up::Body,
                };
                Some(bytes - before)
            }
            Parsed::Partial => Some(bytes.len()),
            Parsed::Invalid(_) => None,
        };
        self.scratch = scratch;
        let taken = parsed?;
        let is_whole = fetch.up != Up::Head;
        if self.blocks.append(&mut fetch.pending, &bytes[..taken]) < taken {
            self.shortage(handle);
        } else if is_whole {
            self.start(now, port, handle);
        }
        Some(taken)
    }

    fn take_request_body(&mut self, port: &mut Port, handle: Handle, bytes: &[u8]) -> Option<usize> {
        let fetch = self.fetches.get_mut(handle)?;
        let step = fetch.request_body.read(bytes, &mut fetch.request_trailers).ok()?;
        if step.done {
            fetch.up = Up::Done;
        }
        // What came is normalised already: it goes on as it is.
        self.forward(port, handle, &bytes[..step.consumed]);
        Some(step.consumed)
    }

    /// Writes to the connection if it stands, else keeps the bytes for it.
    fn forward(&mut self, port: &mut Port, handle: Handle, bytes: &[u8]) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        let standing = fetch.connection.and_then(|handle| self.connections.get(handle));
        let taken = match standing {
            Some(Connection { usage: Use::Busy(_), tcp, .. }) => port.write(*tcp, bytes),
            Some(_) | None => self.blocks.append(&mut fetch.pending, bytes) == bytes.len(),
        };
        if !taken {
            self.shortage(handle);
        } else if fetch.owed >= self.limits.stream_bytes / 4 {
            self.list(handle);
        }
    }

    fn reuse(&mut self, now: Instant, port: &mut Port, handle: Handle, connection: Handle) {
        let Some(record) = self.connections.get_mut(connection) else { return };
        record.usage = Use::Busy(handle);
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        (fetch.connection, fetch.is_reused) = (Some(connection), true);
        self.counters.origin_reuses.add(1);
        self.send_pending(port, handle);
        self.set_deadline(handle, now + self.limits.answer_timeout);
    }

    fn connect(&mut self, now: Instant, port: &mut Port, handle: Handle, origin: u16) {
        let index = usize::from(origin);
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        let turn = fetch.turn.map_or_else(|| self.turns[index].take(), |turn| turn.wrapping_add(1));
        fetch.turn = Some(turn);
        fetch.connects += 1;
        self.adopt_addresses();
        let addresses = &self.addresses[index];
        let Some(address) = addresses.get(turn % addresses.len().max(1)).copied() else {
            self.fail_later(handle, Failure::Unresolved);
            return;
        };
        if self.connections.len() >= self.limits.exchanges_max {
            self.drop_oldest_idle(port);
        }
        let Some(tcp) = port.connect(address, token::NONE) else {
            self.fail_later(handle, Failure::Shed);
            return;
        };
        let record = Connection { tcp, origin, address, usage: Use::Connecting(handle), has_timer: false };
        let Ok(connection) = self.connections.insert(record) else {
            port.abort(tcp);
            self.fail_later(handle, Failure::Shed);
            return;
        };
        port.set_token(tcp, token::pack(Part::Connection, connection));
        port.read(tcp, Reading::Off);
        if let Some(fetch) = self.fetches.get_mut(handle) {
            (fetch.connection, fetch.is_reused) = (Some(connection), false);
        }
        self.set_deadline(handle, now + self.limits.connect_timeout);
    }

    /// Sends what waited. What may have to be said again is kept until the answer begins.
    fn send_pending(&mut self, port: &mut Port, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        let Some(connection) = fetch.connection.and_then(|handle| self.connections.get(handle)) else {
            return;
        };
        let tcp = connection.tcp;
        let keep = fetch.is_repeatable && fetch.is_reused;
        let mut taken = true;
        for slice in self.blocks.slices(&fetch.pending) {
            taken = taken && port.write(tcp, slice);
        }
        if !keep {
            self.blocks.clear(&mut fetch.pending);
        }
        if !taken {
            self.shortage(handle);
        }
    }

    /// Passes the client's FIN on once everything before it has been handed over.
    fn finish_opaque(&mut self, port: &mut Port, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle).filter(|fetch| fetch.failure.is_none()) else {
            return;
        };
        let standing = fetch.connection.and_then(|handle| self.connections.get(handle));
        if let Some(Connection { usage: Use::Busy(_), tcp, .. }) = standing {
            port.finish(*tcp);
            fetch.up = Up::Done;
            self.list(handle);
        }
    }

    fn shortage(&mut self, handle: Handle) {
        self.counters.pool_shortages.add(1);
        self.fail_later(handle, Failure::Shed);
    }

    /// Something moved upwards: the origin gets its time anew.
    fn progress(&mut self, now: Instant, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        let connecting = fetch.connection.and_then(|handle| self.connections.get(handle));
        if !matches!(connecting, Some(Connection { usage: Use::Connecting(_), .. })) {
            let span = if fetch.has_answered || fetch.up == Up::Opaque {
                self.limits.stall_timeout
            } else {
                self.limits.answer_timeout
            };
            self.set_deadline(handle, now + span);
        }
    }
}
