//! How an exchange begins: a head, or a plain connection, is judged, its way is chosen, and the server there is asked.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::access::{Ended, Rule, Wait};
use crate::compression::{Terms, Why};
use crate::exchange::envelope::{OPENING_BYTES_MAX, OpeningEnvelope, ReplyEnvelope};
use crate::exchange::failure::Failure;
use crate::exchange::link::{Ask, Kind, Opening, Served, Upstream, Way};
use crate::http::{
    Asked, BodyReader, HOST_BYTES_MAX, Parsed, RequestBody, Trailers, Upgrade, Version, parse_request,
};
use crate::port::{Port, Reading};
use crate::role::clients::client::{HEAD, Phase};
use crate::role::clients::draft::draft;
use crate::role::clients::exchange::{Down, Exchange, LINE_BYTES_MAX, Move, Reframe};
use crate::role::clients::redirect::elsewhere;
use crate::role::clients::refuse::Page;
use crate::role::clients::state::Clients;
use crate::role::compressible::of_connection;
use crate::rules::{RequestFacts, Verdict};
use crate::stdx::chain::Chain;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// Who asks where there is no client any more: nobody will read it.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Clients {
    /// Opens the stream of a plain TCP connection, now or when there is room for it.
    pub(crate) fn begin_tcp(&mut self, now: Instant, port: &mut Port, up: &mut dyn Upstream, handle: Handle) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        let Some(site) = self.plan.listeners[usize::from(client.listener)].tcp_site else { return };
        if self.plan.sites[usize::from(site)].retired.is_some() {
            self.abort_with(now, port, handle, Failure::UnknownSite);
            return;
        }
        let verdict = self.plan.rules.judge(&RequestFacts {
            site: self.plan.sites[usize::from(site)].name.as_bytes(),
            client: client.peer.ip(),
            port: self.plan.listeners[usize::from(client.listener)].address.port(),
            message: None,
        });
        let Some(way) = self.plan.way_now(site, |way| up.standing(way)) else { return };
        if !up.can_open(way, verdict.class, 0) {
            // As with a request: the ring to the other core empties within a turn or two.
            client.phase = Phase::Opening;
            self.list(handle);
            return;
        }
        let exchange = Exchange {
            way,
            kind: Kind::Tcp,
            down: Down::Envelope,
            reframe: Reframe::Verbatim,
            rule: Rule::Listener,
            terms: of_connection(verdict.compress),
            ..self.blank(now, handle, site, verdict)
        };
        self.counters.tcp_streams.add(1);
        self.written.clear();
        if let Err(failure) = self.open(now, port, up, handle, exchange, b"") {
            self.abort_with(now, port, handle, failure);
            return;
        }
        if let Some(client) = self.clients.get_mut(handle) {
            client.phase = if client.has_ended { Phase::HalfClosed } else { Phase::Opaque };
        }
        self.set_deadline(handle, now + self.limits.stall_timeout);
    }

    /// Takes a whole head, if there is one, and begins its exchange; how many bytes that were.
    pub(crate) fn take_head(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        bytes: &[u8],
    ) -> usize {
        let blank = self.blank(now, handle, 0, self.plan.rules.unruled());
        let date = self.date(now);
        let Some(client) = self.clients.get(handle) else { return bytes.len() };
        let (head, taken) = match parse_request(bytes, &self.limits.http, &mut self.table) {
            Parsed::Complete { head, bytes } => (head, bytes),
            Parsed::Partial => return 0,
            Parsed::Invalid(refusal) => {
                self.counters.requests_refused.add(1);
                let is_head = bytes.starts_with(HEAD);
                self.refuse(now, port, up, handle, Page::of_refusal(refusal).for_head(is_head));
                return bytes.len();
            }
        };
        let mut drafted =
            draft(blank, &head, client, &self.plan, &self.plan.rules, &self.limits, &mut self.written);
        let mut name = [0; HOST_BYTES_MAX];
        let is_default = drafted.as_ref().is_ok_and(|exchange| exchange.rule == Rule::SiteDefault);
        let host = if is_default { head.host.normalised(&mut name) } else { b"" };
        let (upgrade, body, is_head) = (head.upgrade, head.body, Asked::by(&head) == Asked::Head);
        if let Ok(exchange) = &mut drafted {
            exchange.keep_alive &= !self.is_draining;
            let sent_to = elsewhere(&self.redirects, &self.plan, exchange, &head, &date, &mut self.written);
            if let Some(node) = sent_to {
                self.send_elsewhere(now, port, handle, exchange, &node);
                return taken;
            }
        }
        if let Ok(exchange) = &mut drafted {
            exchange.way = self.plan.way_now(exchange.site, |way| up.standing(way)).unwrap_or(exchange.way);
        }
        if let Ok(exchange) = &drafted
            && !up.can_open(exchange.way, exchange.verdict.class, self.written.len())
        {
            // A full ring is no overload: it empties within a turn or two of the other core.
            self.list(handle);
            return 0;
        }
        self.counters.requests.add(1);
        let opened = match drafted {
            Ok(exchange) => self.open(now, port, up, handle, exchange, host).map_err(Page::of_failure),
            Err(page) => Err(page),
        };
        if let Err(page) = opened {
            self.counters.requests_refused.add(1);
            self.refuse(now, port, up, handle, page.for_head(is_head));
            return bytes.len();
        }
        let Some(client) = self.clients.get_mut(handle) else { return bytes.len() };
        client.requests += 1;
        let exchange = client.exchange;
        client.phase = match (upgrade, body) {
            (Upgrade::WebSocket, _) => Phase::Upgrading,
            (_, RequestBody::None | RequestBody::Length(0)) => Phase::Waiting,
            (_, RequestBody::Length(_) | RequestBody::Chunked) => Phase::Body,
        };
        match (client.phase, exchange) {
            (Phase::Waiting, Some(exchange)) => self.request_is_whole(now, port, up, handle, exchange),
            (Phase::Body, _) => {
                port.read(client.tcp, Reading::Large);
                self.await_body(now, handle);
            }
            _ => self.rest(now, handle),
        }
        taken
    }

    /// Opens an exchange, for `host` instead of its site's name unless that is empty, and sends what `written` holds as its first bytes.
    fn open(
        &mut self,
        now: Instant,
        port: &mut Port,
        up: &mut dyn Upstream,
        handle: Handle,
        mut exchange: Exchange,
        host: &[u8],
    ) -> Result<(), Failure> {
        if self.must_shed(exchange.verdict.class) {
            return Err(Failure::ShedClass);
        }
        let Some(client) = self.clients.get_mut(handle) else { return Err(Failure::Cancelled) };
        let site = self.plan.sites[usize::from(exchange.site)].served_name().as_bytes();
        let envelope = OpeningEnvelope {
            kind: exchange.kind,
            decision: exchange.decision,
            client: exchange.peer,
            // What takes every name travels as the name that was asked for: the far end has rules for names too.
            site: if host.is_empty() { site } else { host },
        };
        let mut bytes = [0; OPENING_BYTES_MAX];
        let length = envelope.encode(&mut bytes);
        let opening = Opening {
            class: exchange.verdict.class,
            kind: exchange.kind,
            envelope: &bytes[..length],
            terms: exchange.terms,
        };
        exchange.room = self.limits.stream_bytes.saturating_sub(self.written.len() as u32);
        let way = exchange.way;
        let key = self.exchanges.insert(exchange).map_err(|_| Failure::Shed)?;
        client.exchange = Some(key);
        let asker = self.asker(key);
        let opened = up.open(now, port, way, asker, &opening);
        let failure = match (opened, self.exchanges.get_mut(key)) {
            (Ok(served), Some(exchange)) => {
                exchange.served = served;
                if self.written.is_empty() || up.ask(now, port, way, asker, served, Ask::Data(&self.written))
                {
                    let written = core::mem::take(&mut self.written);
                    self.keep_opening(up, key, opening.envelope, &written);
                    self.written = written;
                    return Ok(());
                }
                self.abandoned.push((way, asker, served));
                Failure::Shed
            }
            (Ok(_), None) => Failure::Shed,
            (Err(failure), _) => failure,
        };
        self.exchanges.remove(key);
        if let Some(client) = self.clients.get_mut(handle) {
            client.exchange = None;
        }
        Err(failure)
    }

    /// Whether what room is left is kept for more important classes than this one.
    fn must_shed(&self, class: u8) -> bool {
        let count = self.exchanges.len();
        count < self.limits.exchanges_max
            && count >= self.exchanges_max_of(class)
            && !self.plan.rules.requests.is_empty()
    }

    fn blank(&mut self, now: Instant, client: Handle, site: u16, verdict: Verdict) -> Exchange {
        let (peer, began) =
            self.clients.get(client).map_or((UNKNOWN, now), |client| (client.peer, client.began));
        Exchange {
            client,
            peer,
            way: self.plan.sites.get(usize::from(site)).map_or(Way::Origin(0), |s| s.way),
            served: Served::default(),
            kind: Kind::Http,
            verdict,
            site,
            decision: self.next_decision(),
            rule: Rule::None,
            may_hint: false,
            terms: Terms::nothing(Why::Opaque),
            room: 0,
            request_body: BodyReader::for_request(RequestBody::None),
            request_trailers: Trailers::new(&self.limits.http),
            is_chunked: false,
            request_bytes: 0,
            is_sent: false,
            owes_finish: false,
            is_repeatable: false,
            kept: Chain::new(),
            moving: Move::No,
            reroutes: 0,
            down: Down::Envelope,
            owed: 0,
            asked: Asked::Ordinary,
            version: Version::Http11,
            keep_alive: false,
            answer_body: BodyReader::for_request(RequestBody::None),
            answer_trailers: Trailers::new(&self.limits.http),
            reframe: Reframe::Nothing,
            status: 0,
            answer_bytes: 0,
            has_head: false,
            held: Chain::new(),
            reply: ReplyEnvelope::default(),
            began,
            opened: now,
            first_byte: None,
            queue_us: None,
            saved_bytes: 0,
            ended: Ended::TimedOut(Wait::Total),
            line: [0; LINE_BYTES_MAX],
            method_bytes: 0,
            line_bytes: 0,
            is_line_cut: false,
        }
    }
}
