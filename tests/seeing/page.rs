//! `/metrics`, `/status`, `/healthz`, and whom they answer.

use crate::process::{Pair, ask, connect, each_driver, exchange, until};
use crate::{get, origin};
use controlplane::view::check_openmetrics;
use serde_json::Value;
use std::io::Write;

fn status(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Members that must be numbers above zero, by pointer.
fn expect_counted(status: &Value, pointers: &[&str]) {
    for pointer in pointers {
        let value = status.pointer(pointer).and_then(Value::as_u64);
        assert!(value.is_some_and(|count| count > 0), "{pointer} is {value:?} in {status:#}");
    }
}

#[test]
fn both_ends_show_workers_tunnels_rings_and_origins() {
    each_driver(|io| {
        let origin = origin();
        let pair = Pair::start(io, origin.address(), &[]);
        let mut client = connect(pair.front.address());
        for _ in 0..20 {
            assert_eq!(ask(&mut client, &get("/b16k")).status, 200);
        }
        let front = until("the answers are counted", || {
            let status = status(&pair.front.page("/status").1);
            // The board of the tunnels is written twice a second.
            let crossed = status.pointer("/tunnels/0/rings/2/bytes_sent").and_then(Value::as_u64) > Some(0);
            let counted = status["log"]["exchanges"].as_u64() >= Some(20);
            (crossed && counted).then_some(status)
        });
        assert_eq!((&front["end"], &front["stage"]), (&"front".into(), &"running".into()));
        assert_eq!(front["listening"][0], pair.front.address().to_string());
        expect_counted(
            &front,
            &["/workers/0/role/requests", "/workers/0/role/clients", "/workers/0/io/loops"],
        );
        assert_eq!((&front["tunnels"][0]["to"], &front["tunnels"][0]["up"]), (&"east".into(), &true.into()));
        expect_counted(
            &front,
            &["/tunnels/0/rtt_us", "/tunnels/0/sent_packets", "/tunnels/0/received_bytes"],
        );
        expect_counted(
            &front,
            &["/tunnels/0/window_bytes", "/tunnels/0/mtu_bytes", "/tunnels/0/rings/2/bytes_sent"],
        );
        assert_eq!(front["tunnels"][0]["rings"].as_array().map(Vec::len), Some(5));
        let back = until("the answers have crossed", || {
            let status = status(&pair.back.page("/status").1);
            let crossed = status.pointer("/tunnels/0/rings/2/bytes_sent").and_then(Value::as_u64) > Some(0);
            crossed.then_some(status)
        });
        assert_eq!(back["end"], "back");
        expect_counted(&back, &["/workers/0/role/origin_connects", "/workers/0/role/origin_reuses"]);
        expect_counted(&back, &["/tunnels/0/rings/2/bytes_sent", "/workers/0/role/tunnel_streams_opened"]);
        assert!(back["origins"].as_array().is_some_and(|origins| !origins.is_empty()), "{back:#}");
        assert!(back["names"].is_object() || back["names"].is_array(), "{back:#}");
    });
}

#[test]
fn metrics_keep_the_format_and_count() {
    each_driver(|io| {
        let origin = origin();
        let pair = Pair::start(io, origin.address(), &[]);
        let mut client = connect(pair.front.address());
        for _ in 0..5 {
            assert_eq!(ask(&mut client, &get("/b128")).status, 200);
        }
        assert_eq!(exchange(pair.front.address(), b"GET / HTTP/9.9\r\n\r\n").status, 505);
        pair.front.wait_metric("longhaul_refusals_total{reason=\"version\"}", 1.0);
        for node in [&pair.front, &pair.back] {
            let (status, text) = node.page("/metrics");
            assert_eq!((status, check_openmetrics(&text)), (200, Ok(())), "{text}");
        }
        let front = |sample: &str| pair.front.metric(sample).unwrap_or_else(|| panic!("{sample} is missing"));
        assert!(front("longhaul_requests_total{worker=\"0\"}") >= 5.0);
        assert!(front("longhaul_responses_total{status=\"2xx\"}") >= 5.0);
        assert!(front("longhaul_tunnel_up{worker=\"0\",to=\"east\"}") == 1.0);
        let ring = "longhaul_ring_sent_bytes_total{worker=\"0\",to=\"east\",ring=\"2\"}";
        until("the ring has sent", || pair.front.metric(ring).filter(|bytes| *bytes > 0.0));
    });
}

/// Every number that a blender decides with, and how long its streams waited, at both ends.
#[test]
fn the_blenders_show_what_they_decide_with() {
    each_driver(|io| {
        let origin = origin();
        let pair = Pair::start(io, origin.address(), &[]);
        let mut client = connect(pair.front.address());
        for _ in 0..20 {
            assert_eq!(ask(&mut client, &get("/b16k")).status, 200);
        }
        for node in [&pair.front, &pair.back] {
            let shown = until("turns are counted", || {
                let shown = status(&node.page("/status").1);
                let turns = shown.pointer("/tunnels/0/rings/2/waits/count").and_then(Value::as_u64);
                turns.is_some_and(|turns| turns >= 20).then_some(shown)
            });
            expect_counted(&shown, &["/tunnels/0/loops", "/tunnels/0/sub_packet_bytes"]);
            expect_counted(&shown, &["/tunnels/0/rings/2/sub_packets", "/tunnels/0/rings/2/bytes_sent"]);
            expect_counted(&shown, &["/tunnels/0/rings/2/waits/buckets/0/count"]);
            let weights: Vec<_> =
                (0..5).map(|ring| shown["tunnels"][0]["rings"][ring]["weight"].clone()).collect();
            assert_eq!(weights, [16, 8, 4, 2, 1]);
            let (_, text) = node.page("/metrics");
            assert_eq!(check_openmetrics(&text), Ok(()));
            for family in ["streams", "ready", "waiting_bytes", "weight", "quota_bytes"] {
                assert!(text.contains(&format!("\n# TYPE longhaul_ring_{family} gauge\n")), "{family}");
            }
            let sample = |line: &&str| {
                line.starts_with("longhaul_ring_wait_seconds_count") && line.contains("ring=\"2\"")
            };
            let waits =
                text.lines().find(sample).and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            assert!(waits >= Some(20), "{text}");
        }
    });
}

#[test]
fn health_says_whether_to_send_traffic_here() {
    each_driver(|io| {
        let origin = origin();
        let Pair { mut front, back, .. } = Pair::start(io, origin.address(), &[]);
        assert_eq!(front.page("/healthz"), (200, "ok\n".to_owned()));
        let before = origin.counts().requests;
        let mut client = connect(front.address());
        client.write_all(&get("/delay/60000/1")).unwrap();
        until("the request is at the origin", || (origin.counts().requests > before).then_some(()));
        front.signal("TERM");
        until("the page says so", || {
            (front.page("/healthz") == (503, "draining\n".to_owned())).then_some(())
        });
        assert_eq!(status(&front.page("/status").1)["stage"], "draining");
        front.signal("TERM");
        assert_eq!(front.ended().code(), Some(0), "{}", front.said());
        front.wait_for("exchanges_cut=1");
        assert_eq!(back.page("/healthz").0, 200, "the other end has nothing to do with it");
    });
}

#[test]
fn the_page_answers_only_to_its_own_names_and_only_to_readers() {
    each_driver(|io| {
        let origin = origin();
        let front = crate::process::Node::front_alone(io, origin.address(), &["--admin-host", "ops.example"]);
        let status = |request: &str| {
            let request = format!("{request}\r\nConnection: close\r\n\r\n");
            exchange(front.admin(), request.as_bytes()).status
        };
        for host in ["localhost", "127.0.0.1:8088", "ops.example"] {
            assert_eq!(status(&format!("GET /status HTTP/1.1\r\nHost: {host}")), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "192.0.2.1"] {
            assert_eq!(status(&format!("GET /status HTTP/1.1\r\nHost: {host}")), 421, "{host}");
        }
        assert_eq!(status("GET /status HTTP/1.1\r\nX: y"), 400);
        assert_eq!(status("POST /status HTTP/1.1\r\nHost: localhost"), 405);
        assert_eq!(status("GET /nothing HTTP/1.1\r\nHost: localhost"), 404);
    });
}
