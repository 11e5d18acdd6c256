//! `longhaul wan` over the real binary: two namespaces, TUN devices between them, the kernel's own TCP across. Needs
//! root, iproute2 and /dev/net/tun; says so where one is missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tools::wan::inside;

/// Nothing here takes this long; it keeps a broken test from hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// The servers' side.
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// A user without any privilege, on every distribution.
const NOBODY: u32 = 65_534;

/// What is missing here, if anything.
fn missing() -> Option<&'static str> {
    if !is_root() {
        return Some("namespaces and TUN devices need root");
    }
    if !fs::exists("/dev/net/tun").unwrap_or(false) {
        return Some("/dev/net/tun is missing (modprobe tun)");
    }
    let has_ip = Command::new("ip").arg("-V").output().is_ok_and(|output| output.status.success());
    (!has_ip).then_some("the program `ip` is missing (apt-get install iproute2)")
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// Whether the test can run; if not, the reason is printed, or a failure where everything is required.
fn can_run() -> bool {
    let Some(why) = missing() else { return true };
    assert!(std::env::var_os("LONGHAUL_REQUIRE_ALL").is_none_or(|all| all != "1"), "{why}");
    // Straight to the descriptor: the test harness swallows what passing tests print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    false
}

fn wan(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longhaul")).arg("wan").args(flags).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A pair of namespaces, removed at the end of its test.
struct Topology(String);

impl Topology {
    fn new(flags: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let topology = Self(format!("lh-test-{}-{count}", std::process::id()));
        let made = wan(&[&["topo", "up", &topology.0], flags].concat());
        assert!(made.status.success(), "{}", stderr(&made));
        topology
    }

    /// Runs `work` in a thread on a side, `a` or `b`.
    fn inside<T: Send>(&self, side: char, work: impl FnOnce() -> T + Send) -> T {
        inside(&format!("{}-{side}", self.0), work).unwrap()
    }

    fn join(&self, spec: &str) -> Path {
        let mut child = Command::new(env!("CARGO_BIN_EXE_longhaul"))
            .args(["wan", "--path", spec, "--tun", &self.0])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("joining"), "{said}");
        Path(child)
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        let _ = wan(&["topo", "down", &self.0]);
    }
}

/// An emulator that runs.
struct Path(Child);

impl Path {
    /// Interrupts it; its counters.
    fn end(mut self) -> Value {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.0.wait().unwrap().success(), "{said}");
        serde_json::from_str(&said).unwrap()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bytes that any other order or value of would be seen.
fn content(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[test]
fn the_kernels_tcp_crosses_whole_in_packets_of_the_mtu() {
    if !can_run() {
        return;
    }
    let topology = Topology::new(&["--congestion", "cubic"]);
    let path = topology.join("rtt=20ms,rate=100mbit,loss=0.5%");
    let bytes = content(4 << 20);
    let listener = topology.inside('b', || TcpListener::bind((SERVER, 0)).unwrap());
    let server = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| listener.accept().unwrap().0.write_all(&bytes).unwrap());
        let mut client = topology.inside('a', || TcpStream::connect(server).unwrap());
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut received = vec![0; bytes.len()];
        client.read_exact(&mut received[..1]).unwrap();
        assert!(sockets(&topology).contains("cubic"), "{}", sockets(&topology));
        client.read_exact(&mut received[1..]).unwrap();
        assert!(received == bytes, "every byte arrives as it was sent");
    });
    let counters = path.end();
    let down = |name: &str| counters["down"][name].as_u64().unwrap();
    assert_eq!(down("packet_bytes_max"), 1_500, "the kernel cuts to the MTU, and does use it");
    assert_eq!((down("dropped_mtu"), &counters["undelivered"]), (0, &Value::from(0)));
    assert!(down("packets") > 2_900 && down("dropped_loss") > 0, "{counters}");
    let accounted = ["delivered_packets", "dropped_loss", "dropped_queue", "flying_packets"].map(down);
    assert!(
        down("packets") - accounted.iter().sum::<u64>() <= 1_000,
        "only what waits is missing: {counters}"
    );
}

/// The servers' TCP sockets with their congestion control.
fn sockets(topology: &Topology) -> String {
    let output = Command::new("ip")
        .args(["netns", "exec", &format!("{}-b", topology.0), "ss", "-tin", "state", "established"])
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The shortest of many round trips: on a busy machine most are longer, none may be shorter.
#[test]
fn the_round_trip_is_the_asked_one() {
    if !can_run() {
        return;
    }
    let topology = Topology::new(&[]);
    let path = topology.join("rtt=10ms");
    let server = topology.inside('b', || UdpSocket::bind((SERVER, 0)).unwrap());
    let client = topology.inside('a', || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    client.connect(server.local_addr().unwrap()).unwrap();
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let trips: Vec<_> = (0..100).map(|_| round_trip(&client, &server)).collect();
    let shortest = trips.iter().min().unwrap();
    let asked = Duration::from_millis(10);
    assert!((asked..asked + Duration::from_micros(500)).contains(shortest), "{trips:?}");
    let counters = path.end();
    // The kernel adds a few of its own, for IPv6.
    let up = |name: &str| counters["up"][name].as_u64().unwrap();
    assert!(up("packets") >= 100 && up("packets") == up("delivered_packets"), "{counters}");
}

fn round_trip(client: &UdpSocket, server: &UdpSocket) -> Duration {
    let (begun, mut buffer) = (Instant::now(), [0; 64]);
    client.send(b"there").unwrap();
    let (len, from): (usize, SocketAddr) = server.recv_from(&mut buffer).unwrap();
    server.send_to(&buffer[..len], from).unwrap();
    client.recv(&mut buffer).unwrap();
    begun.elapsed()
}

#[test]
fn a_namespace_that_was_left_is_found_and_offered_for_removal() {
    if !can_run() {
        return;
    }
    let topology = Topology::new(&[]);
    let again = wan(&["topo", "up", &topology.0]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains(&format!("longhaul wan topo down {}", topology.0)), "{}", stderr(&again));
    let listed = wan(&["topo", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == topology.0));
    assert!(wan(&["topo", "down", &topology.0]).status.success());
    let nothing = wan(&["topo", "down", &topology.0]);
    assert_eq!(nothing.status.code(), Some(2));
    let nowhere = wan(&["--tun", &topology.0]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(
        stderr(&nowhere).contains(&format!("longhaul wan topo up {}", topology.0)),
        "{}",
        stderr(&nowhere)
    );
}

#[test]
fn without_privilege_one_sentence_says_so() {
    if !can_run() {
        return;
    }
    let topology = Topology::new(&[]);
    // Others may not reach the folder of the build.
    let program = std::env::temp_dir().join(format!("longhaul-wan-test-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_longhaul"), &program).unwrap();
    let doors = [
        &["wan", "--tun", &topology.0][..],
        &["wan", "--tun", "lh-test-nobody"],
        &["wan", "topo", "up", "lh-test-nobody"],
    ];
    for flags in doors {
        let refused =
            Command::new(&program).args(flags).current_dir("/").uid(NOBODY).gid(NOBODY).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("need root"), "{}", stderr(&refused));
        assert_eq!(stderr(&refused).lines().count(), 1);
    }
    fs::remove_file(program).unwrap();
}

#[test]
fn the_demonstration_shows_a_table_and_a_plot_and_cleans_up() {
    if !can_run() {
        return;
    }
    let file = std::env::temp_dir().join(format!("longhaul-wan-test-{}.svg", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    let shown = command.args(["demo", "--wan", "metro", "--plot", file.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(shown.status.code(), Some(0), "{said}{}", stderr(&shown));
    for row in ["direct TCP, cubic", "Longhaul", "median ms"] {
        assert!(said.contains(row), "{said}");
    }
    let svg = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    assert!(svg.starts_with("<svg") || svg.starts_with("<?xml"), "{svg}");
    assert!(svg.contains("Longhaul") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let left = String::from_utf8(wan(&["topo", "list"]).stdout).unwrap();
    assert!(!left.contains("lh-demo-"), "{left}");
}
