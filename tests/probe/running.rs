//! `longhaul probe` from the tree: targets up and down, the page, reloads.

use crate::process::{Folder, Node, until};
use crate::{origin, run};
use std::fs;
use std::net::{SocketAddr, TcpListener};

fn tree(origin: SocketAddr, other: SocketAddr) -> String {
    format!(
        r#"
[node.fra1]
roles = ["front", "probe"]
addresses = ["127.0.0.1"]
[server.other]
addresses = ["127.0.0.1"]
[probe.web]
url = "http://{{address}}:{}/bytes/100"
servers = ["fra1"]
interval = "100ms"
timeout = "100ms"
[probe.tcp]
url = "tcp://{{address}}:{}"
servers = ["other"]
interval = "100ms"
timeout = "100ms"
"#,
        origin.port(),
        other.port()
    )
}

#[test]
fn targets_of_the_tree_are_probed_and_shown() {
    let (folder, origin) = (Folder::new(), origin());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.local_addr().unwrap();
    let file = folder.path("longhaul.toml");
    fs::write(&file, tree(origin.address(), other)).unwrap();
    let node = Node::start(&["probe", "--config", &file, "--admin", "127.0.0.1:0"]);
    node.wait_metric("longhaul_probe_up{target=\"web/fra1\"}", 1.0);
    node.wait_metric("longhaul_probe_up{target=\"tcp/other\"}", 1.0);
    assert!(
        node.metric("longhaul_probe_duration_seconds{target=\"web/fra1\",phase=\"total\"}").unwrap() > 0.0
    );
    let page = format!("http://{}/status", node.admin());
    let (status, said, _) = run(&["probe", "once", "--load", "status", "--host", "localhost", &page]);
    // A kernel without PSI says nothing.
    let has_pressure = fs::exists("/proc/pressure/cpu").unwrap();
    assert!(status == 0 && (!has_pressure || said.contains("load 0.") || said.contains("load 1.")), "{said}");
    drop(listener);
    let line = node.wait_for("a target is down");
    assert!(line.contains("target=tcp/other") && line.contains("cause=refused"), "{line}");
    let status: serde_json::Value = serde_json::from_str(&node.page("/status").1).unwrap();
    let targets = status["targets"].as_array().unwrap();
    let of = |name: &str| targets.iter().find(|target| target["name"] == name).unwrap();
    assert_eq!((&of("web/fra1")["up"], &of("tcp/other")["up"]), (&true.into(), &false.into()));
    assert_eq!(of("tcp/other")["failure"]["cause"], "refused");
    assert_eq!(of("web/fra1")["down_within_ms"], 430, "3 x 100 ms x 1.1 + 100 ms");

    // A broken tree changes nothing; a good one is taken, and what is known of targets that stay is kept.
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("100ms", "100")).unwrap();
    node.signal("HUP");
    node.wait_for("nothing was reloaded; the old targets stay");
    let more = format!("{good}[probe.more]\nurl = \"tcp://127.0.0.1:{}\"\n", origin.address().port());
    fs::write(&file, more).unwrap();
    node.signal("HUP");
    let line = node.wait_for("targets are probed anew");
    assert!(line.contains("targets=3"), "{line}");
    assert_eq!(node.metric("longhaul_probe_up{target=\"tcp/other\"}"), Some(0.0), "what is known is kept");
    node.wait_metric("longhaul_probe_up{target=\"more\"}", 1.0);
    let listener = until("the port is free again", || TcpListener::bind(other).ok());
    until("it comes back", || {
        (node.metric("longhaul_probe_up{target=\"tcp/other\"}") == Some(1.0)).then_some(())
    });
    drop(listener);
}

#[test]
fn what_is_wrong_with_flags_and_tree_is_said() {
    let folder = Folder::new();
    let file = folder.path("longhaul.toml");
    let said = |text: &str, flags: &[&str]| {
        fs::write(&file, text).unwrap();
        let (status, _, said) = run(&[&["probe", "--config", &file][..], flags].concat());
        assert_eq!(status, 2, "{said}");
        said
    };
    let two = "[node.a]\nroles = [\"probe\"]\n[node.b]\nroles = [\"probe\"]\n";
    assert!(said("[node.a]\n", &[]).contains("no node of the tree has the role probe"));
    assert!(said(two, &[]).contains("--node: is missing; name one of a, b"));
    assert!(said(two, &["--node", "c"]).contains("c is no node with the role probe"));
    assert!(
        said("[node.a]\nroles = [\"probe\"]\n[probe.x]\n", &[]).contains("probe.x asks nobody; give an url")
    );
    let knock = "[node.a]\nroles = [\"probe\"]\n[probe.x]\nurl = \"tmp://k@127.0.0.1:1\"\n";
    assert!(said(knock, &[]).contains("--key: is missing, and this node has targets of kind tmp"));
    let secure =
        "[node.a]\nroles = [\"probe\"]\n[probe.x]\nurl = \"https://127.0.0.1:1/\"\nca = \"none.pem\"\n";
    assert!(said(secure, &[]).contains("none.pem: cannot be read"));
}
