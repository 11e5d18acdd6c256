//! How fetches and connections end: whole, failed, given up, too slow.

use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Downstream, Kind, Way};
use crate::port::{Port, Reading, TcpFailure};
use crate::role::origins::connection::{IdleList, Use};
use crate::role::origins::down::Taken;
use crate::role::origins::fetch::{Down, Fetch, Up};
use crate::role::origins::state::Origins;
use crate::role::origins::state::{READING, say};
use crate::role::token::{self, Part};
use crate::stdx::slab::Handle;
use crate::time::Instant;

impl Origins {
    /// A connection is gone.
    pub fn on_failed(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        failure: TcpFailure,
    ) {
        let Some(connection) = self.connections.remove(handle) else { return };
        match connection.usage {
            Use::Idle(_) => self.idle[usize::from(connection.origin)].forget(handle),
            Use::Connecting(fetch) => self.on_connect_failed(now, port, fetch, failure),
            Use::Closing(..) => {}
            Use::Busy(fetch) => {
                if let Some(record) = self.fetches.get_mut(fetch) {
                    record.connection = None;
                    self.broken(now, port, down, fetch);
                }
            }
        }
    }

    /// The answer is whole: says so, and keeps the connection if it may be used again.
    pub(crate) fn complete(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        has_more: bool,
    ) {
        let Some(fetch) = self.remove(handle) else { return };
        let last = if fetch.is_finished { Answer::Finish } else { Answer::Enough };
        say(now, port, down, fetch.asker, last);
        let Some(connection) = fetch.connection else { return };
        let proxied = self.plan.origins[usize::from(fetch.origin)].proxy.is_some();
        // An upgrade that was refused after the asker's end has taken our FIN along.
        let is_finishing = self.connections.get(connection).is_some_and(|c| port.is_finishing(c.tcp));
        let keeps = fetch.keeps_alive && fetch.up == Up::Done && !fetch.has_ended && !has_more && !proxied;
        if keeps && !is_finishing {
            self.keep(now, port, connection);
        } else {
            self.close(port, connection);
        }
    }

    /// Ends a fetch with an error; the connection is cut so that the origin stops working for nobody.
    pub(crate) fn fail(
        &mut self,
        port: &mut Port,
        now: Instant,
        down: &mut dyn Downstream,
        handle: Handle,
        failure: Failure,
    ) -> Taken {
        if let Some(fetch) = self.remove(handle) {
            self.counters.origin_failures.add(1);
            self.abort(port, &fetch);
            say(now, port, down, fetch.asker, Answer::Failed(failure));
        }
        Taken::Gone
    }

    /// The asker wants no more.
    pub(crate) fn abandon(&mut self, port: &mut Port, handle: Handle) {
        if let Some(fetch) = self.remove(handle) {
            self.abort(port, &fetch);
        }
    }

    /// The origin has said all it will say; whether that is an answer depends on how far it came.
    pub(crate) fn end_of_answer(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
    ) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        match fetch.down {
            Down::Head => self.broken(now, port, down, handle),
            Down::Body if fetch.answer_body.finish().is_ok() => {
                self.end_chunks(now, port, down, handle);
                self.complete(now, port, down, handle, false);
            }
            Down::Body => {
                self.fail(port, now, down, handle, Failure::Truncated);
            }
            Down::Opaque => {
                fetch.down = Down::Done;
                self.say_envelope(now, port, down, handle);
                let Some(fetch) = self.fetches.get(handle) else { return };
                let (asker, is_over) = (fetch.asker, fetch.up == Up::Done);
                say(now, port, down, asker, Answer::Finish);
                if is_over && let Some(fetch) = self.remove(handle) {
                    self.close_after_writing(now, port, &fetch);
                }
            }
            Down::Done => {}
        }
    }

    /// After the asker's FIN on an opaque stream: over if the origin has finished too.
    pub(crate) fn end_if_both(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let over = self.fetches.get(handle).is_some_and(|f| f.up == Up::Done && f.down == Down::Done);
        if over && let Some(fetch) = self.remove(handle) {
            self.close_after_writing(now, port, &fetch);
        }
    }

    pub(crate) fn on_fetch_timer(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
    ) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        if fetch.timer > now {
            return;
        }
        fetch.timer = Instant::from_us(u64::MAX);
        if fetch.deadline > now {
            let deadline = fetch.deadline;
            self.set_deadline(handle, deadline);
            return;
        }
        if !fetch.held.is_empty() && fetch.credit < self.limits.stream_bytes / 4 {
            // The asker is slow, not the origin; whoever waits for the asker times it.
            self.set_deadline(handle, now + self.limits.stall_timeout);
            return;
        }
        let connection = fetch.connection.and_then(|handle| self.connections.get(handle));
        if connection.is_some_and(|connection| matches!(connection.usage, Use::Connecting(_))) {
            self.give_up_connecting(now, port, handle);
            return;
        }
        let queued = connection.map_or(0, |connection| port.queued_bytes(connection.tcp)) as u32;
        if fetch.queued_seen > queued && queued > 0 && fetch.up != Up::Head {
            // The origin is still taking the request, however slowly: its time has not begun.
            let span =
                if fetch.has_answered { self.limits.stall_timeout } else { self.limits.answer_timeout };
            fetch.queued_seen = queued;
            self.set_deadline(handle, now + span);
            return;
        }
        if fetch.down == Down::Done && queued == 0 {
            // The origin has said and taken all; whoever asked may read as slowly as it likes, and is timed at its own end.
            self.set_deadline(handle, now + self.limits.stall_timeout);
            return;
        }
        let is_under_way = fetch.has_answered || fetch.kind == Kind::Tcp;
        let why = if is_under_way { Failure::Stalled } else { Failure::AnswerTimeout };
        self.fail(port, now, down, handle, why);
    }

    /// An address that does not answer within `connect_timeout` is left for the next one, as one that refuses is.
    fn give_up_connecting(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        if let Some(fetch) = self.fetches.get(handle) {
            let connection = fetch.connection.and_then(|handle| self.connections.remove(handle));
            connection.iter().for_each(|connection| port.abort(connection.tcp));
        }
        self.on_connect_failed(now, port, handle, TcpFailure::TimedOut);
    }

    pub(crate) fn on_idle_timer(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let Some(connection) = self.connections.get_mut(handle) else { return };
        let deadline = match connection.usage {
            Use::Idle(since) => since + self.limits.pool_timeout,
            Use::Closing(until, left) => {
                self.on_closing_timer(now, port, handle, until, left);
                return;
            }
            Use::Connecting(_) | Use::Busy(_) => {
                connection.has_timer = false;
                return;
            }
        };
        if deadline > now {
            self.wheel.set(deadline, token::pack(Part::Connection, handle).0);
        } else {
            self.drop_idle(port, handle);
        }
    }

    pub(crate) fn drop_idle(&mut self, port: &mut Port, handle: Handle) {
        if let Some(connection) = self.connections.remove(handle) {
            self.idle[usize::from(connection.origin)].forget(handle);
            port.close(connection.tcp);
        }
    }

    /// Closes the connection that has been idle longest, of whichever origin: it makes room for a new one.
    pub(crate) fn drop_oldest_idle(&mut self, port: &mut Port) {
        let since = |handle: &Handle| match self.connections.get(*handle).map(|connection| connection.usage) {
            Some(Use::Idle(since)) => since,
            Some(Use::Connecting(_) | Use::Busy(_) | Use::Closing(..)) | None => Instant::ORIGIN,
        };
        if let Some(oldest) = self.idle.iter().filter_map(IdleList::oldest).min_by_key(since) {
            self.drop_idle(port, oldest);
        }
    }

    /// The connection died before the answer was whole.
    fn broken(&mut self, now: Instant, port: &mut Port, down: &mut dyn Downstream, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        if fetch.is_repeatable && fetch.is_reused && fetch.attempts == 1 && !fetch.has_answered {
            // RFC 9112 §9.3.1: the origin may just have closed an idle connection; once more on a fresh one.
            // The end was that of the old connection.
            fetch.has_ended = false;
            if let Some(connection) = fetch.connection.take() {
                self.close(port, connection);
            }
            self.counters.origin_retries.add(1);
            self.start(now, port, handle);
            return;
        }
        let why = if fetch.has_answered { Failure::Truncated } else { Failure::OriginClosed };
        self.fail(port, now, down, handle, why);
    }

    fn remove(&mut self, handle: Handle) -> Option<Fetch> {
        let mut fetch = self.fetches.remove(handle)?;
        self.blocks.clear(&mut fetch.pending);
        self.blocks.clear(&mut fetch.held);
        Some(fetch)
    }

    fn keep(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let Some(connection) = self.connections.get_mut(handle) else { return };
        connection.usage = Use::Idle(now);
        let tcp = connection.tcp;
        if self.plan.is_retired(Way::Origin(connection.origin)) {
            return self.close(port, handle);
        }
        match self.idle[usize::from(connection.origin)].keep(handle) {
            Ok(()) => {
                port.read(tcp, READING);
                if !connection.has_timer {
                    connection.has_timer = true;
                    self.wheel.set(now + self.limits.pool_timeout, token::pack(Part::Connection, handle).0);
                }
            }
            Err(handle) => self.close(port, handle),
        }
    }

    pub(crate) fn close(&mut self, port: &mut Port, handle: Handle) {
        if let Some(connection) = self.connections.remove(handle) {
            port.close(connection.tcp);
        }
    }

    /// Lets what is queued go out before the connection closes, for as long as it moves.
    fn close_after_writing(&mut self, now: Instant, port: &mut Port, fetch: &Fetch) {
        let Some(handle) = fetch.connection else { return };
        let Some(connection) = self.connections.get_mut(handle) else { return };
        let until = now + self.limits.send_timeout;
        connection.usage = Use::Closing(until, port.queued_bytes(connection.tcp) as u32);
        port.read(connection.tcp, Reading::Off);
        port.notify_at(connection.tcp, 0);
        self.wheel.set(until, token::pack(Part::Connection, handle).0);
    }

    /// An origin that takes its last bytes slowly gets them; one that stands still gets a reset, so that what was cut
    /// does not look whole.
    fn on_closing_timer(&mut self, now: Instant, port: &mut Port, handle: Handle, until: Instant, left: u32) {
        let Some(connection) = self.connections.get_mut(handle) else { return };
        let queued = port.queued_bytes(connection.tcp) as u32;
        if until > now {
            // An entry from when the connection was idle; its own comes later.
        } else if queued == 0 {
            self.close(port, handle);
        } else if queued < left {
            let until = now + self.limits.send_timeout;
            connection.usage = Use::Closing(until, queued);
            self.wheel.set(until, token::pack(Part::Connection, handle).0);
        } else {
            port.abort(connection.tcp);
            self.connections.remove(handle);
        }
    }

    fn abort(&mut self, port: &mut Port, fetch: &Fetch) {
        if let Some(connection) = fetch.connection.and_then(|handle| self.connections.remove(handle)) {
            port.abort(connection.tcp);
        }
    }
}
