//! Routes of several addresses over the real binary: two relays stand for two ways to one back-end, and one of them goes
//! dead and comes back. No connection notices, and the log and the page say what happened.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[path = "routes/blocked.rs"]
mod blocked;
#[path = "routes/moves.rs"]
mod moves;
mod process;
#[path = "routes/roaming.rs"]
mod roaming;

use process::{Folder, Node, each_driver, one_cpu, until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use tools::origin::{OriginOptions, OriginThread};

/// An origin, a back-end with two tunnel sockets, a relay before each, and a front-end that knows the relays.
struct World {
    origin: OriginThread,
    relays: Vec<Node>,
    front: Node,
    back: Node,
    folder: Folder,
}

/// A folder with the keys of both ends, and what the back-end is told of the front-end.
struct Keys {
    folder: Folder,
    front: String,
    back: String,
    back_public: String,
    peer: String,
}

impl Keys {
    fn new() -> Self {
        let folder = Folder::new();
        let (front, front_public) = folder.key("front.key");
        let (back, back_public) = folder.key("back.key");
        Self { folder, front, back, back_public, peer: format!("{front_public}=*") }
    }
}

/// An origin in the test's process, and the flag that names it.
fn origin() -> (OriginThread, String) {
    let origin = tools::origin::spawn(&OriginOptions::default()).unwrap();
    let site = format!("*=http://{}", origin.address());
    (origin, site)
}

impl World {
    fn start(io: &str, flags: &[&str]) -> Self {
        let (origin, site) = origin();
        let Keys { folder, front: front_key, back: back_key, back_public, peer } = Keys::new();
        let (cpu, any) = (one_cpu(), "127.0.0.1:0");
        let fixed = ["--io", io, "--cpus", &cpu, "--listen", any, "--admin", any];
        let own = ["back", "--listen", any, "--key", &back_key, "--peer", &peer, "--origin", &site];
        let back = Node::start(&[&own[..], &fixed].concat());
        let tunnels: Vec<SocketAddr> = back.fields(" started ", "tunnel_udp=");
        let relay = |(number, to): (usize, &SocketAddr)| {
            let (udp, control) = (format!("127.0.0.1:0={to}"), folder.path(&format!("relay{number}.sock")));
            Node::launch(&["wan", "--udp", &udp, "--path", "rtt=20ms", "--control", &control])
        };
        let relays: Vec<Node> = tunnels.iter().take(2).enumerate().map(relay).collect();
        let at: Vec<String> = relays.iter().map(|relay| relay.word_after("relaying ")).collect();
        let route = format!("east={back_public}@{},{}", at[0], at[1]);
        let own = ["front", "--key", &front_key, "--route", &route, "--site", "*=east"];
        let front = Node::start(&[&own[..], &fixed, flags].concat());
        let world = Self { origin, relays, front, back, folder };
        until("both paths are up", || {
            let paths = world.paths(&world.front);
            let known = paths.iter().filter(|path| path["rtt_min_us"].as_u64() < Some(90_000)).count();
            (known == 2).then_some(())
        });
        world
    }

    fn paths(&self, node: &Node) -> Vec<Value> {
        let status: Value = serde_json::from_str(&node.page("/status").1).unwrap();
        status["tunnels"][0]["paths"].as_array().cloned().unwrap_or_default()
    }

    fn wait_active(&self, node: &Node, active: usize) {
        until("another path is active", || {
            let paths = self.paths(node);
            paths.get(active).is_some_and(|path| path["active"] == true).then_some(())
        });
    }

    /// A load that checks every byte, while something happens.
    fn load(&self, flags: &[&str], meanwhile: impl FnOnce()) -> String {
        let url = format!("http://{}/bytes/65536", self.front.address());
        let mut load = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        load.args(["load", "--verify", "--host", "any.example", "--json", &url]).args(flags);
        let child = load.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
        meanwhile();
        let done = child.unwrap().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
        said
    }
}

/// What a command says, whichever way, and its status.
fn said(words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_longhaul")).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// A thousand exchanges over a path that flaps: every byte is right, and no connection is new.
#[test]
fn a_path_that_dies_and_comes_back_is_noticed_by_nobody() {
    each_driver(|io| {
        let world = World::start(io, &[]);
        assert_eq!(world.paths(&world.front)[0]["active"], true);
        let said = world.load(&["--connections", "8", "--requests", "1000"], || {
            world.relays[0].signal("STOP");
            world.wait_active(&world.front, 1);
            world.wait_active(&world.back, 1);
            world.relays[0].signal("CONT");
        });
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&report["requests"], &report["connections"]), (&1000.into(), &8.into()), "{said}");
        for text in
            ["a tunnel is up to=east", "a path is bad to=east path=0", "a tunnel has changed its path"]
        {
            world.front.wait_for(text);
        }
        // Trust comes back, and with it the first path.
        world.wait_active(&world.front, 0);
        world.front.wait_for("a path is good again to=east path=0");
        let text = world.front.page("/metrics").1;
        assert!(text.contains("longhaul_path_active{worker=\"0\",to=\"east\",path=\"0\"} 1"), "{text}");
        assert!(
            world.front.metric("longhaul_path_suspected_total{worker=\"0\",to=\"east\",path=\"0\"}")
                >= Some(1.0)
        );
        drop(world.origin);
    });
}

#[test]
fn bonded_paths_both_carry() {
    each_driver(|io| {
        let world = World::start(io, &["--route-mode", "bond"]);
        world.load(&["--connections", "64", "--requests", "2000"], || {});
        let sent: Vec<u64> =
            world.paths(&world.back).iter().map(|path| path["sent_bytes"].as_u64().unwrap()).collect();
        assert!(sent.iter().all(|bytes| *bytes > 1_000_000), "{sent:?}");
        let status = world.front.page("/status").1;
        assert!(
            status.contains("\"route_mode\":\"bond\"") || status.contains("\"route_mode\": \"bond\""),
            "{status}"
        );
    });
}

/// Where no UDP passes the tunnel goes over TCP, loudly, and back to UDP when that works again.
#[test]
fn a_tunnel_goes_over_tcp_where_udp_is_blocked() {
    each_driver(|io| {
        let (origin, site) = origin();
        let Keys { folder, front: front_key, back: back_key, back_public, peer } = Keys::new();
        let (cpu, any) = (one_cpu(), "127.0.0.1:0");
        let fixed = ["--io", io, "--cpus", &cpu, "--listen", any, "--admin", any];
        let own = ["back", "--carrier-listen", any, "--key", &back_key, "--peer", &peer, "--origin", &site];
        let back = Node::start(&[&own[..], &fixed].concat());
        // A socket that answers nothing stands for a network that lets no UDP through.
        let blocked = std::net::UdpSocket::bind(any).unwrap();
        let udp = blocked.local_addr().unwrap();
        let route = format!("east={back_public}@{udp},tcp+{}", back.address());
        let own = ["front", "--key", &front_key, "--route", &route, "--site", "*=east"];
        let front = Node::start(&[&own[..], &fixed].concat());
        let world = World { origin, relays: Vec::new(), front, back, folder };
        world.wait_active(&world.front, 1);
        world.front.wait_for("a tunnel is up to=east");
        let carrier = format!("tcp+{}", world.back.address());
        assert_eq!(world.paths(&world.front)[1]["address"], carrier.as_str());
        let said = world.load(&["--connections", "8", "--requests", "400"], || {});
        assert!(said.contains("\"requests\": 400"), "{said}");
        // UDP works again.
        drop(blocked);
        let relay = format!("{udp}={}", world.back.tunnel());
        let _relay = Node::launch(&["wan", "--udp", &relay, "--path", "rtt=2ms"]);
        world.load(&["--connections", "8", "--requests", "400"], || world.wait_active(&world.front, 0));
        world.front.wait_for("a path is good again to=east path=0");
        drop(world.origin);
    });
}

/// A back-end of several workers: the connection finds the one that has the tunnel, and streams move there when UDP goes dead.
#[test]
fn a_carrier_finds_the_worker_of_its_tunnel() {
    let (origin, site) = origin();
    let Keys { folder, front: front_key, back: back_key, back_public, peer } = Keys::new();
    let (cpu, any) = (one_cpu(), "127.0.0.1:0");
    let own = ["back", "--carrier-listen", any, "--listen", any, "--key", &back_key, "--peer", &peer];
    let back = Node::start(&[&own[..], &["--origin", &site, "--admin", any]].concat());
    let udp = format!("127.0.0.1:0={}", back.tunnel());
    let relay = Node::launch(&["wan", "--udp", &udp, "--path", "rtt=2ms"]);
    let route = format!("east={back_public}@{},tcp+{}", relay.word_after("relaying "), back.address());
    let own = ["front", "--listen", any, "--key", &front_key, "--route", &route, "--site", "*=east"];
    let front = Node::start(&[&own[..], &["--cpus", &cpu, "--admin", any]].concat());
    let world = World { origin, relays: vec![relay], front, back, folder };
    until("both paths are good", || {
        let paths = world.paths(&world.front);
        let good = paths
            .iter()
            .filter(|path| path["suspicion"].is_null() && path["rtt_min_us"].as_u64() < Some(90_000));
        (good.count() == 2).then_some(())
    });
    let said = world.load(&["--connections", "8", "--requests", "1500", "--rate", "400"], || {
        world.relays[0].signal("STOP");
        world.wait_active(&world.front, 1);
        world.wait_active(&world.back, 1);
        world.relays[0].signal("CONT");
    });
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["requests"], &report["connections"]), (&1500.into(), &8.into()), "{said}");
    drop(world.origin);
}

/// Whoever connects to a carrier's port and sends what is no datagram is cut off, and the tunnel goes on.
#[test]
fn strangers_at_a_carriers_port_disturb_nobody() {
    let (origin, site) = origin();
    let Keys { folder, front: front_key, back: back_key, back_public, peer } = Keys::new();
    let (cpu, any) = (one_cpu(), "127.0.0.1:0");
    let fixed = ["--cpus", &cpu, "--admin", any];
    let own = ["back", "--carrier-listen", any, "--listen", any, "--key", &back_key, "--peer", &peer];
    let back = Node::start(&[&own[..], &["--origin", &site], &fixed].concat());
    let route = format!("east=tcp+{back_public}@{}", back.address());
    let own = ["front", "--listen", any, "--key", &front_key, "--route", &route, "--site", "*=east"];
    let front = Node::start(&[&own[..], &fixed].concat());
    let world = World { origin, relays: Vec::new(), front, back, folder };
    until("the tunnel is up", || (world.front.page("/healthz").0 == 200).then_some(()));
    let mut strangers: Vec<_> = (0..100).map(|_| process::connect(world.back.address())).collect();
    for (number, stranger) in strangers.iter_mut().enumerate() {
        let sent: &[u8] = if number % 2 == 0 { b"GET / HTTP/1.1\r\n\r\n" } else { b"\0\0 nothing" };
        let _cut_perhaps = stranger.write_all(sent);
    }
    assert!(matches!(strangers[1].read(&mut [0; 16]), Ok(0) | Err(_)), "a length of nothing is no datagram");
    let said = world.load(&["--connections", "4", "--requests", "100"], || {});
    assert!(said.contains("\"requests\": 100"), "{said}");
    drop(world.origin);
}

/// A site that two back-ends serve: while the first is away new requests go to the second, and then to the first again.
#[test]
fn a_site_of_two_routes_is_served_while_either_is_up() {
    each_driver(|io| {
        let origin = tools::origin::spawn(&OriginOptions::default()).unwrap();
        let folder = Folder::new();
        let (front_key, front_public) = folder.key("front.key");
        let (cpu, any) = (one_cpu(), "127.0.0.1:0");
        let fixed = ["--io", io, "--cpus", &cpu, "--admin", any];
        let (peer, site) = (format!("{front_public}=*"), format!("*=http://{}", origin.address()));
        let back = |key: &str, listen: &str| {
            let own = ["back", "--listen", listen, "--key", key, "--peer", &peer, "--origin", &site];
            Node::start(&[&own[..], &fixed].concat())
        };
        let ((east_key, east_public), (west_key, west_public)) =
            (folder.key("east.key"), folder.key("west.key"));
        let (east, west) = (back(&east_key, any), back(&west_key, any));
        let log = folder.path("access.log");
        let (at, other) = (east.tunnel(), west.tunnel());
        let routes = [format!("east={east_public}@{at}"), format!("west={west_public}@{other}")];
        let own =
            ["front", "--listen", any, "--key", &front_key, "--site", "*=east,west", "--access-log", &log];
        let front =
            Node::start(&[&own[..], &["--route", &routes[0], "--route", &routes[1]], &fixed].concat());
        front.wait_for("a tunnel is up to=east");
        front.wait_for("a tunnel is up to=west");
        let request = b"GET /b128 HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n";
        let served_by = |route: &str| {
            until("the site is served by the other back-end", || {
                let answer = process::exchange(front.address(), request);
                assert!([200, 502, 504].contains(&answer.status), "{answer:?}");
                let lines = std::fs::read_to_string(&log).unwrap_or_default();
                let last = lines.lines().last().unwrap_or_default();
                last.contains(&format!("\"route\":\"{route}\"")).then_some(())
            });
        };
        served_by("east");
        drop(east);
        front.wait_for("a tunnel is down: nothing comes through to=east");
        served_by("west");
        assert_eq!(process::exchange(front.address(), request).status, 200);
        let _east = back(&east_key, &at.to_string());
        served_by("east");
        drop(origin);
    });
}

/// A route that is up but beyond a limit of the operator's gives way to the next one of its site, and comes back.
#[test]
fn a_route_beyond_a_limit_gives_way_to_the_next_one() {
    let (origin, site) = origin();
    let folder = Folder::new();
    let (front_key, front_public) = folder.key("front.key");
    let (cpu, any) = (one_cpu(), "127.0.0.1:0");
    let (peer, fixed) = (format!("{front_public}=*"), ["--cpus", &cpu, "--admin", any]);
    let keys = ["east.key", "west.key"].map(|name| folder.key(name));
    let backs = [0, 1].map(|which| {
        let own = ["back", "--listen", any, "--key", &keys[which].0, "--peer", &peer, "--origin", &site];
        Node::start(&[&own[..], &fixed].concat())
    });
    let (udp, steering) = (format!("127.0.0.1:0={}", backs[0].tunnel()), folder.path("wan.sock"));
    let relay = Node::launch(&["wan", "--udp", &udp, "--path", "rtt=2ms", "--control", &steering]);
    let (control, near) = (folder.path("ctl"), relay.word_after("relaying "));
    let east = format!("east={}@{near}", keys[0].1);
    let west = format!("west={}@{}", keys[1].1, backs[1].tunnel());
    let own = ["front", "--listen", any, "--key", &front_key, "--site", "*=east,west", "--control", &control];
    let more = ["--route", &east, "--route", &west, "--route-limit", "rtt=300ms"];
    let front = Node::start(&[&own[..], &more, &fixed].concat());
    let goes_over = |words: &str| {
        until("the site goes elsewhere", || {
            let request = b"GET /b128 HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n";
            assert!([200, 503, 504].contains(&process::exchange(front.address(), request).status));
            said(&["explain", "route", "any", "--control", &control]).1.contains(words).then_some(())
        });
    };
    goes_over("goes      over east, the first of its 2 routes that is up");
    assert_eq!(said(&["wan", "ctl", &steering, "set", "rtt=900ms"]).0, 0);
    goes_over("goes      over west, the first of its 2 routes that is up");
    goes_over("route     east  up, beyond a limit: not used for what is new, west is");
    front.wait_for("why=rtt_limit");
    drop(backs);
    drop(origin);
}
