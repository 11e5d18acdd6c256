//! The name server as a real process: transports, bounds, reloads, what operators see; its answers beside Knot's and
//! NSD's, and through dig and kdig.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "dns/client.rs"]
mod client;
#[path = "dns/peers.rs"]
mod peers;
#[path = "dns/reloads.rs"]
mod reloads;
#[path = "dns/seen.rs"]
mod seen;
#[path = "dns/tools.rs"]
mod tools;
#[path = "dns/transports.rs"]
mod transports;
#[path = "dns/zone.rs"]
mod zone;

use process::{Folder, Node};
use std::fs;

/// A name server with one thread and one zone, `example.test`.
struct Server {
    node: Node,
    folder: Folder,
    zone: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        Self::with_zone(zone::TEXT, flags)
    }

    fn with_zone(text: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let zone = folder.path("example.test.zone");
        fs::write(&zone, text).unwrap();
        let any = "127.0.0.1:0";
        let fixed = ["dns", "--listen", any, "--zone", &zone, "--admin", any];
        let threads: &[&str] = if flags.contains(&"--threads") { &[] } else { &["--threads", "1"] };
        let node = Node::start(&[&fixed[..], threads, flags].concat());
        Self { node, folder, zone }
    }
}
