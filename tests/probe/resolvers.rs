//! Users' resolvers that no front-end sees: the name server asks a prober, the prober asks the resolver, and the next answer knows
//! how far it is. The resolvers are Knot and another name server of ours, on loopback; port 53 is what resolvers have.

use crate::client::question;
use crate::process::{Folder, Node, until};
use crate::run;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The network: a name server, and a POP with a prober, whose address is nobody's.
struct World {
    folder: Folder,
    dns: Node,
    probe: Node,
    requests: SocketAddr,
}

fn tree(requests: SocketAddr, more: &str) -> String {
    format!(
        r#"
reports.key = "reports.key"
[resolvers]
probe = "on"
private = "on"
per_second = 5
opt_out = ["127.0.66.0/24"]
{more}
[zone."shop.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
"""
[node.ns]
roles = ["dns"]
dns.listen = ["127.0.0.1:0"]
[node.east]
roles = ["front", "probe"]
addresses = ["127.0.0.1"]
probe.requests = ["{requests}"]
[policy.web]
[site."shop.test".dns]
policy = "web"
"#
    )
}

impl World {
    fn new() -> Self {
        Self::with(None)
    }

    /// With somebody in between, to whom the name server sends its requests.
    fn with(between: Option<SocketAddr>) -> Self {
        let folder = Folder::new();
        assert_eq!(run(&["key", "report", "--out", &folder.path("reports.key")]).0, 0);
        // The name server must know the prober's port before that has one: one that is free now.
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let requests = free.local_addr().unwrap();
        drop(free);
        let path = folder.path("longhaul.toml");
        fs::write(&path, tree(requests, "")).unwrap();
        let of_dns = folder.path("dns.toml");
        fs::write(&of_dns, tree(between.unwrap_or(requests), "")).unwrap();
        let admin = ["--admin", "127.0.0.1:0"];
        let control = folder.path("ctl");
        let dns =
            ["dns", "--node", "ns", "--threads", "1", "--reports", "127.0.0.1:0", "--control", &control];
        let dns = Node::start(&[&dns[..], &["--config", &of_dns], &admin].concat());
        let line = dns.wait_for("reports are taken");
        let to = line.split("reports_udp=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        let probe = ["probe", "--node", "east", "--report-to", &to, "--config", &path];
        let probe = Node::start(&[&probe[..], &admin].concat());
        probe.wait_for("resolvers are probed for name servers that ask");
        Self { folder, dns, probe, requests }
    }

    /// One question of a resolver.
    fn ask(&self, resolver: &str) {
        let socket = UdpSocket::bind((resolver, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        socket.send_to(&question("shop.test", 1, None), self.dns.address()).unwrap();
        // A busy machine may lose it; who asks, asks again.
        let _answer = socket.recv(&mut [0; 1_500]);
    }

    fn explain(&self, client: &str) -> String {
        let control = self.folder.path("ctl");
        let (code, said, wrong) =
            run(&["ctl", "--control", &control, "explain", "shop.test", "--client", client]);
        assert_eq!(code, 0, "{wrong}");
        said
    }

    fn probes(&self, outcome: &str) -> f64 {
        self.probe.metric(&format!("longhaul_resolver_probes_total{{outcome=\"{outcome}\"}}")).unwrap_or(0.0)
    }

    fn passed_over(&self, reason: &str) -> f64 {
        self.probe
            .metric(&format!("longhaul_resolver_passed_over_total{{reason=\"{reason}\"}}"))
            .unwrap_or(0.0)
    }

    fn told(&self, outcome: &str) -> f64 {
        let sample = format!("longhaul_report_resolvers_total{{node=\"east\",outcome=\"{outcome}\"}}");
        self.dns.metric(&sample).unwrap_or(0.0)
    }
}

/// Whether port 53 is to be had here; if not, says so.
fn port_53_is_there() -> bool {
    let there = UdpSocket::bind("127.0.53.53:53");
    if let Err(error) = &there {
        let required = std::env::var_os("LONGHAUL_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "port 53: {error}");
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: resolvers have port 53, and this user has not: {error}");
    }
    there.is_ok()
}

/// A resolver that ends with the test.
struct Knot(Child);

impl Drop for Knot {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Knot at an address; `None` where it is not installed.
fn knot(folder: &Folder, address: &str) -> Option<Knot> {
    let configuration = format!(
        "server:\n  rundir: \"{0}\"\n  listen: {address}@53\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         database:\n  storage: \"{0}\"\nlog:\n- target: stderr\n  any: warning\n",
        folder.path("")
    );
    let path = folder.path("knot.conf");
    fs::write(&path, configuration).unwrap();
    let child = Command::new("knotd").args(["-c", &path]).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
    match child {
        Ok(child) => Some(Knot(child)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: knotd is not installed (package knot): {error}");
            None
        }
    }
}

#[test]
fn a_resolver_without_client_subnet_is_unknown_no_more() {
    if !port_53_is_there() {
        return;
    }
    let world = World::new();
    let Some(_knot) = knot(&world.folder, "127.0.61.1") else { return };
    until("Knot answers", || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.send_to(&question("shop.test", 2, None), "127.0.61.1:53").ok()?;
        socket.recv(&mut [0; 512]).ok()
    });
    assert!(world.explain("127.0.61.1").contains("nobody knows"));
    until("a prober has measured it", || {
        world.ask("127.0.61.1");
        (world.told("answered") > 0.0).then_some(())
    });
    assert_eq!(world.probes("answered"), 1.0, "one packet for all that it asks");
    // The ways are made anew every few seconds.
    let said = until("answers know it", || {
        let said = world.explain("127.0.61.77");
        said.contains("towards its resolver").then_some(said)
    });
    // What was measured, not what stands for the unknown: on a quiet machine it is so little that it reads 0.0, and how little it
    // is a busy one does not promise.
    let latency = said.split("(latency ").nth(1).and_then(|rest| rest.split(' ').next());
    let latency_ms: f64 = latency.unwrap().parse().unwrap();
    assert!(latency_ms != 150.0 && !said.contains("nobody knows"), "{said}");
    assert!(said.contains("s old, towards its resolver"), "{said}");
    let status: serde_json::Value = serde_json::from_str(&world.dns.page("/status").1).unwrap();
    assert_eq!(status["reports"]["resolvers"]["results"]["answered"], 1, "{status}");
    assert_eq!(status["reports"]["networks"], 1);
}

#[test]
fn silent_resolvers_closed_ones_and_those_that_opted_out() {
    if !port_53_is_there() {
        return;
    }
    let world = World::new();
    // One that takes the question and says nothing; one that has no such port; one that wants to be left alone.
    let silent = UdpSocket::bind("127.0.62.1:53").unwrap();
    let alone = UdpSocket::bind("127.0.66.1:53").unwrap();
    alone.set_nonblocking(true).unwrap();
    until("both have an outcome", || {
        ["127.0.62.1", "127.0.63.1", "127.0.66.1"].iter().for_each(|resolver| world.ask(resolver));
        (world.told("silent") > 0.0 && world.told("unreachable") > 0.0).then_some(())
    });
    assert_eq!(
        (world.probes("silent"), world.probes("unreachable"), world.probes("answered")),
        (1.0, 1.0, 0.0)
    );
    // Its machine's word that nothing listens is a round trip; silence is none.
    until("the closed one is known", || {
        world.explain("127.0.63.1").contains("towards its resolver").then_some(())
    });
    assert!(world.explain("127.0.62.1").contains("nobody knows"));
    let mut asked = [0; 512];
    let bytes = silent.recv(&mut asked).unwrap();
    assert_eq!(
        (asked[2] & 1, &asked[12..bytes]),
        (0, &b"\x04shop\x04test\0\0\x02\0\x01"[..]),
        "NS, not recursive"
    );
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut asked).is_err(), "one packet and no more");
    assert!(alone.recv(&mut asked).is_err(), "who opted out is not even asked for");
    assert_eq!(world.passed_over("opted_out"), 0.0);
    // A name server that has not read the list yet: the prober has.
    let path = world.folder.path("dns.toml");
    let unread = tree(world.requests, "").replace("127.0.66.0/24", "127.0.67.0/24");
    fs::write(&path, unread).unwrap();
    world.dns.signal("HUP");
    until("the prober passes it over", || {
        world.ask("127.0.66.1");
        (world.passed_over("opted_out") > 0.0).then_some(())
    });
    assert!(alone.recv(&mut asked).is_err(), "nobody moves a prober to what its own tree forbids");
}

#[test]
fn floods_forgeries_and_replays_move_no_prober() {
    let world = World::new();
    let refused = |reason: &str| {
        let sample = format!("longhaul_resolver_requests_refused_total{{reason=\"{reason}\"}}");
        world.probe.metric(&sample).unwrap_or(0.0)
    };
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.set_nonblocking(true).unwrap();
    until("what is no request is refused", || {
        sender.send_to(b"please probe 127.0.0.9", world.requests).unwrap();
        (refused("malformed") > 0.0).then_some(())
    });
    // In the form of a request, by a name server of the tree, under a code that anybody can make up.
    let mut forged = b"LHR\x02\x03\x02ns".to_vec();
    forged.extend([0; 24]);
    forged.extend(b"\x06\x00\x05\x04\x7f\x00\x00\x09");
    forged.extend([7; 32]);
    until("a forgery is refused", || {
        sender.send_to(&forged, world.requests).unwrap();
        (refused("forged") > 0.0).then_some(())
    });
    let stranger = [b"LHR\x02\x03\x02xx", &forged[8..]].concat();
    until("a stranger is refused", || {
        sender.send_to(&stranger, world.requests).unwrap();
        (refused("stranger") > 0.0).then_some(())
    });
    assert!(sender.recv(&mut [0; 512]).is_err(), "nobody is answered");
    // A hundred resolvers at once, and one that floods: each second has its budget, each network its one packet.
    let begun = std::time::Instant::now();
    until("the budget is used for a while", || {
        for at in 0..100 {
            let resolver = format!("127.0.{}.1", 100 + at);
            let socket = UdpSocket::bind((resolver.as_str(), 0)).unwrap();
            for _ in 0..if at == 0 { 200 } else { 1 } {
                socket.send_to(&question("shop.test", 1, None), world.dns.address()).unwrap();
            }
        }
        (world.told("unreachable") + world.told("silent") + world.told("answered") >= 12.0).then_some(())
    });
    let seconds = begun.elapsed().as_secs_f64() + 1.0;
    let all = world.probes("unreachable") + world.probes("silent") + world.probes("answered");
    assert!(all <= 5.0 * seconds, "{all} in {seconds} s");
    let asked = world.dns.metric("longhaul_dns_resolvers_asked_total").unwrap();
    assert!(asked <= 5.0 * seconds, "{asked} in {seconds} s");
    assert_eq!(refused("replayed"), 0.0);
}

#[test]
fn a_request_that_comes_twice_is_taken_once() {
    // Somebody in between hears what the name server asks, and says it again.
    let between = UdpSocket::bind("127.0.0.1:0").unwrap();
    between.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let world = World::with(Some(between.local_addr().unwrap()));
    let mut request = [0; 2_000];
    let bytes = until("the name server asks", || {
        world.ask("127.0.64.1");
        between.recv(&mut request).ok()
    });
    let replayed = "longhaul_resolver_requests_refused_total{reason=\"replayed\"}";
    until("the second one is refused", || {
        between.send_to(&request[..bytes], world.requests).unwrap();
        world.probe.metric(replayed).filter(|count| *count > 0.0)
    });
    assert_eq!(world.probe.metric("longhaul_resolver_requests_total"), Some(1.0));
    until("its outcome is told", || (world.told("unreachable") == 1.0).then_some(()));
    // One bit changed: nobody's request.
    request[bytes - 1] ^= 1;
    until("a changed one is refused", || {
        between.send_to(&request[..bytes], world.requests).unwrap();
        world
            .probe
            .metric("longhaul_resolver_requests_refused_total{reason=\"forged\"}")
            .filter(|count| *count > 0.0)
    });
    assert_eq!(world.probes("unreachable"), 1.0);
}
