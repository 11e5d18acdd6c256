//! Either end without the other, and everything over IPv6.

use crate::scenario::driver::on_each_driver;
use crate::scenario::node::Node;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Plan, SHOP};
use crate::scenario::wire::{End, Wire};

const OK_5: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn serves_http(client: &mut Wire, origin: &Origin, via: &str) {
    client.send(
        "POST /x HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let mut server = origin.accept();
    let request = server.request();
    request.expect_start("POST /x HTTP/1.1").expect_body("abc").expect("via", Some(&format!("1.1 {via}")));
    request.expect("x-forwarded-for", Some(&client.local().ip().to_string()));
    server.send(OK_5);
    client.answer().expect_status(200).expect_body("hello");
    client.get(SHOP, "/y");
    server.request().expect_start("GET /y HTTP/1.1");
    server.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    drop(server);
    client.answer().expect_body("until the end");
    client.get("other.example", "/");
    client.answer().expect_status(421);
}

fn words(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

#[test]
fn a_front_end_alone_serves_http_and_tcp() {
    on_each_driver(|io| {
        let (origin, mail) = (Origin::new(), Origin::new());
        let (shop, mail_site) = (format!("{SHOP}={}", origin.http()), format!("mail={}", mail.tcp()));
        let flags = ["front", "--listen", "127.0.0.1:0", "--site", &shop, "--site", &mail_site];
        let front = Node::start(io, &words(&[&flags[..], &["--tcp", "127.0.0.1:0=mail"]].concat()));
        serves_http(&mut front.client(), &origin, "longhaul-front");
        let mut client = Wire::connect(front.listener(1));
        let mut server = mail.accept();
        client.send("HELO");
        client.send_end();
        assert_eq!(server.rest(End::Clean), b"HELO");
        server.send("250");
        drop(server);
        assert_eq!(client.rest(End::Clean), b"250");
        assert_eq!(front.page("/healthz").0, 200);
    });
}

#[test]
fn a_back_end_alone_serves_http() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let shop = format!("{SHOP}={}", origin.http());
        let back = Node::start(io, &words(&["back", "--http-listen", "127.0.0.1:0", "--origin", &shop]));
        serves_http(&mut back.client(), &origin, "longhaul-back");
    });
}

#[test]
fn a_back_end_serves_clients_and_front_ends_at_once() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let plan = Plan::new(io).site(SHOP, &origin.http()).back(&["--http-listen", "127.0.0.1:0"]);
        let pair = plan.start();
        serves_http(&mut pair.back.client(), &origin, "longhaul-back");
        serves_http(&mut pair.client(), &origin, "longhaul-front");
    });
}

#[test]
fn all_of_it_runs_over_ipv6() {
    on_each_driver(|io| {
        let local = "[::1]:0";
        let (origin, mail) = (Origin::on(local.parse().unwrap()), Origin::on(local.parse().unwrap()));
        let plan = Plan::new(io).listen_http(local).listen_udp(local).site(SHOP, &origin.http());
        let plan = plan.back(&["--origin", &format!("mail={}", mail.tcp())]);
        let pair = plan.front(&["--tcp", "[::1]:0=mail"]).start();
        assert!(pair.back.tunnel().is_ipv6());
        serves_http(&mut pair.client(), &origin, "longhaul-front");
        let mut client = pair.client_of(1);
        let mut server = mail.accept();
        client.send("over six");
        client.send_end();
        assert_eq!(server.rest(End::Clean), b"over six");

        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        let request = server.request();
        let host = "for=\"[::1]\";proto=http;host=\"shop.example\"";
        request.expect("x-forwarded-for", Some("::1")).expect("forwarded", Some(host));
    });
}
