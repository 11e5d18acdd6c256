//! Two front-ends, one back-end, a name server: when the way of one front-end to the origin sours, its users are sent to the
//! other.

use crate::client::{addresses, ask, question};
use crate::process::{Folder, Node, one_cpu, until};
use crate::{origin, run};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tools::load::LoadOptions;
use tools::wan::{Running, UdpEnds, WanOptions, Way, spawn};

const TREE: &str = r#"
reports.key = "reports.key"
[zone."shop.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
"""
[node.ns]
roles = ["dns"]
dns.listen = ["127.0.0.1:0"]
[node.east]
roles = ["front"]
addresses = ["192.0.2.1"]
[node.west]
roles = ["front"]
addresses = ["192.0.2.2"]
[policy.web]
[site."shop.test".dns]
policy = "web"
"#;

/// A path with a steering wheel before a back-end.
fn path(back: SocketAddr) -> (Running, SocketAddr) {
    let ends = UdpEnds::bind("127.0.0.1:0".parse().unwrap(), back).unwrap();
    let address = ends.address();
    let rules = tools::wan::read("rtt=20ms", "", "").unwrap();
    (spawn(WanOptions { rules, ..WanOptions::default() }, ends).unwrap(), address)
}

/// The client networks, of fifty, that are sent to `east`.
fn at_east(dns: SocketAddr) -> usize {
    let at_east = |client: u8| {
        let mut bytes = question("shop.test", 1, Some(1_232));
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&11u16.to_be_bytes());
        bytes.extend([0, 8, 0, 7, 0, 1, 24, 0, 198, 51, client]);
        addresses(&ask(dns, &bytes)) == ["192.0.2.1"]
    };
    (0..50).filter(|client| at_east(*client)).count()
}

#[test]
fn users_leave_a_pop_whose_way_to_the_origin_has_soured() {
    let (folder, origin) = (Folder::new(), origin());
    let tree = folder.path("longhaul.toml");
    fs::write(&tree, TREE).unwrap();
    let secret = folder.path("reports.key");
    assert_eq!(run(&["key", "report", "--out", &secret]).0, 0);
    let keys = ["east", "west", "back"].map(|name| folder.key(&format!("{name}.key")));
    let [(east_key, east_public), (west_key, west_public), (back_key, back_public)] = &keys;
    let cpu = one_cpu();
    let back = Node::start(
        &[
            &["back", "--listen", "127.0.0.1:0", "--key", back_key, "--cpus", &cpu][..],
            &["--peer", &format!("{east_public}=*"), "--peer", &format!("{west_public}=*")],
            &["--origin", &format!("*=http://{}", origin.address())],
        ]
        .concat(),
    );
    let dns = Node::start(&[
        "dns",
        "--config",
        &tree,
        "--node",
        "ns",
        "--threads",
        "1",
        "--admin",
        "127.0.0.1:0",
        "--reports",
        "127.0.0.1:0",
    ]);
    let line = dns.wait_for("reports are taken");
    let to = line.split("reports_udp=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let front = |name: &str, key: &str, back: SocketAddr| {
        Node::start(
            &[
                &["front", "--listen", "127.0.0.1:0", "--key", key, "--cpus", &cpu, "--admin", "127.0.0.1:0"]
                    [..],
                &["--route", &format!("home={back_public}@{back}"), "--site", "*=home"],
                &["--report-to", &to, "--report-key", &secret, "--report-as", name],
            ]
            .concat(),
        )
    };
    let (path, through) = path(back.tunnel());
    let (east, _west) = (front("east", east_key, through), front("west", west_key, back.tunnel()));
    let sour = "longhaul_report_tunnel_sour{node=\"east\",to=\"home\"}";
    until("both are heard", || {
        let heard =
            |name: &str| dns.metric(&format!("longhaul_report_tunnel_sour{{node=\"{name}\",to=\"home\"}}"));
        (heard("east") == Some(0.0) && heard("west") == Some(0.0)).then_some(())
    });
    let before = until("both serve", || Some(at_east(dns.address())).filter(|count| (1..50).contains(count)));

    // Users keep the tunnel busy, a few hundred packets a second, until they are seen to have been moved.
    let options = LoadOptions {
        urls: vec![format!("http://{}/bytes/100", east.address())],
        rate_per_second: Some(300.0),
        connections: 64,
        duration: Some(Duration::from_secs(120)),
        timeout: Duration::from_secs(20),
        ..LoadOptions::default()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let load = std::thread::spawn(move || tools::load::run_until(&options, &stopped).unwrap());
    until("it is busy", || {
        let sample = "longhaul_tunnel_sent_packets_total{worker=\"0\",to=\"home\"}";
        east.metric(sample).filter(|packets| *packets > 500.0)
    });
    path.steering().set(&[Way::Up, Way::Down], "rtt=20ms,loss=5%").unwrap();
    let soured = Instant::now();
    let mut said = String::new();
    until("nobody is sent to east", || {
        // Shown if it does not come to that.
        let status: serde_json::Value = serde_json::from_str(&dns.page("/status").1).unwrap();
        let sources = status["sources"].to_string();
        if sources != said {
            eprintln!("{} ms: {sources}", soured.elapsed().as_millis());
            said = sources;
        }
        (at_east(dns.address()) == 0).then_some(())
    });
    // Due within 3 s; not asserted, for this machine may be busy: docs/probe.md has it.
    println!("moved after {} ms; {before} of 50 networks", soured.elapsed().as_millis());
    assert_eq!(dns.metric(sour), Some(1.0));
    // Its users' own connections showed how far they are.
    until("the network of its users is known", || {
        let status: serde_json::Value = serde_json::from_str(&dns.page("/status").1).unwrap();
        (status["reports"]["networks"] == 1 && status["networks_measured"] == 1).then_some(())
    });
    let status: serde_json::Value = serde_json::from_str(&dns.page("/status").1).unwrap();
    let words = status["sources"]["east"].to_string();
    assert!(words.contains("tunnel to home: SOURED by loss"), "{words}");
    stop.store(true, Ordering::Relaxed);
    let _report = load.join().unwrap();
}

/// The demonstration does the same by itself. A busy machine may be later than it promises, which it says; users are moved all
/// the same.
#[test]
fn the_demonstration_sours_a_way_and_moves_its_users() {
    let (code, said, wrong) = run(&["demo", "--check", "--wan", "rtt=20ms", "--cpus", &one_cpu()]);
    let is_late = code == 3 && wrong.contains("check failed: users were moved after");
    assert!(code == 0 && said.contains("check passed") || is_late, "{code}: {said}{wrong}");
    let moved = said.lines().find(|line| line.starts_with("users are sent to east after"));
    println!("{}", moved.unwrap());
    for due in [
        "begins to lose: loss=5%",
        "east serves them",
        "were answered, every byte right",
        "users return 60 s",
    ] {
        assert!(said.contains(due), "{due}: {said}");
    }
}
