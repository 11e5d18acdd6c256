//! What an idle keep-alive connection costs: 10,000 of them at one front-end, all answered before and after.
//!
//! Resident memory with all of them idle is compared with that of the same process before, once everything that
//! serving touches by itself has been touched. The kernel's own memory for sockets is not the process's and not in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

use process::{Node, ask, connect, each_driver, until};
use std::net::TcpStream;
use tools::origin::OriginOptions;

/// Idle connections. Both ends of one are descriptors: two processes of 20,000 each hold them.
const IDLE: usize = 10_000;
/// What one may cost, in bytes. nginx 1.22 takes 704 and HAProxy 2.6 takes 1,160 on the same machine.
const COST_BYTES_MAX: u64 = 512;
/// Connections and requests of the warm-up.
const WARM: (usize, usize) = (200, 4_000);

const REQUEST: &[u8] = b"GET /b128 HTTP/1.1\r\nHost: a\r\n\r\n";

fn serve(clients: &mut [TcpStream], requests: usize) {
    let count = clients.len();
    for index in 0..requests {
        let answer = ask(&mut clients[index % count], REQUEST);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

fn open(node: &Node, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| connect(node.address())).collect()
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_are_all_answered() {
    each_driver(|io| {
        let origin = tools::origin::spawn(&OriginOptions::default()).unwrap();
        let flags = ["--connections-max", "11000", "--idle-timeout", "10m"];
        let node = Node::front_alone(io, origin.address(), &flags);
        let mut warm = open(&node, WARM.0);
        serve(&mut warm, WARM.1);
        drop(warm);
        until("the warm-up is over", || {
            (node.metric("longhaul_clients{worker=\"0\"}") == Some(0.0)).then_some(())
        });
        let before_bytes = node.resident_bytes();
        let mut idle = open(&node, IDLE);
        serve(&mut idle, IDLE);
        until("all are idle", || {
            (node.metric("longhaul_clients{worker=\"0\"}") == Some(IDLE as f64)).then_some(())
        });
        let cost = node.resident_bytes().saturating_sub(before_bytes) / IDLE as u64;
        println!("{io}: {cost} bytes per idle connection");
        serve(&mut idle, IDLE);
        assert!(cost <= COST_BYTES_MAX, "{io}: {cost} bytes per idle connection");
    });
}
