//! The record itself: one finished exchange. Texts borrow, nothing is owned.

use crate::access::outcome::{Ended, Kind, Rule, Version};
use core::net::SocketAddr;

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
    /// How often it went over another route, because the one before was down.
    pub reroutes: u8,
    /// Whether the origin's connection had served an earlier exchange.
    pub connection_reused: bool,
    /// Whether to compress, where the rule that gave the class says it.
    pub compress: Option<bool>,
    /// Whether to cache, where the rule that gave the class says it.
    pub cache: Option<bool>,
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
    /// The client's address and port; port 0 where a trusted proxy named the address alone.
    pub client: SocketAddr,
    /// The site that was asked for; at most [`SITE_BYTES_MAX`](crate::access::SITE_BYTES_MAX) are kept.
    pub site: &'a [u8],
    /// The request's method, empty for plain TCP; at most [`METHOD_BYTES_MAX`](crate::access::METHOD_BYTES_MAX) are kept.
    pub method: &'a [u8],
    /// The request's target, empty for plain TCP; cut to what the slot has left, at least [`TARGET_BYTES_MIN`](crate::access::TARGET_BYTES_MIN).
    pub target: &'a [u8],
    /// The target is not whole: the worker kept only a part, or encoding cut it.
    pub target_cut: bool,
    /// Another text is not whole.
    pub text_cut: bool,
    /// The client's HTTP version.
    pub version: Version,
    /// Status sent to the client; 0 when none was.
    pub status: u16,
    /// Body bytes that came from the client.
    pub request_body_bytes: u64,
    /// Body bytes that went to the client.
    pub response_body_bytes: u64,
    /// By how many bytes the tunnel carried less than was said, both ways: what compression saved.
    pub saved_bytes: u64,
    /// The class it travelled in: 0, the highest, to 4.
    pub class: u8,
    /// The name of the rule that gave it; empty where none fits.
    pub class_rule: &'a [u8],
    /// The route's name, or empty; at most [`NAME_BYTES_MAX`](crate::access::NAME_BYTES_MAX) are kept.
    pub route: &'a [u8],
    /// The origin's name, or empty; at most [`NAME_BYTES_MAX`](crate::access::NAME_BYTES_MAX) are kept.
    pub origin: &'a [u8],
    /// The node that the client was sent to, or empty; at most [`NODE_BYTES_MAX`](crate::access::NODE_BYTES_MAX) are kept.
    pub redirected_to: &'a [u8],
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
            saved_bytes: 0,
            class: 0,
            class_rule: b"",
            route: b"",
            origin: b"",
            redirected_to: b"",
            origin_address: None,
            timings: Timings { queue_us: None, tunnel_us: None, origin_first_byte_us: None, total_us: None },
            ended: Ended::Complete,
            decision: Decision {
                id: 0,
                rule: Rule::None,
                attempts: 0,
                reroutes: 0,
                connection_reused: false,
                compress: None,
                cache: None,
            },
        }
    }
}
