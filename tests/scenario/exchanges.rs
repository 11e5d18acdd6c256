//! Requests and answers through the pair: methods, bodies and their framings both ways, keep-alive, pipelining,
//! HTTP/1.0, interim answers, upgrades of expectation, and what is larger than any buffer.

use std::process::Command;

use crate::scenario::driver::on_each_driver;
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Pair, Plan, SHOP};
use crate::scenario::process::Process;
use crate::scenario::wire::End;

const OK_5: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn get_head_and_post_over_one_connection_each_side() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();

        client.get(SHOP, "/a?b=c");
        let mut server = origin.accept();
        server.request().expect_start("GET /a?b=c HTTP/1.1").expect("host", Some(SHOP)).expect_body("");
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Own: kept\r\n\r\nhello");
        let answer = client.answer();
        answer.expect_start("HTTP/1.1 200 OK").expect_body("hello").expect("x-own", Some("kept"));
        answer.expect("connection", None).expect("content-length", Some("5"));

        client.send("HEAD /a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        server.request().expect_start("HEAD /a HTTP/1.1");
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
        client.head().expect("content-length", Some("5000"));

        client.send("POST /b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nxyz");
        server
            .request()
            .expect_start("POST /b HTTP/1.1")
            .expect("content-length", Some("3"))
            .expect_body("xyz");
        server.send("HTTP/1.1 204 No Content\r\n\r\n");
        client.answer().expect_status(204).expect("content-length", None);

        client.get(SHOP, "/c");
        server.request().expect_start("GET /c HTTP/1.1");
        server.send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
        client.answer().expect_status(304).expect("etag", Some("\"x\""));

        client.get(SHOP, "/d");
        server.request();
        server.send(OK_5);
        client.answer().expect_body("hello");
        assert_eq!(pair.back.metric("origin_connects_total"), 1, "one connection carried all");
        pair.front.until_metric("answers_total", |answers| answers == 5);
    });
}

#[test]
fn chunked_bodies_keep_their_trailers_both_ways() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send(
            "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        );
        client.send("5;extension=dropped\r\nhello\r\n");
        let mut server = origin.accept();
        server.head().expect("transfer-encoding", Some("chunked")).expect("content-length", None);
        assert_eq!(server.chunk(), b"hello", "a chunk does not wait for the next one");
        client.send("1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
        let (body, trailers) = server.chunked();
        assert_eq!(body, b"!");
        assert_eq!(trailers, [("x-sum".to_owned(), "6".to_owned())]);

        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n3\r\nabc\r\n");
        client.head().expect("transfer-encoding", Some("chunked"));
        assert_eq!(client.chunk(), b"abc");
        server.send("2\r\nde\r\n0\r\nX-End: yes\r\n\r\n");
        let (body, trailers) = client.chunked();
        assert_eq!(body, b"de");
        assert_eq!(trailers, [("x-end".to_owned(), "yes".to_owned())]);

        client.get(SHOP, "/next");
        server.request().expect_start("GET /next HTTP/1.1");
        server.send(OK_5);
        client.answer().expect_body("hello");
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        let requests: String =
            (0..3).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: shop.example\r\n\r\n")).collect();
        client.send(requests);
        let mut server = origin.accept();
        for number in 0..3 {
            server.request().expect_start(&format!("GET /{number} HTTP/1.1"));
            server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
        }
        for number in 0..3 {
            client.answer().expect_body(&number.to_string());
        }
    });
}

#[test]
fn an_http10_client_is_served_and_closed_or_kept_as_it_asks() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("GET /old HTTP/1.0\r\nHost: shop.example\r\n\r\n");
        let mut server = origin.accept();
        server.request().expect_start("GET /old HTTP/1.1");
        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = client.answer();
        answer.expect("transfer-encoding", None).expect_body("hello");
        client.ends(End::Clean);

        let mut client = pair.client();
        client.send("GET /kept HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n");
        server.request();
        server.send(OK_5);
        client.answer().expect_body("hello").expect("connection", Some("keep-alive"));
        client.send("GET /last HTTP/1.0\r\nHost: shop.example\r\n\r\n");
        server.request();
        server.send(OK_5);
        client.answer().expect_body("hello");
        client.ends(End::Clean);
    });
}

#[test]
fn an_http10_origin_and_a_body_until_close_come_through() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil ");
        client.head().expect("transfer-encoding", Some("chunked"));
        assert_eq!(client.chunk(), b"until ");
        server.send("the end");
        drop(server);
        let (rest, _) = client.chunked();
        assert_eq!(rest, b"the end");

        client.get(SHOP, "/again");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbye");
        drop(server);
        client.answer().expect_body("bye").expect("connection", None);
    });
}

#[test]
fn connection_close_is_each_hops_own() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
        let mut server = origin.accept();
        server.request().expect("connection", None);
        server.send(OK_5);
        client.answer().expect_body("hello").expect("connection", Some("close"));
        client.ends(End::Clean);
        let mut client = pair.client();
        client.get(SHOP, "/");
        server.request();
        server.send(OK_5);
        client.answer().expect_body("hello");
    });
}

#[test]
fn a_client_that_expects_100_continue_gets_it_and_one_final_answer() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.send(
            "PUT / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        );
        let mut server = origin.accept();
        let head = server.head();
        if head.field("expect").is_some() {
            server.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        client.answer().expect_status(100);
        client.send("body");
        assert_eq!(server.bytes(4), b"body");
        server.send(OK_5);
        client.answer().expect_status(200).expect_body("hello");

        client.send("PUT / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nExpect: miracles\r\n\r\n");
        client.answer().expect_status(417);
    });
}

#[test]
fn interim_answers_come_through_before_the_final_one() {
    on_each_driver(|io| {
        let origin = Origin::new();
        let pair = Pair::of(io, &origin.http());
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        client.answer().expect_status(103).expect("link", Some("</a.css>"));
        server.send(OK_5);
        client.answer().expect_status(200).expect_body("hello");
        client.send("GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n");
        server.request();
        server.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        client.answer().expect_status(200).expect_body("hello");
    });
}

#[test]
fn bodies_of_any_size_arrive_whole_both_ways() {
    on_each_driver(|io| {
        let mut process = Process::start(&["origin", "--listen", "127.0.0.1:0"].map(str::to_owned));
        let address = process.line("listening on ").rsplit(' ').next().unwrap().to_owned();
        let pair = Plan::new(io).site(SHOP, &format!("http://{address}")).start();
        let connect = pair.front.listener(0).to_string();
        let load = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
            command
                .args(["load", "--verify", "--connect", &connect, "-c", "8", "--timeout", "20s"])
                .args(more);
            let output = command.output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&said));
        };
        let urls = ["0", "1", "64k", "3m", "16m"].map(|size| format!("http://shop.example/bytes/{size}"));
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        load(&[&["--requests", "40"], &urls[..]].concat());
        load(&["--requests", "8", "http://shop.example/chunked/2m", "http://shop.example/close/2m"]);
        load(&["--requests", "16", "--upload", "1m", "http://shop.example/hash"]);
        load(&["--requests", "16", "--upload", "1m", "--upload-chunked", "http://shop.example/hash"]);
        load(&["--requests", "100", "--no-keep-alive", "http://shop.example/b128"]);
    });
}
