//! Two workers: both accept, one owns the tunnel, and what the other accepts crosses to it and back.

use std::process::Command;

use serde_json::Value;

use crate::scenario::driver::{cpus, on_each_driver, skip};
use crate::scenario::origin::Origin;
use crate::scenario::pair::{Plan, SHOP};
use crate::scenario::process::Process;

/// Clients at once: that all of them meet the same one of two workers has a chance of 2^-63.
const CLIENTS: usize = 64;

fn two_cpus() -> Option<String> {
    match cpus() {
        [first, second, ..] => Some(format!("{first},{second}")),
        _ => {
            skip("two workers need two cpus");
            None
        }
    }
}

fn of_each_worker(status: &Value, counter: &str) -> Vec<u64> {
    let workers = status["workers"].as_array().unwrap();
    workers.iter().map(|worker| worker["role"][counter].as_u64().unwrap()).collect()
}

#[test]
fn both_workers_accept_and_share_one_tunnel() {
    let Some(cpus) = two_cpus() else { return };
    on_each_driver(|io| {
        let mut process = Process::start(&["origin", "--listen", "127.0.0.1:0"].map(str::to_owned));
        let origin = process.line("listening on ").rsplit(' ').next().unwrap().to_owned();
        let plan = Plan::new(io).site(SHOP, &format!("http://{origin}"));
        let pair = plan.front(&["--cpus", &cpus]).back(&["--cpus", &cpus]).start();
        let connect = pair.front.listener(0).to_string();
        for flags in [
            &["--requests", "2000", "http://shop.example/b128", "http://shop.example/b16k"][..],
            &["--requests", "128", "http://shop.example/bytes/256k", "http://shop.example/chunked/100k"],
            &["--requests", "128", "--upload", "200k", "http://shop.example/hash"],
            &["--requests", "1000", "--abort-ppm", "200000", "http://shop.example/bytes/100k"],
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
            command.args(["load", "--verify", "--timeout", "20s", "-c", &CLIENTS.to_string()]);
            let output = command.args(["--connect", &connect]).args(flags).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&said));
        }
        let status = pair.front.status();
        let accepted = of_each_worker(&status, "clients_accepted");
        assert!(accepted.len() == 2 && accepted.iter().all(|count| *count > 0), "{accepted:?}");
        assert_eq!(status["tunnels"].as_array().unwrap().len(), 1);
        assert!(pair.front.metric("cross_core_items_total") > 0);
        pair.front.until_metric("exchanges_open", |exchanges| exchanges == 0);
        pair.back.until_metric("tunnel_streams", |streams| streams == 0);
    });
}

#[test]
fn a_tunnel_core_accepts_no_clients_and_carries_all() {
    let Some(cpus) = two_cpus() else { return };
    on_each_driver(|io| {
        let origin = Origin::new();
        let tunnel_core = cpus.split(',').next().unwrap();
        let plan = Plan::new(io).site(SHOP, &origin.http());
        let pair = plan.front(&["--cpus", &cpus, "--tunnel-cores", tunnel_core]).start();
        let mut server = None;
        for _ in 0..8 {
            let mut client = pair.client();
            client.send("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
            let server = server.get_or_insert_with(|| origin.accept());
            server.request().expect_body("abc");
            server.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
            client.answer().expect_body("hello");
        }
        let status = pair.front.status();
        assert_eq!(of_each_worker(&status, "clients_accepted").iter().filter(|count| **count > 0).count(), 1);
        assert_eq!(status["tunnels"][0]["worker"], 0);
    });
}
