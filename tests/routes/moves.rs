//! What waits on a route that is down goes over another one, if that harms nobody.

use crate::process::{self, Folder, Node, each_driver, until};
use crate::{origin, said};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An origin that holds what it is asked first, and answers everything after it at once; it counts both.
struct Reluctant {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Reluctant {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = origin.asked.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let asked = asked.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    loop {
                        let mut line = String::new();
                        while line != "\r\n" {
                            line.clear();
                            if !matches!(reader.read_line(&mut line), Ok(1..)) {
                                return;
                            }
                        }
                        if asked.fetch_add(1, Ordering::SeqCst) > 0 {
                            let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                        }
                    }
                });
            }
        });
        origin
    }

    fn wait_asked(&self, times: usize) {
        until("the origin is asked", || (self.asked.load(Ordering::SeqCst) >= times).then_some(()));
    }
}

/// A front-end, two back-ends that serve one site, and an origin behind both.
struct Twins {
    folder: Folder,
    fixed: Vec<String>,
    peer: String,
    site: String,
    keys: [(String, String); 2],
}

impl Twins {
    fn new(io: &str, cpus: &str, origin: SocketAddr) -> Self {
        let folder = Folder::new();
        let peer = format!("{}=*", folder.key("front.key").1);
        let keys = ["east.key", "west.key"].map(|name| folder.key(name));
        let fixed = ["--io", io, "--cpus", cpus, "--admin", "127.0.0.1:0"].map(str::to_owned).to_vec();
        Self { folder, fixed, peer, site: format!("*=http://{origin}"), keys }
    }

    fn flags<'f>(&'f self, own: &[&'f str]) -> Vec<&'f str> {
        own.iter().copied().chain(self.fixed.iter().map(String::as_str)).collect()
    }

    fn back(&self, which: usize, listen: &str) -> Node {
        let key = &self.keys[which].0;
        let own = ["back", "--listen", listen, "--key", key, "--peer", &self.peer, "--origin", &self.site];
        Node::start(&self.flags(&own))
    }

    fn front(&self, at: [SocketAddr; 2]) -> Node {
        let [east, west] = [("east", 0), ("west", 1)]
            .map(|(name, which)| format!("{name}={}@{}", self.keys[which].1, at[which]));
        let (key, log, control) =
            (self.folder.path("front.key"), self.folder.path("access.log"), self.folder.path("ctl"));
        let own = [
            "front",
            "--listen",
            "127.0.0.1:0",
            "--key",
            &key,
            "--site",
            "*=east,west",
            "--access-log",
            &log,
        ];
        let more = ["--route", &east, "--route", &west, "--tunnel-wait", "5s", "--control", &control];
        Node::start(&self.flags(&[&own[..], &more].concat()))
    }

    /// The front-end says where the site goes, why, and since when.
    fn explains(&self) {
        let control = self.folder.path("ctl");
        // Workers show their figures twice a second.
        let text = until("the change is known", || {
            let (status, text) = said(&["explain", "route", "any", "--control", &control]);
            assert_eq!(status, 0, "{text}");
            text.contains("a tunnel is down: nothing comes through").then_some(text)
        });
        for due in [
            "site      any, as `*` takes what no other site takes",
            "goes      over west, the first of its 2 routes that is up",
            "route     east  down: nothing comes through, and it is tried for ever",
            "route     west  up: used",
            "good: used",
            "rtt ",
        ] {
            assert!(text.contains(due), "{due}: {text}");
        }
        assert_eq!(said(&["ctl", "--control", &control, "explain-route", "any"]).0, 0);
    }

    fn last_line(&self, has: &str) -> Value {
        until("the access log has the line", || {
            let lines = std::fs::read_to_string(self.folder.path("access.log")).unwrap_or_default();
            let line = lines.lines().find(|line| line.contains(has))?;
            serde_json::from_str(line).ok()
        })
    }
}

/// What waits for an answer over a route that dies is asked for over the other one, if that harms nobody; the rest is not.
#[test]
fn what_waits_on_a_dead_route_moves_if_it_may_be_sent_twice() {
    each_driver(|io| {
        for cpus in ["0", "0,1"] {
            for (method, status) in [("GET", 200), ("POST", 504)] {
                let origin = Reluctant::start();
                let twins = Twins::new(io, cpus, origin.address);
                let (east, west) = (twins.back(0, "127.0.0.1:0"), twins.back(1, "127.0.0.1:0"));
                let front = twins.front([east.tunnel(), west.tunnel()]);
                front.wait_for("a tunnel is up to=east");
                front.wait_for("a tunnel is up to=west");
                let request = format!(
                    "{method} /held HTTP/1.1\r\nHost: any\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let address = front.address();
                let client = std::thread::spawn(move || process::exchange(address, request.as_bytes()));
                origin.wait_asked(1);
                // Dead, and silent: nothing tells the front-end but time.
                east.signal("STOP");
                let answer = client.join().unwrap();
                assert_eq!(answer.status, status, "{answer:?}");
                let line = twins.last_line("/held");
                let (route, reroutes) =
                    if method == "GET" { ("west", Value::from(1)) } else { ("east", Value::Null) };
                assert_eq!(
                    (&line["route"], &line["decision"]["reroutes"]),
                    (&route.into(), &reroutes),
                    "{line}"
                );
                assert_eq!(origin.asked.load(Ordering::SeqCst), if method == "GET" { 2 } else { 1 });
                twins.explains();
                east.signal("CONT");
            }
        }
    });
}

/// No tunnel is up yet: a request waits for the first route, and goes over the second when that is up before, its body too.
#[test]
fn what_has_not_been_sent_goes_over_whichever_route_comes_up() {
    each_driver(|io| {
        for cpus in ["0", "0,1"] {
            let (origin, _) = origin();
            let twins = Twins::new(io, cpus, origin.address());
            // Sockets that answer nothing keep the places.
            let silent = [0, 1].map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
            let at = [0, 1].map(|which: usize| silent[which].local_addr().unwrap());
            let front = twins.front(at);
            let mut client = process::connect(front.address());
            client.write_all(b"POST /hash?late HTTP/1.1\r\nHost: any\r\nContent-Length: 6\r\nConnection: close\r\n\r\nabc").unwrap();
            until("it waits", || {
                (front.metric("longhaul_exchanges_open{worker=\"0\"}").unwrap_or(0.0)
                    + front.metric("longhaul_exchanges_open{worker=\"1\"}").unwrap_or(0.0)
                    >= 1.0)
                    .then_some(())
            });
            let control = twins.folder.path("ctl");
            // Workers show their figures twice a second.
            let text = until("what the tunnels do is known", || {
                let (_, text) = said(&["explain", "route", "any", "--control", &control]);
                text.contains(&format!("path 0  {}  no answer has come yet", at[0])).then_some(text)
            });
            assert!(text.contains("goes      nowhere: none of its 2 routes is up"), "{text}");
            let [east, west] = silent;
            drop(west);
            let _west = twins.back(1, &at[1].to_string());
            client.write_all(b"def").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            // The sha256 of "abcdef".
            assert!(
                answer.contains("bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"),
                "{answer}"
            );
            let line = twins.last_line("/hash?late");
            assert_eq!(
                (&line["route"], &line["decision"]["reroutes"]),
                (&"west".into(), &1.into()),
                "{line}"
            );
            drop(east);
        }
    });
}
