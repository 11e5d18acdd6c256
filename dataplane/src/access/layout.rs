//! The record as bytes in a slot.
//!
//! A fixed part, little endian, then seven texts, each after its length in two bytes. Absent times are `u64::MAX`.
//! Encoding neither allocates nor fails: what does not fit is cut and a flag says so. Both sides run in one process
//! and from one build, so that the version byte is only there to catch our own mistakes, and the layout free to
//! change.

use crate::access::outcome::{Ended, Kind, Rule, Version};
use crate::access::record::AccessRecord;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Size of a slot, in bytes. One page holds four; the target keeps at least [`TARGET_BYTES_MIN`] of it, and a
/// longer one is of use to nobody who reads a log by eye.
pub const SLOT_BYTES: usize = 1024;

/// Longest site kept, in bytes: a DNS name (RFC 1035 §2.3.4), a colon and a port.
pub const SITE_BYTES_MAX: usize = 261;

/// Longest method kept, in bytes; the longest registered one has 17 (UPDATEREDIRECTREF).
pub const METHOD_BYTES_MAX: usize = 24;

/// Longest route or origin name kept, in bytes. Such names are the operator's, and short.
pub const NAME_BYTES_MAX: usize = 64;

/// Longest rule name kept, in bytes: as long as such a name may be.
pub const RULE_BYTES_MAX: usize = 31;

/// Longest name of a node kept, in bytes: half a DNS label, which such names are.
pub const NODE_BYTES_MAX: usize = 32;

/// What the target keeps when every other text has its full length, in bytes.
pub const TARGET_BYTES_MIN: usize = SLOT_BYTES
    - FIXED_BYTES
    - 7 * 2
    - SITE_BYTES_MAX
    - METHOD_BYTES_MAX
    - 2 * NAME_BYTES_MAX
    - RULE_BYTES_MAX
    - NODE_BYTES_MAX;

const LAYOUT_VERSION: u8 = 3;
const FIXED_BYTES: usize = 124;
const ADDRESS_BYTES: usize = 19;
const ABSENT_US: u64 = u64::MAX;

const FLAG_TARGET_CUT: u8 = 1;
const FLAG_TEXT_CUT: u8 = 2;
const FLAG_REUSED: u8 = 4;
/// Two bits each: whether the rule says it, and what it says.
const SHIFT_COMPRESS: u32 = 3;
const SHIFT_CACHE: u32 = 5;

const _: () = assert!(TARGET_BYTES_MIN >= 400, "a cut target still shows where the request went");

impl<'a> AccessRecord<'a> {
    /// Writes the record into `slot`, which has at least [`SLOT_BYTES`], and returns the bytes used.
    pub fn encode(&self, slot: &mut [u8]) -> usize {
        assert!(slot.len() >= SLOT_BYTES, "a slot holds the longest record");
        assert!(self.class <= 4, "there are five classes");
        let mut out = Encoder { slot: &mut slot[..SLOT_BYTES], used: 0 };
        self.encode_fixed(&mut out);
        assert_eq!(out.used, FIXED_BYTES, "the fixed part has a fixed length");
        let texts = [
            (self.site, SITE_BYTES_MAX),
            (self.method, METHOD_BYTES_MAX),
            (self.route, NAME_BYTES_MAX),
            (self.origin, NAME_BYTES_MAX),
            (self.class_rule, RULE_BYTES_MAX),
            (self.redirected_to, NODE_BYTES_MAX),
        ];
        for (text, bytes_max) in texts {
            out.text(text, bytes_max, FLAG_TEXT_CUT);
        }
        let target_bytes_max = SLOT_BYTES - out.used - 2;
        out.text(self.target, target_bytes_max, FLAG_TARGET_CUT);
        out.used
    }

    /// Reads a record; `None` when `bytes` are not what [`Self::encode`] wrote.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Decoder { rest: bytes };
        let [version, flags] = input.take()?;
        if version != LAYOUT_VERSION {
            return None;
        }
        let mut record = decode_fixed(&mut input, flags)?;
        record.site = input.text()?;
        record.method = input.text()?;
        record.route = input.text()?;
        record.origin = input.text()?;
        record.class_rule = input.text()?;
        record.redirected_to = input.text()?;
        record.target = input.text()?;
        input.rest.is_empty().then_some(record)
    }

    fn encode_fixed(&self, out: &mut Encoder<'_>) {
        let flags = if self.target_cut { FLAG_TARGET_CUT } else { 0 }
            | if self.text_cut { FLAG_TEXT_CUT } else { 0 }
            | if self.decision.connection_reused { FLAG_REUSED } else { 0 }
            | said_bits(self.decision.compress) << SHIFT_COMPRESS
            | said_bits(self.decision.cache) << SHIFT_CACHE;
        out.put(&[LAYOUT_VERSION, flags]);
        out.put(&self.unix_ms.to_le_bytes());
        out.put(&self.worker.to_le_bytes());
        out.put(&[self.kind.code(), self.version.code(), self.class]);
        out.put(&self.status.to_le_bytes());
        out.put(&address_bytes(Some(self.client)));
        out.put(&address_bytes(self.origin_address));
        out.put(&self.request_body_bytes.to_le_bytes());
        out.put(&self.response_body_bytes.to_le_bytes());
        out.put(&self.saved_bytes.to_le_bytes());
        let times = &self.timings;
        for span in [times.queue_us, times.tunnel_us, times.origin_first_byte_us, times.total_us] {
            out.put(&span.unwrap_or(ABSENT_US).to_le_bytes());
        }
        out.put(&self.ended.codes());
        out.put(&self.decision.id.to_le_bytes());
        out.put(&[self.decision.rule.code(), self.decision.attempts, self.decision.reroutes]);
    }
}

fn decode_fixed(input: &mut Decoder<'_>, flags: u8) -> Option<AccessRecord<'static>> {
    let unix_ms = input.number()?;
    let worker = u16::from_le_bytes(input.take()?);
    let [kind, version, class] = input.take()?;
    let status = u16::from_le_bytes(input.take()?);
    let client = address_from(input.take()?)??;
    let mut record = AccessRecord::blank(unix_ms, worker, Kind::from_code(kind)?, client);
    record.version = Version::from_code(version)?;
    record.class = (class <= 4).then_some(class)?;
    record.status = status;
    record.origin_address = address_from(input.take()?)?;
    record.request_body_bytes = input.number()?;
    record.response_body_bytes = input.number()?;
    record.saved_bytes = input.number()?;
    record.timings.queue_us = input.span()?;
    record.timings.tunnel_us = input.span()?;
    record.timings.origin_first_byte_us = input.span()?;
    record.timings.total_us = input.span()?;
    record.ended = Ended::from_codes(input.take()?)?;
    record.decision.id = input.number()?;
    let [rule, attempts, reroutes] = input.take()?;
    record.decision.rule = Rule::from_code(rule)?;
    record.decision.attempts = attempts;
    record.decision.reroutes = reroutes;
    record.decision.connection_reused = flags & FLAG_REUSED != 0;
    record.decision.compress = said(flags >> SHIFT_COMPRESS);
    record.decision.cache = said(flags >> SHIFT_CACHE);
    record.target_cut = flags & FLAG_TARGET_CUT != 0;
    record.text_cut = flags & FLAG_TEXT_CUT != 0;
    Some(record)
}

/// A word that a rule may say, in two bits.
fn said_bits(word: Option<bool>) -> u8 {
    word.map_or(0, |word| 1 | u8::from(word) << 1)
}

fn said(bits: u8) -> Option<bool> {
    (bits & 1 != 0).then_some(bits & 2 != 0)
}

/// Family (0 none, 4, 6), sixteen bytes of address (an IPv4 one in the first four), port. The scope of a
/// link-local IPv6 address is not kept.
fn address_bytes(address: Option<SocketAddr>) -> [u8; ADDRESS_BYTES] {
    let mut bytes = [0; ADDRESS_BYTES];
    let Some(address) = address else { return bytes };
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes[0] = 4;
            bytes[1..5].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes[0] = 6;
            bytes[1..17].copy_from_slice(&ip.octets());
        }
    }
    bytes[17..].copy_from_slice(&address.port().to_le_bytes());
    bytes
}

/// The outer `None` is a family we never write; the inner one is "no address".
fn address_from(bytes: [u8; ADDRESS_BYTES]) -> Option<Option<SocketAddr>> {
    let port = u16::from_le_bytes([bytes[17], bytes[18]]);
    let mut octets = [0; 16];
    octets.copy_from_slice(&bytes[1..17]);
    match bytes[0] {
        0 => Some(None),
        4 => Some(Some(SocketAddr::from(([octets[0], octets[1], octets[2], octets[3]], port)))),
        6 => Some(Some(SocketAddr::from((Ipv6Addr::from(octets), port)))),
        _ => None,
    }
}

struct Encoder<'a> {
    slot: &'a mut [u8],
    used: usize,
}

impl Encoder<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.slot[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
    }

    /// Cuts at `bytes_max` and then sets `flag_cut` in the flags, which are the slot's second byte.
    fn text(&mut self, text: &[u8], bytes_max: usize, flag_cut: u8) {
        let kept = &text[..text.len().min(bytes_max)];
        if kept.len() < text.len() {
            self.slot[1] |= flag_cut;
        }
        self.put(&(kept.len() as u16).to_le_bytes());
        self.put(kept);
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn span(&mut self) -> Option<Option<u64>> {
        self.number().map(|us| (us != ABSENT_US).then_some(us))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let bytes = usize::from(u16::from_le_bytes(self.take()?));
        let (text, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests;
