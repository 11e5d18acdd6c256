//! UDP and TCP, what they carry and where they end.

use crate::Server;
use crate::client::{addresses, ask, ask_tcp, question, read, shown, udp, write};
use crate::process::{Node, connect, finish, has_ended, read_to_end, until};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const WWW: [&str; 2] = ["192.0.2.80", "192.0.2.81"];

#[test]
fn both_transports_and_both_families_answer() {
    let server = Server::start(&["--listen", "[::1]:0", "--threads", "2"]);
    let line = server.node.wait_for(" started ");
    let listening = line.split("listening=").nth(1).unwrap();
    let asked = question("www.example.test", 1, Some(1_232));
    let mut seen = 0;
    for address in listening.split_whitespace().next().unwrap().split(',') {
        let address = address.parse().unwrap();
        for _ in 0..20 {
            assert_eq!(addresses(&ask(address, &asked)), WWW);
            assert_eq!(addresses(&ask_tcp(address, &asked)), WWW);
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn many_questions_share_a_connection_and_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut stream = connect(server.node.address());
    let asked: Vec<Vec<u8>> = (0..500u16)
        .map(|id| {
            let mut one =
                question(if id % 3 == 0 { "big.example.test" } else { "www.example.test" }, 16, None);
            one[..2].copy_from_slice(&id.to_be_bytes());
            one
        })
        .collect();
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || asked.iter().for_each(|one| write(&mut writer, one)));
    for id in 0..500u16 {
        let answer = read(&mut stream);
        assert_eq!(answer[..2], id.to_be_bytes());
    }
    writing.join().unwrap();
}

#[test]
fn a_question_may_come_byte_by_byte_and_behind_an_end() {
    let server = Server::start(&[]);
    let mut stream = connect(server.node.address());
    let asked = question("www.example.test", 1, None);
    let framed = [&(asked.len() as u16).to_be_bytes()[..], &asked].concat();
    for byte in &framed {
        stream.write_all(&[*byte]).unwrap();
    }
    write(&mut stream, &asked);
    finish(&stream);
    assert_eq!(addresses(&read(&mut stream)), WWW);
    assert_eq!(addresses(&read(&mut stream)), WWW);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_cut_over_udp_is_whole_over_tcp() {
    let server = Server::start(&[]);
    let asked = question("big.example.test", 16, None);
    let cut = ask(server.node.address(), &asked);
    assert!(cut.len() <= 512 && shown(&cut).starts_with("NoError aa tc"), "{}", shown(&cut));
    assert_eq!(addresses(&ask_tcp(server.node.address(), &asked)).len(), 5);
    assert_eq!(
        addresses(&ask(server.node.address(), &question("big.example.test", 16, Some(1_232)))).len(),
        5
    );
}

#[test]
fn a_silent_connection_is_closed_and_a_dribbling_one_too() {
    let server = Server::start(&["--tcp-idle", "300ms"]);
    let begun = Instant::now();
    let mut silent = connect(server.node.address());
    let dribbling = connect(server.node.address());
    let mut at = 0;
    until("the dribbling one is closed", || {
        let _written = (&dribbling).write(&[[0, 100][at.min(1)]]);
        at += 1;
        has_ended(&dribbling).then_some(())
    });
    assert!(read_to_end(&mut silent).bytes.is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    server.node.wait_metric("longhaul_dns_tcp_timed_out_total{worker=\"0\"}", 2.0);
}

#[test]
fn connections_are_bounded_and_idle_ones_make_room() {
    let server = Server::start(&["--tcp-max", "3", "--tcp-per-client-max", "3"]);
    let asked = question("www.example.test", 1, None);
    let mut held: Vec<_> = (0..3).map(|_| connect(server.node.address())).collect();
    for stream in &mut held {
        write(stream, &asked);
        read(stream);
    }
    // The client has its share.
    let mut fourth = connect(server.node.address());
    assert!(read_to_end(&mut fourth).bytes.is_empty());
    server.node.wait_metric("longhaul_dns_tcp_refused_total{worker=\"0\"}", 1.0);
    // Others than it find room: the one idle longest goes.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from: std::net::SocketAddr = "127.0.0.5:0".parse().unwrap();
    other.bind(&from.into()).unwrap();
    other.connect(&server.node.address().into()).unwrap();
    let mut other: std::net::TcpStream = other.into();
    write(&mut other, &asked);
    assert_eq!(addresses(&read(&mut other)), WWW);
    until("one made room", || held.iter().any(has_ended).then_some(()));
}

#[test]
fn junk_over_tcp_ends_the_connection_and_nothing_else() {
    let server = Server::start(&[]);
    for junk in [&b"\xff\xffxxxx"[..], b"\x00\x00", b"\x00\x05abcde"] {
        let mut stream = connect(server.node.address());
        stream.write_all(junk).unwrap();
        assert!(read_to_end(&mut stream).bytes.is_empty(), "{junk:?}");
    }
    assert_eq!(addresses(&ask(server.node.address(), &question("www.example.test", 1, None))), WWW);
}

#[test]
fn a_flood_of_junk_hurts_nobody() {
    let server = Server::start(&[]);
    let socket = udp(server.node.address());
    let mut seed = 1u64;
    for length in 0..2_000usize {
        let mut bytes: Vec<u8> = question("www.example.test", 1, Some(1_232));
        bytes.resize(length % 90, 7);
        for byte in &mut bytes {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if seed >> 60 == 0 {
                *byte = (seed >> 32) as u8;
            }
        }
        socket.send(&bytes).unwrap();
    }
    assert_eq!(addresses(&ask(server.node.address(), &question("www.example.test", 1, None))), WWW);
}

#[test]
fn who_asks_too_often_is_held_until_he_brings_a_cookie() {
    let server = Server::start(&["--rate-limit", "5", "--rate-slip", "2", "--rate-exempt", "none"]);
    let asked = question("www.example.test", 1, None);
    let socket = udp(server.node.address());
    for _ in 0..100 {
        socket.send(&asked).unwrap();
    }
    until("all were counted", || {
        let dropped = server.node.metric("longhaul_dns_limited_total{worker=\"0\",fate=\"dropped\"}")?;
        let slipped = server.node.metric("longhaul_dns_limited_total{worker=\"0\",fate=\"slipped\"}")?;
        let all = server.node.metric("longhaul_dns_requests_total{worker=\"0\",transport=\"udp\"}")?;
        (all == 100.0 && dropped > 30.0 && slipped > 30.0 && dropped + slipped <= 95.0).then_some(())
    });
    assert_eq!(addresses(&ask_tcp(server.node.address(), &asked)), WWW, "TCP is never held");
}

#[test]
fn an_address_in_use_may_be_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(&[]);
    let address = taken.local_addr().unwrap().to_string();
    let flags = ["dns", "--listen", &address, "--zone", &server.zone, "--threads", "1"];
    let mut second = Node::launch(&flags);
    assert_eq!(second.ended().code(), Some(75));
    assert!(second.said().contains("over TCP"), "{}", second.said());
}
