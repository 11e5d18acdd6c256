//! The prober over the real binary: by hand and from the tree, against our own origin, nginx with TLS and vsftpd.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "probe/forecast.rs"]
mod forecast;
#[path = "probe/once.rs"]
mod once;
#[path = "probe/peers.rs"]
mod peers;
#[path = "probe/reports.rs"]
mod reports;
#[path = "probe/resolvers.rs"]
mod resolvers;
#[path = "probe/running.rs"]
mod running;
#[path = "probe/tunnel.rs"]
mod tunnel;

#[path = "dns/client.rs"]
#[allow(dead_code, reason = "the client is the name server tests' own")]
mod client;

use std::process::Command;
use tools::origin::{OriginOptions, OriginThread};

/// Runs it; status, what it printed, what it said of errors.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_longhaul")).args(arguments).env_remove("COLUMNS").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn origin() -> OriginThread {
    tools::origin::spawn(&OriginOptions::default()).unwrap()
}
