//! When the client or the origin fails: each failure has its own answer, nothing that was cut looks complete, and what
//! nobody waits for any more is given up at once.

use std::time::Instant;

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::{Origin, address_of_nobody};
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::patience::until;
use crate::scenario::wire::{End, Wire};

const OK_5: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_clients_abort_ends_the_origins_work() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        // Before the answer, in its middle, and in the middle of the request.
        let mut client = pair.client();
        client.get(SHOP, "/long");
        let mut server = origin.accept();
        server.request();
        drop(client);
        server.goes_away();

        let mut client = pair.client();
        client.get(SHOP, "/long");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
        client.head();
        assert_eq!(client.bytes(3), b"abc");
        client.reset();
        server.goes_away();

        let mut client = pair.client();
        client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10\r\n\r\nabc");
        let mut server = origin.accept();
        server.head();
        assert_eq!(server.bytes(3), b"abc");
        client.reset();
        server.goes_away();

        pair.back.until_metric("tunnel_streams", |streams| streams == 0);
        pair.front.until_metric("exchanges_open", |exchanges| exchanges == 0);
        assert_eq!(pair.front.metric("client_aborts_total"), 3);
    });
}

#[test]
fn an_origin_that_dies_in_its_answer_never_looks_complete() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let dies = |answer: &str, with_reset: bool| {
            let mut client = pair.client();
            client.get(SHOP, "/");
            let mut server = origin.accept();
            server.request();
            server.send(answer);
            client.head();
            if with_reset {
                server.reset()
            } else {
                drop(server)
            }
            client.rest(End::Cut)
        };
        for with_reset in [false, true] {
            dies("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", with_reset);
            let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
            let rest = dies(chunked, with_reset);
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
        }
        let rest = dies("HTTP/1.1 200 OK\r\n\r\nabc", true);
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    });
}

#[test]
fn an_http10_client_sees_the_cut_as_well() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        client.head().expect("content-length", None);
        drop(server);
        client.rest(End::Cut);
    });
}

#[test]
fn an_origin_that_is_down_or_talks_nonsense_gives_502() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site("down.example", &format!("http://{}", address_of_nobody()));
        let pair = plan.site(SHOP, &origin.http()).start();
        let mut client = pair.client();
        client.get("down.example", "/");
        let answer = client.answer();
        answer.expect_status(502);
        assert!(answer.text().contains("Decision"), "{}", answer.text());

        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send("SSH-2.0-nonsense\r\n\r\n");
        client.answer().expect_status(502);

        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        drop(server);
        client.answer().expect_status(502);
    });
}

#[test]
fn a_name_that_does_not_resolve_gives_503_with_retry_after() {
    on_each_driver(|io| {
        let pair = Pair::of(io, "http://no-such-name.invalid:80");
        let mut client = pair.client();
        client.get(SHOP, "/");
        let answer = client.answer();
        answer.expect_status(503);
        assert!(answer.head.field("retry-after").is_some(), "{answer:#?}");
    });
}

#[test]
fn a_slow_origin_gives_504() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).back(&["--answer-timeout", "200ms"]);
        let pair = plan.start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        client.answer().expect_status(504);
        server.goes_away();
    });
}

#[test]
fn a_body_that_stalls_is_cut() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).back(&["--stall-timeout", "200ms"]);
        let pair = plan.start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        client.head();
        assert_eq!(client.rest(End::Cut), b"abc");
        server.goes_away();
    });
}

/// Leaves one connection in the back-end's pool; the origin's end of it.
fn pooled(pair: &Pair, origin: &Origin, client: &mut Wire) -> Wire {
    client.get(SHOP, "/first");
    let mut server = origin.accept();
    server.request();
    server.send(OK_5);
    client.answer().expect_status(200);
    pair.back.until_metric("exchanges_open", |exchanges| exchanges == 0);
    server
}

#[test]
fn a_get_on_a_pooled_connection_that_dies_is_asked_again_once() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        let mut server = pooled(&pair, &origin, &mut client);
        client.get(SHOP, "/again");
        server.request().expect_start("GET /again HTTP/1.1");
        drop(server);
        let mut server = origin.accept();
        server.request().expect_start("GET /again HTTP/1.1");
        server.send(OK_5);
        client.answer().expect_body("hello");
        assert_eq!(pair.back.metric("origin_retries_total"), 1);

        // The second death is told: the retry went over a fresh connection.
        client.get(SHOP, "/twice");
        server.request();
        drop(server);
        let mut server = origin.accept();
        server.request();
        drop(server);
        client.answer().expect_status(502);
        origin.stays_alone();
    });
}

#[test]
fn a_post_on_a_pooled_connection_that_dies_is_not_repeated() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        let mut server = pooled(&pair, &origin, &mut client);
        client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\n\r\nx");
        server.request();
        drop(server);
        client.answer().expect_status(502);
        origin.stays_alone();
        assert_eq!(pair.back.metric("origin_retries_total"), 0);
    });
}

#[test]
fn a_pooled_connection_that_the_origin_closed_is_not_used() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        drop(pooled(&pair, &origin, &mut client));
        pair.back.until_metric("origin_connections", |connections| connections == 0);
        client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\n\r\nx");
        let mut server = origin.accept();
        server.request();
        server.send(OK_5);
        client.answer().expect_status(200);
    });
}

#[test]
fn an_answer_before_the_request_is_whole_reaches_the_client() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1000000\r\n\r\nstart");
        let mut server = origin.accept();
        server.head();
        server.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        client.answer().expect_status(413).expect_body("no");
        client.goes_away();
    });
}

#[test]
fn a_client_that_does_not_finish_its_head_is_told_408() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).front(&["--head-timeout", "200ms"]);
        let pair = plan.start();
        let mut client = pair.client();
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: sh");
        client.answer().expect_status(408);
        assert!(began.elapsed().as_millis() >= 200);
        until("the client's end", || (pair.front.metric("clients") == 0).then_some(()));
    });
}
