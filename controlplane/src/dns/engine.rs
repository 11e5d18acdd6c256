//! The name server without its sockets: takes a request, who sent it and what time it is; gives an answer or silence.
//!
//! Contract: one [`Engine`] per thread, which owns its rate limit; [`Engine::answer`] for each request, with the world as
//! one snapshot, so that no answer mixes two generations. The caller owns both buffers. It never recurses, and over UDP an
//! unproven client gets at most the size that it announced, at most as often as the rate says.

use crate::dns::answer::{self, Composed};
use crate::dns::catalog::{Catalog, ZoneId};
use crate::dns::code::{CLASS_CHAOS, CLASS_IN, ExtendedError, ResponseCode, rtype};
use crate::dns::cookie::{CLIENT_COOKIE_BYTES, COOKIE_BYTES, Secrets};
use crate::dns::counters::Counters;
use crate::dns::edns::{Edns, option};
use crate::dns::limits::{ERROR_TEXT_BYTES_MAX, HEADER_BYTES, MESSAGE_BYTES_MAX, UDP_BYTES_MIN};
use crate::dns::name::Name;
use crate::dns::policy::decide::{Client, Decision};
use crate::dns::policy::rendezvous::mixed;
use crate::dns::policy::steering::{Choice, Steering};
use crate::dns::query::{Query, Reading, read};
use crate::dns::rate::{Kind, Limiter, Rate, Ruling};
use crate::dns::recall::{Circumstances, Given, Plain, Recall};
use crate::dns::subnets::Subnets;
use crate::dns::writer::{Flags, OPT_BYTES, Opt, Owner, Section, Writer};
use core::net::IpAddr;
use dataplane::time::Instant;
use std::io::Write;
use std::sync::Arc;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// From an address that may be forged.
    Udp,
    /// Over a connection, so that the address is real.
    Tcp,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'m> {
    /// Its bytes.
    pub message: &'m [u8],
    /// Who sent it.
    pub from: IpAddr,
    /// How it came.
    pub transport: Transport,
    /// When, on a clock that does not jump.
    pub now: Instant,
    /// When, in Unix seconds, for cookies.
    pub unix_s: u32,
}

/// What is answered from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The zones.
    pub catalog: &'a Catalog,
    /// Where a policy's names lead.
    pub steering: &'a Steering,
    /// The number of the generation of both, from 1: another one may have other answers.
    pub generation: u64,
}

/// What all threads do alike.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of an answer over UDP at most, whatever a client announces.
    pub udp_bytes_max: u16,
    /// Who we are, for NSID and `id.server`; empty: not told.
    pub nsid: Vec<u8>,
    /// What cookies are made of; `None`: cookies are left alone.
    pub secrets: Option<Secrets>,
    /// The rate limit.
    pub rate: Rate,
    /// Who is not limited.
    pub rate_exempt: Subnets,
    /// Keys the rate limit's table; random.
    pub rate_key: [u8; 16],
    /// How long a TCP connection may be idle, in tenths of a second, as clients are told (RFC 7828).
    pub keepalive_ds: u16,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Bytes of the answer; none: silence.
    pub bytes: usize,
    /// The zone that answered.
    pub zone: Option<ZoneId>,
    /// The response code.
    pub code: ResponseCode,
    /// It was cut.
    pub truncated: bool,
    /// It was held by the rate limit.
    pub limited: bool,
    /// The policy that chose its addresses; [`Engine::decision`] says which.
    pub policy: Option<u32>,
}

impl Outcome {
    const SILENCE: Self = Self {
        bytes: 0,
        zone: None,
        code: ResponseCode::NoError,
        truncated: false,
        limited: false,
        policy: None,
    };
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing proves the address.
    Unproven,
    /// The same, but the client knows cookies and will come back with one.
    WithClientCookie,
    /// The address is real.
    Proven,
}

/// The server of one thread.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    limiter: Limiter,
    recall: Recall,
    counters: Arc<Counters>,
    /// The last decision; its memory is used again.
    decision: Decision,
    /// Decisions so far, and what their numbers begin with.
    decisions: u64,
    seed: u64,
}

/// What is being answered, beside the records.
struct Reply<'m> {
    edns: Option<Edns<'m>>,
    cookie: Option<[u8; COOKIE_BYTES]>,
    error: Option<ExtendedError>,
    /// Words behind the error, if there are any.
    words: Words,
    scope: u8,
    is_tcp: bool,
}

impl<'m> Reply<'m> {
    fn bare(edns: Option<Edns<'m>>) -> Self {
        Self { edns, cookie: None, error: None, words: Words::NONE, scope: 0, is_tcp: false }
    }
}

/// A short text of ours.
#[derive(Clone, Copy)]
struct Words {
    bytes: [u8; 2 + ERROR_TEXT_BYTES_MAX],
    length: usize,
}

impl Words {
    const NONE: Self = Self { bytes: [0; 2 + ERROR_TEXT_BYTES_MAX], length: 2 };

    /// What does not fit is left out.
    fn write(&mut self, words: core::fmt::Arguments<'_>) {
        let mut rest = &mut self.bytes[self.length..];
        let room = rest.len();
        let _cut = rest.write_fmt(words);
        let left = rest.len();
        self.length += room - left;
    }
}

impl Engine {
    /// A server that counts into `counters`.
    pub fn new(settings: Arc<Settings>, counters: Arc<Counters>) -> Self {
        let limiter = Limiter::new(settings.rate, settings.rate_key);
        let [seed, _] = [0, 8]
            .map(|at| settings.rate_key[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)));
        let (recall, decision) = (Recall::default(), Decision::default());
        Self { settings, limiter, recall, counters, decision, decisions: 0, seed }
    }

    /// Numbers its decisions otherwise than the other threads do.
    pub fn numbered(self, thread: u64) -> Self {
        Self { seed: mixed(self.seed, thread), ..self }
    }

    /// The decision of the last answer whose outcome had a policy.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What it counts into.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Answers one request into `out`, which has room for the largest answer of its transport.
    pub fn answer(&mut self, known: Known<'_>, asked: &Asked<'_>, out: &mut [u8]) -> Outcome {
        self.count_request(asked);
        let plain = if asked.transport == Transport::Udp { Plain::read(asked.message) } else { None };
        let recalled = plain.as_ref().and_then(|plain| self.recall(known, asked, plain, out));
        let outcome = recalled.unwrap_or_else(|| self.compose_anew(known, asked, plain.as_ref(), out));
        self.count_outcome(&outcome);
        outcome
    }

    /// Gives an answer that was given before, if there is one that is still right.
    fn recall(
        &mut self,
        known: Known<'_>,
        asked: &Asked<'_>,
        plain: &Plain<'_>,
        out: &mut [u8],
    ) -> Option<Outcome> {
        let found = self.recall.find(plain, self.circumstances(known, plain))?;
        let Given { zone, node } = found.given;
        self.counters.count_type(plain.qtype());
        let outcome = Outcome { zone: Some(zone), ..Outcome::SILENCE };
        let bytes = match ruling(&self.settings, &mut self.limiter, asked, Kind::Name(u64::from(node))) {
            Ruling::Send => found.write(plain, out),
            Ruling::Drop => return Some(Outcome { limited: true, ..outcome }),
            Ruling::Slip => {
                let edns =
                    plain.announced().map(|_| Edns { dnssec_ok: plain.dnssec_ok(), ..Edns::default() });
                let reply = Reply::bare(edns);
                let writer = Writer::begin(out, MESSAGE_BYTES_MAX, header(asked.message), plain.question());
                let flags = Flags { authoritative: false, truncated: true, code: ResponseCode::NoError };
                let bytes = self.end(writer, flags, &reply);
                return Some(Outcome { bytes, limited: true, truncated: true, ..outcome });
            }
        };
        Some(Outcome { bytes, ..outcome })
    }

    fn circumstances(&self, known: Known<'_>, plain: &Plain<'_>) -> Circumstances {
        Circumstances { generation: known.generation, bytes_max: self.udp_bytes_max(plain.announced()) }
    }

    fn compose_anew(
        &mut self,
        known: Known<'_>,
        asked: &Asked<'_>,
        plain: Option<&Plain<'_>>,
        out: &mut [u8],
    ) -> Outcome {
        let mut name = Name::ROOT;
        match read(asked.message, &mut name) {
            Reading::Ignored => Outcome::SILENCE,
            Reading::Bad(code, question, edns) => self.complaint(asked, code, question, edns, out),
            Reading::Query(query) => self.query(known, asked, (&query, plain), out),
        }
    }

    fn complaint(
        &mut self,
        asked: &Asked<'_>,
        code: ResponseCode,
        question: &[u8],
        edns: Option<Edns<'_>>,
        out: &mut [u8],
    ) -> Outcome {
        let (standing, cookie) = self.standing(asked, edns.as_ref());
        let is_tcp = asked.transport == Transport::Tcp;
        let reply = Reply { cookie, is_tcp, ..Reply::bare(edns) };
        if self.rule(asked, standing, Kind::Error) == Ruling::Drop {
            return Outcome { limited: true, code, ..Outcome::SILENCE };
        }
        let writer = Writer::begin(out, MESSAGE_BYTES_MAX, header(asked.message), question);
        let flags = Flags { authoritative: false, truncated: false, code };
        Outcome { bytes: self.end(writer, flags, &reply), code, ..Outcome::SILENCE }
    }

    /// `plain`: the same request, if it is of the form whose answers are kept.
    fn query(
        &mut self,
        known: Known<'_>,
        asked: &Asked<'_>,
        (query, plain): (&Query<'_>, Option<&Plain<'_>>),
        out: &mut [u8],
    ) -> Outcome {
        self.counters.count_type(query.qtype);
        self.counters.subnets.add(u64::from(query.edns.is_some_and(|edns| edns.subnet.is_some())));
        let (standing, cookie) = self.standing(asked, query.edns.as_ref());
        let is_tcp = asked.transport == Transport::Tcp;
        let mut reply = Reply { cookie, is_tcp, ..Reply::bare(query.edns) };
        let limit = self.bytes_max(asked, query) - self.opt_bytes(&reply);
        let mut writer = Writer::begin(out, limit, header(asked.message), query.question);
        let bare = writer.mark();
        let (zone, composed, policy) = self.compose(known, asked, query, &mut writer, &mut reply);
        let mut outcome =
            Outcome { zone, policy, code: composed.code, truncated: composed.truncated, ..Outcome::SILENCE };
        let mut flags = Flags {
            authoritative: composed.authoritative,
            truncated: composed.truncated,
            code: composed.code,
        };
        match self.rule(asked, standing, composed.kind) {
            Ruling::Send => {}
            Ruling::Drop => return Outcome { limited: true, ..outcome },
            Ruling::Slip => {
                writer.rewind(bare);
                outcome.limited = true;
                // A client with cookies need not change to TCP: with the fresh one it is known.
                let code = if standing == Standing::WithClientCookie {
                    ResponseCode::BadCookie
                } else {
                    ResponseCode::NoError
                };
                flags = Flags { authoritative: false, truncated: code == ResponseCode::NoError, code };
                (outcome.code, outcome.truncated) = (code, flags.truncated);
            }
        }
        outcome.bytes = self.end(writer, flags, &reply);
        let is_good = composed.code == ResponseCode::NoError && !outcome.truncated && !outcome.limited;
        if let (Some(plain), Some(zone), None, Kind::Name(node), true) =
            (plain, zone, policy, composed.kind, is_good)
        {
            let circumstances = self.circumstances(known, plain);
            // A node's number has 32 bits.
            let given = Given { zone, node: node as u32 };
            self.recall.keep(plain, circumstances, given, &out[..outcome.bytes]);
        }
        outcome
    }

    fn compose(
        &mut self,
        known: Known<'_>,
        asked: &Asked<'_>,
        query: &Query<'_>,
        writer: &mut Writer<'_>,
        reply: &mut Reply<'_>,
    ) -> (Option<ZoneId>, Composed, Option<u32>) {
        let plain = |code| Composed { code, authoritative: false, truncated: false, kind: Kind::Error };
        if query.question.is_empty() {
            return (None, plain(ResponseCode::NoError), None);
        }
        if query.qclass == CLASS_CHAOS {
            return (
                None,
                self.about_us(query, writer).unwrap_or_else(|| plain(ResponseCode::Refused)),
                None,
            );
        }
        if query.qclass != CLASS_IN {
            return (None, plain(ResponseCode::Refused), None);
        }
        if matches!(query.qtype, rtype::AXFR | rtype::IXFR) {
            reply.error = Some(ExtendedError::Prohibited);
            return (None, plain(ResponseCode::Refused), None);
        }
        let Some(zone) = zone_for(known.catalog, query.name, query.qtype) else {
            reply.error = Some(ExtendedError::NotAuthoritative);
            return (None, plain(ResponseCode::Refused), None);
        };
        let mut choice = Choice {
            steering: known.steering,
            client: client(asked, query),
            now_s: u64::from(asked.unix_s),
            nonce: mixed(self.seed, self.decisions),
            decision: &mut self.decision,
            policy: None,
        };
        let composed = answer::compose(known.catalog, zone, query.name, query.qtype, writer, &mut choice);
        let policy = choice.policy;
        if policy.is_some() {
            self.decided(known.steering, policy, query, reply);
        }
        (Some(zone), composed, policy)
    }

    /// What a policy's answer carries beside its addresses: how far it is good, and on request why.
    fn decided(
        &mut self,
        steering: &Steering,
        policy: Option<u32>,
        query: &Query<'_>,
        reply: &mut Reply<'_>,
    ) {
        self.decisions += 1;
        self.counters.decisions.add(1);
        reply.scope = self.decision.scope;
        let wants_words = query.edns.is_some_and(|edns| edns.wants_words);
        let policy = policy.and_then(|policy| steering.policies().get(policy as usize));
        if let (true, Some(policy)) = (wants_words, policy) {
            reply.error = Some(ExtendedError::Other);
            let Decision { id, rule, chosen, .. } = &self.decision;
            reply.words.write(format_args!("decision={id:016x} policy={} rule={rule:?}", policy.name));
            for server in chosen {
                reply.words.write(format_args!(" {}", steering.server(*server).name));
            }
        }
    }

    /// `id.server` and its older name (RFC 4892), if the operator gave one. Versions are not told.
    fn about_us(&self, query: &Query<'_>, writer: &mut Writer<'_>) -> Option<Composed> {
        const NAMES: [&[u8]; 2] = [b"\x02id\x06server\x00", b"\x08hostname\x04bind\x00"];
        if self.settings.nsid.is_empty() || query.qtype != rtype::TXT || !NAMES.contains(&query.name.wire()) {
            return None;
        }
        let mut data = vec![self.settings.nsid.len() as u8];
        data.extend_from_slice(&self.settings.nsid);
        writer.set_class(CLASS_CHAOS);
        writer.record(Section::Answer, Owner::Question, rtype::TXT, 0, &data).ok()?;
        Some(Composed {
            code: ResponseCode::NoError,
            authoritative: true,
            truncated: false,
            kind: Kind::Name(u64::MAX),
        })
    }

    /// Whether the address is real, and the cookie that the answer carries.
    fn standing(&self, asked: &Asked<'_>, edns: Option<&Edns<'_>>) -> (Standing, Option<[u8; COOKIE_BYTES]>) {
        let over_tcp = asked.transport == Transport::Tcp;
        let bare = if over_tcp { Standing::Proven } else { Standing::Unproven };
        let Some(secrets) = &self.settings.secrets else { return (bare, None) };
        let Some(sent) = edns.and_then(|edns| edns.cookie) else { return (bare, None) };
        let Some(client) = sent.first_chunk::<CLIENT_COOKIE_BYTES>() else { return (bare, None) };
        let is_good = secrets.is_good(sent, asked.from, asked.unix_s);
        let standing = if is_good || over_tcp { Standing::Proven } else { Standing::WithClientCookie };
        if is_good {
            self.counters.cookies_good.add(1);
        }
        (standing, Some(secrets.make(client, asked.from, asked.unix_s)))
    }

    fn rule(&mut self, asked: &Asked<'_>, standing: Standing, kind: Kind) -> Ruling {
        match standing {
            Standing::Proven => Ruling::Send,
            Standing::Unproven | Standing::WithClientCookie => {
                ruling(&self.settings, &mut self.limiter, asked, kind)
            }
        }
    }

    fn bytes_max(&self, asked: &Asked<'_>, query: &Query<'_>) -> usize {
        if asked.transport == Transport::Tcp {
            return MESSAGE_BYTES_MAX;
        }
        self.udp_bytes_max(query.edns.map(|edns| edns.udp_bytes))
    }

    fn udp_bytes_max(&self, announced: Option<u16>) -> usize {
        let announced = announced.map_or(UDP_BYTES_MIN, usize::from);
        announced.min(usize::from(self.settings.udp_bytes_max)).max(UDP_BYTES_MIN)
    }

    /// Room for the OPT record and all options that may come.
    fn opt_bytes(&self, reply: &Reply<'_>) -> usize {
        let Some(edns) = &reply.edns else { return 0 };
        let nsid = if edns.wants_nsid { 4 + self.settings.nsid.len() } else { 0 };
        let cookie = if reply.cookie.is_some() { 4 + COOKIE_BYTES } else { 0 };
        let subnet = if edns.subnet.is_some() { 24 } else { 0 };
        let keepalive = if edns.wants_keepalive { 6 } else { 0 };
        let error = if edns.wants_words { 6 + ERROR_TEXT_BYTES_MAX } else { 6 };
        OPT_BYTES + nsid + cookie + subnet + keepalive + error
    }

    fn end(&self, writer: Writer<'_>, flags: Flags, reply: &Reply<'_>) -> usize {
        let Some(edns) = &reply.edns else { return writer.end(flags, None) };
        let mut options: [(u16, &[u8]); 5] = [(0, &[]); 5];
        let mut count = 0;
        let mut push = |code, value| {
            options[count] = (code, value);
            count += 1;
        };
        let (mut subnet_place, mut error_place, keepalive_place);
        if edns.wants_nsid && !self.settings.nsid.is_empty() {
            push(option::NSID, &self.settings.nsid[..]);
        }
        if let Some(cookie) = &reply.cookie {
            push(option::COOKIE, &cookie[..]);
        }
        if let Some(subnet) = &edns.subnet {
            subnet_place = [0; 20];
            let bytes = subnet.written(reply.scope, &mut subnet_place);
            push(option::SUBNET, &subnet_place[..bytes]);
        }
        if edns.wants_keepalive && reply.is_tcp {
            keepalive_place = self.settings.keepalive_ds.to_be_bytes();
            push(option::KEEPALIVE, &keepalive_place[..]);
        }
        if let Some(error) = reply.error {
            error_place = reply.words.bytes;
            error_place[..2].copy_from_slice(&(error as u16).to_be_bytes());
            push(option::ERROR, &error_place[..reply.words.length]);
        }
        let udp_bytes = self.settings.udp_bytes_max;
        let opt = Opt { udp_bytes, dnssec_ok: edns.dnssec_ok, options: &options[..count] };
        writer.end(flags, Some(opt))
    }

    fn count_request(&self, asked: &Asked<'_>) {
        let by_transport = match asked.transport {
            Transport::Udp => &self.counters.udp,
            Transport::Tcp => &self.counters.tcp,
        };
        by_transport.add(1);
        self.counters.ipv6.add(u64::from(asked.from.is_ipv6()));
        self.counters.bytes_in.add(asked.message.len() as u64);
    }

    fn count_outcome(&self, outcome: &Outcome) {
        match (outcome.bytes, outcome.limited) {
            (0, true) => self.counters.limited_dropped.add(1),
            (0, false) => self.counters.ignored.add(1),
            (bytes, limited) => {
                self.counters.bytes_out.add(bytes as u64);
                self.counters.codes[outcome.code.index()].add(1);
                self.counters.truncated.add(u64::from(outcome.truncated));
                self.counters.limited_slipped.add(u64::from(limited));
            }
        }
    }
}

/// What the rate limit says about an answer to an address that nothing proves.
fn ruling(settings: &Settings, limiter: &mut Limiter, asked: &Asked<'_>, kind: Kind) -> Ruling {
    if settings.rate.per_second == 0 || settings.rate_exempt.contain(asked.from) {
        return Ruling::Send;
    }
    limiter.rule(asked.from, kind, asked.now)
}

/// A delegation's signer is asked of the parent, if we serve both.
fn zone_for(catalog: &Catalog, name: &Name, qtype: u16) -> Option<ZoneId> {
    let zone = catalog.zone_of(name)?;
    if qtype != rtype::DS || name.labels() == 0 || catalog.zone(zone).apex != *name {
        return Some(zone);
    }
    let parent = Name::from_wire(name.suffix(1)).ok()?;
    catalog.zone_of(&parent).or(Some(zone))
}

fn header(message: &[u8]) -> &[u8; HEADER_BYTES] {
    let Some(header) = message.first_chunk() else { panic!("a request without header is ignored") };
    header
}

/// Whom the answer is for: the client that a subnet tells of, else who asks.
fn client(asked: &Asked<'_>, query: &Query<'_>) -> Client {
    match query.edns.and_then(|edns| edns.subnet).filter(|subnet| subnet.bits > 0) {
        Some(subnet) => Client { address: subnet.address, bits: subnet.bits },
        None => Client::of(asked.from),
    }
}

#[cfg(test)]
mod tests;
