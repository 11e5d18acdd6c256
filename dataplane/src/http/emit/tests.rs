//! What leaves for the next hop, byte by byte.

use super::*;
use crate::http::field::FieldTable;
use crate::http::forwarding::{Client, Scheme, client_behind};
use crate::http::limits::Limits;
use crate::http::parsed::Parsed;
use crate::http::request::parse_request;
use crate::http::response::{Asked, parse_response};

const ADDED: Forwarding<'static> = Forwarding {
    client: Some(Client {
        address: core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7)),
        scheme: Scheme::Http,
    }),
    trusted: false,
    via: Some(b"us"),
};

fn request(bytes: &str, forwarding: Forwarding<'_>, connection: ConnectionChoice) -> String {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    let Parsed::Complete { head, .. } = parse_request(bytes.as_bytes(), &limits, &mut table) else {
        panic!("{bytes}")
    };
    let emission = RequestEmission {
        host: b"origin:81",
        forwarding,
        connection,
        expect_continue: true,
        extra: &[(b"X-Extra", b"1")],
    };
    let mut out = Vec::new();
    emit_request(&head, &emission, &mut out);
    String::from_utf8(out).unwrap()
}

fn response(bytes: &str, asked: Asked, version: Version, connection: ConnectionChoice) -> String {
    let limits = Limits::default();
    let mut table = FieldTable::new(&limits);
    let Parsed::Complete { head, .. } = parse_response(bytes.as_bytes(), asked, &limits, &mut table) else {
        panic!("{bytes}")
    };
    let framing = head.framing_towards(version);
    let date = Some(&b"Sun, 06 Nov 1994 08:49:37 GMT"[..]);
    let emission = ResponseEmission { version, framing, connection, via: Some(b"us"), date, extra: &[] };
    let mut out = Vec::new();
    emit_response(&head, &emission, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_request_loses_what_was_of_one_hop_and_claims_of_the_client() {
    let got = request(
        "POST http://site:8080/a?b HTTP/1.1\r\nHost: other\r\nAccept:  */* \r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
         Keep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\
         Proxy: x\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=evil\r\n\
         X-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nVia: 1.0 before\r\nExpect: 100-continue\r\nCookie: a=b\r\n\
         content-length: 005\r\n\r\n",
        ADDED,
        ConnectionChoice::KeepAlive,
    );
    let expected = "POST /a?b HTTP/1.1\r\nHost: origin:81\r\nAccept: */*\r\nVia: 1.0 before\r\nCookie: a=b\r\nVia: 1.1 us\r\n\
         X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: site:8080\r\n\
         Forwarded: for=192.0.2.7;proto=http;host=\"site:8080\"\r\nExpect: 100-continue\r\nContent-Length: 5\r\nX-Extra: 1\r\n\r\n";
    assert_eq!(got, expected);
}

#[test]
fn a_trusted_proxy_is_appended_to() {
    let address = "2001:db8::1".parse().unwrap();
    let client = Some(Client { address, scheme: Scheme::Https });
    let got = request(
        "GET / HTTP/1.0\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: 2.2.2.2\r\n\
         Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nConnection: X-Forwarded-For\r\n\r\n",
        Forwarding { client, trusted: true, via: None },
        ConnectionChoice::Close,
    );
    let expected = "GET / HTTP/1.1\r\nHost: origin:81\r\nX-Forwarded-Proto: http\r\nX-Real-IP: 1.1.1.1\r\n\
         X-Forwarded-For: 1.1.1.1, 2.2.2.2, 2001:db8::1\r\n\
         Forwarded: for=1.1.1.1, for=\"[2001:db8::1]\";proto=https\r\nConnection: close\r\nX-Extra: 1\r\n\r\n";
    assert_eq!(got, expected);
}

#[test]
fn the_client_behind_trusted_proxies_is_the_last_stranger() {
    let limits = Limits::default();
    let cases = [
        ("", None),
        ("X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.0.0.2\r\n", Some("192.0.2.7")),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7:4711\r\n", Some("192.0.2.7")),
        ("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", Some("10.0.0.3")),
        ("X-Forwarded-For: [2001:db8::1]:80\r\n", Some("2001:db8::1")),
        ("X-Forwarded-For: [2001:db8::1]\r\n", Some("2001:db8::1")),
        ("X-Forwarded-For: ::ffff:192.0.2.7\r\n", Some("192.0.2.7")),
        ("X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.2\r\n", Some("10.0.0.2")),
        ("X-Forwarded-For: unknown\r\n", None),
        ("X-Forwarded-For: ,\r\n", None),
    ];
    for (fields, expected) in cases {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut table = FieldTable::new(&limits);
        let Parsed::Complete { head, .. } = parse_request(text.as_bytes(), &limits, &mut table) else {
            panic!("{text}")
        };
        let got = client_behind(&head, |address| address.to_string().starts_with("10."));
        assert_eq!(got, expected.map(|address| address.parse().unwrap()), "{fields}");
    }
}

#[test]
fn a_mapped_address_is_written_as_ipv4() {
    let client = Some(Client { address: "::ffff:192.0.2.7".parse().unwrap(), scheme: Scheme::Http });
    let got = request(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Forwarding { client, ..ADDED },
        ConnectionChoice::KeepAlive,
    );
    assert!(got.contains("X-Forwarded-For: 192.0.2.7\r\n") && got.contains("for=192.0.2.7;"), "{got}");
}

#[test]
fn the_second_machine_changes_nothing_but_the_host() {
    let got = request(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Real-IP: x\r\n\
         Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n",
        Forwarding::UNCHANGED,
        ConnectionChoice::Upgrade,
    );
    let expected = "GET / HTTP/1.1\r\nHost: origin:81\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Real-IP: x\r\n\
         Sec-WebSocket-Key: k\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Extra: 1\r\n\r\n";
    assert_eq!(got, expected);
}

#[test]
fn trailer_is_announced_only_where_trailers_can_follow() {
    let with = |framing: &str| {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n{framing}\r\n\r\n");
        request(&text, Forwarding::UNCHANGED, ConnectionChoice::KeepAlive).contains("Trailer: X")
    };
    assert!(with("Transfer-Encoding: chunked"));
    assert!(!with("Content-Length: 3"));
}

#[test]
fn a_response_is_framed_for_who_gets_it() {
    let chunked = "HTTP/1.1 200 Fine\r\nServer: x\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\n\
                   X-Hop: 1\r\nDate: Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n";
    assert_eq!(
        response(chunked, Asked::Ordinary, Version::Http11, ConnectionChoice::KeepAlive),
        "HTTP/1.1 200 Fine\r\nServer: x\r\nDate: Mon, 07 Nov 1994 08:49:37 GMT\r\nVia: 1.1 us\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(
        response(chunked, Asked::Ordinary, Version::Http10, ConnectionChoice::Close),
        "HTTP/1.1 200 Fine\r\nServer: x\r\nDate: Mon, 07 Nov 1994 08:49:37 GMT\r\nVia: 1.1 us\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(
        response(
            "HTTP/1.0 200\r\nContent-Length: 3\r\n\r\n",
            Asked::Head,
            Version::Http10,
            ConnectionChoice::KeepAlive
        ),
        "HTTP/1.1 200 \r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nVia: 1.0 us\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"
    );
}

#[test]
fn a_switch_is_passed_on_without_framing() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: k\r\n\r\n";
    assert_eq!(
        response(switch, Asked::Upgrade, Version::Http11, ConnectionChoice::Upgrade),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: k\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nVia: 1.1 us\r\n\
         Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
}

#[test]
#[should_panic(expected = "well-formed")]
fn our_own_fields_cannot_break_a_line() {
    push_extra(&[(b"X", b"a\r\nb")], &mut Vec::new());
}
