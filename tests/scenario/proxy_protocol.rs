//! The PROXY protocol at both ends: read from a balancer in front, written to the origin behind.

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Plan, SHOP};

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, PROXY, TCP over IPv4: 198.51.100.7:1000 to 192.0.2.1:80.
fn version_2() -> Vec<u8> {
    let addresses = [198, 51, 100, 7, 192, 0, 2, 1, 0x03, 0xe8, 0, 80];
    [&SIGNATURE[..], &[0x21, 0x11, 0, 12], &addresses].concat()
}

#[test]
fn either_version_says_who_the_client_is() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Plan::new(io).site(SHOP, &origin.http()).listen_http("127.0.0.1:0,proxy").start();
        let headers = [
            (b"PROXY TCP4 203.0.113.5 192.0.2.1 1234 80\r\n".to_vec(), "203.0.113.5"),
            (b"PROXY TCP6 2001:db8::5 2001:db8::1 1234 80\r\n".to_vec(), "2001:db8::5"),
            (version_2(), "198.51.100.7"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ];
        let mut server = None;
        for (header, address) in headers {
            let mut client = pair.client();
            client.send([&header[..], b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"].concat());
            let server = server.get_or_insert_with(|| origin.accept());
            server.request().expect("x-forwarded-for", Some(address));
            server.send(EMPTY);
            client.answer().expect_status(200);
        }
    });
}

#[test]
fn a_connection_without_the_header_is_refused() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Plan::new(io).site(SHOP, &origin.http()).listen_http("127.0.0.1:0,proxy").start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        client.goes_away();
        origin.stays_alone();
    });
}

#[test]
fn the_origin_is_told_in_version_1() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Plan::new(io).site(SHOP, &format!("{},proxy=v1", origin.http())).start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        let line = server.line();
        let start = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} ", client.local().port());
        assert!(line.starts_with(&start), "{line:?} should start with {start:?}");
        server.request().expect_start("GET / HTTP/1.1");
        server.send(EMPTY);
        client.answer().expect_status(200);

        // The connection belongs to that client: another one's request takes another connection.
        let mut other = pair.client();
        other.get(SHOP, "/other");
        let mut server = origin.accept();
        assert!(server.line().contains(&format!(" {} ", other.local().port())));
        server.request().expect_start("GET /other HTTP/1.1");
        server.send(EMPTY);
        other.answer().expect_status(200);
    });
}

#[test]
fn the_origin_is_told_in_version_2_over_plain_tcp() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let site = format!("mail={},proxy=v2", origin.tcp());
        let plan = Plan::new(io).site(SHOP, "http://127.0.0.1:9").back(&["--origin", &site]);
        let pair = plan.front(&["--tcp", "127.0.0.1:0,proxy=mail"]).start();
        let mut client = pair.client_of(1);
        client.send([&version_2()[..], b"hello"].concat());
        let mut server = origin.accept();
        let header = server.bytes(28);
        assert_eq!(header[..16], version_2()[..16]);
        assert_eq!(header[16..20], [198, 51, 100, 7]);
        assert_eq!(header[24..26], [0x03, 0xe8]);
        assert_eq!(server.bytes(5), b"hello");
    });
}
