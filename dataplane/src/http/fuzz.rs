//! What must hold for any bytes at all, as plain functions that panic when it does not: a fuzzer drives them for long,
//! a seeded test drives them shortly. The invariants: splitting changes nothing, what we write we read back as the
//! same message, and what we write the second time is what we wrote the first time.

use crate::http::body::BodyReader;
use crate::http::chunked::{CHUNK_END, CHUNK_PREFIX_BYTES_MAX, chunk_prefix, push_last_chunk};
use crate::http::connection::{ConnectionChoice, Upgrade};
use crate::http::emit::{RequestEmission, ResponseEmission, emit_request, emit_response};
use crate::http::field::{FieldTable, Fields};
use crate::http::forwarding::{Client, Forwarding, Scheme};
use crate::http::framing::ResponseBody;
use crate::http::limits::Limits;
use crate::http::parsed::Parsed;
use crate::http::refusal::Refusal;
use crate::http::request::{RequestHead, parse_request};
use crate::http::response::{Asked, ResponseHead, parse_response};
use crate::http::trailer::Trailers;
use crate::http::version::Version;

/// Prefixes of a head that are tried; all of a short one.
const CUTS_MAX: usize = 64;

/// Reads `bytes` as a request head, whole and in parts, and writes it on.
pub fn fuzz_head(bytes: &[u8]) {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    let whole = outcome(&parse_request(bytes, &limits, &mut table));
    for cut in cuts(bytes.len()) {
        check_prefix(&whole, &outcome(&parse_request(&bytes[..cut], &limits, &mut table)), cut);
    }
    if let Parsed::Complete { head, bytes } = parse_request(bytes, &limits, &mut table) {
        assert!(bytes <= limits.head_bytes_max);
        check_fields(&head.fields);
        check_request_round_trip(&head);
        check_forwarded_request(&head);
    }
}

/// Reads `bytes` as a response head to every kind of question, whole and in parts, and writes it on.
pub fn fuzz_response_head(bytes: &[u8]) {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    for asked in [Asked::Ordinary, Asked::Head, Asked::Upgrade] {
        let whole = outcome(&parse_response(bytes, asked, &limits, &mut table));
        for cut in cuts(bytes.len()) {
            check_prefix(&whole, &outcome(&parse_response(&bytes[..cut], asked, &limits, &mut table)), cut);
        }
        if let Parsed::Complete { head, .. } = parse_response(bytes, asked, &limits, &mut table) {
            check_fields(&head.fields);
            check_response_round_trip(&head, asked);
        }
    }
}

/// Reads `bytes` as a chunked body, whole and byte by byte, and writes it again.
pub fn fuzz_chunked(bytes: &[u8]) {
    let whole = ReadBody::of(bytes, bytes.len().max(1));
    for piece_bytes in [1, 2, 7] {
        assert_eq!(whole, ReadBody::of(bytes, piece_bytes), "splitting changes nothing");
    }
    if whole.outcome == Ok(true) {
        let again = whole.written();
        let read = ReadBody::of(&again, again.len());
        assert_eq!((read.outcome, read.consumed), (Ok(true), again.len()));
        assert_eq!((read.data, read.trailer_lines), (whole.data, whole.trailer_lines));
    }
}

/// What a parser said, without what it said it about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Complete(usize),
    Partial,
    Invalid(Refusal),
}

fn outcome<T>(parsed: &Parsed<T>) -> Outcome {
    match parsed {
        Parsed::Complete { bytes, .. } => Outcome::Complete(*bytes),
        Parsed::Partial => Outcome::Partial,
        Parsed::Invalid(refusal) => Outcome::Invalid(*refusal),
    }
}

fn cuts(bytes: usize) -> impl Iterator<Item = usize> {
    (0..bytes).step_by(bytes / CUTS_MAX + 1)
}

/// A prefix may leave everything open; once it says something, the whole says the same.
fn check_prefix(whole: &Outcome, prefix: &Outcome, cut: usize) {
    match (whole, prefix) {
        (Outcome::Complete(bytes), Outcome::Partial) => {
            assert!(cut < *bytes, "all of a head is no part of it")
        }
        (_, Outcome::Partial) => {}
        _ => assert_eq!(whole, prefix, "a prefix of {cut} bytes"),
    }
}

fn check_fields(fields: &Fields<'_>) {
    for field in fields.iter() {
        assert!(!field.name.is_empty());
        assert!(!field.name.iter().chain(field.value).any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

fn written_request(head: &RequestHead<'_>, forwarding: Forwarding<'_>) -> Vec<u8> {
    let connection = match head.upgrade {
        Upgrade::WebSocket => ConnectionChoice::Upgrade,
        Upgrade::None | Upgrade::OtherIgnored => ConnectionChoice::KeepAlive,
    };
    let host = if head.host.is_empty() { b"default.invalid" } else { head.host.bytes };
    let emission = RequestEmission { host, forwarding, connection, expect_continue: true, extra: &[] };
    let mut out = Vec::new();
    emit_request(head, &emission, &mut out);
    out
}

fn check_request_round_trip(head: &RequestHead<'_>) {
    let written = written_request(head, Forwarding::UNCHANGED);
    let limits = Limits::default().of_next_hop();
    let mut table = FieldTable::new(&limits);
    let Parsed::Complete { head: again, bytes } = parse_request(&written, &limits, &mut table) else {
        panic!("what we write we read: {}", written.escape_ascii());
    };
    assert_eq!(bytes, written.len());
    assert_eq!((again.method_bytes, again.target, again.body), (head.method_bytes, head.target, head.body));
    assert!(again.version == Version::Http11 && again.keep_alive);
    assert!(head.host.is_empty() || head.host == again.host);
    assert_eq!(again.expect_continue, head.expect_continue);
    assert_eq!(again.upgrade == Upgrade::WebSocket, head.upgrade == Upgrade::WebSocket);
    assert_eq!(
        written_request(&again, Forwarding::UNCHANGED).escape_ascii().to_string(),
        written.escape_ascii().to_string()
    );
}

/// With forwarding fields the message reads the same, whoever claims what.
fn check_forwarded_request(head: &RequestHead<'_>) {
    let client = Client { address: core::net::Ipv6Addr::LOCALHOST.into(), scheme: Scheme::Https };
    let limits = Limits::default().of_next_hop();
    let mut table = FieldTable::new(&limits);
    for trusted in [false, true] {
        let written = written_request(head, Forwarding { client: Some(client), trusted, via: Some(b"us") });
        let Parsed::Complete { head: again, .. } = parse_request(&written, &limits, &mut table) else {
            panic!("what we write we read: {}", written.escape_ascii());
        };
        assert_eq!(
            (again.method_bytes, again.target, again.body),
            (head.method_bytes, head.target, head.body)
        );
        assert!(again.came_by(b"us"));
    }
}

fn written_response(head: &ResponseHead<'_>) -> Vec<u8> {
    let connection = if head.status == 101 { ConnectionChoice::Upgrade } else { ConnectionChoice::KeepAlive };
    let version = Version::Http11;
    let framing = head.framing_towards(version);
    let emission = ResponseEmission { version, framing, connection, via: None, date: None, extra: &[] };
    let mut out = Vec::new();
    emit_response(head, &emission, &mut out);
    out
}

fn check_response_round_trip(head: &ResponseHead<'_>, asked: Asked) {
    let written = written_response(head);
    let limits = Limits::default().of_next_hop();
    let mut table = FieldTable::new(&limits);
    let Parsed::Complete { head: again, bytes } = parse_response(&written, asked, &limits, &mut table) else {
        panic!("what we write we read: {}", written.escape_ascii());
    };
    assert_eq!(bytes, written.len());
    assert_eq!((again.status, again.reason), (head.status, head.reason));
    let open_end = head.body == ResponseBody::UntilClose && head.status != 101;
    assert_eq!(again.body, if open_end { ResponseBody::Chunked } else { head.body });
    assert_eq!(written_response(&again).escape_ascii().to_string(), written.escape_ascii().to_string());
}

/// A chunked body as it was read.
#[derive(Debug, PartialEq, Eq)]
struct ReadBody {
    /// Whether it was whole, or why it was refused.
    outcome: Result<bool, Refusal>,
    /// Bytes taken; zero if it was refused.
    consumed: usize,
    data: Vec<u8>,
    trailer_lines: Vec<u8>,
}

impl ReadBody {
    /// Reads `bytes`, never more than `piece_bytes` of them at once.
    fn of(bytes: &[u8], piece_bytes: usize) -> Self {
        let mut reader = BodyReader::for_response(ResponseBody::Chunked);
        let mut trailers = Trailers::new(&Limits::default());
        let (mut data, mut at) = (Vec::new(), 0);
        let outcome = loop {
            if reader.is_done() || at == bytes.len() {
                break Ok(reader.is_done());
            }
            let piece = &bytes[at..bytes.len().min(at + piece_bytes)];
            match reader.read(piece, &mut trailers) {
                Ok(step) => {
                    assert!(step.consumed > 0 && step.consumed <= piece.len());
                    assert!(step.data.start <= step.data.end && step.data.end <= step.consumed);
                    assert_eq!(step.done, reader.is_done());
                    data.extend_from_slice(&piece[step.data]);
                    at += step.consumed;
                }
                Err(refusal) => break Err(refusal),
            }
        };
        assert_eq!(reader.finish().is_ok(), outcome == Ok(true));
        let consumed = if outcome.is_ok() { at } else { 0 };
        Self { outcome, consumed, data, trailer_lines: trailers.lines().to_vec() }
    }

    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in self.data.chunks(3) {
            out.extend_from_slice(chunk_prefix(piece.len(), &mut [0; CHUNK_PREFIX_BYTES_MAX]));
            out.extend_from_slice(piece);
            out.extend_from_slice(CHUNK_END);
        }
        out.extend_from_slice(b"0\r\n");
        out.extend_from_slice(&self.trailer_lines);
        out.extend_from_slice(b"\r\n");
        let mut empty = Vec::new();
        push_last_chunk(&Trailers::new(&Limits::default()), &mut empty);
        assert_eq!(empty, b"0\r\n\r\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::desync::{ACCEPTED, REFUSED};
    use crate::stdx::prng::Prng;

    const RESPONSES: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
        b"HTTP/1.0 304 Not Modified\r\nContent-Length: 5\r\nConnection: keep-alive, x\r\nX: y\r\n\r\n",
        b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
    ];

    /// Pieces of the grammar, which a random byte would seldom form.
    const PIECES: &[&[u8]] = &[
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\0",
        b"0",
        b"5",
        b"f",
        b"\r\n\r\n",
        b"\r\n ",
        b"Host: a\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: x, close\r\n",
        b"X-Forwarded-For: 1\r\n",
        b"Forwarded: for=a\r\n",
        b"Via: 1.1 us\r\n",
        b"Upgrade: websocket\r\n",
        b"HTTP/1.1",
        b"\xff",
    ];

    fn mutate(bytes: &mut Vec<u8>, prng: &mut Prng) {
        for _ in 0..=prng.below(3) {
            let at = prng.below(bytes.len() as u64 + 1) as usize;
            let end = (at + prng.below(4) as usize).min(bytes.len());
            match prng.below(4) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.extend_from_within(at..end),
                2 if at < bytes.len() => bytes[at] ^= 1 << prng.below(8),
                _ => drop(
                    bytes.splice(at..at, PIECES[prng.below(PIECES.len() as u64) as usize].iter().copied()),
                ),
            }
        }
    }

    #[test]
    fn mutants_of_every_known_message_keep_the_invariants() {
        let mut prng = Prng::new(9112);
        let known = REFUSED.iter().map(|row| row.bytes).chain(ACCEPTED.iter().map(|row| row.1));
        let seeds: Vec<_> =
            known.filter(|bytes| bytes.len() < 1000).chain(RESPONSES.iter().copied()).collect();
        for round in 0..12_000 {
            let mut bytes = seeds[round % seeds.len()].to_vec();
            if round >= seeds.len() {
                mutate(&mut bytes, &mut prng);
            }
            fuzz_head(&bytes);
            fuzz_response_head(&bytes);
            let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
            fuzz_chunked(&bytes[body..]);
        }
    }

    #[test]
    fn noise_keeps_the_invariants() {
        let mut prng = Prng::new(9110);
        for _ in 0..2000 {
            let mut bytes = vec![0; prng.below(200) as usize];
            prng.fill(&mut bytes);
            fuzz_head(&bytes);
            fuzz_response_head(&bytes);
            fuzz_chunked(&bytes);
        }
    }
}
