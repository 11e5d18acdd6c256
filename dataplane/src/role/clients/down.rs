//! The way down: answers, from the server of an exchange to the client, in the form that this client understands.

use crate::exchange::envelope::{Parsed as Envelope, ReplyEnvelope};
use crate::exchange::failure::Failure;
use crate::exchange::link::Kind;
use crate::http::{
    BodyReader, CHUNK_END, CHUNK_PREFIX_BYTES_MAX, ConnectionChoice, Parsed, ResponseBody, ResponseEmission,
    Step, Version, chunk_prefix, emit_response, parse_response, push_last_chunk,
};
use crate::port::{Port, Reading};
use crate::role::clients::client::Phase;
use crate::role::clients::exchange::{Down, Reframe};
use crate::role::clients::state::Clients;
use crate::stdx::slab::Handle;
use crate::time::Instant;

impl Clients {
    /// Bytes of an answer; they are within the grant.
    pub(crate) fn take_down(&mut self, now: Instant, port: &mut Port, key: Handle, bytes: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let client = exchange.client;
        exchange.owed += bytes.len() as u32;
        if exchange.first_byte.is_none() {
            exchange.first_byte = Some(now);
            self.blocks.clear(&mut exchange.kept);
        }
        if exchange.held.is_empty() {
            self.take_answer(now, port, key, bytes);
        } else if self.blocks.append(&mut exchange.held, bytes) < bytes.len() {
            self.counters.pool_shortages.add(1);
            self.fail(now, port, key, Failure::Shed);
        } else {
            let mut held = core::mem::take(&mut exchange.held);
            let mut scratch = core::mem::take(&mut self.scratch);
            scratch.clear();
            scratch.extend(self.blocks.slices(&held).flatten());
            self.blocks.clear(&mut held);
            self.take_answer(now, port, key, &scratch);
            self.scratch = scratch;
        }
        if self.exchanges.get(key).is_some_and(|exchange| exchange.owed >= self.limits.stream_bytes / 4) {
            self.list(client);
        }
    }

    /// The server has said its last byte.
    pub(crate) fn finish_down(&mut self, now: Instant, port: &mut Port, key: Handle) {
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        match exchange.down {
            Down::Opaque => {
                exchange.down = Down::Done;
                let client = exchange.client;
                if let Some(client) = self.clients.get(client) {
                    port.finish(client.tcp);
                }
                self.end_if_both(now, port, client);
            }
            Down::Body if exchange.answer_body.finish().is_ok() => {
                if exchange.reframe == Reframe::Chunks {
                    self.written.clear();
                    push_last_chunk(&exchange.answer_trailers, &mut self.written);
                    if let Some(client) = self.clients.get(exchange.client)
                        && !port.write(client.tcp, &self.written)
                    {
                        self.fail(now, port, key, Failure::Shed);
                        return;
                    }
                }
                self.complete(now, port, key);
            }
            // A plain TCP origin may close without a word; its envelope then never came.
            Down::Envelope if exchange.kind == Kind::Tcp => self.fail(now, port, key, Failure::OriginClosed),
            Down::Body => self.fail(now, port, key, Failure::Truncated),
            Down::Envelope | Down::Head => self.fail(now, port, key, Failure::BadStream),
            Down::Done => {}
        }
    }

    /// Takes what can be taken and holds the beginning of what is not whole.
    fn take_answer(&mut self, now: Instant, port: &mut Port, key: Handle, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let Some(exchange) = self.exchanges.get(key) else { return };
            let taken = match exchange.down {
                Down::Envelope => self.take_envelope(key, rest),
                Down::Head => self.take_answer_head(now, port, key, rest),
                Down::Body => self.take_answer_body(now, port, key, rest),
                Down::Opaque => self.take_opaque_down(now, port, key, rest),
                Down::Done => Ok(rest.len()),
            };
            match taken {
                Ok(0) => break,
                Ok(taken) => at += taken,
                Err(failure) => {
                    self.fail(now, port, key, failure);
                    return;
                }
            }
        }
        let Some(exchange) = self.exchanges.get_mut(key) else { return };
        let rest = &bytes[at..];
        if self.blocks.append(&mut exchange.held, rest) < rest.len() {
            self.counters.pool_shortages.add(1);
            self.fail(now, port, key, Failure::Shed);
        }
    }

    fn take_envelope(&mut self, key: Handle, bytes: &[u8]) -> Result<usize, Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(bytes.len()) };
        match ReplyEnvelope::parse(bytes) {
            Envelope::Complete(reply, taken) => {
                exchange.reply = reply;
                exchange.down = if exchange.kind == Kind::Tcp { Down::Opaque } else { Down::Head };
                Ok(taken)
            }
            Envelope::Partial => Ok(0),
            Envelope::Invalid => Err(Failure::BadStream),
        }
    }

    fn take_answer_head(
        &mut self,
        now: Instant,
        port: &mut Port,
        key: Handle,
        bytes: &[u8],
    ) -> Result<usize, Failure> {
        let date = self.date(now);
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(bytes.len()) };
        let (head, taken) =
            match parse_response(bytes, exchange.asked, &self.limits.http.of_next_hop(), &mut self.table) {
                Parsed::Complete { head, bytes } => (head, bytes),
                Parsed::Partial => return Ok(0),
                Parsed::Invalid(_) => return Err(Failure::BadStream),
            };
        if head.is_interim() && exchange.version == Version::Http10 {
            return Ok(taken);
        }
        let framing = head.framing_towards(exchange.version);
        let is_upgrade = head.status == 101;
        let ends_by_close = framing == ResponseBody::UntilClose && head.body != ResponseBody::None;
        // An answer that comes before the request is whole leaves a connection that nobody can trust.
        exchange.keep_alive &= !ends_by_close && (exchange.is_sent || head.is_interim()) && !self.is_draining;
        let connection = match (is_upgrade, exchange.keep_alive || head.is_interim()) {
            (true, _) => ConnectionChoice::Upgrade,
            (false, true) => ConnectionChoice::KeepAlive,
            (false, false) => ConnectionChoice::Close,
        };
        let alternative = if exchange.may_hint && !head.is_interim() {
            let site = self.plan.sites[usize::from(exchange.site)].name.as_bytes();
            self.redirects.better(site, exchange.peer.ip()).map(|(_, target)| target.alternative.as_bytes())
        } else {
            None
        };
        let hint = [(&b"Alt-Svc"[..], alternative.unwrap_or_default())];
        self.counters.alt_svc_hints.add(u64::from(alternative.is_some()));
        let emission = ResponseEmission {
            version: exchange.version,
            framing,
            connection,
            via: Some(self.plan.pseudonym.as_bytes()),
            date: (!head.is_interim()).then_some(&date[..]),
            extra: if alternative.is_some() { &hint } else { &[] },
        };
        self.written.clear();
        emit_response(&head, &emission, &mut self.written);
        let Some(client) = self.clients.get_mut(exchange.client) else { return Ok(bytes.len()) };
        if !port.write(client.tcp, &self.written) {
            self.counters.pool_shortages.add(1);
            return Err(Failure::Shed);
        }
        if head.is_interim() {
            return Ok(taken);
        }
        (exchange.status, exchange.has_head) = (head.status, true);
        exchange.answer_body = BodyReader::for_response(head.body);
        exchange.reframe = reframe(head.body, framing);
        exchange.down = if is_upgrade { Down::Opaque } else { Down::Body };
        if is_upgrade {
            client.phase = Phase::Opaque;
            port.read(client.tcp, if client.is_held { Reading::Off } else { Reading::Large });
            let (client, until) = (exchange.client, now + self.limits.stall_timeout);
            self.set_deadline(client, until);
            self.list(client);
        } else if exchange.answer_body.is_done() {
            self.complete(now, port, key);
        }
        Ok(taken)
    }

    fn take_answer_body(
        &mut self,
        now: Instant,
        port: &mut Port,
        key: Handle,
        bytes: &[u8],
    ) -> Result<usize, Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(bytes.len()) };
        let Ok(Step { consumed, data, done }) =
            exchange.answer_body.read(bytes, &mut exchange.answer_trailers)
        else {
            return Err(Failure::BadStream);
        };
        exchange.answer_bytes += data.len() as u64;
        let Some(client) = self.clients.get(exchange.client) else { return Ok(bytes.len()) };
        let written = match exchange.reframe {
            Reframe::Verbatim => port.write(client.tcp, &bytes[..consumed]),
            Reframe::Data => port.write(client.tcp, &bytes[data]),
            Reframe::Nothing => true,
            Reframe::Chunks => {
                let mut buffer = [0; CHUNK_PREFIX_BYTES_MAX];
                data.is_empty()
                    || (port.write(client.tcp, chunk_prefix(data.len(), &mut buffer))
                        && port.write(client.tcp, &bytes[data])
                        && port.write(client.tcp, CHUNK_END))
            }
        };
        if !written {
            self.counters.pool_shortages.add(1);
            return Err(Failure::Shed);
        }
        if done {
            self.complete(now, port, key);
        }
        Ok(consumed)
    }

    fn take_opaque_down(
        &mut self,
        now: Instant,
        port: &mut Port,
        key: Handle,
        bytes: &[u8],
    ) -> Result<usize, Failure> {
        let Some(exchange) = self.exchanges.get_mut(key) else { return Ok(bytes.len()) };
        exchange.answer_bytes += bytes.len() as u64;
        let client = exchange.client;
        let Some(record) = self.clients.get(client) else { return Ok(bytes.len()) };
        if !port.write(record.tcp, bytes) {
            self.counters.pool_shortages.add(1);
            return Err(Failure::Shed);
        }
        self.set_deadline(client, now + self.limits.stall_timeout);
        Ok(bytes.len())
    }
}

/// How a body goes on: `from` is its framing on the stream, `to` the one towards the client.
fn reframe(from: ResponseBody, to: ResponseBody) -> Reframe {
    match (from, to) {
        (ResponseBody::None, _) => Reframe::Nothing,
        (ResponseBody::Chunked, ResponseBody::UntilClose) => Reframe::Data,
        (ResponseBody::UntilClose, ResponseBody::Chunked) => Reframe::Chunks,
        (ResponseBody::Length(_) | ResponseBody::Chunked | ResponseBody::UntilClose, _) => Reframe::Verbatim,
    }
}
