//! How many at once: connections, exchanges, streams of a tunnel.

use crate::process::{End, Node, Pair, ask, connect, each_driver, exchange, read_to_end, until};
use crate::{get, origin};
use std::io::Write;
use std::net::TcpStream;

/// Polls until a new client is served.
fn served_again(node: &Node) {
    until("somebody is served again", || {
        let answer = exchange(node.address(), b"GET /b128 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!([0, 200, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then_some(())
    });
}

#[test]
fn connections_beyond_the_bound_are_told_so_and_closed_gently() {
    each_driver(|io| {
        let origin = origin();
        let node =
            Node::front_alone(io, origin.address(), &["--connections-max", "4", "--shedding-max", "8"]);
        let mut served: Vec<_> = (0..4)
            .map(|_| {
                until("a place is free", || {
                    let mut stream = connect(node.address());
                    (ask(&mut stream, &get("/b128")).status == 200).then_some(stream)
                })
            })
            .collect();
        for _ in 0..3 {
            let mut beyond = connect(node.address());
            // Unread input at the time of the close must not cost the client its answer.
            beyond.write_all(&[get("/b128"), vec![b'x'; 30_000]].concat()).unwrap();
            let answer = read_to_end(&mut beyond);
            assert_eq!((answer.status, answer.end), (503, End::Closed), "{answer:?}");
            assert!(
                answer.has_field("retry-after: ") && answer.has_field("connection: close"),
                "{}",
                answer.text()
            );
        }
        assert!(node.metric("longhaul_clients_shed_total{worker=\"0\"}").unwrap() >= 3.0);
        assert_eq!(ask(&mut served[0], &get("/b128")).status, 200);
        served.pop();
        served_again(&node);
    });
}

#[test]
fn more_connections_than_can_be_told_are_closed_unheard() {
    each_driver(|io| {
        let origin = origin();
        let node =
            Node::front_alone(io, origin.address(), &["--connections-max", "2", "--shedding-max", "2"]);
        // One that is reset before its connect has returned is ended, too.
        let held: Vec<_> = (0..64).filter_map(|_| TcpStream::connect(node.address()).ok()).collect();
        until("all but the bound are ended", || {
            let alive = held.iter().filter(|stream| !crate::process::has_ended(stream)).count();
            (alive <= 2).then_some(())
        });
        drop(held);
        served_again(&node);
    });
}

#[test]
fn exchanges_beyond_the_bound_are_told_so() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--exchanges-max", "2"]);
        let mut slow: Vec<_> = (0..2).map(|_| connect(node.address())).collect();
        let before = origin.counts().requests;
        slow.iter_mut().for_each(|stream| stream.write_all(&get("/delay/60000/1")).unwrap());
        until("both are at the origin", || (origin.counts().requests == before + 2).then_some(()));
        let mut third = connect(node.address());
        third.write_all(&get("/b128")).unwrap();
        let answer = read_to_end(&mut third);
        assert_eq!((answer.status, answer.end), (503, End::Closed), "{answer:?}");
        assert!(answer.has_field("retry-after: "), "{}", answer.text());
        slow.pop();
        served_again(&node);
    });
}

#[test]
fn the_lowest_class_is_refused_first() {
    each_driver(|io| {
        let origin = origin();
        let flags = ["--exchanges-max", "2", "--shed-at", "100,100,50,50,50", "--class", "path=/b128:0"];
        let node = Node::front_alone(io, origin.address(), &flags);
        let before = origin.counts().requests;
        let mut slow = connect(node.address());
        slow.write_all(&get("/delay/60000/1")).unwrap();
        until("it is at the origin", || (origin.counts().requests == before + 1).then_some(()));
        let mut low = connect(node.address());
        low.write_all(&get("/b16k")).unwrap();
        let answer = read_to_end(&mut low);
        assert_eq!((answer.status, answer.has_field("retry-after: ")), (503, true), "{answer:?}");
        assert!(answer.text().contains("more urgent"), "{}", answer.text());
        let mut high = connect(node.address());
        assert_eq!(ask(&mut high, &get("/b128")).status, 200);
    });
}

#[test]
fn streams_beyond_the_bound_of_a_tunnel_are_told_so() {
    each_driver(|io| {
        let origin = origin();
        let pair = Pair::start_with(io, origin.address(), &["--streams-max", "4"], &["--streams-max", "4"]);
        let mut slow: Vec<_> = (0..4).map(|_| connect(pair.front.address())).collect();
        let before = origin.counts().requests;
        slow.iter_mut().for_each(|stream| stream.write_all(&get("/delay/60000/1")).unwrap());
        until("all are at the origin", || (origin.counts().requests == before + 4).then_some(()));
        let mut fifth = connect(pair.front.address());
        fifth.write_all(&get("/b128")).unwrap();
        let answer = read_to_end(&mut fifth);
        assert_eq!((answer.status, answer.end), (503, End::Closed), "{answer:?}");
        assert!(answer.has_field("retry-after: "), "{}", answer.text());
        slow.clear();
        served_again(&pair.front);
    });
}
