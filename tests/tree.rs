//! The tree over the real binary: check, show, get, set, diff, reference; the name server that runs from it; explanations.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

#[path = "dns/client.rs"]
#[allow(dead_code, reason = "the client is the name server tests' own")]
mod client;
#[path = "tree/doors.rs"]
mod doors;
#[path = "tree/pair.rs"]
mod pair;
#[path = "tree/reload.rs"]
mod reload;
#[path = "tree/serving.rs"]
mod serving;

use process::Folder;
use std::fs;
use std::process::{Command, Output};

/// A network of three POPs and a customer's machine, two sites, and what was measured.
const TREE: &str = r#"# The network.
[network]
name = "net.test"

[zone."net.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
ns 300 A 192.0.2.53
"""

[zone."shop.test"]
records = """
@   300 SOA ns hostmaster 1 3600 600 86400 60
@   300 NS ns
ns  300 A 192.0.2.53
@   300 MX 10 ns
txt 300 TXT "static"
"""

[node.fra1]
pop = "fra"
roles = ["front", "dns"]
addresses = ["192.0.2.1", "2001:db8::1"]
prefix = "2001:db8:1:2::/64"
dns.listen = ["127.0.0.1:0"]

[node.nyc1]
pop = "nyc"
roles = ["front"]
addresses = ["192.0.2.2", "2001:db8::2"]

[node.sin1]
pop = "sin"
roles = ["front", "log"]
addresses = ["192.0.2.3"]

[server.own]
addresses = ["203.0.113.9"]

[policy.web]
ttl = "10s"      # short: people look

[policy.spare]
kind = "failover"
members = ["sin1", "own"]

[site."shop.test".dns]
policy = "web"
names = { "img.shop.test" = "spare" }

[dns]
figures = "figures.json"
"#;

const FIGURES: &str = r#"{
  "servers": {"fra1": {"state": "up"}, "nyc1": {"state": "up", "load": 0.1}, "sin1": {"state": "down"}, "own": {"state": "up"}},
  "latency": [{"network": "198.51.100.0/24", "from": "fra1", "ms": 12}, {"network": "198.51.100.0/24", "from": "nyc1", "ms": 90},
              {"network": "203.0.113.0/24", "from": "nyc1", "ms": 8}],
  "legs": [{"from": "nyc1", "to": "fra1", "ms": 75}]
}"#;

struct Network {
    folder: Folder,
    tree: String,
}

impl Network {
    fn new() -> Self {
        let folder = Folder::new();
        let tree = folder.path("longhaul.toml");
        fs::write(&tree, TREE).unwrap();
        fs::write(folder.path("figures.json"), FIGURES).unwrap();
        Self { folder, tree }
    }

    /// Replaces a part of the tree, which must be there.
    fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(&self.tree).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(&self.tree, text.replace(old, new)).unwrap();
    }
}

fn longhaul(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longhaul")).args(arguments).env_remove("COLUMNS").output().unwrap()
}

/// Runs it; status, and what it said on either stream.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = longhaul(arguments);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}
