//! Slow clients: many that dribble a head, a body, or read nothing, while others are served as if they were alone.

use crate::process::{Node, ask, connect, each_driver, has_ended, read_to_end, until};
use crate::{get, origin};
use std::io::Write;
use std::net::TcpStream;

/// Slow clients at once.
const SLOW: usize = 200;
/// What one of them may cost in resident memory, in bytes: a block for its input, and its entries in the tables.
const COST_BYTES_MAX: u64 = 16 << 10;

/// Sends one byte to each that still listens.
fn dribble(slow: &mut Vec<TcpStream>, byte: u8) {
    slow.retain_mut(|stream| !has_ended(stream) && stream.write_all(&[byte]).is_ok());
}

#[test]
fn slow_heads_are_ended_while_others_are_served() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--head-timeout", "800ms"]);
        let mut brisk = connect(node.address());
        assert_eq!(ask(&mut brisk, &get("/b128")).status, 200);
        let before_bytes = node.resident_bytes();
        let mut slow: Vec<_> = (0..SLOW).map(|_| connect(node.address())).collect();
        let (mut head, mut peak_bytes) =
            (b"GET /b128 HTTP/1.1\r\nX: ".iter().copied().chain(std::iter::repeat(b'x')), 0);
        until("all slow clients are ended", || {
            dribble(&mut slow, head.next().unwrap());
            assert_eq!(ask(&mut brisk, &get("/b128")).status, 200);
            peak_bytes = peak_bytes.max(node.resident_bytes());
            slow.is_empty().then_some(())
        });
        let cost = peak_bytes.saturating_sub(before_bytes) / SLOW as u64;
        println!("{io}: a slow head costs {cost} bytes at the most");
        assert!(cost <= COST_BYTES_MAX, "{io}: {cost} bytes");
        node.wait_metric("longhaul_timeouts_total{wait=\"request_head\"}", SLOW as f64);
    });
}

#[test]
fn slow_bodies_are_ended_while_others_are_served() {
    each_driver(|io| {
        let origin = origin();
        // A body that dribbles makes progress: the bound on the whole ends it.
        let node = Node::front_alone(
            io,
            origin.address(),
            &["--body-timeout", "500ms", "--total-timeout", "1500ms"],
        );
        let mut brisk = connect(node.address());
        let mut slow: Vec<_> = (0..SLOW).map(|_| connect(node.address())).collect();
        let head = b"POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
        slow.iter_mut().for_each(|stream| stream.write_all(head).unwrap());
        until("all slow clients are ended", || {
            dribble(&mut slow, b'x');
            let answer = ask(&mut brisk, &get("/b128"));
            assert_eq!(answer.status, 200, "{answer:?}");
            slow.is_empty().then_some(())
        });
    });
}

#[test]
fn clients_that_do_not_read_hold_up_nobody() {
    each_driver(|io| {
        let origin = origin();
        let node = Node::front_alone(io, origin.address(), &["--send-timeout", "500ms"]);
        let mut brisk = connect(node.address());
        assert_eq!(ask(&mut brisk, &get("/b128")).status, 200);
        let before_bytes = node.resident_bytes();
        let mut slow: Vec<_> = (0..20).map(|_| connect(node.address())).collect();
        slow.iter_mut().for_each(|stream| stream.write_all(&get("/bytes/64m")).unwrap());
        let mut peak_bytes = 0;
        until("all slow clients are ended", || {
            assert_eq!(ask(&mut brisk, &get("/b128")).status, 200);
            peak_bytes = peak_bytes.max(node.resident_bytes());
            (node.metric("longhaul_timeouts_total{wait=\"client_write\"}") == Some(20.0)).then_some(())
        });
        let cost = peak_bytes.saturating_sub(before_bytes) / 20;
        println!("{io}: a client that does not read costs {cost} bytes at the most");
        assert!(cost <= 512 << 10, "{io}: {cost} bytes");
        assert!(slow.iter_mut().all(|stream| read_to_end(stream).bytes.len() < 64 << 20));
    });
}
