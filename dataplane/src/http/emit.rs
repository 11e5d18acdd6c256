//! Writing heads for the next hop: one pass over the fields, most of them copied as they lie. Framing, connection
//! and forwarding are written from what was understood, never copied, so what the next reader sees is what we read.
//!
//! Everything is appended to a scratch that the caller clears and keeps.

use crate::http::connection::{ConnectionChoice, push_connection};
use crate::http::field::Field;
use crate::http::forwarding::{Forwarding, push_forwarding, push_via, replaces};
use crate::http::framing::{RequestBody, ResponseBody};
use crate::http::known::Known;
use crate::http::request::RequestHead;
use crate::http::response::ResponseHead;
use crate::http::token::{is_token, push_decimal, text_end};
use crate::http::version::Version;

/// What to change in a request on its way.
#[derive(Clone, Copy, Debug)]
pub struct RequestEmission<'a> {
    /// The Host to write: the client's (`head.host.bytes`) or the origin's own. Not empty.
    pub host: &'a [u8],
    /// What to say about where it came from.
    pub forwarding: Forwarding<'a>,
    /// What to say about the next connection; `Upgrade` if a WebSocket is asked for.
    pub connection: ConnectionChoice,
    /// True to pass on `Expect: 100-continue`; false if we have answered it.
    pub expect_continue: bool,
    /// Fields to add. They replace nothing.
    pub extra: &'a [(&'a [u8], &'a [u8])],
}

/// What to change in a response on its way.
#[derive(Clone, Copy, Debug)]
pub struct ResponseEmission<'a> {
    /// The version that the receiver spoke.
    pub version: Version,
    /// The framing on this hop; [`ResponseHead::framing_towards`] knows the natural one.
    pub framing: ResponseBody,
    /// What to say about this connection; `Upgrade` with a 101.
    pub connection: ConnectionChoice,
    /// Our name in Via. `None` adds no Via.
    pub via: Option<&'a [u8]>,
    /// The Date to write if the response has none, from [`format_imf_fixdate`](crate::http::format_imf_fixdate).
    pub date: Option<&'a [u8]>,
    /// Fields to add. They replace nothing.
    pub extra: &'a [(&'a [u8], &'a [u8])],
}

/// Appends the head of a request for the next hop. The body follows in the framing of `head.body`.
pub fn emit_request(head: &RequestHead<'_>, emission: &RequestEmission<'_>, out: &mut Vec<u8>) {
    assert!(!emission.host.is_empty(), "a next hop is told a host");
    out.extend_from_slice(head.method_bytes);
    out.push(b' ');
    head.target.push(out);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(emission.host);
    out.extend_from_slice(b"\r\n");
    for field in head.fields.iter() {
        if passes_in_request(&field, head.body, &emission.forwarding) {
            push_field(&field, out);
        }
    }
    push_forwarding(head, &emission.forwarding, out);
    if emission.expect_continue && head.expect_continue {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    push_framing(head.body.into(), out);
    push_connection(emission.connection, out);
    push_extra(emission.extra, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of a response for the next hop.
pub fn emit_response(head: &ResponseHead<'_>, emission: &ResponseEmission<'_>, out: &mut Vec<u8>) {
    let old = emission.version == Version::Http10;
    assert!(!(old && emission.framing == ResponseBody::Chunked), "HTTP/1.0 knows no chunks");
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(u64::from(head.status), out);
    out.push(b' ');
    out.extend_from_slice(head.reason);
    out.extend_from_slice(b"\r\n");
    let mut dated = false;
    for field in head.fields.iter() {
        if passes_in_response(&field, emission.framing) {
            dated |= field.known == Known::Date;
            push_field(&field, out);
        }
    }
    if let Some(date) = emission.date.filter(|_| !dated) {
        push_line(b"Date", date, out);
    }
    if let Some(pseudonym) = emission.via {
        push_via(head.version.number(), pseudonym, out);
    }
    push_framing(emission.framing, out);
    push_connection(emission.connection, out);
    if old && emission.connection == ConnectionChoice::KeepAlive {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    push_extra(emission.extra, out);
    out.extend_from_slice(b"\r\n");
}

fn passes_in_request(field: &Field<'_>, body: RequestBody, forwarding: &Forwarding<'_>) -> bool {
    match field.known {
        Known::Other | Known::HeadOnly => !field.nominated,
        Known::Via | Known::Date => true,
        Known::Trailer => body == RequestBody::Chunked,
        Known::Forwarded
        | Known::XForwardedFor
        | Known::XForwardedProto
        | Known::XForwardedHost
        | Known::ForwardingClaim => !replaces(field.known, forwarding),
        Known::Host
        | Known::ContentLength
        | Known::TransferEncoding
        | Known::Connection
        | Known::HopByHop
        | Known::Proxy
        | Known::Upgrade
        | Known::Expect
        | Known::Lookalike => false,
    }
}

fn passes_in_response(field: &Field<'_>, framing: ResponseBody) -> bool {
    match field.known {
        Known::Other | Known::HeadOnly => !field.nominated,
        Known::Trailer => framing == ResponseBody::Chunked,
        Known::Host
        | Known::Expect
        | Known::Via
        | Known::Date
        | Known::Proxy
        | Known::Forwarded
        | Known::XForwardedFor
        | Known::XForwardedProto
        | Known::XForwardedHost
        | Known::ForwardingClaim => true,
        Known::ContentLength
        | Known::TransferEncoding
        | Known::Connection
        | Known::HopByHop
        | Known::Upgrade
        | Known::Lookalike => false,
    }
}

#[inline]
fn push_field(field: &Field<'_>, out: &mut Vec<u8>) {
    match field.plain_line {
        Some(line) => out.extend_from_slice(line),
        None => push_line(field.name, field.value, out),
    }
}

fn push_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn push_framing(framing: ResponseBody, out: &mut Vec<u8>) {
    match framing {
        ResponseBody::None | ResponseBody::UntilClose => {}
        ResponseBody::Length(bytes) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(bytes, out);
            out.extend_from_slice(b"\r\n");
        }
        ResponseBody::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}

fn push_extra(extra: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
    for (name, value) in extra {
        assert!(is_token(name) && text_end(value, 0) == value.len(), "our own fields are well-formed");
        push_line(name, value, out);
    }
}

#[cfg(test)]
mod tests;
