//! The same zone at Knot's and NSD's, the same questions to all three: every name that can be made of the zone's labels
//! up to two deep, every type.

use crate::Server;
use crate::client::{ask, question, shown};
use crate::process::{Folder, PATIENCE, until};
use crate::zone;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

const TYPES: [u16; 14] = [1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 64, 65, 257, 999];

/// Whether a program can run here; if not, the reason is printed, or a failure where everything is required.
pub(crate) fn is_there(program: &str, flag: &str) -> bool {
    let tried = Command::new(program).arg(flag).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if tried.is_ok() {
        return true;
    }
    let required = std::env::var_os("LONGHAUL_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "{program} is not installed");
    // Straight to the descriptor: the test harness swallows what passing tests print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
    false
}

struct Peer {
    child: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A port that is free for UDP and TCP at this moment.
fn free_address() -> SocketAddr {
    until("a free port", || {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        UdpSocket::bind(address).is_ok().then_some(address)
    })
}

/// Starts a peer from its configuration; somebody may take the port in between, then another is tried.
fn start(program: &str, config: impl Fn(&Folder, SocketAddr) -> String, arguments: &[&str]) -> Peer {
    until("the peer answers", || {
        let (folder, address) = (Folder::new(), free_address());
        fs::write(folder.path("example.test.zone"), zone::TEXT).unwrap();
        fs::write(folder.path("conf"), config(&folder, address)).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .args(["-c", &folder.path("conf")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut peer = Peer { child, address, _folder: folder };
        let socket = crate::client::udp(address);
        socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let asked = question("www.example.test", 1, None);
        // Until it is bound, a question comes back as an error at once.
        let begun = std::time::Instant::now();
        while begun.elapsed() < PATIENCE / 2 && peer.child.try_wait().unwrap().is_none() {
            let _sent = socket.send(&asked);
            if socket.recv(&mut [0; 512]).is_ok() {
                return Some(peer);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        None
    })
}

fn knot() -> Peer {
    let config = |folder: &Folder, address: SocketAddr| {
        let here = folder.path("");
        format!(
            "server:\n  rundir: {here}\n  listen: {}@{}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             database:\n  storage: {here}db\nzone:\n  - domain: example.test\n    storage: {here}\n    \
             file: example.test.zone\n    semantic-checks: soft\n",
            address.ip(),
            address.port()
        )
    };
    start("knotd", config, &[])
}

fn nsd() -> Peer {
    let config = |folder: &Folder, address: SocketAddr| {
        let here = folder.path("");
        format!(
            "server:\n  ip-address: {}@{}\n  server-count: 1\n  username: \"\"\n  zonesdir: \"{here}\"\n  \
             pidfile: \"{here}pid\"\n  database: \"\"\n  xfrdfile: \"{here}xfrd\"\n  zonelistfile: \"{here}list\"\n  \
             rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: example.test\n  \
             zonefile: example.test.zone\n",
            address.ip(),
            address.port()
        )
    };
    start("nsd", config, &["-d"])
}

fn names() -> Vec<String> {
    let one = zone::LABELS.iter().map(|label| format!("{label}.example.test"));
    let two = zone::LABELS
        .iter()
        .flat_map(|first| zone::LABELS.iter().map(move |second| format!("{first}.{second}.example.test")));
    let apex = [
        "example.test",
        "deep.empty.under.example.test",
        "x.y.wild.example.test",
        "x.a.b.wild.example.test",
        "test",
        "",
    ];
    apex.iter().map(|name| (*name).to_owned()).chain(one).chain(two).collect()
}

/// What of an answer is compared: all of it, or only what was asked for where an answer has that (NSD adds its own name
/// servers to every answer, which others leave out).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    All,
    WithoutCompany,
}

fn part(answer: &[u8], compared: Compared) -> String {
    let text = shown(answer);
    let sections: Vec<&str> = text.split(" | ").collect();
    let has_answers = sections.get(1).is_some_and(|answers| !answers.trim().is_empty());
    let is_referred = sections.get(2).is_some_and(|authority| authority.contains("kid.example.test."));
    let kept = if compared == Compared::WithoutCompany && has_answers && !is_referred { 2 } else { 4 };
    sections[..kept.min(sections.len())].join(" | ")
}

fn compare(peer_name: &str, peer: &Peer, ours: &Server, compared: Compared) {
    let mut differing = Vec::new();
    let mut asked = 0;
    for name in names() {
        for qtype in TYPES {
            let bytes = question(&name, qtype, Some(1_232));
            let (our, their) = (
                part(&ask(ours.node.address(), &bytes), compared),
                part(&ask(peer.address, &bytes), compared),
            );
            asked += 1;
            if our != their {
                differing.push(format!("{name} {qtype}\n  ours    {our}\n  {peer_name:7} {their}"));
            }
        }
    }
    assert!(asked > 10_000);
    let shown = differing.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {asked} differ from {peer_name}:\n{shown}", differing.len());
}

#[test]
fn answers_are_those_of_knot() {
    if is_there("knotd", "-V") {
        compare("knot", &knot(), &Server::start(&["--rate-limit", "0"]), Compared::All);
    }
}

#[test]
fn answers_are_those_of_nsd() {
    if is_there("nsd", "-v") {
        compare("nsd", &nsd(), &Server::start(&["--rate-limit", "0"]), Compared::WithoutCompany);
    }
}
