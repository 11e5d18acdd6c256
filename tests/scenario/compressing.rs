//! Compression on the tunnel: bodies come whole whatever is done to them on the way, nothing waits for more, and what must not
//! be compressed is not. What was done is read from the counters.

use crate::scenario::driver::on_each_driver;
use crate::scenario::node::Node;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::patience::until;
use crate::scenario::streaming::{UPGRADE, events_arrive_one_by_one};
use crate::scenario::wire::End;
use dataplane::stdx::prng::Prng;
use serde_json::Value;

/// Text as pages have it: no two lines are alike.
fn page(lines: usize) -> String {
    let line = |n: usize| {
        format!("<div class=\"item\" id=\"p{n}\"><a href=\"/shop/{}\">item {n}</a></div>\n", n * 7919)
    };
    (0..lines).map(line).collect()
}

/// What nobody can compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    Prng::new(1).fill(&mut noise);
    noise
}

fn pair(io: &str, origin: &Origin, front: &str, back: &str) -> Pair {
    let plan = Plan::new(io).site(SHOP, &origin.http());
    let pair = plan.front(&["--compress", front]).back(&["--compress", back]).start();
    // What is asked before the tunnel stands goes as it is: nobody knows what the other end can read.
    until("the tunnel", || (pair.front.page("/healthz").0 == 200).then_some(()));
    pair
}

fn compression(node: &Node, pointer: &str) -> Option<u64> {
    let status: Value = node.status();
    status.pointer(&format!("/tunnels/0/compression/{pointer}")).and_then(Value::as_u64)
}

/// Waits until so many halves had this outcome: the numbers are shown every half second.
fn until_outcome(node: &Node, outcome: &str, count: u64) {
    until(outcome, || (compression(node, &format!("streams/{outcome}")) == Some(count)).then_some(()));
}

/// A request with these fields, answered with these fields and this body; the client gets every byte.
fn exchange(pair: &Pair, origin: &Origin, asked: &str, answered: &str, body: &[u8]) {
    let mut client = pair.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: {SHOP}\r\n{asked}\r\n"));
    let mut server = origin.accept();
    server.request();
    // The next exchange has a connection of its own to the origin.
    server.send(format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{answered}\r\n",
        body.len()
    ));
    server.send(body);
    let answer = client.answer();
    answer.expect_status(200);
    assert!(answer.body == body, "{} of {} bytes, and not the same", answer.body.len(), body.len());
}

#[test]
fn bodies_come_whole_both_ways_and_the_tunnel_carries_less() {
    on_each_driver(|io| {
        for codec in ["lz4", "zstd"] {
            let origin = Origin::new();
            let pair = pair(io, &origin, codec, codec);
            let text = page(2_000);
            exchange(&pair, &origin, "", "Content-Type: text/html\r\n", text.as_bytes());

            let mut client = pair.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: {SHOP}\r\nContent-Length: {}\r\n\r\n", text.len()));
            client.send(&text);
            let mut server = origin.accept();
            assert!(server.request().body == text.as_bytes());
            server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
            for piece in text.as_bytes().chunks(3_000) {
                server.send(format!("{:x}\r\n", piece.len()));
                server.send([piece, b"\r\n"].concat());
            }
            server.send("0\r\nX-Sum: 7\r\n\r\n");
            assert_eq!(client.head().status(), 200);
            let (body, trailers) = client.chunked();
            assert!(body == text.as_bytes());
            assert_eq!(trailers, [("x-sum".to_owned(), "7".to_owned())]);

            until_outcome(&pair.front, "on", 2);
            until_outcome(&pair.back, "on", 2);
            let bodies = text.len() as u64;
            for (node, direction, plain) in [
                (&pair.back, "sent", 2 * bodies),
                (&pair.front, "received", 2 * bodies),
                (&pair.front, "sent", bodies),
                (&pair.back, "received", bodies),
            ] {
                let read =
                    |what: &str| compression(node, &format!("{direction}_{codec}/{what}_bytes")).unwrap();
                assert!(
                    read("plain") > plain && read("plain") < plain + 4_000,
                    "{direction} {}",
                    read("plain")
                );
                assert!(read("packed") * 2 < plain, "{codec}, {direction}: {} of {plain}", read("packed"));
                assert_eq!(read("saved"), read("plain") - read("packed"));
            }
            assert_eq!(
                pair.back.metric("compression_refused_total")
                    + pair.front.metric("compression_refused_total"),
                0
            );
        }
    });
}

#[test]
fn an_event_leaves_at_once_and_is_not_held_back_for_a_block() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = pair(io, &origin, "zstd", "zstd");
        // Short ones, and ones that are worth packing.
        let event =
            |number: usize| format!("data: {}\n\n", "{\"id\":42,\"name\":\"customer\"} ".repeat(number % 7));
        events_arrive_one_by_one(&pair, &origin, (0..50).map(event));
    });
}

#[test]
fn nothing_is_compressed_beside_credentials() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = pair(io, &origin, "zstd", "zstd");
        let text = page(500);
        for field in ["Cookie: session=1234\r\n", "Authorization: Bearer 1234\r\n"] {
            exchange(&pair, &origin, field, "Content-Type: text/html\r\n", text.as_bytes());
        }
        until_outcome(&pair.front, "credentials", 2);
        until_outcome(&pair.back, "credentials", 2);
        for node in [&pair.front, &pair.back] {
            for direction in ["sent", "received"] {
                assert_eq!(compression(node, &format!("{direction}_zstd/plain_bytes")), None, "{direction}");
            }
        }
        exchange(&pair, &origin, "", "Content-Type: text/html\r\nSet-Cookie: a=b\r\n", text.as_bytes());
        until_outcome(&pair.back, "set_cookie", 1);
        assert_eq!(compression(&pair.back, "sent_zstd/plain_bytes"), None);
    });
}

#[test]
fn what_is_compressed_already_or_looks_random_goes_as_it_is() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = pair(io, &origin, "lz4", "lz4");
        let text = page(500);
        exchange(&pair, &origin, "", "Content-Type: image/png\r\n", text.as_bytes());
        exchange(&pair, &origin, "", "Content-Type: text/css\r\nContent-Encoding: gzip\r\n", text.as_bytes());
        exchange(&pair, &origin, "", "Content-Type: text/css\r\n", &noise(100_000));
        // It is given up in the middle of what was said at once: what follows must not overtake the rest.
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let body = noise(100_000);
        for piece in body.chunks(8_192) {
            server.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        server.send("0\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        assert!(client.chunked().0 == body);
        until_outcome(&pair.back, "media", 1);
        until_outcome(&pair.back, "encoded", 1);
        until_outcome(&pair.back, "random", 2);
        let plain = compression(&pair.back, "sent_lz4/plain_bytes").unwrap();
        assert!(plain < 10_000, "{plain} bytes were tried");
    });
}

#[test]
fn a_websocket_is_left_alone_and_100_continue_too() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = pair(io, &origin, "zstd", "zstd");
        let mut client = pair.client();
        client.send(UPGRADE);
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
        server.send("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        assert_eq!(client.head().status(), 101);
        client.send(b"\x81\x84\0\0\0\0ping");
        assert_eq!(server.bytes(10), b"\x81\x84\0\0\0\0ping");
        drop(server);
        client.ends(End::Clean);
        until_outcome(&pair.front, "opaque", 1);

        let mut client = pair.client();
        client.send(format!(
            "PUT / HTTP/1.1\r\nHost: {SHOP}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        ));
        let mut server = origin.accept();
        server.head();
        server.send("HTTP/1.1 100 Continue\r\n\r\n");
        client.answer().expect_status(100);
        client.send("body");
        assert_eq!(server.bytes(4), b"body");
        let text = page(300);
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
        client.answer().expect_status(200).expect_body(&text);
        until_outcome(&pair.back, "on", 1);
    });
}

#[test]
fn each_end_decides_for_itself_and_the_front_end_for_its_answers_too() {
    on_each_driver(|io| {
        let text = page(500);
        for (front, back, packed) in [
            ("off", "zstd", [None, None]),
            ("lz4", "off", [Some("lz4"), None]),
            ("lz4", "zstd", [Some("lz4"), Some("zstd")]),
        ] {
            let origin = Origin::new();
            let pair = pair(io, &origin, front, back);
            exchange(&pair, &origin, "", "Content-Type: text/html\r\n", text.as_bytes());
            let (outcome, node) = match (front, back) {
                ("off", _) => ("asker", &pair.back),
                (_, "off") => ("on", &pair.front),
                _ => ("on", &pair.back),
            };
            until_outcome(node, outcome, 1);
            for (node, packed) in [(&pair.front, packed[0]), (&pair.back, packed[1])] {
                for codec in ["lz4", "zstd"] {
                    let is_due = packed == Some(codec);
                    until(&format!("{front} {back}: {codec} {is_due}"), || {
                        let bytes = compression(node, &format!("sent_{codec}/packed_bytes"));
                        (bytes.is_some() == is_due).then_some(())
                    });
                }
            }
        }
    });
}
