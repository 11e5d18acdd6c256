//! How much of a head: bytes, fields, target. What just fits is served.

use crate::origin;
use crate::process::{End, Node, connect, each_driver, exchange, read_to_end};
use std::io::Write;

/// The status of a request on a connection of its own, which must end in order.
fn status(node: &Node, request: &str) -> u16 {
    let answer = exchange(node.address(), request.as_bytes());
    assert_eq!(answer.end, End::Closed, "{answer:?}");
    answer.status
}

#[test]
fn a_head_of_too_many_bytes_gets_431() {
    each_driver(|io| {
        let origin = origin();
        let node =
            Node::front_alone(io, origin.address(), &["--head-bytes-max", "2k", "--target-bytes-max", "1k"]);
        let request = |bytes: usize| {
            let empty = "GET /b128 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: \r\n\r\n";
            empty.replace("X: ", &format!("X: {}", "x".repeat(bytes - empty.len())))
        };
        let before = origin.counts().requests;
        assert_eq!(status(&node, &request(2_048)), 200);
        for bytes in [2_049, 4_000, 100_000] {
            assert_eq!(status(&node, &request(bytes)), 431, "{bytes}");
        }
        // Without an end in sight it is refused as soon as the bound is reached.
        let mut stream = connect(node.address());
        stream.write_all(&request(3_000).as_bytes()[..2_500]).unwrap();
        assert_eq!(read_to_end(&mut stream).status, 431);
        assert_eq!(origin.counts().requests, before + 1);
    });
}

#[test]
fn a_head_of_too_many_fields_gets_431() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--fields-max", "10"]);
        let request = |fields: usize| {
            let more: String = (2..fields).map(|index| format!("X-{index}: y\r\n")).collect();
            format!("GET /b128 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n")
        };
        assert_eq!(status(&node, &request(10)), 200);
        assert_eq!(status(&node, &request(11)), 431);
        assert_eq!(status(&node, &request(200)), 431);
    });
}

#[test]
fn a_target_of_too_many_bytes_gets_414() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--target-bytes-max", "64"]);
        let request = |bytes: usize| {
            let query = "q".repeat(bytes - "/b128?".len());
            format!("GET /b128?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        };
        assert_eq!(status(&node, &request(64)), 200);
        assert_eq!(status(&node, &request(65)), 414);
        assert_eq!(status(&node, &request(9_000)), 414);
    });
}
