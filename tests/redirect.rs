//! Two front-ends of one site, a prober, and clients that come to the wrong one: they are sent to the other, once, and not
//! when that is down. Real processes; a client that writes the PROXY protocol stands anywhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

use process::{Answer, Folder, Node, connect, one_cpu, read_to_end, until};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tools::origin::{OriginOptions, OriginThread};

/// A client far from everything here, and one of whom nobody has measured anything.
const CLIENT: &str = "198.51.100.7";
const STRANGER: &str = "203.0.113.7";

fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_longhaul")).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// The network's files.
struct Network {
    folder: Folder,
    tree: String,
    /// Kept alive.
    _origin: OriginThread,
}

impl Network {
    fn new() -> Self {
        let folder = Folder::new();
        let origin = tools::origin::spawn(&OriginOptions::default()).unwrap();
        let keys = ["east", "west", "p1"].map(|name| folder.key(&format!("{name}.key")).1);
        let [east, west, prober] = keys;
        assert_eq!(run(&["key", "report", "--out", &folder.path("reports.key")]).0, 0);
        let text = format!(
            r#"
reports.key = "reports.key"
dns.figures = "east.json"
[zone."shop.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
"""
[node.east]
roles = ["front"]
addresses = ["127.0.0.1"]
key = "east.key"
public_key = "{east}"
front = {{ url = "http://{{site}}.east.test:1001", reports = ["127.0.0.1:1"] }}
[node.west]
roles = ["front"]
addresses = ["127.0.0.2"]
key = "west.key"
public_key = "{west}"
front = {{ url = "http://{{site}}.west.test:1002", reports = ["127.0.0.2:1"] }}
[node.p1]
roles = ["probe"]
key = "p1.key"
public_key = "{prober}"
[policy.web]
score.load = 0   # how hard this machine is pressed just now must not decide
[site."shop.test"]
origins = ["http://{}"]
dns.policy = "web"
redirect = {{ status = "302", alt_svc = "on" }}
[probe.east]
url = "http://127.0.0.1:1003/bytes/10"
host = "shop.test"
servers = ["east"]
interval = "500ms"
timeout = "400ms"
fall = 2
[probe.west]
url = "http://127.0.0.2:1004/bytes/10"
host = "shop.test"
servers = ["west"]
interval = "500ms"
timeout = "400ms"
fall = 2
"#,
            origin.address()
        );
        let tree = folder.path("longhaul.toml");
        fs::write(&tree, text).unwrap();
        let network = Self { folder, tree, _origin: origin };
        network.figures("east.json", 120, 10);
        network.figures("west.json", 120, 10);
        network
    }

    /// How far the client is from both.
    fn figures(&self, file: &str, east_ms: u32, west_ms: u32) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let one = |from: &str, ms: u32| {
            format!(r#"{{"network": "198.51.100.0/24", "from": "{from}", "ms": {ms}}}"#)
        };
        let text =
            format!(r#"{{"at": {at}, "latency": [{}, {}]}}"#, one("east", east_ms), one("west", west_ms));
        fs::write(self.folder.path("figures.new"), text).unwrap();
        fs::rename(self.folder.path("figures.new"), self.folder.path(file)).unwrap();
    }

    fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(&self.tree).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(&self.tree, text.replace(old, new)).unwrap();
    }

    /// One that reads a tree of its own: the same but for what was measured.
    fn front(&self, name: &str, ip: &str, report_to: &str) -> Front {
        let tree = self.tree_of(name);
        let (at, cpu) = (format!("{ip}:0"), one_cpu());
        let behind_proxy = format!("{at},proxy");
        let node = Node::start(
            &[
                &["front", "--config", &tree, "--node", name, "--cpus", &cpu, "--admin", "127.0.0.1:0"][..],
                &["--listen", &behind_proxy, "--listen", &at, "--reports", &at, "--report-to", report_to],
                &[
                    "--access-log",
                    &self.folder.path(name),
                    "--control",
                    &self.folder.path(&format!("{name}.ctl")),
                ],
            ]
            .concat(),
        );
        let listening = node.fields(" started ", "listening=");
        let reports = node.fields("reports are taken", "reports_udp=")[0];
        Front { node, clients: listening[0], probes: listening[1], reports }
    }

    fn tree_of(&self, name: &str) -> String {
        let text = fs::read_to_string(&self.tree).unwrap();
        let tree = self.folder.path(&format!("{name}.toml"));
        fs::write(&tree, text.replace("east.json", &format!("{name}.json"))).unwrap();
        tree
    }

    fn public(&self, name: &str) -> String {
        let (code, said) = run(&["key", "show", &self.folder.path(&format!("{name}.key"))]);
        assert_eq!(code, 0, "{said}");
        said.trim().to_owned()
    }
}

struct Front {
    node: Node,
    clients: SocketAddr,
    probes: SocketAddr,
    reports: SocketAddr,
}

impl Front {
    /// What `client` gets who asks for `path` under a name; the head of the request ends with `fields`.
    fn ask(&self, client: &str, line: &str, host: &str, fields: &str) -> Answer {
        let mut stream = connect(self.clients);
        let port = self.clients.port();
        let head = format!(
            "PROXY TCP4 {client} 192.0.2.1 4000 {port}\r\n{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        read_to_end(&mut stream)
    }

    fn get(&self, client: &str, host: &str) -> Answer {
        self.ask(client, "GET /echo?a=1", host, "")
    }

    fn sent_to(&self, other: &str) -> Option<f64> {
        self.node.metric(&format!("longhaul_redirect_networks{{site=\"shop.test\",to=\"{other}\"}}"))
    }
}

#[test]
fn a_client_of_the_wrong_pop_is_sent_to_the_right_one_once_and_only_while_that_is_up() {
    let network = Network::new();
    let west = network.front("west", "127.0.0.2", "127.0.0.1:9");
    network.edit(":1002", &format!(":{}", west.clients.port()));
    let to_west = format!("{}@{}", network.public("west"), west.reports);
    let east = network.front("east", "127.0.0.1", &to_west);
    network.edit(":1001", &format!(":{}", east.clients.port()));
    network.edit("127.0.0.1:1003", &east.probes.to_string());
    network.edit("127.0.0.2:1004", &west.probes.to_string());
    for (name, front) in [("west", &west), ("east", &east)] {
        network.tree_of(name);
        front.node.signal("HUP");
        front.node.wait_for("the tree is read again");
    }
    // Nobody has looked yet: whoever comes is served.
    assert_eq!(east.get(CLIENT, "shop.test").status, 200);
    let to = [("east", &east), ("west", &west)]
        .map(|(name, front)| format!("{}@{}", network.public(name), front.reports));
    let _prober =
        Node::start(
            &[
                &[
                    "probe",
                    "--config",
                    &network.tree,
                    "--node",
                    "p1",
                    "--key",
                    &network.folder.path("p1.key"),
                ][..],
                &["--report-to", &to[0], "--report-to", &to[1]],
            ]
            .concat(),
        );

    until("it is known that west is better", || east.sent_to("west").filter(|networks| *networks == 1.0));
    let answer = east.get(CLIENT, "shop.test");
    let base = format!("http://shop.test.west.test:{}", west.clients.port());
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert!(answer.has_field(&format!("Location: {base}/echo?a=1")), "{}", answer.text());
    assert!(answer.has_field("Cache-Control: no-store"), "{}", answer.text());

    // Front-ends hear each other under keys of the pair; what the network's secret has signed is nothing to them.
    let heard = |front: &Front, sample: &str| front.node.metric(sample).filter(|count| *count > 0.0);
    until("west hears east", || heard(&west, "longhaul_reports_total{node=\"east\"}"));
    assert!(heard(&west, "longhaul_reports_refused_total{node=\"east\",reason=\"forged\"}").is_none());
    let at = east.reports.to_string();
    let secret = network.folder.path("reports.key");
    let _forger = Node::start(&[
        "probe",
        "--config",
        &network.tree,
        "--node",
        "p1",
        "--report-to",
        &at,
        "--report-key",
        &secret,
    ]);
    until("it is refused", || heard(&east, "longhaul_reports_refused_total{node=\"p1\",reason=\"forged\"}"));

    // The client follows: it is served, and the origin sees the site's name.
    let name = base.trim_start_matches("http://");
    let served = west.get(CLIENT, name);
    assert!(served.status == 200 && served.text().contains("shop.test"), "{}", served.text());
    assert!(!served.text().contains("Location"), "{}", served.text());
    // So is who asks for an own name at the wrong machine, who has a body, who was hinted, and whom nobody knows.
    assert_eq!(east.get(CLIENT, name).status, 200);
    let posted = east.ask(CLIENT, "POST /hash", "shop.test", "Content-Length: 0\r\n");
    let hint = format!("Alt-Svc: http%2F1.1=\"{name}\"; ma=60");
    assert!(posted.status == 200 && posted.has_field(&hint), "{}", posted.text());
    let hinted = east.ask(CLIENT, "GET /bytes/1", "shop.test", "Alt-Used: other.test\r\n");
    assert!(hinted.status == 200 && !hinted.text().contains("Alt-Svc"), "{}", hinted.text());
    assert_eq!(east.get(STRANGER, "shop.test").status, 200);

    // What operators see.
    assert_eq!(east.node.metric("longhaul_redirects_total{worker=\"0\"}"), Some(1.0));
    let line = until("the log has it", || {
        let log = fs::read_to_string(network.folder.path("east")).unwrap();
        log.lines().find(|line| line.contains("\"status\":302")).map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["decision"]["rule"], &line["decision"]["redirected_to"]),
        (&"redirect".into(), &"west".into())
    );
    assert!(line["decision"]["id"].as_str().is_some_and(|id| id.len() == 16) && line.get("origin").is_none());
    let explain = |front: &str, client: &str| {
        let door = network.folder.path(&format!("{front}.ctl"));
        run(&["ctl", "--control", &door, "explain", "shop.test", "--client", client])
    };
    let (code, said) = explain("east", CLIENT);
    assert!(code == 0 && said.contains("sent      to west") && said.contains("west/west: up"), "{said}");
    let (code, said) = explain("east", STRANGER);
    assert!(code == 0 && said.contains("served    here: nobody knows how far"), "{said}");

    // East believes that west is better, and west that east is: who is sent on is served where he comes to.
    network.figures("west.json", 10, 120);
    until("west believes otherwise", || west.sent_to("east").filter(|networks| *networks == 1.0));
    for (front, other) in [(&east, &west), (&west, &east)] {
        let answer = front.get(CLIENT, "shop.test");
        let text = answer.text();
        let to = text.lines().find_map(|line| line.strip_prefix("Location: http://")).unwrap();
        let (name, _) = to.split_once('/').unwrap();
        assert!(name.ends_with(&other.clients.port().to_string()), "{text}");
        assert_eq!((other.get(CLIENT, name).status, front.get(CLIENT, name).status), (200, 200));
    }

    // Another tree says it otherwise; workers hear of it though the clients are the same.
    network.edit("status = \"302\"", "status = \"307\"");
    network.tree_of("east");
    east.node.signal("HUP");
    until("clients are told with 307", || (east.get(CLIENT, "shop.test").status == 307).then_some(()));

    // What is down is nobody's target.
    drop(west);
    let ended = Instant::now();
    until("clients are served where they come", || {
        (east.get(CLIENT, "shop.test").status == 200).then_some(())
    });
    println!("served again after {} ms; due: {} ms", ended.elapsed().as_millis(), 2 * 550 + 400 + 100);
    let (code, said) = explain("east", CLIENT);
    assert!(code == 0 && said.contains("served    here: no target is up"), "{said}");
}

#[test]
fn trees_that_could_send_in_circles_are_refused() {
    let network = Network::new();
    let (code, said) = run(&["config", "check", &network.tree]);
    assert_eq!(code, 0, "{said}");
    let good = fs::read_to_string(&network.tree).unwrap();
    for (old, new, due) in [
        ("http://{site}.west.test:1002", "http://{site}:1002", "shop.test is a site's name"),
        ("http://{site}.west.test:1002", "http://{site}.east.test:1002", "is east's own name already"),
        ("http://{site}.west.test:1002", "http://{site}.west.test/x", "without a path"),
        ("[policy.web]", "[policy.web]\nkind = \"failover\"", "has no scores to compare machines by"),
        ("alt_svc = \"on\"", "alt_svc = \"on\", better_by = \"1ms\"", "differ by 5 ms"),
    ] {
        fs::write(&network.tree, good.replace(old, new)).unwrap();
        let (code, said) = run(&["config", "check", &network.tree]);
        assert!(code == 2 && said.contains(due), "{new}: {said}");
    }
}

/// The machine of a back-end that users reach, too, has both roles: it serves them straight from the origin, and sends them on.
#[test]
fn a_back_ends_machine_sends_clients_on() {
    let network = Network::new();
    network.edit(
        "roles = [\"front\"]\naddresses = [\"127.0.0.1\"]",
        "roles = [\"front\", \"back\"]\nback.listen = [\"127.0.0.1:2\"]\naddresses = [\"127.0.0.1\"]",
    );
    network.edit("origins = [", "back = [\"east\"]\norigins = [");
    let up = |name: &str| format!("[override.{name}]\naction = \"up\"\nreason = \"seen\"\n");
    network.edit("[policy.web]", &(up("west") + &up("east") + "[policy.web]"));
    let east = network.front("east", "127.0.0.1", "127.0.0.1:9");
    until("it is known that west is better", || east.sent_to("west").filter(|networks| *networks == 1.0));
    let answer = east.get(CLIENT, "shop.test");
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert!(answer.has_field("Location: http://shop.test.west.test:1002/echo?a=1"), "{}", answer.text());
    let served = east.get(STRANGER, "shop.test");
    assert!(served.status == 200 && served.text().contains("shop.test"), "{}", served.text());
}
