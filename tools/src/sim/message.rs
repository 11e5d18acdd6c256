//! The messages that scripted clients and origins write, made from a shape.

use std::io::Write as _;

use crate::sim::content::Content;
use crate::sim::shape::{Framing, Shape, Site};

/// The site of plain TCP.
pub(crate) const TCP_SITE: &str = "stream.example";
/// A site that the back-end does not open to the front-end.
pub(crate) const NOT_ALLOWED: &str = "shut.example";
/// A site whose origin has no address.
pub(crate) const UNRESOLVED: &str = "lost.example";

/// A site's name.
pub(crate) fn host(site: Site) -> String {
    match site {
        Site::Origin(index) => format!("site{index}.example"),
        Site::Unknown => "nowhere.example".to_owned(),
        Site::NotAllowed => NOT_ALLOWED.to_owned(),
        Site::Unresolved => UNRESOLVED.to_owned(),
        Site::OtherKind => TCP_SITE.to_owned(),
    }
}

/// Appends a request; the length of its head.
pub(crate) fn push_request(shape: &Shape, exchange: u32, is_websocket: bool, into: &mut Vec<u8>) -> usize {
    let from = into.len();
    let host = host(shape.site);
    let authority = if shape.absolute { format!("http://{host}") } else { String::new() };
    let (method, class, minor) = (shape.method, shape.class, shape.minor);
    push(into, format_args!("{method} {authority}/c{class}/{exchange} HTTP/1.{minor}\r\nHost: {host}\r\n"));
    if is_websocket {
        push(
            into,
            format_args!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
        );
        push(into, format_args!("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    } else if shape.closes && minor == 1 {
        push(into, format_args!("Connection: close\r\n"));
    } else if !shape.closes && minor == 0 {
        push(into, format_args!("Connection: keep-alive\r\n"));
    }
    if shape.expects {
        push(into, format_args!("Expect: 100-continue\r\n"));
    }
    if shape.padding_bytes > 0 {
        push(into, format_args!("X-Padding: {:1$}\r\n", "p", shape.padding_bytes));
    }
    push_framing(shape.request, shape.request_bytes, into);
    into.extend_from_slice(b"\r\n");
    let head = into.len() - from;
    push_body(Content::new(exchange, false), shape.request, shape.request_bytes, shape.trailers, into);
    head
}

/// Appends an answer, interim ones first.
pub(crate) fn push_answer(shape: &Shape, exchange: u32, into: &mut Vec<u8>) {
    for _ in 0..shape.interim {
        push(into, format_args!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"));
    }
    let (minor, status) = (shape.answer_minor, shape.status);
    push(into, format_args!("HTTP/1.{minor} {status} What\r\nX-Exchange: {exchange}\r\n"));
    let closes = shape.origin_closes || (shape.answer == Framing::UntilClose && !shape.has_answer_body());
    if closes && minor == 1 {
        push(into, format_args!("Connection: close\r\n"));
    } else if !shape.origin_closes && minor == 0 && shape.answer != Framing::UntilClose {
        push(into, format_args!("Connection: keep-alive\r\n"));
    }
    push_framing(shape.answer, shape.answer_bytes, into);
    into.extend_from_slice(b"\r\n");
    if shape.has_answer_body() {
        push_body(Content::new(exchange, true), shape.answer, shape.answer_bytes, shape.trailers, into);
    }
}

/// Appends the head that switches to a WebSocket.
pub(crate) fn push_switch(exchange: u32, into: &mut Vec<u8>) {
    push(into, format_args!("HTTP/1.1 101 Switching Protocols\r\nX-Exchange: {exchange}\r\n"));
    push(into, format_args!("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
}

fn push_framing(framing: Framing, bytes: usize, into: &mut Vec<u8>) {
    match framing {
        Framing::Length => push(into, format_args!("Content-Length: {bytes}\r\n")),
        Framing::Chunked(_) => push(into, format_args!("Transfer-Encoding: chunked\r\n")),
        Framing::None | Framing::UntilClose => {}
    }
}

fn push_body(content: Content, framing: Framing, bytes: usize, trailers: bool, into: &mut Vec<u8>) {
    let Framing::Chunked(chunk) = framing else {
        if framing != Framing::None {
            content.append(0, bytes, into);
        }
        return;
    };
    // At most 300 chunks, and never so small that their framing outweighs them.
    let chunk = chunk.max(bytes / 300 + 1).max(24);
    for at in (0..bytes).step_by(chunk) {
        let count = chunk.min(bytes - at);
        push(into, format_args!("{count:x}\r\n"));
        content.append(at, count, into);
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(b"0\r\n");
    if trailers {
        push(into, format_args!("X-Trailer: {bytes}\r\n"));
    }
    into.extend_from_slice(b"\r\n");
}

fn push(into: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let written = into.write_fmt(text);
    assert!(written.is_ok(), "a vector takes every byte");
}
