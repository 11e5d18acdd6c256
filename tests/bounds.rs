//! The bounds one by one over the real binary, on both drivers: what exceeds a bound gets its own answer, and the next
//! client is served. The origin runs in the test's process and counts what reaches it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "bounds/bodies.rs"]
mod bodies;
#[path = "bounds/connections.rs"]
mod connections;
#[path = "bounds/desync.rs"]
mod desync;
#[path = "bounds/heads.rs"]
mod heads;
#[path = "bounds/memory.rs"]
mod memory;
#[path = "bounds/slow.rs"]
mod slow;
#[path = "bounds/times.rs"]
mod times;

use tools::origin::{OriginOptions, OriginThread};

/// An origin that counts.
fn origin() -> OriginThread {
    tools::origin::spawn(&OriginOptions::default()).unwrap()
}

/// A request that keeps its connection.
fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}
