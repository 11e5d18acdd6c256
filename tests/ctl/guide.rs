//! A name server that is told where to send nobody: orders, their end, their keeping; reloads and figures.

use crate::client::{addresses, ask, question};
use crate::ctl;
use crate::process::{Folder, Node, until};
use std::fs;

const TREE: &str = r#"
[network]
name = "net.shop.test"
[zone."shop.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
ns 300 A 192.0.2.53
"""
[node.fra1]
addresses = ["192.0.2.1"]
[node.nyc1]
addresses = ["192.0.2.2"]
[policy.web]
kind = "failover"
members = ["fra1", "nyc1"]
[site."shop.test".dns]
policy = "web"
"#;

struct Guided {
    folder: Folder,
    node: Node,
    socket: String,
}

impl Guided {
    fn new(tree: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        fs::write(folder.path("longhaul.toml"), tree).unwrap();
        Self::start(folder, flags)
    }

    fn start(folder: Folder, flags: &[&str]) -> Self {
        let (tree, socket) = (folder.path("longhaul.toml"), folder.path("ctl"));
        let fixed =
            ["dns", "--config", &tree, "--listen", "127.0.0.1:0", "--threads", "1", "--admin", "127.0.0.1:0"];
        let node = Node::start(&[&fixed[..], &["--control", &socket], flags].concat());
        Self { folder, node, socket }
    }

    fn answer(&self) -> Vec<String> {
        addresses(&ask(self.node.address(), &question("shop.test", 1, None)))
    }

    fn until_answer(&self, address: &str) {
        until("the answer changes", || (self.answer() == [address]).then_some(()));
    }
}

#[test]
fn orders_hold_at_once_are_explained_and_are_taken_back() {
    let guided = Guided::new(TREE, &[]);
    guided.until_answer("192.0.2.1");
    let order = ["override", "drain", "fra1", "--reason", "new 'disks'", "--for", "1h"];
    ctl(&guided.socket, &order).done("fra1: drain, until 20").done("orders end with the process");
    guided.until_answer("192.0.2.2");
    let why = ctl(&guided.socket, &["explain", "shop.test", "--client", "198.51.100.7"]);
    why.done("fra1    out        drained: new 'disks' (by uid ").done(" through ctl until 20");
    ctl(&guided.socket, &["override", "list"]).done("new 'disks', by uid ");
    let (_, shown) = guided.node.page("/status");
    assert!(shown.contains("\"order\":\"drain\",\"order_by_uid\":"), "{shown}");
    ctl(&guided.socket, &["override", "clear", "fra1"]).done("nothing is ordered through ctl any more");
    guided.until_answer("192.0.2.1");
    ctl(&guided.socket, &["override", "clear", "fra1"]).refused(2, "nothing was ordered through ctl");
    ctl(&guided.socket, &["override", "list"]).done("nothing is ordered");
    ctl(&guided.socket, &["override", "down", "fra2", "--reason", "x"]).refused(2, "did you mean fra1?");
    ctl(&guided.socket, &["override", "down", "fra1", "--reason", " "]).refused(2, "say why");
    ctl(&guided.socket, &["override", "down", "fra1", "--reason", "x", "--for", "9"])
        .refused(2, "such as 500ms, 30s");
}

/// The tree's order is there again when the door's is over.
#[test]
fn an_order_ends_by_itself() {
    let tree = format!("{TREE}\n[override.nyc1]\naction = \"down\"\nreason = \"the tree's\"\n");
    let guided = Guided::new(&tree, &[]);
    let figures = guided.folder.path("new.json");
    fs::write(&figures, r#"{"servers": {"fra1": {"state": "down"}, "nyc1": {"state": "up"}}}"#).unwrap();
    ctl(&guided.socket, &["figures", &figures]).done("the figures are taken: 0 networks");
    ctl(&guided.socket, &["override", "up", "nyc1", "--reason", "try", "--for", "2s"])
        .done("nyc1: up, until 20");
    guided.until_answer("192.0.2.2");
    guided.node.wait_for("an order is over");
    let why = || ctl(&guided.socket, &["explain", "shop.test", "--client", "::1"]).said;
    until("the tree's order is there again", || {
        why().contains("down by order: the tree's (by the tree").then_some(())
    });
}

#[test]
fn orders_that_are_kept_outlive_the_process_and_a_broken_keeping_stops_the_start() {
    let folder = Folder::new();
    fs::write(folder.path("longhaul.toml"), TREE).unwrap();
    let kept = folder.path("overrides.json");
    let guided = Guided::start(folder, &["--overrides", &kept]);
    let told =
        ctl(&guided.socket, &["override", "down", "fra1", "--reason", "fire"]).done("until it is taken back");
    assert!(!told.said.contains("end with the process"), "{told:?}");
    let Guided { folder, node, .. } = guided;
    drop(node);
    let guided = Guided::start(folder, &["--overrides", &kept]);
    assert_eq!(guided.answer(), ["192.0.2.2"], "from the first answer on");
    let tree = guided.folder.path("longhaul.toml");
    let explained = std::process::Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(["explain", "dns", "shop.test", "--client", "::1", "--config", &tree, "--overrides", &kept])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&explained.stdout).contains("down by order: fire"), "{explained:?}");
    fs::write(&kept, "{\"fra1\": 1}").unwrap();
    let mut broken = Node::launch(&[
        "dns",
        "--config",
        &tree,
        "--listen",
        "127.0.0.1:0",
        "--control",
        "x",
        "--overrides",
        &kept,
    ]);
    assert_eq!(broken.ended().code(), Some(2));
    broken.wait_for("fra1: is no order of ours; mend it, or remove it");
}

#[test]
fn a_reload_answers_with_what_is_wrong_and_orders_stay() {
    let guided = Guided::new(TREE, &[]);
    let tree = guided.folder.path("longhaul.toml");
    ctl(&guided.socket, &["override", "drain", "fra1", "--reason", "x"]).done("fra1");
    fs::write(&tree, TREE.replace("192.0.2.2", "192.0.2.3")).unwrap();
    ctl(&guided.socket, &["reload"]).done("generation 2");
    guided.until_answer("192.0.2.3");
    fs::write(&tree, TREE.replace("kind = \"failover\"", "kind = \"fastest\"")).unwrap();
    let told = ctl(&guided.socket, &["reload"]);
    told.refused(2, "policy.web.kind").refused(2, "nothing was reloaded; the old zones stay");
    assert_eq!(guided.answer(), ["192.0.2.3"]);
    let figures = guided.folder.path("broken.json");
    fs::write(&figures, "{").unwrap();
    ctl(&guided.socket, &["figures", &figures]).refused(2, "is no JSON");
    ctl(&guided.socket, &["figures", "/nowhere"]).refused(2, "cannot be read");
    ctl(&guided.socket, &["set", "log-level", "warning"]).done("was info");
    ctl(&guided.socket, &["set", "weights", "1,1,1,1,1"]).refused(2, "is nothing that this process has");
    let mut node = guided.node;
    ctl(&guided.socket, &["drain"]).done("ending");
    assert!(node.ended().success());
}
