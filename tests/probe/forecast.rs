//! A front-end tells how far its clients are, the name server foretells it in its answers, and is graded by what comes next.

use crate::client::{addresses, ask, question};
use crate::process::{Folder, Node, one_cpu, until};
use crate::{origin, run};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

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
[policy.web]
[site."shop.test".dns]
policy = "web"
"#;

#[test]
fn answers_are_graded_by_what_front_ends_measure_then() {
    let (folder, origin) = (Folder::new(), origin());
    let tree = folder.path("longhaul.toml");
    fs::write(&tree, TREE).unwrap();
    let secret = folder.path("reports.key");
    assert_eq!(run(&["key", "report", "--out", &secret]).0, 0);
    let control = folder.path("ctl");
    let dns = Node::start(
        &[
            &["dns", "--config", &tree, "--node", "ns", "--threads", "1", "--admin", "127.0.0.1:0"][..],
            &["--reports", "127.0.0.1:0", "--control", &control],
        ]
        .concat(),
    );
    let line = dns.wait_for("reports are taken");
    let to = line.split("reports_udp=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let front = Node::start(
        &[
            &["front", "--listen", "127.0.0.1:0", "--cpus", &one_cpu()][..],
            &["--site", &format!("*=http://{}", origin.address())],
            &["--report-to", &to, "--report-key", &secret, "--report-as", "east"],
        ]
        .concat(),
    );
    // A client stays; the kernel says how far it is.
    let mut client = TcpStream::connect(front.address()).unwrap();
    let mut keep = || {
        client.write_all(b"GET /bytes/10 HTTP/1.1\r\nHost: shop.test\r\n\r\n").unwrap();
        assert!(client.read(&mut [0; 4_096]).unwrap() > 0);
    };
    keep();
    let graded = || dns.metric("longhaul_dns_forecasts_total{fate=\"graded\"}");
    assert_eq!(graded(), Some(0.0));
    // Who asks is of the client's network; once that is known, each answer foretells how far it is.
    until("an answer is graded", || {
        keep();
        assert_eq!(addresses(&ask(dns.address(), &question("shop.test", 1, None))), ["192.0.2.1"]);
        graded().filter(|graded| *graded > 0.0)
    });
    let error = |at: &str| {
        let sample =
            format!("longhaul_dns_forecast_error_seconds{{server=\"east\",basis=\"own\",quantile=\"{at}\"}}");
        dns.metric(&sample).unwrap_or_else(|| panic!("{sample}"))
    };
    // On loopback nothing is further than a moment of a busy machine.
    assert!((0.0..1.0).contains(&error("0.5")) && error("0.9") >= error("0.5"));
    let status: serde_json::Value = serde_json::from_str(&dns.page("/status").1).unwrap();
    assert!(
        status["reports"]["forecasts"]["servers"]["east"]["own"]["graded"].as_u64() > Some(0),
        "{status}"
    );
    let (code, said, _) =
        run(&["ctl", "--control", &control, "explain", "shop.test", "--client", "127.0.0.1"]);
    assert!(code == 0 && said.contains("latency foretold (from its own clients): off by"), "{said}");
}
