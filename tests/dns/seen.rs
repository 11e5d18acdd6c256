//! What operators see: pages, query log, the end.

use crate::Server;
use crate::client::{ask, ask_tcp, question};
use crate::process::until;
use std::fs;

#[test]
fn pages_are_well_formed_and_count() {
    let server = Server::start(&[]);
    for _ in 0..3 {
        ask(server.node.address(), &question("www.example.test", 28, None));
    }
    ask_tcp(server.node.address(), &question("nothing.example.test", 1, None));
    ask(server.node.address(), &question("www.other.test", 1, Some(1_232)));
    server.node.wait_metric("longhaul_dns_responses_total{worker=\"0\",code=\"NOERROR\"}", 3.0);
    server.node.wait_metric("longhaul_dns_responses_total{worker=\"0\",code=\"NXDOMAIN\"}", 1.0);
    server.node.wait_metric("longhaul_dns_responses_total{worker=\"0\",code=\"REFUSED\"}", 1.0);
    server.node.wait_metric("longhaul_dns_questions_total{worker=\"0\",type=\"AAAA\"}", 3.0);
    let (status, text) = server.node.page("/metrics");
    assert_eq!(status, 200);
    controlplane::view::check_openmetrics(&text).unwrap();
    let (_, status) = server.node.page("/status");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["zones"][0]["apex"], "example.test.");
    assert_eq!((&status["zones"][0]["serial"], &status["requests"]["tcp"]), (&7.into(), &1.into()));
}

#[test]
fn one_of_so_many_queries_is_logged_and_the_file_may_move() {
    let server = Server::start(&[]);
    let path = server.folder.path("queries.log");
    let logging = Server::start(&["--query-log", &path, "--query-log-sample", "10"]);
    let lines = |path: &str| fs::read_to_string(path).unwrap_or_default().lines().count();
    for _ in 0..30 {
        ask(logging.node.address(), &question("wWw.example.test", 1, Some(1_232)));
    }
    until("three lines", || (lines(&path) == 3).then_some(()));
    let text = fs::read_to_string(&path).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    for (field, value) in [
        ("name", "www.example.test."),
        ("type", "A"),
        ("code", "NOERROR"),
        ("zone", "example.test."),
        ("transport", "udp"),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    let moved = server.folder.path("queries.old");
    fs::rename(&path, &moved).unwrap();
    logging.node.signal("USR1");
    logging.node.wait_for("the query log is opened again");
    until("the new file", || fs::metadata(&path).is_ok().then_some(()));
    for _ in 0..10 {
        ask(logging.node.address(), &question("www.example.test", 1, None));
    }
    until("a line in the new file", || (lines(&path) == 1).then_some(()));
    assert_eq!(lines(&moved), 3);
}

#[test]
fn it_ends_when_it_is_told_to() {
    let mut server = Server::start(&[]);
    ask(server.node.address(), &question("www.example.test", 1, None));
    server.node.signal("TERM");
    assert_eq!(server.node.ended().code(), Some(0));
    server.node.wait_for(" ended ");
}

/// Memory and time for a million records (due: 300 MiB, 5 s); the time is told, not asserted, for machines are busy.
#[test]
fn a_million_records_fit() {
    use std::fmt::Write;
    let mut text = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n".to_owned();
    for at in 0..1_000_000 {
        writeln!(text, "h{at:07} A 192.0.{}.{}", at >> 8 & 255, at & 255).unwrap();
    }
    let server = Server::with_zone(&text, &[]);
    let line = server.node.wait_for("zones loaded");
    let peak = server.node.peak_bytes() >> 20;
    println!("{line}; at most {peak} MiB resident");
    let last = ask(server.node.address(), &question("h0999999.example.test", 1, None));
    assert_eq!(crate::client::addresses(&last), ["192.0.66.63"]);
    assert!(peak < 300, "{peak} MiB");
}
