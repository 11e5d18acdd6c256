//! Ending in order: what is idle closes, what is under way finishes or is cut when its time is over, and the log says
//! how many were cut.

use std::net::TcpStream;
use std::time::Instant;

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::patience::until;
use crate::scenario::wire::{End, Wire};

const OK_5: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A client whose request is with the origin, and the origin's end.
fn asked(pair: &Pair, origin: &Origin) -> (Wire, Wire) {
    let mut client = pair.client();
    client.get(SHOP, "/under-way");
    let mut server = origin.accept();
    server.request();
    (client, server)
}

#[test]
fn a_front_end_drains_and_ends_with_status_0() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        let (mut client, mut server) = asked(&pair, &origin);
        let mut idle = pair.client();
        idle.get(SHOP, "/");
        let mut other = origin.accept();
        other.request();
        other.send(OK_5);
        idle.answer().expect_body("hello");
        let mut new = pair.client();
        pair.front.until_metric("clients", |clients| clients == 3);

        pair.front.terminate();
        idle.ends(End::Clean);
        new.ends(End::Clean);
        assert_eq!(pair.front.page("/healthz").0, 503, "a balancer is told");
        server.send(OK_5);
        client.answer().expect_status(200).expect("connection", Some("close")).expect_body("hello");
        client.ends(End::Clean);
        drop(client);
        let (status, said) = pair.front.ended();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("exchanges_cut=0"), "{said}");
    });
}

#[test]
fn what_does_not_finish_in_time_is_cut_and_counted() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).front(&["--drain-timeout", "300ms"]);
        let mut pair = plan.start();
        let (mut client, mut server) = asked(&pair, &origin);
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        client.head();
        assert_eq!(client.bytes(3), b"abc");
        let began = Instant::now();
        pair.front.terminate();
        let (status, said) = pair.front.ended();
        assert!(began.elapsed().as_millis() >= 300);
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("exchanges_cut=1"), "{said}");
        client.ends(End::Cut);
        server.goes_away();
    });
}

#[test]
fn a_second_signal_ends_at_once() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        let (_client, _server) = asked(&pair, &origin);
        pair.front.terminate();
        pair.front.process.line("draining");
        pair.front.terminate();
        let (status, said) = pair.front.ended();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("stopping at once") && said.contains("exchanges_cut=1"), "{said}");
    });
}

#[test]
fn an_interrupt_drains_as_well() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        pair.front.process.signal("INT");
        assert_eq!(pair.front.ended().0.code(), Some(0));
        pair.back.process.signal("INT");
        assert_eq!(pair.back.ended().0.code(), Some(0));
    });
}

#[test]
fn a_back_end_lets_what_is_under_way_finish() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        let (mut client, mut server) = asked(&pair, &origin);
        pair.back.terminate();
        pair.back.process.line("draining");
        server.send(OK_5);
        client.answer().expect_status(200).expect_body("hello");
        let (status, said) = pair.back.ended();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("exchanges_cut=0"), "{said}");
    });
}

#[test]
fn new_connections_find_nobody_while_it_drains() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        let (mut client, mut server) = asked(&pair, &origin);
        let address = pair.front.listener(0);
        pair.front.terminate();
        pair.front.process.line("draining");
        until("a refused connection", || TcpStream::connect(address).is_err().then_some(()));
        server.send(OK_5);
        client.answer().expect_body("hello");
    });
}
