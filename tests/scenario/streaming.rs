//! What must not wait for its end: server-sent events, WebSocket, plain TCP with half close, slow uploads.

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::wire::End;

/// A request for a WebSocket.
pub(crate) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Each event reaches the client before the next one is sent.
pub(crate) fn events_arrive_one_by_one(pair: &Pair, origin: &Origin, events: impl Iterator<Item = String>) {
    let mut client = pair.client();
    client.get(SHOP, "/events");
    let mut server = origin.accept();
    server.request();
    server.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    assert_eq!(client.head().status(), 200, "the head does not wait for a body");
    for event in events {
        server.send(&event);
        assert_eq!(client.chunk(), event.as_bytes());
    }
    server.send_end();
    assert_eq!(client.chunk(), b"");
}

#[test]
fn an_event_arrives_while_the_answer_is_open() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        events_arrive_one_by_one(&pair, &origin, (0..20).map(|number| format!("data: {number}\n\n")));
    });
}

#[test]
fn an_upload_arrives_while_it_is_made() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10\r\n\r\n");
        let mut server = origin.accept();
        server.head();
        for digit in 0..10 {
            client.send(digit.to_string());
            assert_eq!(server.bytes(1), digit.to_string().as_bytes());
        }
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        client.answer().expect_status(200);
    });
}

#[test]
fn a_websocket_carries_bytes_both_ways_until_one_side_closes() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send(UPGRADE);
        let mut server = origin.accept();
        let request = server.request();
        request.expect("upgrade", Some("websocket")).expect("sec-websocket-version", Some("13"));
        assert!(request.head.field("connection").unwrap().to_lowercase().contains("upgrade"));
        server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
        server.send("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nfirst");
        let answer = client.head();
        assert_eq!(answer.status(), 101);
        answer.expect("upgrade", Some("websocket"));
        assert_eq!(client.bytes(5), b"first", "what came with the head");
        for _ in 0..10 {
            client.send(b"\x81\x84\0\0\0\0ping");
            assert_eq!(server.bytes(10), b"\x81\x84\0\0\0\0ping");
            server.send(b"\x81\x04pong");
            assert_eq!(client.bytes(6), b"\x81\x04pong");
        }
        drop(server);
        client.ends(End::Clean);
    });
}

#[test]
fn an_upgrade_that_the_origin_declines_is_an_ordinary_answer() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send(UPGRADE);
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
        client.answer().expect_status(200).expect_body("no").expect("upgrade", None);
    });
}

#[test]
fn plain_tcp_closes_each_direction_by_itself() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).back(&["--origin", &format!("mail.example={}", origin.tcp())]);
        let plan = plan.site(SHOP, "http://127.0.0.1:9").front(&["--tcp", "127.0.0.1:0=mail.example"]);
        let pair = plan.start();

        let mut client = pair.client_of(1);
        let mut server = origin.accept();
        server.send("220 ready\r\n");
        assert_eq!(client.line(), "220 ready", "the origin may speak first");
        client.send("QUIT");
        client.send_end();
        assert_eq!(server.rest(End::Clean), b"QUIT");
        server.send("still here");
        assert_eq!(client.bytes(10), b"still here");
        drop(server);
        client.ends(End::Clean);

        let mut client = pair.client_of(1);
        let mut server = origin.accept();
        server.send("bye");
        server.send_end();
        assert_eq!(client.rest(End::Clean), b"bye");
        client.send("thanks");
        client.send_end();
        assert_eq!(server.rest(End::Clean), b"thanks");
        pair.back.until_metric("tunnel_streams", |streams| streams == 0);
    });
}

#[test]
fn plain_tcp_passes_a_reset_on() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).back(&["--origin", &format!("mail.example={}", origin.tcp())]);
        let pair =
            plan.site(SHOP, "http://127.0.0.1:9").front(&["--tcp", "127.0.0.1:0=mail.example"]).start();
        let mut client = pair.client_of(1);
        let mut server = origin.accept();
        client.send("x");
        assert_eq!(server.bytes(1), b"x");
        client.reset();
        server.goes_away();
        let mut client = pair.client_of(1);
        let mut server = origin.accept();
        server.send("y");
        assert_eq!(client.bytes(1), b"y");
        server.reset();
        client.ends(End::Cut);
    });
}
