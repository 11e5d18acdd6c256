//! `longhaul config` and `longhaul explain`.

use crate::{Network, TREE, longhaul, run};
use std::fs;
use std::path::Path;

#[test]
fn a_good_tree_is_good() {
    let network = Network::new();
    let (status, said) = run(&["config", "check", &network.tree]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("good: 2 zones, 18 records, 4 servers, 5 policies"), "{said}");
}

/// Every kind of broken tree: what is said, with its place.
#[test]
fn everything_wrong_with_a_tree_is_said_at_once() {
    let network = Network::new();
    let broken = "[polcy.web]\n[policy.web]\nmembers = [\"fra\"]\nttl = 5\n[node.fra1]\naddresses = [\"1.2.3\"]\n\
                  [site.\"a.test\".dns]\npolicy = \"wep\"\n[zone.\"b.test\"]\n";
    fs::write(&network.tree, broken).unwrap();
    let (status, said) = run(&["config", "check", &network.tree]);
    assert_eq!(status, 2);
    for line in [
        "3 things are wrong",
        "longhaul.toml:1:2: polcy is no key; policy is near",
        ":4:7: policy.web.ttl",
        ":6:13: node.fra1.addresses",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let cases = [
        (
            "members = [\"sin1\", \"own\"]",
            "members = [\"sin\", \"own\"]",
            "there is no node and no server sin; sin1 is near",
        ),
        ("policy = \"web\"", "policy = \"wep\"", "there is no policy wep; web is near"),
        ("[zone.\"shop.test\"]", "[zone.\"shop.example\"]", "no zone holds shop.test"),
        ("kind = \"failover\"", "kind = \"geo\"", "give dns.locations, an MMDB file"),
        (
            "kind = \"failover\"",
            "kind = \"failover\"\ngeo.DE = [\"own\"]",
            "says nothing under kind \"failover\"",
        ),
        (
            "kind = \"failover\"",
            "kind = \"failover\"\nwhen_all_down = \"fallback\"",
            "has no addresses to fall back on",
        ),
        ("[server.own]", "[server.fra1]\n[server.own]", "fra1 is a node and a server"),
        ("[server.own]", "[server.own]\nweight = 0", "a weight of 0 leaves own nothing"),
        ("[dns]", "[override.fra1]\n[dns]", "override.fra1 orders nothing"),
        ("[dns]", "[override.fra1]\naction = \"drain\"\n[dns]", "override.fra1 has no reason"),
        (
            "[dns]",
            "[override.ams1]\naction = \"drain\"\nreason = \"r\"\n[dns]",
            "there is no node and no server ams1",
        ),
        ("[dns]", "[zone.\"c.test\"]\n[dns]", "zone \"c.test\" has no records"),
        ("[dns]", "[zone.\"c.test\"]\nfile = \"none\"\n[dns]", "none: cannot be read"),
        ("[dns]", "[dns]\nlocations = \"figures.json\"", "is no MMDB file"),
        ("@ 300 NS ns\n", "@ 300 NS ns\nx 300 A 1.2.3\n", "zone \"net.test\" (behind line"),
        ("txt 300 TXT", "img 300 A 192.0.2.9\ntxt 300 TXT", "has addresses and a policy"),
        ("roles = [\"front\"]", "roles = [\"frontend\"]", "write a list of some of \"front\""),
        ("name = \"net.test\"", "name = \"net.example\"", "no zone holds net.example"),
        ("[dns]", "[dns", "longhaul.toml:"),
    ];
    for (old, new, sentence) in cases {
        let network = Network::new();
        network.edit(old, new);
        let (status, said) = run(&["config", "check", &network.tree]);
        assert!(status == 2 && said.contains(sentence), "{new:?} should say {sentence:?}:\n{said}");
    }
    fs::write(network.folder.path("figures.json"), "{\"servers\": {\"ams\": {}}}").unwrap();
    fs::write(&network.tree, TREE).unwrap();
    assert!(
        run(&["config", "check", &network.tree])
            .1
            .contains("figures.json: servers.ams: there is no such server")
    );
}

#[test]
fn values_are_shown_got_and_set_and_comments_stay() {
    let network = Network::new();
    let tree = &network.tree;
    let (_, shown) = run(&["config", "show", tree, "policy.web"]);
    assert!(shown.contains("policy.web.ttl = \"10s\"  # line "), "{shown}");
    assert!(shown.contains("policy.web.kind = \"best\"  # default"), "{shown}");
    assert_eq!(run(&["config", "get", tree, "policy.web.ttl"]), (0, "10s\n".into()));
    assert_eq!(run(&["config", "get", tree, "policy.spare.ttl"]), (0, "30s\n".into()));
    assert_eq!(run(&["config", "get", tree, "site.\"shop.test\".dns.policy"]), (0, "web\n".into()));
    assert_eq!(run(&["config", "set", tree, "policy.web.ttl", "20s"]).0, 0);
    assert_eq!(fs::read_to_string(tree).unwrap(), TREE.replace("\"10s\"", "\"20s\""));
    for (path, value, sentence) in [
        ("policy.web.ttl", "soon", "write a number with its unit"),
        ("policy.web.members", "[\"ams1\"]", "there is no node and no server ams1"),
        ("policy.wob", "1", "is no leaf"),
    ] {
        let (status, said) = run(&["config", "set", tree, path, value]);
        assert!(status == 2 && said.contains(sentence), "{said}");
    }
    assert_eq!(fs::read_to_string(tree).unwrap(), TREE.replace("\"10s\"", "\"20s\""), "nothing was written");
    assert!(!Path::new(&format!("{tree}.new")).exists());
}

#[test]
fn differences_are_told_in_words() {
    let (old, new) = (Network::new(), Network::new());
    assert_eq!(run(&["config", "diff", &old.tree, &new.tree]), (0, String::new()));
    new.edit("ttl = \"10s\"", "ttl = \"60s\"");
    let (status, said) = run(&["config", "diff", &old.tree, &new.tree]);
    assert_eq!(
        (status, said.as_str()),
        (3, "policy.web.ttl changes from \"10s\" to \"60s\" (for clients of shop.test)\n")
    );
}

/// `UPDATE=1` rewrites both files.
#[test]
fn reference_and_schema_are_as_committed() {
    for (door, file) in [("reference", "docs/config.md"), ("schema", "docs/longhaul.schema.json")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let made = String::from_utf8(longhaul(&["config", door]).stdout).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &made).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == made,
            "{file} is not what `longhaul config {door}` says; UPDATE=1 rewrites it"
        );
    }
}

#[test]
fn a_decision_is_explained_by_parts() {
    let network = Network::new();
    let explain = |flags: &[&str]| run(&[&["explain", "dns", "--config", &network.tree][..], flags].concat());
    let (status, said) = explain(&["shop.test", "--client", "198.51.100.7"]);
    assert_eq!(status, 0, "{said}");
    for part in [
        "policy    web (best",
        "ttl       10 s",
        "the first 24 bits",
        "fra1    answer 1   up, ",
        "latency 12.0",
        "nyc1    worse      up, ",
        "load 10.0",
        "sin1    out        down, ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said) = explain(&["shop.test", "--client", "203.0.113.7"]);
    assert!(
        said.contains("nyc1    answer 1")
            && said.contains("latency 83.0")
            && said.contains("sum of two legs"),
        "{said}"
    );
    let (_, said) = explain(&["img.shop.test", "--client", "203.0.113.7"]);
    assert!(said.contains("own     answer 1") && said.contains("failover"), "{said}");
    let (_, said) = explain(&["shop.test", "--client", "2001:db8::1", "--type", "AAAA"]);
    assert!(said.contains("policy    web"), "{said}");
    for (flags, sentence) in [
        (["txt.shop.test", "--client", "::1"], "has no policy: zone shop.test."),
        (["a.example", "--client", "::1"], "lies in no zone"),
    ] {
        let (status, said) = explain(&flags);
        assert!(status == 2 && said.contains(sentence), "{said}");
    }
}
