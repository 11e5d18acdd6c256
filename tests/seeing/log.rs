//! The access log: its lines, its rotation, its gaps, and the decision id that page and log share.

use crate::process::{Folder, Node, Pair, ask, connect, each_driver, exchange, until};
use crate::{get, origin};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;

/// The lines of a log file so far; the last may still be on its way.
fn lines(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

/// The line of a target, once it is there.
pub(crate) fn line_of(file: &str, target: &str) -> Value {
    until(target, || lines(file).into_iter().find(|line| line["target"] == target))
}

#[test]
fn a_line_says_all_about_its_exchange() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let file = folder.path("access.log");
        let rule = ["--access-log", &file, "--class", "path=/hash:1"];
        let pair = Pair::start(io, origin.address(), &rule);
        let mut client = connect(pair.front.address());
        let request = b"POST /hash?a=%20b HTTP/1.1\r\nHost: SHOP.example\r\nCookie: secret\r\n\
            Authorization: secret\r\nContent-Length: 5\r\n\r\nhello";
        let answer = ask(&mut client, request);
        assert_eq!(answer.status, 200);
        let line = line_of(&file, "/hash?a=%20b");
        assert_eq!(line["client"], client.local_addr().unwrap().to_string());
        let texts = [
            ("kind", "http"),
            ("site", "*"),
            ("method", "POST"),
            ("version", "HTTP/1.1"),
            ("ended", "complete"),
        ];
        for (name, value) in
            texts.into_iter().chain([("route", "east"), ("origin_address", &origin.address().to_string())])
        {
            assert_eq!(line[name], value, "{name} in {line}");
        }
        let numbers = [("worker", 0), ("status", 200), ("request_body_bytes", 5), ("class", 1)];
        for (name, value) in numbers.into_iter().chain([("response_body_bytes", answer.body().len())]) {
            assert_eq!(line[name], value, "{name} in {line}");
        }
        for name in ["queue_us", "tunnel_us", "origin_first_byte_us", "total_us"] {
            assert!(line[name].is_u64(), "{name} in {line}");
        }
        let (total, parts) = (&line["total_us"], [&line["tunnel_us"], &line["origin_first_byte_us"]]);
        assert!(parts.iter().all(|part| part.as_u64() <= total.as_u64()), "{line}");
        assert!(
            line["time"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
            "{line}"
        );
        let decision = &line["decision"];
        assert!(decision["id"].as_str().is_some_and(|id| id.len() == 16), "{line}");
        assert_eq!((&decision["rule"], &decision["attempts"]), (&"site_default".into(), &1.into()), "{line}");
        assert!(decision["connection_reused"].is_boolean(), "{line}");
        assert!(!fs::read_to_string(&file).unwrap().contains("secret"), "nothing secret is logged");
    });
}

#[test]
fn the_page_of_an_error_carries_the_decision_that_the_log_has() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let file = folder.path("access.log");
        let node =
            Node::front_alone(io, origin.address(), &["--access-log", &file, "--answer-timeout", "200ms"]);
        let late = exchange(node.address(), &get("/delay/60000/1").replace_close());
        let refused = exchange(node.address(), b"GET / HTTP/1.1\r\n\r\n");
        let cases = [(late, 504, "timeout", "origin_first_byte"), (refused, 400, "refused", "bad_request")];
        for (answer, status, ended, reason) in cases {
            assert_eq!(answer.status, status, "{answer:?}");
            let page = answer.body();
            let id =
                page.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next()).unwrap().to_owned();
            let line =
                until("the line", || lines(&file).into_iter().find(|line| line["decision"]["id"] == id));
            assert_eq!((&line["status"], &line["ended"]), (&status.into(), &ended.into()), "{line}");
            assert_eq!(line["reason"], reason, "{line}");
        }
    });
}

trait Closing {
    fn replace_close(self) -> Vec<u8>;
}

impl Closing for Vec<u8> {
    fn replace_close(mut self) -> Self {
        self.truncate(self.len() - 2);
        self.extend(b"Connection: close\r\n\r\n");
        self
    }
}

#[test]
fn a_rotated_log_is_opened_again_without_a_line_lost() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let (file, old) = (folder.path("access.log"), folder.path("access.log.1"));
        let node = Node::front_alone(io, origin.address(), &["--access-log", &file]);
        let mut client = connect(node.address());
        assert_eq!(ask(&mut client, &get("/b128?before")).status, 200);
        line_of(&file, "/b128?before");
        fs::rename(&file, &old).unwrap();
        assert_eq!(ask(&mut client, &get("/b128?between")).status, 200);
        node.signal("USR1");
        node.wait_for("the access log was reopened");
        assert_eq!(ask(&mut client, &get("/b128?after")).status, 200);
        line_of(&file, "/b128?after");
        let both = [lines(&old), lines(&file)].concat();
        let count = |target: &str| both.iter().filter(|line| line["target"] == target).count();
        assert_eq!(["/b128?before", "/b128?between", "/b128?after"].map(count), [1, 1, 1]);
    });
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_counted_and_the_gap_is_written() {
    each_driver(|io| {
        let (origin, folder) = (origin(), Folder::new());
        let file = folder.path("access.log");
        symlink("/dev/full", &file).unwrap();
        let node = Node::front_alone(io, origin.address(), &["--access-log", &file]);
        let mut client = connect(node.address());
        for _ in 0..50 {
            assert_eq!(
                ask(&mut client, &get("/b128?lost")).status,
                200,
                "a full disk costs lines, nothing else"
            );
        }
        let lost = "longhaul_access_log_lost_total{at=\"output\"}";
        let lost = until("the lost lines are counted", || node.metric(lost).filter(|lost| *lost >= 50.0));
        assert!(node.metric("longhaul_access_log_errors_total{what=\"write\"}").unwrap() >= 1.0);
        fs::remove_file(&file).unwrap();
        node.signal("USR1");
        assert_eq!(ask(&mut client, &get("/b128?found")).status, 200);
        let gap = until("the gap line", || lines(&file).into_iter().find(|line| line["gap"].is_u64()));
        assert!(gap["gap"].as_f64() >= Some(lost) && gap["lost_at_output"] == gap["gap"], "{gap} for {lost}");
        assert_eq!(ask(&mut client, &get("/b128?after")).status, 200);
        line_of(&file, "/b128?after");
    });
}
