//! Rules over a real pair: which ring a request and its answer travel in, what the log says of it, and rules that change
//! while it runs.

use crate::log::line_of;
use crate::process::{Folder, Node, Pair, ask, connect, each_driver, until};
use crate::{get, origin};
use serde_json::Value;
use std::fs;

const RULES: &str = "
[[rule]]
name = 'gold'
cookie = 'tier=gold'
class = 0
cache = false
compress = true

[[rule]]
name = 'rest'
class = 3
";

/// Bytes that left by a ring so far.
fn sent(node: &Node, ring: usize) -> u64 {
    let status: Value = serde_json::from_str(&node.page("/status").1).unwrap();
    let pointer = format!("/tunnels/0/rings/{ring}/bytes_sent");
    status.pointer(&pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[test]
fn rules_of_a_file_give_classes_and_the_log_names_them() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let (file, log) = (folder.path("rules.toml"), folder.path("access.log"));
        fs::write(&file, RULES).unwrap();
        let flags = ["--rules", &file, "--class", "path=/b128:1", "--access-log", &log];
        let pair = Pair::start(io, origin.address(), &flags);
        let mut client = connect(pair.front.address());
        let gold = b"GET /b16k?gold HTTP/1.1\r\nHost: shop.example\r\nCookie: a=b; tier=gold\r\n\r\n";
        assert_eq!(ask(&mut client, gold).status, 200);
        let line = line_of(&log, "/b16k?gold");
        assert_eq!((&line["class"], &line["class_rule"]), (&0.into(), &"gold".into()), "{line}");
        let decision = &line["decision"];
        assert_eq!((&decision["cache"], &decision["compress"]), (&false.into(), &true.into()), "{line}");
        assert_eq!(ask(&mut client, &get("/b128?flag")).status, 200);
        assert_eq!(line_of(&log, "/b128?flag")["class"], 1, "flags stand before the file");
        assert_eq!(ask(&mut client, &get("/b16k?rest")).status, 200);
        let line = line_of(&log, "/b16k?rest");
        assert_eq!((&line["class"], &line["class_rule"]), (&3.into(), &"rest".into()), "{line}");
        assert!(line["decision"].get("cache").is_none(), "{line}");
        for ring in [0, 1, 3] {
            until("the answer has left by its ring", || (sent(&pair.back, ring) > 0).then_some(()));
        }
        assert_eq!((sent(&pair.back, 2), sent(&pair.back, 4)), (0, 0));
    });
}

#[test]
fn a_long_answer_steps_back() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let file = folder.path("rules.toml");
        fs::write(&file, "[[answer]]\nafter = '256k'\nclass = 4\n").unwrap();
        let pair = Pair::start_with(io, origin.address(), &["--class", "default:1"], &["--rules", &file]);
        let mut client = connect(pair.front.address());
        assert!(ask(&mut client, &get("/bytes/64k")).bytes.len() > 64 << 10);
        until("a short answer stays", || (sent(&pair.back, 1) > 64 << 10).then_some(()));
        assert_eq!(sent(&pair.back, 4), 0);
        assert!(ask(&mut client, &get("/bytes/4m")).bytes.len() > 4 << 20);
        let all = 4 << 20;
        until("the rest has left by the lowest ring", || {
            (sent(&pair.back, 4) + sent(&pair.back, 1) > all).then_some(())
        });
        let (before, after) = (sent(&pair.back, 1), sent(&pair.back, 4));
        // What waits unsent when the class changes moves along, so that the first part may be shorter than the rule says.
        assert!(
            before <= 364 << 10 && after >= all - (300 << 10),
            "{before} bytes in ring 1, {after} in ring 4"
        );
    });
}

#[test]
fn rules_are_read_again_whole_or_not_at_all_and_nobody_notices() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let (file, log) = (folder.path("rules.toml"), folder.path("access.log"));
        let write =
            |class: &str| fs::write(&file, format!("[[rule]]\npath = '*'\nclass = {class}\n")).unwrap();
        write("1");
        let pair = Pair::start(io, origin.address(), &["--rules", &file, "--access-log", &log]);
        // One connection over all of it.
        let mut client = connect(pair.front.address());
        let mut class_of = |target: &str| {
            assert_eq!(ask(&mut client, &get(target)).status, 200);
            line_of(&log, target)["class"].as_u64().unwrap()
        };
        assert_eq!(class_of("/b128?first"), 1);
        write("4");
        pair.front.signal("HUP");
        pair.front.wait_for("rules are read again");
        assert_eq!(class_of("/b128?second"), 4);
        write("5");
        pair.front.signal("HUP");
        pair.front.wait_for("what was there stays");
        assert!(pair.front.said().contains("line 3, column 9: class is 5"), "{}", pair.front.said());
        assert_eq!(class_of("/b128?third"), 4);
    });
}
