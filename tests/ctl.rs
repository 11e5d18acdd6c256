//! `longhaul ctl` over the real binary: who may come in, what can be changed while it runs, what is refused, and that
//! nobody's connection notices.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "dns/client.rs"]
#[allow(dead_code, reason = "the client is the name server tests' own")]
mod client;
#[path = "ctl/door.rs"]
mod door;
#[path = "ctl/guide.rs"]
mod guide;
#[path = "ctl/reloads.rs"]
mod reloads;
#[path = "ctl/settings.rs"]
mod settings;

use process::Node;
use std::process::{Command, Output};
use tools::origin::{OriginOptions, OriginThread};

/// An origin in the test's process.
fn origin() -> OriginThread {
    tools::origin::spawn(&OriginOptions::default()).unwrap()
}

/// A request that keeps its connection.
fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n").into_bytes()
}

/// What `ctl` ended with and said.
#[derive(Debug)]
struct Told {
    status: i32,
    said: String,
}

impl Told {
    fn of(output: Output) -> Self {
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        Self { status: output.status.code().unwrap(), said }
    }

    /// It is done, and says this.
    fn done(self, part: &str) -> Self {
        assert!(self.status == 0 && self.said.contains(part), "{part}: {self:?}");
        self
    }

    /// It is refused with this status and this sentence.
    fn refused(self, status: i32, part: &str) -> Self {
        assert!(self.status == status && self.said.contains(part), "{part}: {self:?}");
        self
    }
}

/// Asks the process behind a socket.
fn ctl(socket: &str, words: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    Told::of(command.args(["ctl", "--control", socket]).args(words).env_remove("COLUMNS").output().unwrap())
}

fn status(node: &Node) -> serde_json::Value {
    serde_json::from_str(&node.page("/status").1).unwrap()
}
