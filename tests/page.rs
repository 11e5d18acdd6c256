//! The page as people see it: a network over the real binary, its pages looked at in a real browser.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "page/browser.rs"]
mod browser;
#[path = "page/looked_at.rs"]
mod looked_at;
#[path = "page/network.rs"]
mod network;

#[path = "dns/client.rs"]
#[allow(dead_code, reason = "the client is the name server tests' own")]
mod client;
