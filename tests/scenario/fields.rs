//! What becomes of fields on their way: forwarding fields written, hop-by-hop fields removed, absolute-form, sites.

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::wire::End;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn the_origin_learns_who_asked_and_how() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("GET / HTTP/1.1\r\nHost: shop.example:8080\r\nVia: 1.0 before\r\n");
        client.send("X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\n");
        client.send("X-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\n\r\n");
        let mut server = origin.accept();
        let request = server.request();
        request
            .expect("host", Some("shop.example:8080"))
            .expect("via", Some("1.0 before, 1.1 longhaul-front"));
        request.expect("x-forwarded-for", Some("127.0.0.1")).expect("x-forwarded-proto", Some("http"));
        request.expect("x-forwarded-host", Some("shop.example:8080")).expect("x-real-ip", None);
        request.expect("forwarded", Some("for=127.0.0.1;proto=http;host=\"shop.example:8080\""));
        server.send(EMPTY);
        client.answer().expect_status(200).expect("via", Some("1.1 longhaul-front"));
    });
}

#[test]
fn a_trusted_proxy_is_believed_and_a_stranger_is_not() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let trusting = |network: &str| {
            Plan::new(io).site(SHOP, &origin.http()).front(&["--trusted-proxy", network]).start()
        };
        let ask = |pair: &Pair, expected: &str| {
            let mut client = pair.client();
            client
                .send("GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n\r\n");
            let mut server = origin.accept();
            server.request().expect("x-forwarded-for", Some(expected));
            server.send(EMPTY);
            client.answer().expect_status(200);
        };
        ask(&trusting("127.0.0.0/8"), "6.6.6.6, 192.0.2.7, 127.0.0.1");
        ask(&trusting("10.0.0.0/8"), "127.0.0.1");
    });
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop_both_ways() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client
            .send("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\n");
        client.send("Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\n");
        client.send("Proxy-Authorization: Basic eDp5\r\nX-Kept: yes\r\n\r\n");
        let mut server = origin.accept();
        let request = server.request();
        for name in ["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade"] {
            request.expect(name, None);
        }
        request.expect("x-kept", Some("yes"));
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Yours\r\nX-Yours: 1\r\n");
        server.send("Keep-Alive: timeout=5\r\nX-Kept: too\r\n\r\n");
        let answer = client.answer();
        for name in ["x-yours", "keep-alive", "connection"] {
            answer.expect(name, None);
        }
        answer.expect("x-kept", Some("too"));
    });
}

#[test]
fn absolute_form_names_the_site_and_opens_no_proxy() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("GET http://shop.example/x?y HTTP/1.1\r\nHost: other.example\r\n\r\n");
        let mut server = origin.accept();
        server.request().expect_start("GET /x?y HTTP/1.1").expect("host", Some(SHOP));
        server.send(EMPTY);
        client.answer().expect_status(200);
        client.send("GET http://elsewhere.example/ HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        client.answer().expect_status(421);
        let mut client = pair.client();
        client.send("CONNECT shop.example:80 HTTP/1.1\r\nHost: shop.example:80\r\n\r\n");
        let status = client.answer().head.status();
        assert!(matches!(status, 400 | 405 | 501), "CONNECT is refused: {status}");
        origin.stays_alone();
    });
}

#[test]
fn unknown_names_get_421_and_a_star_takes_them() {
    on_each_driver(|io| {
        let (origin, rest) = (Origin::new(), Origin::new());
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.get("other.example", "/");
        let answer = client.answer();
        answer.expect_status(421);
        assert!(answer.text().contains("Decision"), "{}", answer.text());
        drop(pair);

        let pair = Plan::new(io).site(SHOP, &origin.http()).site("*", &rest.http()).start();
        let mut client = pair.client();
        client.get("other.example", "/");
        let mut server = rest.accept();
        server.request().expect("host", Some("other.example"));
        server.send(EMPTY);
        client.answer().expect_status(200);
        client.get("SHOP.Example", "/");
        let mut server = origin.accept();
        server.request();
        server.send(EMPTY);
        client.answer().expect_status(200);
    });
}

#[test]
fn what_two_parsers_could_read_differently_is_refused_before_the_origin() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let cases = [
            (
                "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            ("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: shop.example\r\nHost: shop.example\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : shop.example\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: shop.example\n\n", 400),
            ("GET / HTTP/2.0\r\nHost: shop.example\r\n\r\n", 505),
            ("POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ];
        for (request, status) in cases {
            let mut client = pair.client();
            client.send(request);
            let answer = client.answer();
            assert_eq!(answer.head.status(), status, "{request:?}");
            client.ends(End::Clean);
        }
        origin.stays_alone();
        assert_eq!(pair.front.metric("requests_refused_total"), cases.len() as u64);
    });
}
