//! `--user`: bound as root, served as somebody else.

use std::fs;

use crate::scenario::driver::{on_each_driver, skip};
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Plan, SHOP};

/// A user that every distribution has.
const NOBODY: &str = "nobody";

#[test]
fn a_node_that_was_started_as_root_serves_as_somebody_else() {
    if identities("/proc/self/status") != ["0"; 4] {
        skip("only root can become another user");
        return;
    }
    on_each_driver(|io| {
        let origin = Origin::new();
        let as_nobody = ["--user", NOBODY];
        let pair = Plan::new(io).site(SHOP, &origin.http()).front(&as_nobody).back(&as_nobody).start();
        let mut client = pair.client();
        client.get(SHOP, "/");
        let mut server = origin.accept();
        server.request();
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        client.answer().expect_status(200);
        for node in [&pair.front, &pair.back] {
            let tasks = format!("/proc/{}/task", node.process.id());
            for task in fs::read_dir(tasks).unwrap() {
                let status = task.unwrap().path().join("status");
                let status = status.to_str().unwrap();
                assert!(!identities(status).contains(&"0".to_owned()), "{status}");
                assert_eq!(field(status, "CapEff:"), ["0000000000000000"], "{status}");
            }
        }
    });
}

/// Real, effective, saved and file system user of a thread.
fn identities(status: &str) -> Vec<String> {
    field(status, "Uid:")
}

fn field(status: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(status).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}
