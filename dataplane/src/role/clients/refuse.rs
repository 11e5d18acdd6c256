//! Errors are answers: pages for what is refused, shed or failed before anything was answered.

use crate::access::{AccessRecord, Ended, Kind as RecordKind, Refusal as Refused, Rule, SLOT_BYTES, Wait};
use crate::exchange::failure::Failure;
use crate::exchange::link::Upstream;
use crate::http::{Asked, ErrorPage, Refusal, error_page};
use crate::port::Port;
use crate::role::clients::client::{HEAD, Phase};
use crate::role::clients::exchange::Down;
use crate::role::clients::state::Clients;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// What a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) retry_after_s: Option<u32>,
    pub(crate) ended: Ended,
    pub(crate) is_head: bool,
}

impl Page {
    /// The body is larger than allowed.
    pub(crate) const TOO_LARGE: Self = Self {
        status: 413,
        reason: "The request's body is larger than is allowed here.",
        retry_after_s: None,
        ended: Ended::Refused(Refused::BodyTooLarge),
        is_head: false,
    };
    /// The request has been here before.
    pub(crate) const LOOP: Self = Self {
        status: 508,
        reason: "The request has come back to where it already was.",
        retry_after_s: None,
        ended: Ended::Refused(Refused::NoRoute),
        is_head: false,
    };
    /// The head did not come in time.
    pub(crate) const HEAD_LATE: Self =
        Self::late("The request's head did not arrive in time.", Wait::RequestHead);
    /// The body stood still.
    pub(crate) const BODY_LATE: Self =
        Self::late("The request's body stood still for too long.", Wait::RequestBody);
    /// The whole took too long.
    pub(crate) const TOTAL: Self = Self {
        status: 504,
        reason: "The exchange took longer than is allowed here.",
        retry_after_s: None,
        ended: Ended::TimedOut(Wait::Total),
        is_head: false,
    };

    const fn late(reason: &'static str, wait: Wait) -> Self {
        Self { status: 408, reason, retry_after_s: None, ended: Ended::TimedOut(wait), is_head: false }
    }

    pub(crate) fn of_failure(failure: Failure) -> Self {
        Self {
            status: failure.status(),
            reason: failure.sentence(),
            retry_after_s: failure.retry_after_s(),
            ended: ended(failure),
            is_head: false,
        }
    }

    pub(crate) fn of_refusal(refusal: Refusal) -> Self {
        let status = refusal.status();
        let why = match status {
            405 | 501 => Refused::Method,
            413 => Refused::BodyTooLarge,
            414 => Refused::TargetTooLong,
            417 => Refused::Expectation,
            431 => Refused::HeadTooLarge,
            505 => Refused::Version,
            _ => Refused::BadRequest,
        };
        Self {
            status,
            reason: refusal.reason(),
            retry_after_s: None,
            ended: Ended::Refused(why),
            is_head: false,
        }
    }

    /// The same for an answer without a body, if it was asked for by HEAD.
    pub(crate) fn for_head(self, is_head: bool) -> Self {
        Self { is_head, ..self }
    }
}

/// How the log names a failure.
pub(crate) fn ended(failure: Failure) -> Ended {
    match failure {
        Failure::Cancelled => Ended::ClientAborted,
        Failure::UnknownSite | Failure::SiteNotAllowed => Ended::Refused(Refused::UnknownSite),
        Failure::Unresolved => Ended::Refused(Refused::NoOrigin),
        Failure::ConnectFailed | Failure::OriginClosed => Ended::OriginUnreachable,
        Failure::ConnectTimeout => Ended::TimedOut(Wait::OriginConnect),
        Failure::AnswerTimeout => Ended::TimedOut(Wait::OriginFirstByte),
        Failure::Stalled => Ended::TimedOut(Wait::OriginBody),
        Failure::BadAnswer => Ended::OriginInvalid,
        Failure::Truncated => Ended::OriginTruncated,
        Failure::Shed => Ended::Refused(Refused::Overload),
        Failure::ShedClass => Ended::Refused(Refused::ClassShed),
        Failure::Draining => Ended::Refused(Refused::Draining),
        Failure::TunnelTimeout => Ended::TimedOut(Wait::Tunnel),
        Failure::Restarted | Failure::BadStream | Failure::Unknown => Ended::TunnelLost,
        Failure::WrongKind => Ended::Refused(Refused::NoRoute),
    }
}

impl Clients {
    /// Answers with a page and ends the connection. An exchange under way is given up.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        page: Page,
    ) {
        let Some(client) = self.clients.get(handle) else { return };
        if self.plan.listeners[usize::from(client.listener)].tcp_site.is_some() {
            // There is no page for who does not speak HTTP.
            self.give_up(now, port, up, handle, page.ended);
            return;
        }
        let exchange = client.exchange;
        if let Some(exchange) = exchange.and_then(|key| self.exchanges.get(key))
            && (exchange.has_head || exchange.down == Down::Opaque)
        {
            self.give_up(now, port, up, handle, page.ended);
            return;
        }
        let page = page.for_head(page.is_head || self.is_asked_by_head(handle));
        let decision = match exchange {
            Some(key) => {
                let decision = self.exchanges.get(key).map_or(0, |exchange| exchange.decision);
                self.drop_exchange(now, port, up, key, page.ended, page.status);
                decision
            }
            None => {
                let decision = self.next_decision();
                self.log_refusal(now, handle, &page, decision);
                decision
            }
        };
        self.write_page(now, port, handle, &page, decision, true);
        self.linger(now, port, handle);
    }

    /// Whether what is being answered, as far as it is known, was asked by HEAD.
    fn is_asked_by_head(&self, handle: Handle) -> bool {
        let Some(client) = self.clients.get(handle) else { return false };
        match client.exchange.and_then(|key| self.exchanges.get(key)) {
            Some(exchange) => exchange.asked == Asked::Head,
            None => client.phase == Phase::Head && self.blocks.front(&client.stash).starts_with(HEAD),
        }
    }

    /// Tells a client beyond the limit so, without waiting for its request.
    pub(crate) fn shed(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        let failure = if self.is_draining { Failure::Draining } else { Failure::Shed };
        self.shed_count += 1;
        self.counters.clients_shed.add(1);
        let Some(client) = self.clients.get_mut(handle) else { return };
        client.is_shed = true;
        let is_http = self.plan.listeners[usize::from(client.listener)].tcp_site.is_none();
        if !is_http {
            self.abort(port, handle);
            return;
        }
        let decision = self.next_decision();
        let page = Page::of_failure(failure);
        self.log_refusal(now, handle, &page, decision);
        self.write_page(now, port, handle, &page, decision, true);
        self.linger(now, port, handle);
    }

    /// Writes a page; false if the pool had no room for it.
    pub(crate) fn write_page(
        &mut self,
        now: Instant,
        port: &mut Port,
        handle: Handle,
        page: &Page,
        decision_id: u64,
        close: bool,
    ) -> bool {
        let date = self.date(now);
        let Some(client) = self.clients.get(handle) else { return false };
        self.written.clear();
        let error = ErrorPage {
            status: page.status,
            reason: page.reason,
            decision_id,
            is_head: page.is_head,
            close,
            retry_after_s: page.retry_after_s,
            date: &date,
        };
        error_page(&error, &mut self.written);
        port.write(client.tcp, &self.written)
    }

    fn log_refusal(&mut self, now: Instant, handle: Handle, page: &Page, decision: u64) {
        let Some(client) = self.clients.get(handle) else { return };
        if client.phase == Phase::Linger {
            return;
        }
        let unix_ms = (self.unix_origin_us + client.began.as_us()) / 1_000;
        let mut record = AccessRecord::blank(unix_ms, u16::from(self.worker), RecordKind::Http, client.peer);
        record.status = page.status;
        record.ended = page.ended;
        record.decision.id = decision;
        record.decision.rule = Rule::None;
        record.timings.total_us = Some(now.us_since(client.began));
        self.put(&record);
    }

    /// Hands a record to the log, or counts that there was no room.
    pub(crate) fn put(&mut self, record: &AccessRecord<'_>) {
        let mut encode = |slot: &mut [u8]| {
            assert!(slot.len() >= SLOT_BYTES, "the log's slots hold a record");
            record.encode(slot)
        };
        if !self.records.put(&mut encode) {
            self.counters.records_dropped.add(1);
        }
    }
}
