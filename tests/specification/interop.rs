//! The client of `tests/interop/`, which was written from the specifications alone, against a real back-end. It is
//! Python and needs the package `cryptography`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dataplane::stdx::prng::Prng;
use dataplane::tmp::key_log::LoggedSecret;

use crate::process::{Folder, Node, each_driver, one_cpu};

const SITE: &str = "page.example";
/// More than a window, so that credit has to be granted several times.
const PAGE_BYTES: usize = 3_000_000;

/// Pythons that may have the package: the first of the path, and the distribution's.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// A Python with the package, or none, with the reason printed.
fn python() -> Option<&'static str> {
    let has = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import cryptography"]).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    let found = PYTHONS.into_iter().find(has);
    if found.is_none() {
        let required = std::env::var_os("LONGHAUL_REQUIRE_ALL").is_some_and(|all| all == "1");
        assert!(!required, "the interop client needs python3-cryptography");
        println!("SKIPPED: python3-cryptography is not installed");
    }
    found
}

/// An origin that serves one page to whoever asks, and counts.
struct Origin {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Origin {
    fn start(page: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, page) = (Arc::new(AtomicUsize::new(0)), Arc::new(page));
        let counter = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (counter, page) = (counter.clone(), page.clone());
                std::thread::spawn(move || serve(stream, &page, &counter));
            }
        });
        Self { address, asked }
    }
}

/// Answers requests without bodies until the connection ends.
fn serve(stream: TcpStream, page: &[u8], asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    let mut line = String::new();
    while reader.by_ref().read_line(&mut line).is_ok_and(|count| count > 0) {
        if line == "\r\n" {
            asked.fetch_add(1, Ordering::Relaxed);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
            if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(page)).is_err() {
                return;
            }
        }
        line.clear();
    }
}

/// Halves that the back-end has refused, by what was wrong with their blocks; the page is half a second late.
fn refused_blocks(back: &Node) -> [u64; 5] {
    crate::process::until("refused blocks", || {
        let (_, text) = back.page("/metrics");
        let counts = ["codec", "tag", "corrupt", "bomb", "cut"].map(|reason| {
            let reason = format!("reason=\"{reason}\"}} ");
            let mut lines =
                text.lines().filter(|line| line.starts_with("longhaul_compression_refused_total"));
            lines.find_map(|line| line.split_once(&reason)?.1.parse().ok()).unwrap_or(0)
        });
        (counts.iter().sum::<u64>() >= 7).then_some(counts)
    })
}

#[test]
fn a_client_written_from_the_specification_gets_its_page() {
    let Some(python) = python() else { return };
    each_driver(|io| {
        let folder = Folder::new();
        let mut page = vec![0; PAGE_BYTES];
        Prng::new(4).fill(&mut page);
        std::fs::write(folder.path("page"), &page).unwrap();
        let origin = Origin::start(page);
        let (front_key, front_public) = folder.key("front.key");
        let (back_key, back_public) = folder.key("back.key");
        let (cpu, any) = (one_cpu(), "127.0.0.1:0");
        let peer = format!("{front_public}={SITE}");
        let site = format!("{SITE}=http://{}", origin.address);
        let flags = ["back", "--key", &back_key, "--peer", &peer, "--origin", &site, "--listen", any];
        let key_log = folder.path("secrets");
        let more = ["--io", io, "--cpus", &cpu, "--admin", any, "--key-log", &key_log];
        let back = Node::start(&[&flags[..], &more].concat());
        back.wait_for("SECRETS ARE LOGGED");
        let root = env!("CARGO_MANIFEST_DIR");
        let mut client = Command::new(python)
            .arg(format!("{root}/tests/interop/client.py"))
            .args(["--server", &back.tunnel().to_string(), "--public", &back_public, "--key", &front_key])
            .args(["--site", SITE, "--path", "/page", "--expect", &folder.path("page")])
            .args(["--spec", &format!("{root}/dataplane/src/tmp/SPEC.md")])
            .arg("--pause")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // As long as the tunnel stands its numbers are there.
        let mut out = BufReader::new(client.stdout.take().unwrap());
        let mut before = String::new();
        while !before.contains("blocks are understood") && out.read_line(&mut before).unwrap() > 0 {}
        let refused = before.contains("blocks are understood").then(|| refused_blocks(&back));
        drop(client.stdin.take());
        let output = client.wait_with_output().unwrap();
        let mut after = String::new();
        out.read_to_string(&mut after).unwrap();
        println!("{before}");
        let (said, failed) = (after, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{io}: {before}{said}{failed}");
        println!("{said}");
        assert_eq!(refused, Some([1, 2, 1, 1, 2]), "codec, tag, corrupt, bomb, cut");
        assert_eq!(origin.asked.load(Ordering::Relaxed), 5, "{io}: no replay asked the origin");
        // The key log is its owner's alone and holds both directions of every handshake.
        assert_eq!(std::fs::metadata(&key_log).unwrap().permissions().mode() & 0o777, 0o600);
        let secrets = std::fs::read_to_string(&key_log).unwrap();
        assert!(secrets.lines().count() >= 4 && secrets.lines().count().is_multiple_of(2));
        assert!(
            secrets.lines().all(|line| LoggedSecret::from_line(line).is_some()),
            "every line is a secret"
        );
        // Whatever was refused is counted by its reason.
        for (reason, least) in [
            ("bad_handshake", 1.0),
            ("not_allowed", 1.0),
            ("duplicate", 20.0),
            ("not_ours", 3.0),
            ("unauthentic", 1.0),
            ("unknown_id", 1.0),
            ("too_busy", 1.0),
            ("unasked", 1.0),
        ] {
            let sample =
                format!("longhaul_tunnel_datagrams_dropped_total{{worker=\"0\",reason=\"{reason}\"}}");
            crate::process::until(&sample, || back.metric(&sample).filter(|value| *value >= least));
        }
        back.wait_metric("longhaul_tunnel_violations_total{worker=\"0\"}", 1.0);
    });
}
