//! The way up: what a client sends, from its connection to the server of its exchange.

use crate::access::Ended;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Ask, Upstream};
use crate::http::{CHUNK_END, CHUNK_PREFIX_BYTES_MAX, Step, Trailers, chunk_prefix, push_last_chunk};
use crate::port::{Port, Reading};
use crate::role::clients::client::{Client, HEAD, Phase};
use crate::role::clients::refuse::Page;
use crate::role::clients::reroute::keep_more;
use crate::role::clients::state::Clients;
use crate::role::clients::state::bound;
use crate::role::proxy_protocol::{self, Header};
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// What a chunk adds to its data at the most.
const CHUNK_OVERHEAD_BYTES: usize = CHUNK_PREFIX_BYTES_MAX + CHUNK_END.len();

impl Clients {
    /// Bytes from a client.
    pub fn on_read(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        bytes: &[u8],
    ) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        let direct = client.stash.is_empty();
        if direct && client.phase == Phase::Head {
            client.began = now;
        }
        let taken = if direct { self.take(now, port, up, handle, bytes) } else { 0 };
        let Some(client) = self.clients.get_mut(handle) else { return };
        let rest = &bytes[taken..];
        if self.blocks.append(&mut client.stash, rest) < rest.len() {
            self.counters.pool_shortages.add(1);
            let is_head = client.phase == Phase::Head && direct && rest.starts_with(HEAD);
            self.refuse(now, port, up, handle, Page::of_failure(Failure::Shed).for_head(is_head));
            return;
        }
        let waits_for_head = matches!(client.phase, Phase::Head | Phase::Preface);
        if direct && waits_for_head && !rest.is_empty() {
            self.set_deadline(handle, now + self.limits.head_timeout);
        }
        // A head that trickles in is looked at anew with every piece, so that what is wrong in it is said at once. The
        // longest head costs 8 µs a look, about as much as the packet that brought the byte.
        if !direct {
            self.go_on(now, port, up, handle);
        }
        self.hold(port, handle);
    }

    /// The client has sent FIN.
    pub fn on_read_end(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        match (client.phase, client.exchange) {
            // As nginx does: a client that closes while it waits wants nothing any more.
            (Phase::Body | Phase::Waiting | Phase::Upgrading, _) | (Phase::Opaque, None) => {
                self.give_up(now, port, up, handle, Ended::ClientAborted);
            }
            (Phase::Opaque, Some(exchange)) => {
                client.phase = Phase::HalfClosed;
                client.has_ended = true;
                if client.stash.is_empty() {
                    self.say_finish(now, port, up, exchange);
                    self.end_if_both(now, port, handle);
                }
            }
            (Phase::Opening, _) => client.has_ended = true,
            (Phase::Preface | Phase::Head | Phase::Linger | Phase::HalfClosed, _) => {
                client.has_ended = true;
                self.linger(now, port, handle);
            }
        }
    }

    /// Goes on with what is held.
    pub(crate) fn go_on(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        while let Some(client) = self.clients.get(handle).filter(|client| !client.stash.is_empty()) {
            let mut scratch = core::mem::take(&mut self.scratch);
            scratch.clear();
            if matches!(client.phase, Phase::Head | Phase::Preface) {
                scratch.extend(self.blocks.slices(&client.stash).flatten());
            } else {
                scratch.extend_from_slice(self.blocks.front(&client.stash));
            }
            let taken = self.take(now, port, up, handle, &scratch);
            self.scratch = scratch;
            let Some(client) = self.clients.get_mut(handle) else { return };
            // A refusal has thrown the rest away already.
            let left = client.stash.len();
            self.blocks.advance(&mut client.stash, taken.min(left));
            if taken == 0 {
                break;
            }
        }
        let Some(client) = self.clients.get(handle) else { return };
        if client.phase == Phase::HalfClosed
            && client.stash.is_empty()
            && let Some(exchange) = client.exchange
            && self.exchanges.get(exchange).is_some_and(|exchange| !exchange.is_sent)
        {
            self.say_finish(now, port, up, exchange);
            self.end_if_both(now, port, handle);
        }
        self.hold(port, handle);
    }

    /// Says what is owed upwards: the last byte, and room for more answers.
    pub(crate) fn pay(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        let Some(client) = self.clients.get(handle) else { return };
        let (tcp, Some(key)) = (client.tcp, client.exchange) else { return };
        let asker = self.asker(key);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let (way, served) = (exchange.way, exchange.served);
        if exchange.owes_finish && up.ask(now, port, way, asker, served, Ask::Finish) {
            exchange.owes_finish = false;
        }
        let portion = self.limits.stream_bytes / 4;
        if exchange.owed < portion {
            return;
        }
        if port.queued_bytes(tcp) > portion as usize {
            let queued = port.queued_bytes(tcp) as u32;
            port.notify_at(tcp, portion as usize);
            if let Some(client) = self.clients.get_mut(handle) {
                client.queued_seen = queued;
            }
            self.await_reading(now, handle);
        } else if up.ask(now, port, way, asker, served, Ask::Grant(exchange.owed)) {
            exchange.owed = 0;
            if let Some(client) = self.clients.get_mut(handle) {
                client.queued_seen = 0;
            }
            self.rest(now, handle);
        } else {
            self.list(handle);
        }
    }

    /// The connection's queue has fallen to the mark.
    pub fn on_wrote(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        match client.phase {
            Phase::Linger if port.queued_bytes(client.tcp) > 0 => {}
            Phase::Linger => self.linger(now, port, handle),
            Phase::Head => {
                client.queued_seen = 0;
                self.await_head(now, handle);
                self.go_on(now, port, up, handle);
            }
            Phase::Preface
            | Phase::Opening
            | Phase::Body
            | Phase::Waiting
            | Phase::Upgrading
            | Phase::Opaque
            | Phase::HalfClosed => self.pay(now, port, up, handle),
        }
    }

    /// Whether earlier answers fill the client's queue, so that it must read before its next request is looked at.
    /// Every exchange has credit of its own: who pipelines and reads nothing would otherwise fill the pool of all.
    fn must_read_first(&self, port: &mut Port, handle: Handle) -> bool {
        let Some(client) = self.clients.get(handle).filter(|client| client.phase == Phase::Head) else {
            return false;
        };
        let portion = self.limits.stream_bytes as usize / 4;
        let is_full = port.queued_bytes(client.tcp) > portion;
        if is_full {
            port.notify_at(client.tcp, portion);
        }
        is_full
    }

    fn take(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        bytes: &[u8],
    ) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let Some(client) = self.clients.get(handle) else { return bytes.len() };
            let taken = match client.phase {
                Phase::Preface => self.take_preface(now, port, up, handle, rest),
                Phase::Head if self.must_read_first(port, handle) => 0,
                Phase::Head => self.take_head(now, port, up, handle, rest),
                Phase::Body => self.take_body(now, port, up, handle, rest),
                Phase::Opaque | Phase::HalfClosed => self.take_opaque(now, port, up, handle, rest),
                Phase::Opening | Phase::Waiting | Phase::Upgrading => 0,
                Phase::Linger => {
                    self.linger_on(now, handle);
                    rest.len()
                }
            };
            if taken == 0 {
                break;
            }
            at += taken;
        }
        at
    }

    fn take_preface(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        bytes: &[u8],
    ) -> usize {
        let Some(client) = self.clients.get_mut(handle) else { return bytes.len() };
        match proxy_protocol::parse(bytes) {
            Header::Partial => 0,
            Header::Invalid => {
                self.counters.requests_refused.add(1);
                self.abort(port, handle);
                bytes.len()
            }
            Header::Complete(address, taken) => {
                client.peer = address.unwrap_or(client.peer);
                client.phase = Phase::Head;
                client.began = now;
                if self.plan.listeners[usize::from(client.listener)].tcp_site.is_some() {
                    self.begin_tcp(now, port, up, handle);
                }
                taken
            }
        }
    }

    fn take_body(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        bytes: &[u8],
    ) -> usize {
        let Some(key) = self.clients.get(handle).and_then(|client| client.exchange) else {
            return bytes.len();
        };
        let asker = self.asker(key);
        let Some(exchange) = self.exchanges.get_mut(key) else { return bytes.len() };
        let room = (exchange.room as usize).saturating_sub(CHUNK_OVERHEAD_BYTES);
        let input = &bytes[..bytes.len().min(room)];
        if input.is_empty() {
            return 0;
        }
        // An empty one owns no memory, so this copies a few words.
        let before = (exchange.request_body, exchange.request_trailers.clone());
        let Step { consumed, data, done } =
            match exchange.request_body.read(input, &mut exchange.request_trailers) {
                Ok(step) => step,
                Err(refusal) => {
                    self.counters.requests_refused.add(1);
                    self.refuse(now, port, up, handle, Page::of_refusal(refusal));
                    return bytes.len();
                }
            };
        if exchange.request_bytes + data.len() as u64 > self.limits.body_bytes_max {
            self.refuse(now, port, up, handle, Page::TOO_LARGE);
            return bytes.len();
        }
        let data = &input[data];
        let outgoing = if exchange.is_chunked {
            chunk(&mut self.written, data, done.then_some(&exchange.request_trailers));
            &self.written[..]
        } else {
            data
        };
        if !outgoing.is_empty()
            && !up.ask(now, port, exchange.way, asker, exchange.served, Ask::Data(outgoing))
        {
            (exchange.request_body, exchange.request_trailers) = before;
            self.list(handle);
            return 0;
        }
        // The end of a chunked body may add a few trailers beyond the credit; they are bounded.
        exchange.room = exchange.room.saturating_sub(outgoing.len() as u32);
        exchange.request_bytes += data.len() as u64;
        keep_more(&mut self.blocks, &mut exchange.kept, outgoing);
        self.await_body(now, handle);
        if done {
            self.request_is_whole(now, port, up, handle, key);
        }
        consumed
    }

    fn take_opaque(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        bytes: &[u8],
    ) -> usize {
        let Some(key) = self.clients.get(handle).and_then(|client| client.exchange) else {
            return bytes.len();
        };
        let asker = self.asker(key);
        let Some(exchange) = self.exchanges.get_mut(key) else { return bytes.len() };
        let taken = bytes.len().min(exchange.room as usize);
        if taken == 0 {
            return 0;
        }
        if !up.ask(now, port, exchange.way, asker, exchange.served, Ask::Data(&bytes[..taken])) {
            self.list(handle);
            return 0;
        }
        exchange.room -= taken as u32;
        exchange.request_bytes += taken as u64;
        keep_more(&mut self.blocks, &mut exchange.kept, &bytes[..taken]);
        self.set_deadline(handle, now + self.limits.stall_timeout);
        taken
    }

    /// The request's last byte has gone up.
    pub(crate) fn request_is_whole(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        exchange: Handle,
    ) {
        if let Some(client) = self.clients.get_mut(handle) {
            client.phase = Phase::Waiting;
            if !client.is_held {
                port.read(client.tcp, Reading::Small);
            }
        }
        self.say_finish(now, port, up, exchange);
        self.rest(now, handle);
    }

    /// Says that the last byte was the last.
    pub(crate) fn say_finish(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, key: Handle) {
        let asker = self.asker(key);
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        exchange.is_sent = true;
        exchange.owes_finish = !up.ask(now, port, exchange.way, asker, exchange.served, Ask::Finish);
        if exchange.owes_finish {
            let client = exchange.client;
            self.list(client);
        }
    }

    /// Waiting for the far end is timed there; here a body is, and the whole exchange if that is wished.
    pub(crate) fn rest(&mut self, now: Instant, handle: Handle) {
        let Some(client) = self.clients.get(handle) else { return };
        let deadline = match client.phase {
            Phase::Opaque | Phase::HalfClosed => now + self.limits.stall_timeout,
            Phase::Body => (now + self.limits.body_timeout).min(self.total_deadline(handle)),
            Phase::Preface
            | Phase::Opening
            | Phase::Head
            | Phase::Waiting
            | Phase::Upgrading
            | Phase::Linger => self.total_deadline(handle),
        };
        self.set_deadline(handle, deadline);
    }

    /// A body may take as long as it makes progress, but no longer than the whole exchange.
    pub(crate) fn await_body(&mut self, now: Instant, handle: Handle) {
        let deadline = (now + self.limits.body_timeout).min(self.total_deadline(handle));
        self.set_deadline(handle, deadline);
    }

    /// When the whole exchange of a client must be over; never, if it has none that can be over.
    pub(crate) fn total_deadline(&self, handle: Handle) -> Instant {
        let is_http =
            |client: &&Client| matches!(client.phase, Phase::Body | Phase::Waiting | Phase::Upgrading);
        let began = self.clients.get(handle).filter(is_http).map(|client| client.began);
        match (began, bound(self.limits.total_timeout)) {
            (Some(began), Some(total)) => began + total,
            _ => Instant::from_us(u64::MAX),
        }
    }

    /// Reads on or not, as there is room for more.
    fn hold(&mut self, port: &mut Port, handle: Handle) {
        let must_read_first = self.must_read_first(port, handle);
        let Some(client) = self.clients.get_mut(handle) else { return };
        let waits_for_bytes = matches!(client.phase, Phase::Head | Phase::Preface | Phase::Linger);
        // A whole head may wait for room in a ring; more than a head's worth is not read meanwhile.
        let is_full = client.stash.len() >= self.limits.http.head_bytes_max;
        let is_held = !client.stash.is_empty() && (!waits_for_bytes || is_full || must_read_first);
        if is_held != client.is_held {
            client.is_held = is_held;
            let reading = match (is_held, client.phase) {
                (true, _) => Reading::Off,
                (false, Phase::Body | Phase::Opaque) => Reading::Large,
                (false, _) => Reading::Small,
            };
            port.read(client.tcp, reading);
        }
    }
}

/// Writes data as one chunk, and the end of the body if `last` has its trailers.
fn chunk(written: &mut Vec<u8>, data: &[u8], last: Option<&Trailers>) {
    written.clear();
    if !data.is_empty() {
        written.extend_from_slice(chunk_prefix(data.len(), &mut [0; CHUNK_PREFIX_BYTES_MAX]));
        written.extend_from_slice(data);
        written.extend_from_slice(CHUNK_END);
    }
    if let Some(trailers) = last {
        push_last_chunk(trailers, written);
    }
}
