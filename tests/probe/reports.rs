//! Probes that report and a name server that believes them: a server that dies leaves the answers, a probe that lies is
//! outvoted and named, what is forged or replayed is refused, what was known outlives a restart.

use crate::client::{addresses, ask, question};
use crate::process::{Folder, Node, PATIENCE, until};
use crate::run;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Instant;
use tools::origin::{OriginOptions, OriginThread};

/// Two servers on one port, three probes, one name server.
struct Network {
    folder: Folder,
    tree: String,
    servers: [Option<OriginThread>; 2],
}

fn origin_at(address: SocketAddr) -> Option<OriginThread> {
    tools::origin::spawn(&OriginOptions { listen: vec![address], ..OriginOptions::default() }).ok()
}

impl Network {
    fn new() -> Self {
        let folder = Folder::new();
        let (port, servers) = until("a port that is free at both addresses", || {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let second = SocketAddr::from(([127, 0, 0, 2], free.port()));
            Some((free.port(), [Some(origin_at(free)?), Some(origin_at(second)?)]))
        });
        let tree = folder.path("longhaul.toml");
        let text = format!(
            r#"
reports.key = "reports.key"
[zone."shop.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
"""
[node.ns]
roles = ["dns"]
addresses = ["127.0.0.1"]
dns.listen = ["127.0.0.1:0"]
[node.p1]
roles = ["probe"]
[node.p2]
roles = ["probe"]
[node.p3]
roles = ["probe"]
[server.a]
addresses = ["127.0.0.1"]
[server.b]
addresses = ["127.0.0.2"]
[policy.web]
kind = "failover"
members = ["a", "b"]
[site."shop.test".dns]
policy = "web"
[probe.web]
url = "http://{{address}}:{port}/bytes/10"
servers = ["a", "b"]
interval = "500ms"
timeout = "400ms"
fall = 2
"#
        );
        fs::write(&tree, text).unwrap();
        let made = run(&["key", "report", "--out", &folder.path("reports.key")]);
        assert_eq!(made.0, 0, "{made:?}");
        Self { folder, tree, servers }
    }

    fn dns(&self, flags: &[&str]) -> (Node, String) {
        let fixed =
            ["dns", "--config", &self.tree, "--node", "ns", "--threads", "1", "--admin", "127.0.0.1:0"];
        let node = Node::start(&[&fixed[..], &["--reports", "127.0.0.1:0"], flags].concat());
        let line = node.wait_for("reports are taken");
        let to = line.split("reports_udp=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        (node, to)
    }

    fn probe(&self, name: &str, to: &str, tree: &str, flags: &[&str]) -> Node {
        let fixed = ["probe", "--config", tree, "--node", name, "--report-to", to, "--admin", "127.0.0.1:0"];
        Node::start(&[&fixed[..], flags].concat())
    }
}

fn answer(dns: &Node) -> Vec<String> {
    addresses(&ask(dns.address(), &question("shop.test", 1, None)))
}

fn status(dns: &Node) -> serde_json::Value {
    serde_json::from_str(&dns.page("/status").1).unwrap()
}

#[test]
fn a_server_that_dies_leaves_the_answers_and_comes_back() {
    let mut network = Network::new();
    let (dns, to) = network.dns(&[]);
    let key = network.folder.path("p1.report");
    let of = network.folder.path("reports.key");
    assert_eq!(run(&["key", "report", "--of", &of, "--node", "p1", "--out", &key]).0, 0);
    // One with its own key, the others with the secret that makes it.
    let _probes = [
        network.probe("p1", &to, &network.tree, &["--report-key", &key]),
        network.probe("p2", &to, &network.tree, &[]),
        network.probe("p3", &to, &network.tree, &[]),
    ];
    until("all three are heard of both", || {
        let up = |name: &str| {
            dns.metric(&format!("longhaul_report_target_up{{target=\"web/{name}\"}}")) == Some(1.0)
        };
        let targets = status(&dns)["reports"]["targets"].clone();
        let all = targets
            .as_array()
            .unwrap()
            .iter()
            .all(|target| target["votes"].as_array().unwrap().iter().all(|vote| vote["up"] == true));
        (up("a") && up("b") && all).then_some(())
    });
    assert_eq!(answer(&dns), ["127.0.0.1"]);

    let address = network.servers[0].take().map(|origin| {
        let address = origin.address();
        let _counts = origin.stop();
        address
    });
    let died = Instant::now();
    until("the answer moves", || (answer(&dns) == ["127.0.0.2"]).then_some(()));
    // fall x interval x (1 + jitter) + timeout + 100 ms; not asserted, for this machine may be busy: docs/probe.md has it.
    println!("moved after {} ms; due: {} ms", died.elapsed().as_millis(), 2 * 550 + 400 + 100);
    let status = status(&dns);
    let server =
        status["servers"].as_array().unwrap().iter().find(|server| server["name"] == "a").unwrap().clone();
    assert_eq!(server["up"], false);
    let words = status["sources"]["a"][0].as_str().unwrap();
    assert!(words.contains("web/a: down") && words.contains("(refused)"), "{words}");

    network.servers[0] = until("its port is free again", || origin_at(address.unwrap())).into();
    until("the answer returns", || (answer(&dns) == ["127.0.0.1"]).then_some(()));
}

#[test]
fn a_probe_that_lies_is_outvoted_and_named() {
    let network = Network::new();
    let (dns, to) = network.dns(&["--control", &network.folder.path("ctl")]);
    // The third one looks for a text that is not there: whatever it says of the servers, it says down.
    let lie = network.folder.path("lie.toml");
    let text = fs::read_to_string(&network.tree).unwrap();
    fs::write(&lie, text.replace("fall = 2", "fall = 2\nbody = \"no such text\"")).unwrap();
    let _probes = [
        network.probe("p1", &to, &network.tree, &[]),
        network.probe("p2", &to, &network.tree, &[]),
        network.probe("p3", &to, &lie, &[]),
    ];
    until("the liar is named", || {
        (dns.metric("longhaul_report_outvoted{node=\"p3\"}") == Some(2.0)
            && dns.metric("longhaul_report_outvoted{node=\"p1\"}") == Some(0.0)
            && dns.metric("longhaul_report_target_up{target=\"web/a\"}") == Some(1.0))
        .then_some(())
    });
    assert_eq!(answer(&dns), ["127.0.0.1"]);
    let explain = |arguments: &[&str]| {
        run(&[&["ctl", "--control", &network.folder.path("ctl"), "explain"][..], arguments].concat())
    };
    let (code, said, _) = explain(&["shop.test", "--client", "192.0.2.9"]);
    assert!(code == 0 && said.contains("web/a: up for"), "{said}");
    assert!(said.contains("p3 says down (body)") && said.contains("OUTVOTED"), "{said}");
    // The same of a target, of all that a probe, a server or a node has to do with.
    let control = network.folder.path("ctl");
    let probe = |name: &str| run(&["explain", "probe", name, "--control", &control]);
    let (code, said, _) = probe("web/a");
    assert!(code == 0 && said.contains("target    web/a: http://127.0.0.1:"), "{said}");
    assert!(said.contains("holds     up for") && said.contains("3 of 3 heard"), "{said}");
    let liar =
        said.lines().find(|line| line.starts_with("  p3: down (body), ")).unwrap_or_else(|| panic!("{said}"));
    assert!(liar.contains("OUTVOTED for"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("  p1: up, ") && line.contains("connection")), "{said}");
    assert!(said.contains("how they are heard") && said.contains("0 lost"), "{said}");
    for all in ["web", "p3"] {
        let (code, said, _) = probe(all);
        assert!(code == 0 && said.matches("target    web/").count() == 2, "{said}");
    }
    let (code, said, _) = probe("b");
    assert!(
        code == 0 && said.matches("target    web/").count() == 1 && said.contains("the state of b"),
        "{said}"
    );
    let (code, _, said) = probe("webb");
    assert!(code != 0 && said.contains("webb is no target") && said.contains("web is near"), "{code} {said}");
}

#[test]
fn what_is_not_in_order_is_refused_and_what_was_known_outlives_a_restart() {
    let network = Network::new();
    let state = network.folder.path("reports.json");
    let (dns, to) = network.dns(&["--reports-state", &state]);
    // Somebody in between hears what the first probe says, and passes it on.
    let between = UdpSocket::bind("127.0.0.1:0").unwrap();
    between.set_read_timeout(Some(PATIENCE)).unwrap();
    let probe = network.probe("p1", &between.local_addr().unwrap().to_string(), &network.tree, &[]);
    let mut buffer = [0; 2_000];
    let mut hear = || {
        // A machine that stops and goes on interrupts whoever waits.
        let bytes = until("it is heard", || match between.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => None,
            received => Some(received.unwrap()),
        });
        buffer[..bytes].to_vec()
    };
    let mut heard = hear();
    // A heartbeat is shorter than one that speaks of a target.
    while heard.len() < 110 {
        between.send_to(&heard, &to).unwrap();
        heard = hear();
    }
    between.send_to(&heard, &to).unwrap();
    until("it counts", || {
        (dns.metric("longhaul_report_target_up{target=\"web/a\"}") == Some(1.0)).then_some(())
    });
    let refused = |node: &str, reason: &str| {
        let sample = format!("longhaul_reports_refused_total{{node=\"{node}\",reason=\"{reason}\"}}");
        until(&format!("{reason} is counted"), || dns.metric(&sample).filter(|count| *count > 0.0));
    };
    between.send_to(&heard, &to).unwrap();
    refused("p1", "replayed");
    let mut forged = heard.clone();
    *forged.last_mut().unwrap() ^= 1;
    between.send_to(&forged, &to).unwrap();
    refused("p1", "forged");
    let mut stranger = heard.clone();
    stranger[7] = b'9';
    between.send_to(&stranger, &to).unwrap();
    refused("", "stranger");
    between.send_to(b"hello", &to).unwrap();
    refused("", "malformed");
    // One that is lost shows by its number.
    let _lost = hear();
    between.send_to(&hear(), &to).unwrap();
    until("the loss is seen", || {
        dns.metric("longhaul_reports_lost_total{node=\"p1\"}").filter(|count| *count >= 1.0)
    });
    drop(probe);
    until("it is silent", || {
        dns.metric("longhaul_report_node_silent{node=\"p1\"}").filter(|silent| *silent == 1.0)
    });

    dns.signal("TERM");
    let mut dns = dns;
    assert!(dns.ended().success());
    let (status_code, said, _) = run(&[
        "explain",
        "dns",
        "shop.test",
        "--client",
        "192.0.2.9",
        "--config",
        &network.tree,
        "--reports-state",
        &state,
    ]);
    assert!(status_code == 0 && said.contains("web/a: up for"), "{said}");
    let (status_code, said, _) =
        run(&["explain", "probe", "web/a", "--config", &network.tree, "--reports-state", &state]);
    assert!(
        status_code == 0 && said.contains("  p1: up, ") && said.contains("  p2: has said nothing"),
        "{said}"
    );
    assert!(said.contains("p1: not since this name server began"), "{said}");
    let (again, to) = network.dns(&["--reports-state", &state]);
    again.wait_for("what was reported before is known again");
    assert_eq!(again.metric("longhaul_report_target_up{target=\"web/a\"}"), Some(1.0));
    between.send_to(&heard, &to).unwrap();
    let sample = "longhaul_reports_refused_total{node=\"p1\",reason=\"replayed\"}";
    until("a restart opens no window", || again.metric(sample).filter(|count| *count == 1.0));
}

#[test]
fn what_is_wrong_with_keys_is_said() {
    let network = Network::new();
    let [of, other] = ["reports.key", "p2.report"].map(|name| network.folder.path(name));
    assert_eq!(run(&["key", "report", "--of", &of, "--node", "p2", "--out", &other]).0, 0);
    let said = |arguments: &[&str]| {
        let (code, _, said) = run(arguments);
        assert_eq!(code, 2, "{said}");
        said
    };
    let probe =
        ["probe", "--config", &network.tree, "--node", "p1", "--report-to", "127.0.0.1:1", "--report-key"];
    assert!(said(&[&probe[..], &[&other]].concat()).contains("is the key of p2, not of p1"));
    assert!(said(&[&probe[..], &["none"]].concat()).contains("longhaul key report --out"));
    let dns = ["dns", "--config", &network.tree, "--node", "ns", "--reports", "127.0.0.1:0", "--reports-key"];
    assert!(said(&[&dns[..], &[&other]].concat()).contains("has no secret of reports"));
    let text = fs::read_to_string(&network.tree).unwrap();
    fs::write(&network.tree, text.replace("reports.key = \"reports.key\"", "")).unwrap();
    assert!(said(&dns[..7]).contains("are taken from nobody"));
}
