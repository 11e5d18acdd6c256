//! What operators see of a pair of real processes: pages, access log, gaps, decision ids; on both drivers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "seeing/classes.rs"]
mod classes;
#[path = "seeing/compressing.rs"]
mod compressing;
#[path = "seeing/log.rs"]
mod log;
#[path = "seeing/page.rs"]
mod page;

use tools::origin::{OriginOptions, OriginThread};

/// An origin in the test's process.
fn origin() -> OriginThread {
    tools::origin::spawn(&OriginOptions::default()).unwrap()
}

/// A request that keeps its connection.
fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n").into_bytes()
}
