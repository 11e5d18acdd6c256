//! The way down: what an origin sends, made whole and normal, from its connection to the asker.

use core::net::SocketAddr;

use crate::compression::Scope;
use crate::exchange::envelope::ReplyEnvelope;
use crate::exchange::failure::Failure;
use crate::exchange::link::{Answer, Downstream, Kind};
use crate::http::{
    BodyReader, CHUNK_END, CHUNK_PREFIX_BYTES_MAX, ConnectionChoice, Parsed, ResponseBody, ResponseEmission,
    ResponseHead, Step, Version, chunk_prefix, emit_response, parse_response, push_last_chunk,
};
use crate::port::{Port, Reading, TcpId};
use crate::role::compressible::of_answer;
use crate::role::origins::connection::{Connection, Use};
use crate::role::origins::fetch::{Down, Fetch};
use crate::role::origins::state::Origins;
use crate::role::origins::state::{READING, say};
use crate::role::plan::Plan;
use crate::rules::AnswerFacts;
use crate::stdx::slab::Handle;
use crate::time::Instant;

/// What a chunk adds to its data at the most: the credit must cover it.
const CHUNK_OVERHEAD_BYTES: usize = CHUNK_PREFIX_BYTES_MAX + CHUNK_END.len();

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// So many bytes; zero: more bytes or more credit are needed.
    Bytes(usize),
    /// The fetch is over, and so are its records.
    Gone,
}

impl Origins {
    /// Bytes from an origin.
    pub fn on_read(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        bytes: &[u8],
    ) {
        let Some(connection) = self.connections.get(handle) else { return };
        let Use::Busy(fetch) = connection.usage else {
            // Nobody asked: whatever this is, the connection cannot be trusted with a request.
            self.drop_idle(port, handle);
            return;
        };
        self.first_byte(now, fetch);
        let Some(record) = self.fetches.get(fetch) else { return };
        let direct = record.held.is_empty();
        let taken = if direct { self.take_all(now, port, down, fetch, bytes) } else { Taken::Bytes(0) };
        let Taken::Bytes(taken) = taken else { return };
        if taken < bytes.len() && !self.hold(port, fetch, &bytes[taken..]) {
            self.counters.pool_shortages.add(1);
            self.fail(port, now, down, fetch, Failure::Shed);
            return;
        }
        if !direct {
            self.pour_held(now, port, down, fetch);
        }
    }

    /// The origin has sent its last byte.
    pub fn on_read_end(&mut self, now: Instant, port: &mut Port, down: &mut dyn Downstream, handle: Handle) {
        let Some(connection) = self.connections.get(handle) else { return };
        let Some(fetch) = connection.fetch() else {
            self.drop_idle(port, handle);
            return;
        };
        let Some(record) = self.fetches.get_mut(fetch) else { return };
        record.has_ended = true;
        record.keeps_alive = false;
        if record.held.is_empty() || record.down == Down::Head {
            self.end_of_answer(now, port, down, fetch);
        }
    }

    /// Goes on with bytes that waited for credit.
    pub(crate) fn pour_held(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
    ) {
        while let Some(fetch) = self.fetches.get(handle).filter(|fetch| !fetch.held.is_empty()) {
            let is_head = fetch.down == Down::Head;
            let mut scratch = core::mem::take(&mut self.scratch);
            scratch.clear();
            if is_head {
                scratch.extend(self.blocks.slices(&fetch.held).flatten());
            } else {
                scratch.extend_from_slice(self.blocks.front(&fetch.held));
            }
            let taken = self.take_all(now, port, down, handle, &scratch);
            self.scratch = scratch;
            let Taken::Bytes(taken) = taken else { return };
            let Some(fetch) = self.fetches.get_mut(handle) else { return };
            self.blocks.advance(&mut fetch.held, taken);
            if taken == 0 {
                return;
            }
        }
        let Some(fetch) = self.fetches.get(handle) else { return };
        if fetch.has_ended {
            self.end_of_answer(now, port, down, handle);
        } else if let Some(tcp) =
            fetch.connection.and_then(|handle| self.connections.get(handle)).and_then(busy)
        {
            port.read(tcp, READING);
        }
    }

    /// Takes as much as credit and completeness allow.
    fn take_all(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        bytes: &[u8],
    ) -> Taken {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let Some(fetch) = self.fetches.get(handle) else { return Taken::Gone };
            let step = match fetch.down {
                Down::Head => self.take_answer_head(now, port, down, handle, rest),
                Down::Body => self.take_answer_body(now, port, down, handle, rest),
                Down::Opaque => self.take_opaque(now, port, down, handle, rest),
                // After its FIN an origin sends nothing; a driver that says so is wrong.
                Down::Done => Taken::Bytes(rest.len()),
            };
            match step {
                Taken::Gone => return Taken::Gone,
                Taken::Bytes(0) => break,
                Taken::Bytes(taken) => at += taken,
            }
        }
        Taken::Bytes(at)
    }

    /// [EXC-11]
    fn take_answer_head(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        bytes: &[u8],
    ) -> Taken {
        let Some(fetch) = self.fetches.get_mut(handle) else { return Taken::Gone };
        self.written.clear();
        let (head, taken) = match parse_response(bytes, fetch.asked, &self.limits.http, &mut self.table) {
            Parsed::Complete { head, bytes } => (head, bytes),
            Parsed::Partial => return Taken::Bytes(0),
            Parsed::Invalid(_) => return self.fail(port, now, down, handle, Failure::BadAnswer),
        };
        if head.is_interim() {
            fetch.interim_count += 1;
            if fetch.interim_count > self.limits.http.interim_max {
                return self.fail(port, now, down, handle, Failure::BadAnswer);
            }
        }
        let framing = head.framing_towards(Version::Http11);
        let emission = ResponseEmission {
            version: Version::Http11,
            framing,
            connection: if head.status == 101 {
                ConnectionChoice::Upgrade
            } else {
                ConnectionChoice::KeepAlive
            },
            via: None,
            date: None,
            extra: &[],
        };
        if !fetch.has_said_envelope {
            let address = fetch.connection.and_then(|handle| self.connections.get(handle)).map(|c| c.address);
            self.written.extend_from_slice(&envelope(fetch, address).encode());
        }
        emit_response(&head, &emission, &mut self.written);
        if self.written.len() > fetch.credit as usize {
            return Taken::Bytes(0);
        }
        fetch.credit -= self.written.len() as u32;
        fetch.has_said_envelope = true;
        if !head.is_interim() {
            fetch.keeps_alive = head.keep_alive;
            fetch.answer_body = BodyReader::for_response(head.body);
            fetch.is_chunked = framing == ResponseBody::Chunked && head.body != ResponseBody::None;
            fetch.down = if head.status == 101 { Down::Opaque } else { Down::Body };
        }
        let (asker, is_whole) = (fetch.asker, fetch.down == Down::Body && fetch.answer_body.is_done());
        let class = if head.is_interim() { None } else { reclass(fetch, &head, &self.plan) };
        let scope = of_answer(&head, fetch.has_credentials);
        if let Some(class) = class {
            say(now, port, down, asker, Answer::Class(class));
        }
        if !head.is_interim() {
            say(now, port, down, asker, Answer::Compress(scope));
        }
        say(now, port, down, asker, Answer::Data(&self.written));
        let is_final = self.fetches.get(handle).is_some_and(|fetch| fetch.down != Down::Head);
        let span = if is_final { self.limits.stall_timeout } else { self.limits.answer_timeout };
        self.set_deadline(handle, now + span);
        if is_whole {
            self.complete(now, port, down, handle, taken < bytes.len());
            return Taken::Gone;
        }
        Taken::Bytes(taken)
    }

    fn take_answer_body(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        bytes: &[u8],
    ) -> Taken {
        let Some(fetch) = self.fetches.get_mut(handle) else { return Taken::Gone };
        let room = (fetch.credit as usize).saturating_sub(CHUNK_OVERHEAD_BYTES);
        let input = &bytes[..bytes.len().min(room)];
        if input.is_empty() {
            return Taken::Bytes(0);
        }
        let Ok(Step { consumed, data, done }) = fetch.answer_body.read(input, &mut fetch.answer_trailers)
        else {
            return self.fail(port, now, down, handle, Failure::BadAnswer);
        };
        let (asker, is_chunked) = (fetch.asker, fetch.is_chunked);
        fetch.answer_bytes += data.len() as u64;
        if let Some(later) = fetch.later.filter(|later| fetch.answer_bytes > later.after_bytes) {
            fetch.later = None;
            fetch.class = later.class;
            say(now, port, down, asker, Answer::Class(later.class));
        }
        if !data.is_empty() {
            let mut buffer = [0; CHUNK_PREFIX_BYTES_MAX];
            let (prefix, end): (&[u8], &[u8]) =
                if is_chunked { (chunk_prefix(data.len(), &mut buffer), CHUNK_END) } else { (&[], &[]) };
            fetch.credit -= (prefix.len() + data.len() + end.len()) as u32;
            for part in [prefix, &input[data], end] {
                if !part.is_empty() {
                    say(now, port, down, asker, Answer::Data(part));
                }
            }
        }
        self.set_deadline(handle, now + self.limits.stall_timeout);
        if done {
            self.end_chunks(now, port, down, handle);
            self.complete(now, port, down, handle, consumed < bytes.len());
            return Taken::Gone;
        }
        Taken::Bytes(consumed)
    }

    /// [EXC-12]
    fn take_opaque(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
        bytes: &[u8],
    ) -> Taken {
        self.say_envelope(now, port, down, handle);
        let Some(fetch) = self.fetches.get_mut(handle) else { return Taken::Gone };
        let taken = bytes.len().min(fetch.credit as usize);
        if taken > 0 {
            fetch.credit -= taken as u32;
            let asker = fetch.asker;
            say(now, port, down, asker, Answer::Data(&bytes[..taken]));
            self.set_deadline(handle, now + self.limits.stall_timeout);
        }
        Taken::Bytes(taken)
    }

    /// Says the envelope of a plain stream, once its connection stands. (A message's goes with its head.)
    pub(crate) fn say_envelope(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
    ) {
        let Some(fetch) = self.fetches.get_mut(handle) else { return };
        if fetch.kind != Kind::Tcp || fetch.has_said_envelope {
            return;
        }
        let standing = fetch.connection.and_then(|handle| self.connections.get(handle));
        let Some(Connection { usage: Use::Busy(_), address, .. }) = standing else { return };
        let reply = envelope(fetch, Some(*address)).encode();
        // The first words of a stream are always within its credit.
        fetch.has_said_envelope = true;
        fetch.credit -= reply.len() as u32;
        let asker = fetch.asker;
        // Whoever asked has said whether it may be.
        say(now, port, down, asker, Answer::Compress(Scope::All));
        say(now, port, down, asker, Answer::Data(&reply));
    }

    /// Says the end of a chunked body. Trailers are bounded and few, so the credit is not asked.
    pub(crate) fn end_chunks(
        &mut self,
        now: Instant,
        port: &mut Port,
        down: &mut dyn Downstream,
        handle: Handle,
    ) {
        let Some(fetch) = self.fetches.get(handle).filter(|fetch| fetch.is_chunked) else { return };
        self.written.clear();
        push_last_chunk(&fetch.answer_trailers, &mut self.written);
        let asker = fetch.asker;
        say(now, port, down, asker, Answer::Data(&self.written));
    }

    /// Keeps bytes that cannot go on yet. While they wait for credit, not for the rest of a head, nothing more is read.
    fn hold(&mut self, port: &mut Port, handle: Handle, bytes: &[u8]) -> bool {
        let Some(fetch) = self.fetches.get_mut(handle) else { return true };
        if self.blocks.append(&mut fetch.held, bytes) < bytes.len() {
            return false;
        }
        let waits_for_head = fetch.down == Down::Head && fetch.held.len() < self.limits.http.head_bytes_max;
        if let Some(tcp) = fetch.connection.and_then(|handle| self.connections.get(handle)).and_then(busy)
            && !waits_for_head
        {
            port.read(tcp, Reading::Off);
        }
        true
    }

    /// Notes the first byte of an answer: from here on nothing is said twice.
    fn first_byte(&mut self, now: Instant, handle: Handle) {
        let Some(fetch) = self.fetches.get_mut(handle).filter(|fetch| !fetch.has_answered) else { return };
        fetch.has_answered = true;
        fetch.is_repeatable = false;
        fetch.first_byte_us = u32::try_from(now.us_since(fetch.opened)).unwrap_or(u32::MAX);
        self.blocks.clear(&mut fetch.pending);
        // What was left of the time for the first byte is not the time for the rest of the head.
        self.set_deadline(handle, now + self.limits.answer_timeout);
    }
}

/// Asks the rules about an answer whose head has come; the class, if it is another one.
fn reclass(fetch: &mut Fetch, head: &ResponseHead<'_>, plan: &Plan) -> Option<u8> {
    let rules = &plan.rules;
    if rules.answers.is_empty() {
        return None;
    }
    let verdict = rules.judge_answer(&AnswerFacts {
        site: plan.origins[usize::from(fetch.origin)].site.as_bytes(),
        class: fetch.class,
        status: head.status,
        content_type: head.fields.find(b"content-type"),
        size_bytes: match head.body {
            ResponseBody::Length(bytes) => Some(bytes),
            _ => None,
        },
    });
    fetch.later = verdict.later;
    let class = verdict.class.filter(|class| *class != fetch.class)?;
    fetch.class = class;
    Some(class)
}

fn envelope(fetch: &Fetch, origin: Option<SocketAddr>) -> ReplyEnvelope {
    ReplyEnvelope {
        reused: fetch.is_reused,
        attempts: fetch.attempts,
        origin,
        first_byte_us: fetch.first_byte_us,
    }
}

fn busy(connection: &Connection) -> Option<TcpId> {
    matches!(connection.usage, Use::Busy(_)).then_some(connection.tcp)
}
