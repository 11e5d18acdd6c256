//! The tunnel goes away and comes back: the back-end is killed and started again, or stands still for a while. No
//! client connection is dropped for it.

use std::time::Instant;

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::patience::until;
use crate::scenario::wire::{End, Wire};

const OK_5: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// One whole exchange over a connection to the origin that is new.
fn works(client: &mut Wire, origin: &Origin) {
    client.get(SHOP, "/works");
    let mut server = origin.accept();
    server.request().expect_start("GET /works HTTP/1.1");
    // Not to be used again: what comes next could meet its end, and a POST is not sent twice.
    server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    client.answer().expect_status(200).expect_body("hello");
}

#[test]
fn a_back_end_that_restarts_costs_502_and_no_client_connection() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        let (mut idle, mut waiting, mut halfway) = (pair.client(), pair.client(), pair.client());
        works(&mut idle, &origin);
        waiting.send("POST /waiting HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1\r\n\r\nx");
        let mut asked = origin.accept();
        asked.request();
        halfway.get(SHOP, "/halfway");
        let mut answering = origin.accept();
        answering.request();
        answering.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        halfway.head();
        assert_eq!(halfway.bytes(3), b"abc");

        let before = pair.tunnel();
        pair.restart_back();
        assert_eq!(pair.tunnel(), before);
        waiting.answer().expect_status(502);
        halfway.ends(End::Cut);
        works(&mut idle, &origin);
        works(&mut waiting, &origin);
        works(&mut pair.client(), &origin);
    });
}

#[test]
fn requests_wait_for_a_back_end_that_is_away_for_less_than_tunnel_wait() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).front(&["--tunnel-wait", "15s"]);
        let mut pair = plan.start();
        let mut client = pair.client();
        works(&mut client, &origin);
        pair.back.terminate();
        pair.back.ended();
        client.get(SHOP, "/patient");
        client.stays_silent();
        pair.restart_back();
        let mut server = origin.accept();
        server.request().expect_start("GET /patient HTTP/1.1");
        server.send(OK_5);
        client.answer().expect_body("hello");
    });
}

#[test]
fn a_path_that_is_lost_longer_than_tunnel_wait_gives_504_until_it_is_back() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).front(&["--tunnel-wait", "1s"]);
        let pair = plan.start();
        // A second is little on a busy machine: the handshake must not fall into it.
        until("a healthy front-end", || (pair.front.page("/healthz").0 == 200).then_some(()));
        let (mut kept, mut client) = (pair.client(), pair.client());
        works(&mut kept, &origin);
        pair.back.process.signal("STOP");
        let began = Instant::now();
        client.get(SHOP, "/lost");
        client.answer().expect_status(504);
        let waited = began.elapsed();
        assert!((1.0..15.0).contains(&waited.as_secs_f64()), "{waited:?}");
        until("an unhealthy front-end", || (pair.front.page("/healthz").0 == 503).then_some(()));
        pair.back.process.signal("CONT");
        until("a healthy front-end", || (pair.front.page("/healthz").0 == 200).then_some(()));
        // The same client connections go on. The back-end may still hold the request that nobody waits for.
        for client in [&mut kept, &mut client] {
            client.get(SHOP, "/back");
            until("the request over any connection to the origin", || {
                // What nobody waits for any more may come first, and be cut off at any byte.
                origin.accept().serves("/back", OK_5).then_some(())
            });
            client.answer().expect_status(200).expect_body("hello");
        }
    });
}

#[test]
fn a_front_end_may_start_long_before_its_back_end() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let mut pair = Pair::of(io, &origin.http());
        pair.kill_back();
        pair.restart_front();
        let mut client = pair.client();
        client.get(SHOP, "/early");
        pair.restart_back();
        let mut server = origin.accept();
        server.request().expect_start("GET /early HTTP/1.1");
        server.send(OK_5);
        client.answer().expect_body("hello");
    });
}
