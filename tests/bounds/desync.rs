//! The desync table over real sockets: every row gets its status, the connection ends, and nothing of it looks to the
//! origin like a request. What is odd but has one reading gets through.

use crate::origin;
use crate::process::{End, Node, connect, each_driver, exchange, finish, read_to_end};
use dataplane::http::desync::{ACCEPTED, Layer, REFUSED};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// Rows of one layer that do not end as the table says.
fn wrong(node: &Node, layer: Layer) -> Vec<String> {
    let rows = REFUSED.iter().filter(|row| row.layer == layer);
    let judged = rows.filter_map(|row| {
        let answer = exchange(node.address(), row.bytes);
        let is_one = answer.text().matches("\r\nDate: ").count() == 1;
        let is_right = answer.status == row.status && answer.end == End::Closed && is_one;
        (!is_right)
            .then(|| format!("{}: due {}, {:?} with {:?}", row.name, row.status, answer.end, answer.text()))
    });
    judged.collect()
}

#[test]
fn what_two_readers_could_read_differently_never_reaches_the_origin() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &[]);
        let before = origin.counts();
        let wrong = wrong(&node, Layer::Head);
        assert!(wrong.is_empty(), "{io}:\n{}", wrong.join("\n"));
        assert_eq!(origin.counts(), before, "the origin has seen something of it");
    });
}

#[test]
fn a_body_that_breaks_off_never_looks_whole_to_the_origin() {
    each_driver(|io| {
        let origin = Mute::start();
        let cpu = crate::process::one_cpu();
        let site = format!("*=http://{}", origin.address);
        let flags = ["front", "--io", io, "--cpus", &cpu, "--listen", "127.0.0.1:0", "--site", &site];
        let node = Node::start(&flags);
        crate::process::until("the origin's address is known", || {
            let mut stream = connect(node.address());
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
            let known = crate::process::until("asked or refused", || {
                let is_asked = !origin.heard.lock().unwrap().is_empty();
                (is_asked || crate::process::has_ended(&stream)).then_some(is_asked)
            });
            known.then_some(())
        });
        origin.heard.lock().unwrap().clear();
        let wrong = wrong(&node, Layer::Body);
        assert!(wrong.is_empty(), "{io}:\n{}", wrong.join("\n"));
        let heard = origin.heard.lock().unwrap();
        let has = |text: &[u8]| heard.windows(text.len()).any(|window| window == text);
        assert!(!has(b"\r\n0\r\n"), "{}", String::from_utf8_lossy(&heard));
    });
}

#[test]
fn what_has_one_reading_gets_through() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &[]);
        for (name, bytes) in ACCEPTED {
            let before = origin.counts().requests;
            let mut stream = connect(node.address());
            stream.write_all(bytes).unwrap();
            let answer = crate::process::read_one(&mut stream);
            assert!(answer.has_field("via: ") || answer.status == 200, "{io}: {name}: {answer:?}");
            assert_eq!(origin.counts().requests, before + 1, "{io}: {name}: {}", answer.text());
            finish(&stream);
            assert_eq!(read_to_end(&mut stream).bytes, b"", "{io}: {name}: one request, one answer");
        }
    });
}

/// An origin that hears everything and says nothing.
struct Mute {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Mute {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let keeper = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keeper = keeper.clone();
                std::thread::spawn(move || {
                    let (mut stream, mut piece) = (stream, [0; 4_096]);
                    while let Ok(count @ 1..) = stream.read(&mut piece) {
                        keeper.lock().unwrap().extend_from_slice(&piece[..count]);
                    }
                });
            }
        });
        Self { address, heard }
    }
}
