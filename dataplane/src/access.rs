//! The access record: what a worker says about one finished exchange, as bytes that cross a ring.
//!
//! The worker fills an [`AccessRecord`] and encodes it into a slot of the ring to the log thread; the log thread
//! decodes it and writes a line. Both run in one process and from one build, so the layout carries a version byte
//! only to catch our own mistakes, and is free to change. It is not a log format: that one is the control plane's.
//!
//! There is no field for header values, so that no Cookie or Authorization can ever reach a log.
//!
//! Layout: a fixed part, little endian, then five texts, each after its length in two bytes. Absent times are
//! `u64::MAX`. Encoding neither allocates nor fails: what does not fit is cut and a flag says so.

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

/// What the target keeps when every other text has its full length, in bytes.
pub const TARGET_BYTES_MIN: usize =
    SLOT_BYTES - FIXED_BYTES - 5 * 2 - SITE_BYTES_MAX - METHOD_BYTES_MAX - 2 * NAME_BYTES_MAX;

const LAYOUT_VERSION: u8 = 1;
const FIXED_BYTES: usize = 115;
const ADDRESS_BYTES: usize = 19;
const ABSENT_US: u64 = u64::MAX;

const FLAG_TARGET_CUT: u8 = 1;
const FLAG_TEXT_CUT: u8 = 2;
const FLAG_REUSED: u8 = 4;

const _: () = assert!(TARGET_BYTES_MIN >= 400, "a cut target still shows where the request went");

/// A closed set of names with a one-byte code each, and the way back from both.
macro_rules! closed_set {
    ($(#[$outer:meta])* $set:ident { $($(#[$inner:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $set { $($(#[$inner])* $name,)+ }

        impl $set {
            /// Every member, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name as logs and metrics show it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            const fn code(self) -> u8 {
                self as u8
            }

            fn from_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }
        }
    };
}

closed_set! {
    /// What the exchange was.
    Kind {
        /// One HTTP request and its response.
        Http = "http",
        /// One plain TCP connection.
        Tcp = "tcp",
        /// One connection that was upgraded to WebSocket.
        WebSocket = "websocket",
    }
}

closed_set! {
    /// The client's HTTP version.
    Version {
        /// No HTTP was spoken, or not enough of it to tell.
        None = "",
        /// HTTP/1.0.
        Http10 = "HTTP/1.0",
        /// HTTP/1.1.
        Http11 = "HTTP/1.1",
    }
}

closed_set! {
    /// Which wait ran out.
    Wait {
        /// The client's request head did not come in time.
        RequestHead = "request_head",
        /// The client's request body stood still.
        RequestBody = "request_body",
        /// No room in the tunnel or no credit came in time.
        Queue = "queue",
        /// The other machine did not answer through the tunnel.
        Tunnel = "tunnel",
        /// The origin did not accept a connection in time.
        OriginConnect = "origin_connect",
        /// The origin sent no first byte in time.
        OriginFirstByte = "origin_first_byte",
        /// The origin's response body stood still.
        OriginBody = "origin_body",
        /// The client took nothing of the response for too long.
        ClientWrite = "client_write",
        /// A connection (TCP, WebSocket) was idle for too long.
        Idle = "idle",
        /// The deadline for the whole exchange passed.
        Total = "total",
    }
}

closed_set! {
    /// Why an exchange was refused before an origin saw it.
    Refusal {
        /// The request breaks the grammar or contradicts itself (400).
        BadRequest = "bad_request",
        /// The request's method or an upgrade is not served here (405, 501).
        Method = "method",
        /// The HTTP version is not spoken here (505).
        Version = "version",
        /// The target is longer than allowed (414).
        TargetTooLong = "target_too_long",
        /// The request head is larger than allowed (431).
        HeadTooLarge = "head_too_large",
        /// The request body is larger than allowed (413).
        BodyTooLarge = "body_too_large",
        /// An expectation that is not supported (417).
        Expectation = "expectation",
        /// The site is not one of ours (421).
        UnknownSite = "unknown_site",
        /// No route leads to an origin for this request (404, 502).
        NoRoute = "no_route",
        /// No tunnel of the route is up (503).
        TunnelDown = "tunnel_down",
        /// No origin of the route is up or its name has no address yet (503).
        NoOrigin = "no_origin",
        /// A bound on connections, streams or memory was reached (503).
        Overload = "overload",
        /// The client asks more often than allowed (429).
        RateLimit = "rate_limit",
        /// The machine is draining and takes nothing new (503).
        Draining = "draining",
    }
}

closed_set! {
    /// The rule that decided where the exchange went.
    Rule {
        /// Nothing was decided: the exchange ended before.
        None = "none",
        /// The site's exact name is in the table.
        SiteExact = "site_exact",
        /// A wildcard of the table covers the site's name.
        SiteWildcard = "site_wildcard",
        /// No name matched, and the table has a default.
        SiteDefault = "site_default",
        /// The listener is bound to one route: plain TCP.
        Listener = "listener",
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Everything was delivered.
    Complete,
    /// The client went away first.
    ClientAborted,
    /// The origin could not be reached, or closed before its first byte.
    OriginUnreachable,
    /// The origin answered with what is no valid response.
    OriginInvalid,
    /// The origin closed in the middle of its response.
    OriginTruncated,
    /// The tunnel went down under the exchange.
    TunnelLost,
    /// The process stopped before the exchange was over.
    Stopped,
    /// A wait ran out.
    TimedOut(Wait),
    /// It was refused before an origin saw it.
    Refused(Refusal),
}

impl Ended {
    /// The name as logs and metrics show it; the detail is separate.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientAborted => "client_aborted",
            Self::OriginUnreachable => "origin_unreachable",
            Self::OriginInvalid => "origin_invalid",
            Self::OriginTruncated => "origin_truncated",
            Self::TunnelLost => "tunnel_lost",
            Self::Stopped => "stopped",
            Self::TimedOut(_) => "timeout",
            Self::Refused(_) => "refused",
        }
    }

    /// Which wait ran out, or why it was refused; `None` for the endings that say all themselves.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::TimedOut(wait) => Some(wait.name()),
            Self::Refused(refusal) => Some(refusal.name()),
            Self::Complete
            | Self::ClientAborted
            | Self::OriginUnreachable
            | Self::OriginInvalid
            | Self::OriginTruncated
            | Self::TunnelLost
            | Self::Stopped => None,
        }
    }

    const fn codes(self) -> [u8; 2] {
        match self {
            Self::Complete => [0, 0],
            Self::ClientAborted => [1, 0],
            Self::OriginUnreachable => [2, 0],
            Self::OriginInvalid => [3, 0],
            Self::OriginTruncated => [4, 0],
            Self::TunnelLost => [5, 0],
            Self::Stopped => [6, 0],
            Self::TimedOut(wait) => [7, wait.code()],
            Self::Refused(refusal) => [8, refusal.code()],
        }
    }

    fn from_codes(codes: [u8; 2]) -> Option<Self> {
        match codes {
            [0, 0] => Some(Self::Complete),
            [1, 0] => Some(Self::ClientAborted),
            [2, 0] => Some(Self::OriginUnreachable),
            [3, 0] => Some(Self::OriginInvalid),
            [4, 0] => Some(Self::OriginTruncated),
            [5, 0] => Some(Self::TunnelLost),
            [6, 0] => Some(Self::Stopped),
            [7, wait] => Wait::from_code(wait).map(Self::TimedOut),
            [8, refusal] => Refusal::from_code(refusal).map(Self::Refused),
            _ => None,
        }
    }
}

/// Where the time went, in µs. A span that did not happen is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the request being ready to its opening having left the blender.
    pub queue_us: Option<u64>,
    /// From there to the first byte of the answer coming out of the tunnel, less the other machine's own time.
    pub tunnel_us: Option<u64>,
    /// From the request leaving for the origin to the origin's first byte.
    pub origin_first_byte_us: Option<u64>,
    /// From the first byte of the request to the last byte of the response.
    pub total_us: Option<u64>,
}

/// Why the exchange went where it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Names the decision in error pages, logs and `longhaul explain`; unique within the process.
    pub id: u64,
    /// The rule that won.
    pub rule: Rule,
    /// Origins tried, the successful one included; 0 when none was.
    pub attempts: u8,
    /// Whether the origin's connection had served an earlier exchange.
    pub connection_reused: bool,
}

/// One finished exchange. Texts borrow from the worker (encoding) or from the slot (decoding).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRecord<'a> {
    /// When it began, in ms since the Unix epoch.
    pub unix_ms: u64,
    /// Index of the worker that carried it.
    pub worker: u16,
    /// What it was.
    pub kind: Kind,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The site that was asked for; at most [`SITE_BYTES_MAX`] are kept.
    pub site: &'a [u8],
    /// The request's method, empty for plain TCP; at most [`METHOD_BYTES_MAX`] are kept.
    pub method: &'a [u8],
    /// The request's target, empty for plain TCP; cut to what the slot has left, at least [`TARGET_BYTES_MIN`].
    pub target: &'a [u8],
    /// Set by decoding: the target is not whole.
    pub target_cut: bool,
    /// Set by decoding: another text is not whole.
    pub text_cut: bool,
    /// The client's HTTP version.
    pub version: Version,
    /// Status sent to the client; 0 when none was.
    pub status: u16,
    /// Body bytes that came from the client.
    pub request_body_bytes: u64,
    /// Body bytes that went to the client.
    pub response_body_bytes: u64,
    /// The class it travelled in: 0, the highest, to 4.
    pub class: u8,
    /// The route's name, or empty; at most [`NAME_BYTES_MAX`] are kept.
    pub route: &'a [u8],
    /// The origin's name, or empty; at most [`NAME_BYTES_MAX`] are kept.
    pub origin: &'a [u8],
    /// The origin's address, when one was reached.
    pub origin_address: Option<SocketAddr>,
    /// Where the time went.
    pub timings: Timings,
    /// How it ended.
    pub ended: Ended,
    /// Why it went there.
    pub decision: Decision,
}

impl AccessRecord<'static> {
    /// A record of an exchange that was nothing yet: to be filled with `..AccessRecord::blank(…)`.
    pub const fn blank(unix_ms: u64, worker: u16, kind: Kind, client: SocketAddr) -> Self {
        Self {
            unix_ms,
            worker,
            kind,
            client,
            site: b"",
            method: b"",
            target: b"",
            target_cut: false,
            text_cut: false,
            version: Version::None,
            status: 0,
            request_body_bytes: 0,
            response_body_bytes: 0,
            class: 0,
            route: b"",
            origin: b"",
            origin_address: None,
            timings: Timings { queue_us: None, tunnel_us: None, origin_first_byte_us: None, total_us: None },
            ended: Ended::Complete,
            decision: Decision { id: 0, rule: Rule::None, attempts: 0, connection_reused: false },
        }
    }
}

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
        record.target = input.text()?;
        input.rest.is_empty().then_some(record)
    }

    fn encode_fixed(&self, out: &mut Encoder<'_>) {
        let flags = if self.target_cut { FLAG_TARGET_CUT } else { 0 }
            | if self.text_cut { FLAG_TEXT_CUT } else { 0 }
            | if self.decision.connection_reused { FLAG_REUSED } else { 0 };
        out.put(&[LAYOUT_VERSION, flags]);
        out.put(&self.unix_ms.to_le_bytes());
        out.put(&self.worker.to_le_bytes());
        out.put(&[self.kind.code(), self.version.code(), self.class]);
        out.put(&self.status.to_le_bytes());
        out.put(&address_bytes(Some(self.client)));
        out.put(&address_bytes(self.origin_address));
        out.put(&self.request_body_bytes.to_le_bytes());
        out.put(&self.response_body_bytes.to_le_bytes());
        let times = &self.timings;
        for span in [times.queue_us, times.tunnel_us, times.origin_first_byte_us, times.total_us] {
            out.put(&span.unwrap_or(ABSENT_US).to_le_bytes());
        }
        out.put(&self.ended.codes());
        out.put(&self.decision.id.to_le_bytes());
        out.put(&[self.decision.rule.code(), self.decision.attempts]);
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
    record.timings.queue_us = input.span()?;
    record.timings.tunnel_us = input.span()?;
    record.timings.origin_first_byte_us = input.span()?;
    record.timings.total_us = input.span()?;
    record.ended = Ended::from_codes(input.take()?)?;
    record.decision.id = input.number()?;
    let [rule, attempts] = input.take()?;
    record.decision.rule = Rule::from_code(rule)?;
    record.decision.attempts = attempts;
    record.decision.connection_reused = flags & FLAG_REUSED != 0;
    record.target_cut = flags & FLAG_TARGET_CUT != 0;
    record.text_cut = flags & FLAG_TEXT_CUT != 0;
    Some(record)
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
