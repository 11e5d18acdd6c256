//! How exchanges and client connections end: answered, failed, given up, too slow.

use crate::access::{AccessRecord, Ended, Kind as RecordKind, Version as RecordVersion, Wait};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Ask, Kind, Upstream, Way};
use crate::http::{Asked, Version};
use crate::port::{Port, Reading, TcpFailure};
use crate::role::clients::client::Phase;
use crate::role::clients::exchange::{Down, Exchange};
use crate::role::clients::refuse::{Page, ended};
use crate::role::clients::state::Clients;
use crate::stdx::slab::Handle;
use crate::time::Instant;

impl Clients {
    /// A client's connection is gone.
    pub fn on_failed(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        _: TcpFailure,
    ) {
        if let Some(key) = self.clients.get(handle).and_then(|client| client.exchange) {
            self.drop_exchange(now, port, up, key, Ended::ClientAborted, 0);
        }
        self.forget(handle);
    }

    /// The answer is whole: the connection goes on or ends, as both sides agreed.
    pub(crate) fn complete(&mut self, now: Instant, port: &mut Port, key: Handle) {
        let asker = self.asker(key);
        let Some(mut exchange) = self.remove_exchange(key) else { return };
        exchange.ended = Ended::Complete;
        self.counters.answers.add(1);
        self.log(now, &exchange);
        if !exchange.is_sent || exchange.owes_finish {
            self.abandoned.push((exchange.way, asker, exchange.served));
        }
        self.after_answer(now, port, &exchange);
    }

    /// The far end could not answer: a page if nothing was written, else a visible cut.
    pub(crate) fn fail(&mut self, now: Instant, port: &mut Port, key: Handle, failure: Failure) {
        let asker = self.asker(key);
        let Some(mut exchange) = self.remove_exchange(key) else { return };
        self.counters.failures.add(1);
        exchange.ended = ended(failure);
        if is_ours(failure) {
            // The server does not know that this exchange is over.
            self.abandoned.push((exchange.way, asker, exchange.served));
        }
        let page = Page::of_failure(failure).for_head(exchange.asked == Asked::Head);
        if exchange.kind == Kind::Tcp || exchange.has_head || page.status == 499 {
            self.log(now, &exchange);
            self.abort(port, exchange.client);
            return;
        }
        exchange.status = page.status;
        exchange.keep_alive &= exchange.is_sent && !self.is_draining;
        self.log(now, &exchange);
        if self.write_page(now, port, exchange.client, &page, exchange.decision, !exchange.keep_alive) {
            self.after_answer(now, port, &exchange);
        } else {
            self.abort(port, exchange.client);
        }
    }

    /// Ends an opaque exchange once both halves have said their last byte.
    pub(crate) fn end_if_both(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let Some(client) = self.clients.get(handle).filter(|client| client.phase == Phase::HalfClosed) else {
            return;
        };
        let Some(key) = client.exchange else { return };
        if self.exchanges.get(key).is_some_and(|exchange| exchange.down == Down::Done && exchange.is_sent)
            && let Some(mut exchange) = self.remove_exchange(key)
        {
            exchange.ended = Ended::Complete;
            self.log(now, &exchange);
            self.linger(now, port, handle);
        }
    }

    /// Cuts a client off; whatever it had asked for is given up.
    pub(crate) fn give_up(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        ended: Ended,
    ) {
        if let Some(key) = self.clients.get(handle).and_then(|client| client.exchange) {
            self.drop_exchange(now, port, up, key, ended, 0);
        }
        self.abort(port, handle);
    }

    /// Gives an exchange up and logs it.
    pub(crate) fn drop_exchange(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        key: Handle,
        ended: Ended,
        status: u16,
    ) {
        let asker = self.asker(key);
        let Some(mut exchange) = self.remove_exchange(key) else { return };
        exchange.ended = ended;
        if status != 0 {
            exchange.status = status;
        }
        if ended == Ended::ClientAborted {
            self.counters.aborts.add(1);
        } else {
            self.counters.failures.add(1);
        }
        self.log(now, &exchange);
        if !up.ask(now, port, exchange.way, asker, exchange.served, Ask::Abandon) {
            self.abandoned.push((exchange.way, asker, exchange.served));
        }
    }

    /// Sends FIN after what is queued, and reads on for a while so that the client can read it.
    pub(crate) fn linger(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        if client.phase != Phase::Linger {
            (client.phase, client.began) = (Phase::Linger, now);
        }
        self.blocks.clear(&mut client.stash);
        (client.is_held, client.queued_seen) = (false, 0);
        let is_written = port.queued_bytes(client.tcp) == 0;
        if is_written && client.has_ended {
            // Both sides have said all: the kernel sends what it still has.
            self.close(port, handle);
            return;
        }
        port.finish(client.tcp);
        if !client.has_ended {
            port.read(client.tcp, Reading::Small);
        }
        if !is_written {
            port.notify_at(client.tcp, 0);
        }
        self.set_deadline(handle, now + self.limits.linger_timeout);
    }

    /// A lingering client still sends: closing under it would reset it, and what it has not read yet would be lost to
    /// it. As nginx does, each piece gives it the time anew, within a bound; one beyond the limit gets no more of it.
    pub(crate) fn linger_on(&mut self, now: Instant, handle: Handle) {
        let Some(client) = self.clients.get(handle).filter(|client| !client.is_shed) else { return };
        let until = client.began + self.limits.linger_timeout.max(self.limits.send_timeout);
        self.set_deadline(handle, (now + self.limits.linger_timeout).min(until));
    }

    /// Closes a connection on which nothing is due.
    pub(crate) fn close(&mut self, port: &mut Port, handle: Handle) {
        if let Some(client) = self.clients.get(handle) {
            port.close(client.tcp);
            self.forget(handle);
        }
    }

    /// Ends a connection with a reset, so that what was cut does not look whole.
    pub(crate) fn abort(&mut self, port: &mut Port, handle: Handle) {
        if let Some(client) = self.clients.get(handle) {
            port.abort(client.tcp);
            self.forget(handle);
        }
    }

    /// Cuts a plain TCP connection whose stream could not be opened.
    pub(crate) fn abort_with(&mut self, now: Instant, port: &mut Port, handle: Handle, failure: Failure) {
        self.counters.failures.add(1);
        if let Some(client) = self.clients.get(handle) {
            let unix_ms = (self.unix_origin_us + now.as_us()) / 1_000;
            let mut record =
                AccessRecord::blank(unix_ms, u16::from(self.worker), RecordKind::Tcp, client.peer);
            record.ended = ended(failure);
            self.put(&record);
        }
        self.abort(port, handle);
    }

    pub(crate) fn on_timer(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        if client.timer > now {
            return;
        }
        client.timer = Instant::from_us(u64::MAX);
        if client.deadline > now {
            let deadline = client.deadline;
            self.set_deadline(handle, deadline);
            return;
        }
        let (phase, tcp, exchange) = (client.phase, client.tcp, client.exchange);
        if self.total_deadline(handle) <= now {
            self.late(now, port, up, handle, Page::TOTAL);
            return;
        }
        let queued = port.queued_bytes(tcp) as u32;
        let Some(client) = self.clients.get_mut(handle) else { return };
        if client.queued_seen > 0 && queued == 0 {
            // It has read everything: its time to read is over, its time for what comes next begins.
            client.queued_seen = 0;
            self.await_next(now, handle);
            return;
        }
        let is_opaque = matches!(phase, Phase::Opaque | Phase::HalfClosed);
        if client.queued_seen > 0 || ((exchange.is_none() || is_opaque) && queued > 0) {
            // The client should be reading. Slow is fine, standing still is not.
            if client.queued_seen == 0 || queued < client.queued_seen {
                client.queued_seen = queued.max(1);
                self.await_reading(now, handle);
            } else {
                self.counters.clients_timed_out.add(1);
                self.give_up(now, port, up, handle, Ended::TimedOut(Wait::ClientWrite));
            }
            return;
        }
        match phase {
            Phase::Head if self.clients.get(handle).is_some_and(|c| c.stash.is_empty()) => {
                self.close(port, handle)
            }
            Phase::Head => self.late(now, port, up, handle, Page::HEAD_LATE),
            Phase::Body if self.is_blocked(handle) => self.await_body(now, handle),
            Phase::Body => self.late(now, port, up, handle, Page::BODY_LATE),
            Phase::Waiting | Phase::Upgrading => self.late(now, port, up, handle, Page::TOTAL),
            // What it has said is on its way, and whoever takes that is timed at the far end.
            Phase::HalfClosed if self.has_said_all(handle) => self.rest(now, handle),
            Phase::Opaque | Phase::HalfClosed => self.end_idle(now, port, up, handle),
            Phase::Preface | Phase::Opening => self.abort(port, handle),
            Phase::Linger => self.close(port, handle),
        }
    }

    fn has_said_all(&self, handle: Handle) -> bool {
        let exchange = self.clients.get(handle).and_then(|client| self.exchanges.get(client.exchange?));
        exchange.is_some_and(|exchange| exchange.is_sent && !exchange.owes_finish)
    }

    /// Neither half of an opaque exchange has moved for too long. If the far end has said all, and the kernel has all of it,
    /// the client still gets that, however slowly it reads: it is only not listened to any more.
    fn end_idle(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        self.counters.clients_timed_out.add(1);
        let key = self.clients.get(handle).and_then(|client| client.exchange);
        let is_done =
            |key: &Handle| self.exchanges.get(*key).is_some_and(|exchange| exchange.down == Down::Done);
        let ended = Ended::TimedOut(Wait::Idle);
        if let Some(key) = key.filter(is_done) {
            self.drop_exchange(now, port, up, key, ended, 0);
            self.close(port, handle);
        } else {
            self.give_up(now, port, up, handle, ended);
        }
    }

    fn late(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle, page: Page) {
        self.counters.clients_timed_out.add(1);
        self.refuse(now, port, up, handle, page);
    }

    /// The time for whatever the client's phase waits for begins anew.
    fn await_next(&mut self, now: Instant, handle: Handle) {
        match self.clients.get(handle).map(|client| client.phase) {
            Some(Phase::Preface | Phase::Head) => self.await_head(now, handle),
            Some(Phase::Linger) => self.set_deadline(handle, now + self.limits.linger_timeout),
            Some(
                Phase::Opening
                | Phase::Body
                | Phase::Waiting
                | Phase::Upgrading
                | Phase::Opaque
                | Phase::HalfClosed,
            ) => self.rest(now, handle),
            None => {}
        }
    }

    /// The next head may take its time to begin, but not to end.
    pub(crate) fn await_head(&mut self, now: Instant, handle: Handle) {
        let Some(client) = self.clients.get(handle) else { return };
        let span = if client.stash.is_empty() { self.limits.idle_timeout } else { self.limits.head_timeout };
        self.set_deadline(handle, now + span);
    }

    /// A client may read as slowly as it likes while it reads at all, but no longer than the whole exchange may take.
    pub(crate) fn await_reading(&mut self, now: Instant, handle: Handle) {
        let deadline = (now + self.limits.send_timeout).min(self.total_deadline(handle));
        self.set_deadline(handle, deadline);
    }

    /// The body waits for room, not for the client.
    fn is_blocked(&self, handle: Handle) -> bool {
        self.clients.get(handle).is_some_and(|client| !client.stash.is_empty())
    }

    pub(crate) fn after_answer(&mut self, now: Instant, port: &mut Port, exchange: &Exchange) {
        let handle = exchange.client;
        let Some(client) = self.clients.get_mut(handle) else { return };
        if !exchange.keep_alive || client.phase != Phase::Waiting {
            self.linger(now, port, handle);
            return;
        }
        client.phase = Phase::Head;
        (client.began, client.queued_seen) = (now, 0);
        if self.is_draining && client.stash.is_empty() {
            self.linger(now, port, handle);
            return;
        }
        if !client.stash.is_empty() {
            self.list(handle);
        }
        self.await_head(now, handle);
    }

    fn remove_exchange(&mut self, key: Handle) -> Option<Exchange> {
        let mut exchange = self.exchanges.remove(key)?;
        self.blocks.clear(&mut exchange.held);
        self.blocks.clear(&mut exchange.kept);
        if let Some(client) = self.clients.get_mut(exchange.client) {
            client.exchange = None;
        }
        Some(exchange)
    }

    fn forget(&mut self, handle: Handle) {
        if let Some(mut client) = self.clients.remove(handle) {
            self.blocks.clear(&mut client.stash);
            self.shed_count -= usize::from(client.is_shed);
        }
    }

    fn log(&mut self, now: Instant, exchange: &Exchange) {
        self.log_sent_to(now, exchange, "");
    }

    /// The same for an exchange whose client was sent to a node, if that has a name.
    pub(crate) fn log_sent_to(&mut self, now: Instant, exchange: &Exchange, node: &str) {
        let plan = self.plan.clone();
        let unix_ms = (self.unix_origin_us + exchange.began.as_us()) / 1_000;
        let kind = match (exchange.kind, exchange.status) {
            (Kind::Tcp, _) => RecordKind::Tcp,
            (Kind::Http, 101) => RecordKind::WebSocket,
            (Kind::Http, _) => RecordKind::Http,
        };
        let mut record = AccessRecord::blank(unix_ms, u16::from(self.worker), kind, exchange.peer);
        record.site = plan.sites[usize::from(exchange.site)].name.as_bytes();
        record.method = exchange.method();
        record.target = exchange.target();
        record.target_cut = exchange.is_line_cut;
        record.version = match (exchange.kind, exchange.version) {
            (Kind::Tcp, _) => RecordVersion::None,
            (Kind::Http, Version::Http10) => RecordVersion::Http10,
            (Kind::Http, Version::Http11) => RecordVersion::Http11,
        };
        record.status = exchange.status;
        record.request_body_bytes = exchange.request_bytes;
        record.response_body_bytes = exchange.answer_bytes;
        record.saved_bytes = exchange.saved_bytes;
        record.class = exchange.verdict.class;
        record.redirected_to = node.as_bytes();
        match exchange.way {
            _ if !node.is_empty() => {}
            Way::Route(route) => record.route = plan.routes[usize::from(route)].name.as_bytes(),
            Way::Origin(origin) => record.origin = plan.origins[usize::from(origin)].label.as_bytes(),
        }
        record.origin_address = exchange.reply.origin;
        let answered = exchange.first_byte.map(|first| first.us_since(exchange.opened));
        let origin_us = u64::from(exchange.reply.first_byte_us);
        record.timings.origin_first_byte_us = exchange.reply.origin.map(|_| origin_us);
        let queue_us = exchange.queue_us.map(u64::from);
        record.timings.queue_us = queue_us;
        let elsewhere_us = origin_us + queue_us.unwrap_or(0);
        record.timings.tunnel_us = answered.map(|us| us.saturating_sub(elsewhere_us));
        record.timings.total_us = Some(now.us_since(exchange.began));
        record.ended = exchange.ended;
        record.decision.id = exchange.decision;
        record.decision.rule = exchange.rule;
        record.class_rule = exchange.verdict.label.as_bytes();
        record.decision.compress = exchange.verdict.compress;
        record.decision.cache = exchange.verdict.cache;
        record.decision.attempts = exchange.reply.attempts;
        record.decision.reroutes = exchange.reroutes;
        record.decision.connection_reused = exchange.reply.reused;
        self.put(&record);
    }
}

/// Whether this side found the failure, so that the server must be told.
fn is_ours(failure: Failure) -> bool {
    matches!(failure, Failure::BadStream | Failure::Shed | Failure::Truncated)
}
