//! Ways that let no UDP through, and ways by device, in network namespaces: two machines with two wires between them. Needs
//! root, iproute2 and nftables.

use crate::process::{Node, each_driver, exchange, one_cpu, until};
use crate::{Keys, said};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tools::origin::{OriginOptions, OriginThread};
use tools::wan::inside;

/// Where the back-end is, by each wire.
const BACK: [&str; 2] = ["198.18.1.2:7000", "198.18.2.2:7000"];
const REQUEST: &[u8] = b"GET /bytes/20000 HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n";

/// What is missing here, if anything.
fn missing() -> Option<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let is_root =
        status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    let has =
        |program: &str| Command::new(program).arg("-V").output().is_ok_and(|output| output.status.success());
    match (is_root, has("ip"), has("nft")) {
        (false, ..) => Some("network namespaces need root"),
        (_, false, _) => Some("the program `ip` is missing (apt-get install iproute2)"),
        (.., false) => Some("the program `nft` is missing (apt-get install nftables)"),
        (true, true, true) => None,
    }
}

/// Whether the test can run; if not, the reason is printed, or a failure where everything is required.
fn can_run() -> bool {
    let Some(why) = missing() else { return true };
    assert!(std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"), "{why}");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    false
}

/// Two namespaces with two wires, `e` and `w`; removed at the end of the test.
struct Machines(String);

impl Machines {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let machines =
            Self(format!("lh-routes-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let [a, b] = ['a', 'b'].map(|side| machines.name(side));
        for side in [&a, &b] {
            run("ip", &["netns", "add", side]);
            run("ip", &["-n", side, "link", "set", "lo", "up"]);
        }
        for (wire, network) in [("e", 1), ("w", 2)] {
            run("ip", &["-n", &a, "link", "add", wire, "type", "veth", "peer", "name", wire, "netns", &b]);
            for (side, host) in [(&a, 1), (&b, 2)] {
                let address = format!("198.18.{network}.{host}/24");
                run("ip", &["-n", side, "address", "add", &address, "dev", wire]);
                run("ip", &["-n", side, "link", "set", wire, "up"]);
            }
        }
        machines
    }

    fn name(&self, side: char) -> String {
        format!("{}-{side}", self.0)
    }

    fn inside<T: Send>(&self, side: char, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.name(side), work).unwrap()
    }

    /// Lets no datagram for the back-end into its machine, or all again.
    fn block_udp(&self, is_blocked: bool) {
        let rules = if is_blocked {
            "table inet routes { chain in { type filter hook input priority 0; udp dport 7000 drop; }; }"
        } else {
            "delete table inet routes"
        };
        run("ip", &["netns", "exec", &self.name('b'), "nft", rules]);
    }

    /// Packets that came to the back-end's machine over a wire.
    fn came_by(&self, wire: &str) -> u64 {
        let path = format!("/sys/class/net/{wire}/statistics/rx_packets");
        let output =
            Command::new("ip").args(["netns", "exec", &self.name('b'), "cat", &path]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for side in ['a', 'b'] {
            let _gone = Command::new("ip").args(["netns", "del", &self.name(side)]).status();
        }
    }
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A back-end on the second machine with its origin, and what a front-end on the first needs to know of it.
struct World {
    machines: Machines,
    keys: Keys,
    back: Node,
    _origin: OriginThread,
}

impl World {
    fn new(io: &str, flags: &[&str]) -> Self {
        let (machines, keys) = (Machines::new(), Keys::new());
        let origin = machines.inside('b', || tools::origin::spawn(&OriginOptions::default()).unwrap());
        let (site, cpu) = (format!("*=http://{}", origin.address()), one_cpu());
        let own = [
            "back", "--io", io, "--cpus", &cpu, "--key", &keys.back, "--peer", &keys.peer, "--origin", &site,
        ];
        let back = machines.inside('b', || Node::start(&[&own[..], flags].concat()));
        Self { machines, keys, back, _origin: origin }
    }

    fn front(&self, io: &str, to: &str, flags: &[&str]) -> Node {
        let (route, cpu) = (format!("east={}@{to}", self.keys.back_public), one_cpu());
        let own = ["front", "--io", io, "--cpus", &cpu, "--listen", "127.0.0.1:0", "--key", &self.keys.front];
        let more = ["--route", &route, "--site", "*=east"];
        self.machines.inside('a', || Node::launch(&[&own[..], &more, flags].concat()))
    }

    fn serves(&self, at: SocketAddr) {
        let answer = self.machines.inside('a', || exchange(at, REQUEST));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn doctor(&self, to: &str) -> (i32, String) {
        let back = format!("{}@{to}", self.keys.back_public);
        self.machines.inside('a', || said(&["doctor", "--key", &self.keys.front, "--back", &back]))
    }
}

/// Where nftables lets no UDP in, the tunnel comes up over TCP, moves to UDP when that is let in, and back; nobody notices.
#[test]
fn a_tunnel_goes_over_tcp_where_nftables_blocks_udp() {
    if !can_run() {
        return;
    }
    each_driver(|io| {
        let world = World::new(io, &["--listen", BACK[0], "--carrier-listen", BACK[0]]);
        world.machines.block_udp(true);
        let front = world.front(io, BACK[0], &["--carrier", "auto"]);
        front.wait_for("a tunnel is up to=east");
        let at = front.address();
        world.serves(at);
        let (status, text) = world.doctor(BACK[0]);
        assert!(
            status == 0 && text.contains("no UDP passes, TCP does: give the front-end --carrier auto"),
            "{text}"
        );
        assert!(
            text.contains("fail  back-end over UDP") && text.contains("ok    back-end over TCP"),
            "{text}"
        );

        let url = format!("http://{at}/bytes/65536");
        let load = [
            "load",
            "--verify",
            "--host",
            "any",
            "--connections",
            "8",
            "--requests",
            "2000",
            "--rate",
            "400",
            &url,
        ];
        std::thread::scope(|scope| {
            let loading = scope.spawn(|| world.machines.inside('a', || said(&load)));
            world.machines.block_udp(false);
            front.wait_for("a tunnel has changed its path to=east from_path=1 to_path=0");
            world.machines.block_udp(true);
            front.wait_for("a tunnel has changed its path to=east from_path=0 to_path=1");
            let (status, text) = loading.join().unwrap();
            assert_eq!(status, 0, "{text}");
        });
        world.machines.block_udp(false);
        let (status, text) = world.doctor(BACK[0]);
        assert!(status == 0 && text.contains("tunnels pass over UDP, and over TCP"), "{text}");
        drop(world.back);
    });
}

/// A path that leaves by a device does so whatever the routing table says; what is no device is said at once.
#[test]
fn a_path_leaves_by_the_device_that_it_is_told() {
    if !can_run() {
        return;
    }
    each_driver(|io| {
        let world = World::new(io, &["--listen", BACK[0], "--listen", BACK[1]]);
        // The table would send everything for the back-end's first address over the second wire.
        run("ip", &["-n", &world.machines.name('a'), "route", "add", "198.18.1.2/32", "dev", "w"]);
        let front = world.front(io, BACK[0], &["--tunnel-from", "%e"]);
        front.wait_for("a tunnel is up to=east");
        let before = ["e", "w"].map(|wire| world.machines.came_by(wire));
        let at = front.address();
        (0..40).for_each(|_| world.serves(at));
        until("the requests have come by the first wire", || {
            (world.machines.came_by("e") >= before[0] + 40).then_some(())
        });
        assert!(world.machines.came_by("w") < before[1] + 40, "by the second, too");
        drop(front);

        let both = format!("{},{}", BACK[0], BACK[1]);
        let front = world.front(io, &both, &["--bind", "%e", "--bind", "198.18.2.1:0%w"]);
        front.wait_for("a tunnel is up to=east");
        drop(front);

        let front = world.front(io, BACK[0], &["--bind", "%none"]);
        front.wait_for(
            "cannot use the network device none: No such device (os error 19); `ip link` lists the devices",
        );
    });
}

#[test]
fn the_doctor_says_what_stands_in_the_way() {
    let keys = Keys::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let back = format!("{}@{}", keys.back_public, silent.local_addr().unwrap());
    let (status, text) = said(&["doctor", "--back", &back, "--key", &keys.front]);
    assert!(status == 4 && text.contains("no tunnel passes") && text.contains("cannot be reached"), "{text}");
    let (status, text) = said(&["doctor", "--back", &back]);
    assert!(status == 2 && text.contains("--key: is missing"), "{text}");
    let (status, text) = said(&["doctor", "--back", "nothing", "--key", &keys.front]);
    assert!(status == 2 && text.contains("--back nothing: is no route"), "{text}");
}
