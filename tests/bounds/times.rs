//! How long anything may take: each time-out has its answer, and none fires while there is progress.

use crate::process::{End, Node, ask, connect, each_driver, read_one, read_to_end};
use crate::{get, origin};
use std::io::Write;
use std::time::{Duration, Instant};

#[test]
fn a_head_that_does_not_come_gets_408() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--head-timeout", "300ms"]);
        let begun = Instant::now();
        let mut stream = connect(node.address());
        stream.write_all(b"GET /b128 HTTP/1.1\r\nHos").unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!((answer.status, answer.end), (408, End::Closed), "{answer:?}");
        assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
        // The second head of a connection has the same time.
        let mut stream = connect(node.address());
        assert_eq!(ask(&mut stream, &get("/b128")).status, 200);
        stream.write_all(b"G").unwrap();
        assert_eq!(read_to_end(&mut stream).status, 408);
        node.wait_metric("longhaul_timeouts_total{wait=\"request_head\"}", 2.0);
    });
}

#[test]
fn a_body_that_stands_still_gets_408_and_a_slow_one_is_taken() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--body-timeout", "500ms"]);
        let mut stream = connect(node.address());
        stream.write_all(b"POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!((answer.status, answer.end), (408, End::Closed), "{answer:?}");
        let mut stream = connect(node.address());
        stream
            .write_all(b"POST /hash HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
            .unwrap();
        assert_eq!(read_to_end(&mut stream).status, 408);
        let mut slow = connect(node.address());
        slow.write_all(b"POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").unwrap();
        for _ in 0..10 {
            // A slow client, not a wait for anything: longer in all than the time-out, shorter between two bytes.
            std::thread::sleep(Duration::from_millis(70));
            slow.write_all(b"x").unwrap();
        }
        assert_eq!(read_one(&mut slow).status, 200);
    });
}

#[test]
fn an_idle_connection_is_closed() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--idle-timeout", "300ms"]);
        let mut silent = connect(node.address());
        let begun = Instant::now();
        let mut stream = connect(node.address());
        assert_eq!(ask(&mut stream, &get("/b128")).status, 200);
        for stream in [&mut stream, &mut silent] {
            let answer = read_to_end(stream);
            assert_eq!((answer.bytes.len(), answer.end), (0, End::Closed), "{answer:?}");
        }
        assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_client_that_does_not_read_is_ended_and_its_answer_does_not_look_whole() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--send-timeout", "300ms"]);
        let mut stream = connect(node.address());
        stream.write_all(&get("/bytes/64m")).unwrap();
        node.wait_metric("longhaul_timeouts_total{wait=\"client_write\"}", 1.0);
        let answer = read_to_end(&mut stream);
        assert!(answer.bytes.len() < 64 << 20, "{}", answer.bytes.len());
        assert_eq!(answer.end, End::Reset);
    });
}

#[test]
fn an_exchange_that_takes_too_long_gets_504_or_is_cut() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--total-timeout", "400ms"]);
        let mut stream = connect(node.address());
        stream.write_all(&get("/delay/60000/1")).unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!((answer.status, answer.end), (504, End::Closed), "{answer:?}");
        let mut stream = connect(node.address());
        stream.write_all(&get("/slow/100k?ms=50&piece=1000")).unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!((answer.status, answer.end), (200, End::Reset), "what was cut does not look whole");
        node.wait_metric("longhaul_timeouts_total{wait=\"total\"}", 2.0);
    });
}

#[test]
fn an_origin_that_is_silent_gets_504_and_one_that_stalls_is_cut() {
    each_driver(|io| {
        let origin = origin();
        let flags = ["--answer-timeout", "300ms", "--stall-timeout", "300ms"];
        let node = Node::front_alone(io, origin.address(), &flags);
        let mut stream = connect(node.address());
        let answer = ask(&mut stream, &get("/delay/60000/1"));
        assert_eq!((answer.status, answer.end), (504, End::Open), "{answer:?}");
        assert_eq!(ask(&mut stream, &get("/b128")).status, 200, "the client's connection goes on");
        stream.write_all(&get("/slow/9k?ms=60000&piece=1000")).unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!((answer.status, answer.end), (200, End::Reset), "{}", answer.bytes.len());
    });
}
