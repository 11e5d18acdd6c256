//! Origin and load against each other over loopback sockets, and the origin against requests written by hand.

use crate::load::{LoadOptions, LoadReport, run};
use crate::origin::{Mode, OriginOptions, OriginThread, spawn};
use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// Nothing here takes this long; it keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(10);

fn origin() -> OriginThread {
    spawn(&OriginOptions::default()).unwrap()
}

fn asking(address: SocketAddr, paths: &[&str], requests: u64) -> LoadOptions {
    LoadOptions {
        urls: paths.iter().map(|path| format!("http://{address}{path}")).collect(),
        requests: Some(requests),
        connections: 4,
        verify: true,
        timeout: PATIENCE,
        ..LoadOptions::default()
    }
}

/// Runs a load that must be answered without any fault.
fn clean(options: &LoadOptions) -> LoadReport {
    let report = run(options).unwrap();
    assert!(report.is_clean() && Some(report.requests) == options.requests, "{report}");
    report
}

/// Sends `request`, ends the sending side, and returns all that came.
fn talk(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn talk_text(address: SocketAddr, request: &str) -> String {
    String::from_utf8_lossy(&talk(address, request.as_bytes())).into_owned()
}

mod load_and_origin {
    use super::*;

    const SEEDED: [&str; 18] = [
        "/bytes/0",
        "/bytes/1",
        "/bytes/33k?x=1",
        "/b128",
        "/b16k",
        "/b1m",
        "/chunked/0",
        "/chunked/8192",
        "/chunked/100k",
        "/close/0",
        "/close/50k",
        "/slow/160?ms=2",
        "/delay/3/100",
        "/status/200",
        "/status/204",
        "/status/304",
        "/trailers",
        "/headers/1000",
    ];

    #[test]
    fn every_seeded_path_is_right_to_the_byte() {
        let origin = origin();
        let report = clean(&asking(origin.address(), &SEEDED, 180));
        assert_eq!(report.verified, 180);
        let counts = origin.stop().unwrap();
        assert_eq!((counts.requests, counts.connections), (180, report.connections));
    }

    #[test]
    fn the_same_over_ipv6_with_a_connection_for_each_request() {
        let listen = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
        let Ok(origin) = spawn(&OriginOptions { listen, ..OriginOptions::default() }) else {
            return; // A machine without IPv6.
        };
        let options = LoadOptions { keep_alive: false, ..asking(origin.address(), &SEEDED, 90) };
        let report = clean(&options);
        assert_eq!((report.verified, report.connections), (90, 90));
    }

    #[test]
    fn threads_on_both_sides_share_the_work() {
        let origin = spawn(&OriginOptions { threads: 2, ..OriginOptions::default() }).unwrap();
        let options = LoadOptions {
            threads: 2,
            connections: 33,
            host: Some("shop.example".into()),
            pids: vec![std::process::id()],
            ..asking(origin.address(), &["/b128"], 5_001)
        };
        let report = clean(&options);
        assert_eq!((report.bytes, report.connections), (5_001 * 128, 33));
        assert!(report.latency.p50_us <= report.latency.p99_us && report.latency.max_us > 0);
        assert!(report.cpu.is_some_and(|cpu| cpu.seconds_by_pid.len() == 1));
    }

    #[test]
    fn large_bodies_are_verified_as_they_stream() {
        let origin = origin();
        let report = clean(&asking(origin.address(), &["/bytes/64m", "/chunked/16m"], 2));
        assert_eq!(report.bytes, 80 << 20);
    }

    #[test]
    fn events_and_echoes_are_answered_whole() {
        let origin = origin();
        let report = clean(&asking(origin.address(), &["/sse?n=12&ms=1", "/echo", "/sse?n=0"], 30));
        assert_eq!(report.verified, 0);
    }

    #[test]
    fn uploads_come_back_as_their_hash() {
        let origin = origin();
        for (upload_chunked, keep_alive) in [(false, true), (true, true), (true, false)] {
            let options = LoadOptions {
                upload_bytes: Some(300_001),
                upload_chunked,
                keep_alive,
                fields: vec![("Expect".into(), "100-continue".into())],
                ..asking(origin.address(), &["/hash"], 20)
            };
            let report = clean(&options);
            assert_eq!((report.verified, report.uploaded_bytes), (20, 20 * 300_001));
        }
    }

    #[test]
    fn faults_of_the_server_are_told_apart() {
        let origin = origin();
        let ask = |path: &str| run(&asking(origin.address(), &[path], 6)).unwrap();
        let reset = ask("/reset/5000");
        assert_eq!((reset.errors.reset, reset.errors.total(), reset.bytes), (6, 6, 30_000), "{reset}");
        let cut = ask("/early-close/5000");
        assert_eq!((cut.errors.truncated, cut.errors.total(), cut.bytes), (6, 6, 30_000), "{cut}");
        let busy = ask("/status/503");
        assert_eq!((busy.errors.status[&503], busy.requests, busy.verified), (6, 6, 6), "{busy}");
        let unknown = ask("/nothing");
        assert_eq!(unknown.errors.status[&404], 6, "{unknown}");
    }

    #[test]
    fn silence_is_a_timeout() {
        let origin = origin();
        let timeout = Duration::from_millis(30);
        let report =
            run(&LoadOptions { timeout, ..asking(origin.address(), &["/delay/60000/1"], 8) }).unwrap();
        assert_eq!((report.errors.timeout, report.errors.total(), report.requests), (8, 8, 0), "{report}");
    }

    #[test]
    fn nobody_there_is_a_connect_error() {
        // Bound but not listening: the port stays ours and refuses.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let report = run(&asking(address, &["/b128"], 8)).unwrap();
        assert_eq!((report.errors.connect, report.errors.total()), (8, 8), "{report}");
    }

    #[test]
    fn aborted_requests_are_no_errors_and_leave_the_rest_alone() {
        let origin = origin();
        let options = LoadOptions { abort_ppm: 300_000, ..asking(origin.address(), &["/bytes/200k"], 200) };
        let report = run(&options).unwrap();
        assert!(report.is_clean() && report.aborted > 20, "{report}");
        assert_eq!(report.requests + report.aborted, 200);
        let uploads = LoadOptions { upload_bytes: Some(500_000), ..options };
        let uploads = LoadOptions { urls: asking(origin.address(), &["/hash"], 1).urls, ..uploads };
        let report = run(&uploads).unwrap();
        assert!(report.is_clean() && report.aborted > 20, "{report}");
        assert_eq!(report.verified + report.aborted, 200);
    }
}

mod open_loop {
    use super::*;

    #[test]
    fn starts_are_spread_over_the_time_they_need() {
        let origin = origin();
        let options = LoadOptions {
            rate_per_second: Some(1_000.0),
            duration: Some(Duration::from_millis(200)),
            requests: None,
            ..asking(origin.address(), &["/b128"], 0)
        };
        let report = run(&options).unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.requests, 200);
        assert!(report.seconds >= 0.199, "{report}");
    }

    #[test]
    fn a_slow_server_cannot_hide_its_queue() {
        let origin = origin();
        let options = LoadOptions {
            rate_per_second: Some(1_000.0),
            connections: 1,
            ..asking(origin.address(), &["/delay/10/1"], 20)
        };
        // The last of 20 should start after 19 ms, and ends after 20 answers of 10 ms on the one connection.
        let report = clean(&options);
        assert!(report.latency.max_us >= 180_000, "{report}");
        assert!(report.latency.p50_us >= 80_000, "{report}");
    }

    #[test]
    fn what_never_found_a_connection_is_told() {
        let origin = origin();
        let options = LoadOptions {
            rate_per_second: Some(1_000.0),
            connections: 1,
            duration: Some(Duration::from_millis(50)),
            requests: None,
            timeout: Duration::from_millis(100),
            ..asking(origin.address(), &["/delay/60000/1"], 0)
        };
        let report = run(&options).unwrap();
        assert!(!report.is_clean() && report.unsent > 40, "{report}");
        assert_eq!(report.errors.timeout + report.unsent, 50);
    }
}

/// What stands between load and origin and spoils the bytes.
mod spoiled {
    use super::*;

    /// Forwards connections one after another, each answer through `spoil`, which says how many bytes to forward.
    fn proxy(origin: SocketAddr, rounds: usize, spoil: fn(&mut Vec<u8>)) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..rounds {
                let (mut client, _) = listener.accept().unwrap();
                let mut request = vec![0; 4_096];
                let count = client.read(&mut request).unwrap();
                let mut answer = talk(origin, &request[..count]);
                spoil(&mut answer);
                client.write_all(&answer).unwrap();
            }
        });
        address
    }

    fn errors(spoil: fn(&mut Vec<u8>), path: &str) -> LoadReport {
        let origin = origin();
        let address = proxy(origin.address(), 5, spoil);
        run(&LoadOptions { keep_alive: false, connections: 1, ..asking(address, &[path], 5) }).unwrap()
    }

    #[test]
    fn a_proxy_that_spoils_nothing_is_clean() {
        let report = errors(|_| {}, "/chunked/20k");
        assert!(report.is_clean() && report.verified == 5, "{report}");
    }

    #[test]
    fn one_flipped_bit_is_found() {
        let flip = |answer: &mut Vec<u8>| {
            let at = answer.len() - 100;
            answer[at] ^= 1;
        };
        for path in ["/bytes/1m", "/chunked/20k", "/close/3000"] {
            let report = errors(flip, path);
            assert_eq!((report.errors.wrong_body, report.errors.total()), (5, 5), "{report}");
            assert!(report.failures[0].contains("wrong from byte"), "{report}");
        }
    }

    #[test]
    fn one_missing_byte_is_found() {
        let cut = |answer: &mut Vec<u8>| answer.truncate(answer.len() - 1);
        for path in ["/bytes/100k", "/chunked/20k", "/bytes/1"] {
            let report = errors(cut, path);
            assert_eq!((report.errors.truncated, report.errors.total()), (5, 5), "{report}");
        }
        // A body that ends with its connection cannot be seen to be cut, but its length is known.
        let report = errors(cut, "/close/3000");
        assert_eq!((report.errors.wrong_body, report.errors.total()), (5, 5), "{report}");
    }

    #[test]
    fn one_byte_too_many_is_found() {
        let report = errors(|answer| answer.push(b'x'), "/bytes/1000");
        assert_eq!((report.errors.malformed, report.errors.total()), (5, 5), "{report}");
    }
}

mod by_hand {
    use super::*;

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let origin = origin();
        let one = "GET /b128 HTTP/1.1\r\nHost: a\r\n\r\nGET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n";
        let request =
            format!("{}GET http://a/bytes/40k HTTP/1.1\r\nConnection: close\r\n\r\n", one.repeat(500));
        let answer = talk_text(origin.address(), &request);
        assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 501);
        assert_eq!(answer.matches("longhaul-origin:/b128\n").count(), 500);
        assert_eq!(answer.matches("HTTP/1.1 204 No Content\r\n").count(), 500);
        assert_eq!(answer.matches("longhaul-origin:/bytes/40k\n").count(), 1);
        assert_eq!(origin.counts().requests, 1_001);
    }

    #[test]
    fn a_head_alone_has_the_length_of_its_body() {
        let origin = origin();
        for path in ["/b1m", "/slow/9k?ms=60000", "/reset/10", "/sse", "/headers/3", "/echo"] {
            let answer =
                talk_text(origin.address(), &format!("HEAD {path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        }
    }

    #[test]
    fn http_1_0_closes_unless_asked_and_is_never_chunked() {
        let origin = origin();
        let answer =
            talk_text(origin.address(), "GET /chunked/50 HTTP/1.0\r\n\r\nGET /b128 HTTP/1.0\r\n\r\n");
        assert!(!answer.contains("chunked\r\n") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
        let kept = "GET /b128 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".repeat(2);
        let answer = talk_text(origin.address(), &kept);
        assert_eq!(answer.matches("connection: keep-alive\r\n").count(), 2);
    }

    #[test]
    fn bad_requests_are_refused_and_the_connection_ends() {
        let origin = origin();
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        let both = "POST /hash HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = "POST /hash HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        for (request, status) in [(long.as_str(), 431), (both, 400), (chunk, 400), ("\0\r\n\r\n", 400)] {
            let mut stream = TcpStream::connect(origin.address()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }

    #[test]
    fn echo_tells_head_and_body() {
        let origin = origin();
        let head =
            "PUT /echo?a=1 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        let answer = talk_text(origin.address(), &format!("{head}3\r\nabc\r\n0\r\n\r\n"));
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let told: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&told["method"], &told["target"]), (&"PUT".into(), &"/echo?a=1".into()));
        assert_eq!((&told["head_bytes"], &told["body_bytes"]), (&head.len().into(), &3.into()));
        assert_eq!(told["fields"][0], serde_json::json!(["Host", "b"]));
        let hash = told["body_sha256"].as_str().unwrap();
        assert!(hash.starts_with("ba7816bf") && hash.len() == 64, "{hash}");
    }

    #[test]
    fn leave_to_send_is_given_when_it_is_waited_for() {
        let origin = origin();
        let mut stream = TcpStream::connect(origin.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"POST /hash HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            .unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"abc").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            "{answer}"
        );
    }

    #[test]
    fn events_come_one_by_one() {
        let origin = origin();
        let answer = talk_text(origin.address(), "GET /sse?n=12&ms=1 HTTP/1.0\r\n\r\n");
        assert!(
            answer.contains("content-type: text/event-stream") || !answer.contains("content-type"),
            "{answer}"
        );
        assert!(answer.ends_with("id: 11\ndata: {\"event\":11}\n\n"), "{answer}");
        assert_eq!(answer.matches("data: ").count(), 12);
    }

    #[test]
    fn trailers_come_behind_the_last_chunk() {
        let origin = origin();
        let answer = talk_text(origin.address(), "GET /trailers HTTP/1.1\r\nConnection: close\r\n\r\n");
        let hash = crate::content::path_hash(b"/trailers");
        assert!(answer.ends_with(&format!("\r\n0\r\nx-content-hash: {hash:016x}\r\n\r\n")), "{answer}");
    }

    #[test]
    fn a_websocket_echoes_and_closes() {
        let origin = origin();
        let handshake = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut request = handshake.as_bytes().to_vec();
        request.extend(b"\x82\xff\0\0\0\0\0\x01\x00\x00\0\0\0\0");
        request.extend(vec![7; 65_536]);
        request.extend(b"\x88\x80\0\0\0\0");
        let answer = talk(origin.address(), &request);
        let head_bytes = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = core::str::from_utf8(&answer[..head_bytes]).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        let frames = &answer[head_bytes..];
        assert_eq!(frames.len(), 10 + 65_536 + 2);
        assert_eq!(
            (&frames[..10], &frames[65_546..]),
            (&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &b"\x88\x00"[..])
        );
        let refused = talk_text(origin.address(), "GET /ws HTTP/1.1\r\n\r\n");
        assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    }

    #[test]
    fn a_tcp_echo_gives_everything_back() {
        let echo = spawn(&OriginOptions { mode: Mode::TcpEcho, ..OriginOptions::default() }).unwrap();
        let mut sent = vec![0; 300_000];
        crate::content::fill(1, 0, &mut sent);
        let mut stream = TcpStream::connect(echo.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let to_send = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&to_send).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        writing.join().unwrap();
        assert!(got == sent, "{} bytes came back", got.len());
        assert_eq!(talk(echo.address(), b""), b"");
    }

    #[test]
    fn an_idle_connection_is_closed_and_a_full_table_waits() {
        let options =
            OriginOptions { idle: Duration::from_millis(20), connections_max: 1, ..OriginOptions::default() };
        let origin = spawn(&options).unwrap();
        let mut idle = TcpStream::connect(origin.address()).unwrap();
        idle.set_read_timeout(Some(PATIENCE)).unwrap();
        // The second waits in the backlog until the first has been found idle.
        let answer = talk_text(origin.address(), "GET /b128 HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert!(answer.contains("longhaul-origin:/b128\n"), "{answer}");
        assert_eq!(idle.read(&mut [0; 8]).unwrap(), 0);
        assert_eq!(origin.stop().unwrap().connections, 2);
    }
}
