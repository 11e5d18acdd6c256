//! A front-end and a back-end that run from the tree.

use crate::process::{Folder, Node, exchange};
use crate::{longhaul, run};
use std::fs;
use tools::origin::{OriginOptions, OriginThread};

/// One of each, and what they need of each other.
struct Pair {
    folder: Folder,
    tree: String,
    /// Kept alive.
    _origin: OriginThread,
}

impl Pair {
    fn new() -> Self {
        let folder = Folder::new();
        let origin = tools::origin::spawn(&OriginOptions::default()).unwrap();
        let [front, back] = ["front.key", "back.key"].map(|name| folder.key(name).1);
        let text = format!(
            r#"[node.fra]
roles = ["front"]
key = "front.key"
public_key = "{front}"
front.listen = ["127.0.0.1:0"]
flags = {{ cpus = "0", io = "epoll", admin = "127.0.0.1:0", head-timeout = "7s" }}

[node.home]
roles = ["back"]
key = "back.key"
public_key = "{back}"
back.listen = ["127.0.0.1:0"]
back.reach = ["127.0.0.1:9"]
flags = {{ cpus = "0", io = "epoll" }}

[site."shop.example"]
back = ["home"]
origins = ["http://{}"]
"#,
            origin.address()
        );
        let tree = folder.path("longhaul.toml");
        fs::write(&tree, text).unwrap();
        Self { folder, tree, _origin: origin }
    }

    fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(&self.tree).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(&self.tree, text.replacen(old, new, 1)).unwrap();
    }
}

#[test]
fn a_pair_that_runs_from_the_tree_carries_a_site() {
    let pair = Pair::new();
    let back = Node::launch(&["back", "--config", &pair.tree]);
    pair.edit("127.0.0.1:9\"", &format!("{}\"", back.tunnel()));
    let front = Node::launch(&["front", "--config", &pair.tree, "--node", "fra"]);
    let answer = exchange(
        front.address(),
        b"GET /bytes/128 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.text().starts_with("HTTP/1.1 200"), "{}", answer.text());
    assert!(answer.has_field("Content-Length: 128"), "{}", answer.text());
    assert_eq!(front.page("/metrics").0, 200, "flags of the tree hold");
}

#[test]
fn flags_win_over_the_tree_and_each_value_says_where_it_comes_from() {
    let pair = Pair::new();
    let (status, said) = run(&[
        "front",
        "--config",
        &pair.tree,
        "--head-timeout",
        "3s",
        "--listen",
        "[::1]:0",
        "--print-config",
    ]);
    assert_eq!(status, 0, "{said}");
    for line in [
        "listen = [::1]:0  # flag",
        "site = shop.example=home  # tree",
        "head-timeout = 3s  # flag",
        "admin = 127.0.0.1:0  # tree",
        "idle-timeout = ",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}: {said}");
    }
    assert!(!said.contains("listen = 127.0.0.1:0 "), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("key = ") && line.ends_with("front.key  # tree")),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_a_tree_is_said_before_anything_starts() {
    let wrong = |old: &str, new: &str, words: &[&str], expected: &str| {
        let pair = Pair::new();
        pair.edit(old, new);
        for door in [words, &["config", "check"]] {
            let place = if door[0] == "config" { vec![&*pair.tree] } else { vec!["--config", &*pair.tree] };
            let output = longhaul(&[door, &place].concat());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(expected), "{expected}: {said}");
        }
    };
    wrong(
        "back = [\"home\"]",
        "back = [\"hoem\"]",
        &["front"],
        "longhaul.toml:17:1: there is no node hoem with the role back; home is near",
    );
    wrong(
        "head-timeout",
        "head-timeuot",
        &["front"],
        "node.fra.flags.head-timeuot is no flag of `longhaul front --help`; head-timeout is near",
    );
    wrong("origins", "#", &["back"], "goes over home and has no origin there; give origins");
    wrong(
        "front.listen = [\"127.0.0.1:0\"]",
        "front.listen = [\"127.0.0.1:0\"]\nfront.tunnel_from = [\"eth1\"]",
        &["front"],
        "--tunnel-from eth1: is no address",
    );
    wrong(
        "head-timeout = \"7s\"",
        "head-timeout = \"7x\"",
        &["front"],
        "--head-timeout 7x: is no span of time",
    );
    wrong(
        "roles = [\"back\"]",
        "rolls = [\"back\"]",
        &["back"],
        "node.home.rolls is no key; node.home.roles is near",
    );
}

#[test]
fn a_node_must_be_named_where_several_could_be_meant() {
    let pair = Pair::new();
    pair.edit("[node.home]", "[node.nyc]\nroles = [\"front\"]\npublic_key = \"x\"\n\n[node.home]");
    let (status, said) = run(&["front", "--config", &pair.tree]);
    assert!(status == 2 && said.contains("--node is missing; name one of fra, nyc"), "{said}");
    let (status, said) = run(&["front", "--config", &pair.tree, "--node", "frb"]);
    assert!(status == 2 && said.contains("there is no node frb with the role front; fra is near"), "{said}");
    let missing = pair.folder.path("none.toml");
    let (status, said) = run(&["back", "--config", &missing]);
    assert!(status == 2 && said.contains("cannot be read"), "{said}");
}

/// A site of the tree with two back-ends, of which the first is not there; then the same over TCP alone.
#[test]
fn a_site_of_the_tree_goes_over_its_second_back_end_and_over_tcp() {
    let pair = Pair::new();
    let key = pair.folder.key("away.key").1;
    let away = format!(
        "[node.away]\nroles = [\"back\"]\npublic_key = \"{key}\"\nback.reach = [\"127.0.0.1:9\"]\n\n[node.home]"
    );
    pair.edit("[node.home]", &away);
    pair.edit("back = [\"home\"]", "back = [\"away\", \"home\"]");
    pair.edit(
        "back.reach = [\"127.0.0.1:9\"]\nflags",
        "back.carrier_listen = [\"127.0.0.1:0\"]\nback.reach = [\"127.0.0.1:9\"]\nback.carrier_reach = [\"127.0.0.1:8\"]\nflags",
    );
    let back = Node::launch(&["back", "--config", &pair.tree, "--node", "home"]);
    let request = b"GET /bytes/128 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
    let served = |front: &Node| {
        let answer = exchange(front.address(), request);
        assert!(answer.text().starts_with("HTTP/1.1 200"), "{}", answer.text());
    };
    // Nothing answers at port 9, so that the tunnel comes up over TCP.
    pair.edit("127.0.0.1:8\"", &format!("{}\"", back.address()));
    served(&Node::launch(&["front", "--config", &pair.tree, "--node", "fra"]));
    let (status, said) = run(&["front", "--config", &pair.tree, "--node", "fra", "--print-config"]);
    assert!(status == 0 && said.contains("site = shop.example=away,home  # tree"), "{said}");
    assert!(said.contains(&format!("@127.0.0.1:9,tcp+{}  # tree", back.address())), "{said}");
    pair.edit("front.listen", "front.carrier = \"udp\"\nfront.tunnel_from = [\"127.0.0.1:0\"]\nfront.listen");
    let (_, said) = run(&["front", "--config", &pair.tree, "--node", "fra", "--print-config"]);
    assert!(!said.contains("tcp+") && said.contains("tunnel-from = 127.0.0.1:0  # tree"), "{said}");
}
