//! The command line over the real binary: help texts, what is said about wrong flags and files, keys, effective
//! values. `UPDATE=1 cargo test --test cli` rewrites the expected texts. Nothing here starts a node.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of one test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("longhaul-cli-{}-{count}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A new private key; its file and its public key.
    fn key(&self, name: &str) -> (String, String) {
        let file = self.path(name);
        let made = longhaul(&["key", "new", "--out", &file]);
        assert_eq!(status(&made), 0, "{}", stderr(&made));
        (file, stdout(&made).trim().to_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn longhaul(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    // The width of the terminal must not change what is compared.
    command.args(flags).stdin(Stdio::null()).env_remove("COLUMNS").env_remove("JOURNAL_STREAM");
    command.output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Compares with a committed file, or rewrites it.
fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let differing = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "{name} differs, first here: {differing:?}; UPDATE=1 rewrites it");
}

/// Every sentence must be there, and the status must be 2.
fn refused(flags: &[&str], sentences: &[&str]) {
    let output = longhaul(flags);
    let said = stderr(&output);
    for sentence in sentences {
        assert!(said.contains(sentence), "{flags:?} should say {sentence:?} but says:\n{said}");
    }
    assert_eq!(status(&output), 2, "{flags:?}\n{said}");
    assert!(stdout(&output).is_empty());
}

#[test]
fn help_is_as_committed() {
    for door in [
        "demo", "front", "back", "dns", "config", "explain", "ctl", "key", "doctor", "origin", "load", "wan",
        "sim", "tmp", "plot", "probe", "join",
    ] {
        let output = longhaul(&[door, "--help"]);
        assert_eq!(status(&output), 0);
        expect(&format!("help-{door}.txt"), &stdout(&output));
    }
    expect("help.txt", &stdout(&longhaul(&["--help"])));
    assert_eq!(stdout(&longhaul(&["--version"])), concat!("longhaul ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn what_clap_refuses_has_status_two() {
    for flags in [&[][..], &["nonsense"], &["front", "--nonsense"], &["front", "--cpus"], &["load"], &["key"]]
    {
        assert_eq!(status(&longhaul(flags)), 2, "{flags:?}");
    }
}

#[test]
fn every_bad_value_has_its_sentence() {
    let cases = [
        ("--listen", "127.0.0.1", "add the port: 127.0.0.1:8080"),
        ("--listen", ":80", "0.0.0.0:80 for IPv4"),
        ("--listen", "127.0.0.1:80,tls", "only `,proxy` may follow"),
        ("--tcp", "127.0.0.1:25", "write ADDR=SITE"),
        ("--site", "shop.example", "write SITE=ROUTE"),
        ("--site", "shop:80=east", "without port and path"),
        ("--site", "shop.example=https://h", "asks for TLS to the origin"),
        ("--route", "east", "write NAME=KEY@ADDR"),
        ("--route", "east=abc@127.0.0.1:7000", "54 characters"),
        ("--tunnel-from", "eth0", "write IP:PORT"),
        ("--name", "a b", "cannot stand in a Via field"),
        ("--class", "path=/a:9", "end with :0 (highest) to :4"),
        ("--mtu", "100", "give 1248 to 65535"),
        ("--packet-bytes", "1500", "does not go with --mtu 1500"),
        ("--streams-max", "70000", "give 1 to 65535"),
        ("--tunnel-send-bytes", "1k", "give at least 1m"),
        ("--tunnel-receive-bytes", "1m", "does not cover --credit-min"),
        ("--credit-min", "1", "give 1k to 1m"),
        ("--keep-alive", "10", "write a number and its unit"),
        ("--gso", "65", "give 2 to 64, or off"),
        ("--gro", "yes", "give one of on, off"),
        ("--blender", "fair", "give one of bounded, literal"),
        ("--weights", "1,2,3", "write five numbers"),
        ("--sub-packet", "64", "give 128 to 65535"),
        ("--cpus", "0-", "is no list of cpus"),
        ("--cpus", "1023", "cpu 1023 is not among those that may be used here"),
        ("--tunnel-cores", "1023", "names a cpu that has no worker"),
        ("--numa", "77", "has no cpu that this process may use"),
        ("--io", "kqueue", "give one of auto, uring, epoll"),
        ("--sq", "1000", "is no usable power of two"),
        ("--cq", "512", "is smaller than --sq"),
        ("--buf-small", "4k", "write SIZE:COUNT"),
        ("--buf-large", "16k:500", "give one of 2, 4, 8"),
        ("--buf-udp", "3", "is no usable power of two"),
        ("--trains", "0", "give 1 to 4096"),
        ("--ring-slots", "100", "is no usable power of two"),
        ("--hugepages", "require", "give one of off, try"),
        ("--spin-us", "1000000", "is longer than a tenth of a second"),
        ("--batch-wait-us", "1s", "is no number"),
        ("--so-rcvbuf", "big", "is no size"),
        ("--backlog", "many", "is no number"),
        ("--mem-limit", "1m", "the bounds add up to"),
        ("--connections-max", "0", "lets nobody in"),
        ("--exchanges-max", "0", "lets nothing happen"),
        ("--head-bytes-max", "100", "give 1k to 256k"),
        ("--target-bytes-max", "64k", "does not go with --head-bytes-max"),
        ("--fields-max", "0", "refuses every request"),
        ("--interim-max", "256", "is more than this number can be"),
        ("--body-bytes-max", "1t", "is no size"),
        ("--stream-bytes", "1", "give 49k to 1g"),
        ("--stream-bytes", "48k", "does not go with --head-bytes-max"),
        ("--stream-bytes", "2g", "to 1g"),
        ("--held-bytes", "1k", "cannot hold one head"),
        ("--queue-bytes", "1k", "cannot hold one exchange"),
        ("--block-bytes", "1000", "give a power of two from 512 to 64k"),
        ("--head-timeout", "0s", "leaves no time at all"),
        ("--total-timeout", "never", "is no span of time"),
        ("--drain-timeout", "1000h", "is longer than a week"),
        ("--admin", "8088", "is no address"),
        ("--log-level", "loud", "give one of error, warning, notice, info, debug"),
    ];
    let good = ["front", "--listen", "127.0.0.1:0", "--site", "*=http://127.0.0.1:9"];
    for (flag, value, sentence) in cases {
        let flags: Vec<&str> = good.into_iter().chain([flag, value]).collect();
        refused(&flags, &[sentence, flag]);
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let flags = [
        "front",
        "--listen",
        "127.0.0.1",
        "--site",
        "*=west",
        "--site",
        "*=west",
        "--head-timeout",
        "10",
        "--gso",
        "99",
    ];
    refused(
        &flags,
        &[
            "5 things are wrong",
            "--listen 127.0.0.1: is no address",
            "--site *=west: there is no route west",
            "--head-timeout 10: is no span of time",
            "--gso 99:",
        ],
    );
}

#[test]
fn a_front_end_is_checked_as_a_whole() {
    let folder = Scratch::new();
    let (_, back) = folder.key("back.key");
    let (key, _) = folder.key("front.key");
    let (east, west) = (format!("east={back}@127.0.0.1:7000"), format!("west={back}@[::1]:7000"));
    let site = ["--site", "shop.example=east"];
    let listen = ["--listen", "127.0.0.1:8080"];
    let front = |flags: &[&[&str]], sentences: &[&str]| {
        refused(&[&["front"][..], &flags.concat()].concat(), sentences);
    };
    front(&[], &["--listen: is missing"]);
    front(&[&listen], &["--site: is missing"]);
    front(&[&listen, &site], &["there is no route east", "--route east=KEY@ADDR"]);
    front(&[&listen, &["--site", "a=b", "--route", &east, "--key", &key]], &["no route b; name one of east"]);
    front(&[&listen, &site, &["--route", &east]], &["--key: is missing", "longhaul key new --out"]);
    front(&[&listen, &site, &["--route", &east, "--route", &east, "--key", &key]], &["is a second east"]);
    front(&[&listen, &listen, &["--site", "*=http://h"]], &["listens where another flag does"]);
    front(&[&listen, &["--site", "*=http://h", "--admin", "127.0.0.1:8080"]], &["--admin: listens where"]);
    front(&[&listen, &["--site", "*=http://h", "--site", "*=http://i"]], &["is a second *"]);
    front(
        &[&["--tcp", "127.0.0.1:25=mail", "--route", &east, "--route", &west, "--key", &key]],
        &["nothing says where mail goes", "--site mail=ROUTE"],
    );
    front(&[&["--tcp", "127.0.0.1:25=mail", "--site", "mail=http://h"]], &["mail goes to an HTTP origin"]);
    front(
        &[&listen, &["--site", "*=http://h", "--class", "default:1", "--class", "default:2"]],
        &["is a second default"],
    );
    front(
        &[&listen, &["--site", "*=http://h", "--cpus", "0", "--tunnel-cores", "0"]],
        &["leaves no worker for the TCP connections"],
    );
}

#[test]
fn every_bad_value_of_the_name_server_has_its_sentence() {
    let cases = [
        ("--listen", "53", "write IP:PORT"),
        ("--zone", "a..b=file", "is no name of a zone"),
        ("--zone", "example.test=", "names no file"),
        ("--threads", "0", "give 1 to 256"),
        ("--batch", "5000", "give 1 to 1024"),
        ("--udp-buffer", "much", "is no size"),
        ("--udp-size", "100", "give 512 to 4096"),
        ("--tcp-max", "0", "give 1 to"),
        ("--tcp-per-client-max", "0", "give 1 to"),
        ("--tcp-idle", "10", "write a number and its unit"),
        ("--rate-limit", "-1", "is no number"),
        ("--rate-slip", "x", "is no number"),
        ("--rate-exempt", "127.0.0.1/8", "has bits set behind its prefix; write 127.0.0.0/8"),
        ("--cookies", "/none/such", "longhaul key cookie --out"),
        ("--query-log-sample", "0", "give 1 to"),
        ("--admin", "8053", "is no address"),
        ("--log-level", "loud", "give one of"),
    ];
    for (flag, value, sentence) in cases {
        let wrong = format!("{flag}={value}");
        refused(&["dns", "--zone", "example.test.zone", &wrong], &[sentence, flag]);
    }
    let long = "x".repeat(200);
    refused(&["dns", "--zone", "a.zone", "--nsid", &long], &["--nsid: is too long"]);
    refused(
        &["dns", "--listen", "127.0.0.1:53", "--listen", "127.0.0.1:53"],
        &["--zone: is missing", "is there twice"],
    );
}

#[test]
fn secrets_of_cookies_are_made_and_checked() {
    let folder = Scratch::new();
    let file = folder.path("dns.cookie");
    assert_eq!(status(&longhaul(&["key", "cookie", "--out", &file])), 0);
    let print = |file: &str| longhaul(&["dns", "--zone", "a.zone", "--cookies", file, "--print-config"]);
    assert_eq!(status(&print(&file)), 0);
    let secret = fs::read_to_string(&file).unwrap();
    assert_eq!(secret.trim().len(), 32);
    fs::write(&file, format!("{secret}{secret}")).unwrap();
    assert_eq!(status(&print(&file)), 0, "two lines: the old one is still taken");
    for bad in ["0123", "g".repeat(32).as_str(), &format!("{secret}{secret}{secret}")] {
        fs::write(&file, bad).unwrap();
        refused(&["dns", "--zone", "a.zone", "--cookies", &file], &["32 hexadecimal digits"]);
    }
}

#[test]
fn a_back_end_is_checked_as_a_whole() {
    let folder = Scratch::new();
    let (key, front) = folder.key("back.key");
    let peer = format!("{front}=shop.example");
    let listen = ["--listen", "127.0.0.1:7000"];
    let origin = ["--origin", "shop.example=http://127.0.0.1:9000"];
    let back = |flags: &[&[&str]], sentences: &[&str]| {
        refused(&[&["back"][..], &flags.concat()].concat(), sentences);
    };
    back(&[], &["--origin: is missing", "--listen: is missing"]);
    back(&[&listen, &origin, &["--key", &key]], &["--peer: is missing"]);
    back(&[&origin, &["--peer", &peer, "--key", &key]], &["--listen: is missing"]);
    back(&[&listen, &origin, &["--peer", &peer]], &["--key: is missing"]);
    back(&[&listen, &origin, &["--peer", &peer, "--peer", &peer, "--key", &key]], &["is there twice"]);
    back(
        &[&listen, &origin, &origin, &["--peer", &peer, "--key", &key]],
        &["is a second origin of shop.example"],
    );
    let other = format!("{front}=shop.example,mail.example");
    back(&[&listen, &origin, &["--peer", &other, "--key", &key]], &["no origin serves mail.example"]);
    back(
        &[&["--http-listen", "127.0.0.1:80", "--origin", "mail=tcp://127.0.0.1:25"]],
        &["has no HTTP origin to serve from"],
    );
}

#[test]
fn keys_are_made_once_shown_and_guarded() {
    let folder = Scratch::new();
    let (file, public) = folder.key("a.key");
    assert_eq!(public.len(), 54);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(stdout(&longhaul(&["key", "show", &file])).trim(), public);
    let secret = fs::read_to_string(&file).unwrap();

    refused(&["key", "new", "--out", &file], &["exists and is not overwritten"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    refused(&["key", "show", &folder.path("none")], &["does not exist"]);
    refused(&["key", "show", &folder.path(".")], &["is no regular file"]);

    let psk = folder.path("pair.psk");
    let made = longhaul(&["key", "psk", "--out", &psk]);
    assert_eq!((status(&made), stdout(&made)), (0, String::new()), "a secret is not printed");
    refused(&["key", "show", &psk], &["this is a preshared key"]);

    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    refused(&["key", "show", &file], &["open to others than its owner (mode 0644)", "chmod 600"]);
    let route = format!("east={public}@127.0.0.1:7000");
    let flags =
        ["--listen", "127.0.0.1:0", "--site", "*=east", "--route", &route, "--key", &file, "--psk", &file];
    refused(&[&["front"][..], &flags].concat(), &["--key: ", "--psk: ", "2 things are wrong"]);
}

#[test]
fn a_private_key_on_the_command_line_is_not_repeated() {
    let folder = Scratch::new();
    let (file, _) = folder.key("a.key");
    let secret = fs::read_to_string(&file).unwrap();
    let output = longhaul(&["back", "--peer", &format!("{}=*", secret.trim())]);
    assert!(stderr(&output).contains("it is compromised"), "{}", stderr(&output));
    assert!(!stderr(&output).contains(secret.trim()), "the key is in the message");
}

#[test]
fn effective_values_are_printed_with_their_source() {
    let folder = Scratch::new();
    let (key, _) = folder.key("front.key");
    let (_, public) = folder.key("back.key");
    let route = format!("east={public}@127.0.0.1:7000,[::1]:7000");
    let flags = [
        "front",
        "--listen",
        "127.0.0.1:8080",
        "--listen",
        "[::1]:8080,proxy",
        "--key",
        &key,
        "--route",
        &route,
        "--site",
        "shop.example=east",
        "--tcp",
        "127.0.0.1:2525=mail.example",
        "--cpus",
        "0",
        "--mtu",
        "9000",
        "--class",
        "path=/checkout/*:0",
        "--mem-limit",
        "off",
        "--print-config",
    ];
    let output = longhaul(&flags);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    expect("print-config-front.txt", &stdout(&output).replace(&key, "KEYFILE").replace(&public, "PUBLIC"));

    let back =
        ["back", "--http-listen", "127.0.0.1:0", "--origin", "*=http://h", "--cpus", "0", "--print-config"];
    let said = stdout(&longhaul(&back));
    assert!(
        said.contains("http-listen = 127.0.0.1:0  # flag\n") && said.contains("key = (none)  # default\n")
    );
    assert!(said.lines().all(|line| line.contains(" = ") && line.contains("  # ")), "{said}");

    for (flags, line) in [
        (&["demo", "--check", "--print-config"][..], "check = true  # flag\n"),
        (&["origin", "--threads", "2", "--print-config"], "threads = 2  # flag\n"),
        (&["load", "--print-config", "http://127.0.0.1:1/"], "connections = 64  # default\n"),
    ] {
        let output = longhaul(flags);
        assert!(stdout(&output).contains(line), "{}{}", stdout(&output), stderr(&output));
        assert_eq!(status(&output), 0);
    }
}

#[test]
fn the_tools_doors_say_what_is_wrong() {
    refused(
        &["origin", "--listen", "9000", "--threads", "0"],
        &["is no address", "--threads: is no usable number"],
    );
    refused(
        &["load", "--header", "X", "--timeout", "5", "http://127.0.0.1:1/"],
        &["has no colon", "--timeout 5:"],
    );
    refused(
        &["load", "--duration", "off", "http://127.0.0.1:1/"],
        &["give a duration or a number of requests"],
    );
    refused(&["load", "ftp://x/"], &["cannot use"]);
    refused(&["demo", "--admin", "127.0.0.1:8080"], &["--admin: listens where --listen does"]);
}

#[test]
fn the_simulator_shows_a_seed_and_says_what_is_wrong_with_a_scenario() {
    let scratch = Scratch::new();
    let (scenario, plot) = (scratch.path("scenario.toml"), scratch.path("seed.svg"));
    let text = "topology = 'pair'\nfaults = ['Reordering']\nlatency = '20ms'\nexchanges = 4\n\
                [[incident]]\nat = '100ms'\nwhat = 'partition'\nlasts = '200ms'\n";
    fs::write(&scenario, text).unwrap();
    let flags = ["sim", "--seed", "3", "--scenario", &scenario, "--plot", &plot];
    let first = longhaul(&flags);
    assert_eq!(status(&first), 0, "{}", stderr(&first));
    let said = stdout(&first);
    for text in ["front to back: INIT, 1200 B, ", "client asks", "4 exchanges", "every promise was kept"] {
        assert!(said.contains(text), "{text:?} is missing:\n{said}");
    }
    assert_eq!(said, stdout(&longhaul(&flags)), "equal seeds run equally");
    assert!(fs::read_to_string(&plot).unwrap().contains("back to front, time and sequence"));

    let many = longhaul(&["sim", "--seeds", "0..4", "--scenario", &scenario]);
    assert_eq!(status(&many), 0, "{}", stderr(&many));
    assert!(stdout(&many).contains("4 seeds, 16 exchanges"), "{}", stdout(&many));

    fs::write(&scenario, "faults = ['Los']\n [[incident]]\n at = 1\n").unwrap();
    refused(
        &["sim", "--seed", "3", "--scenario", &scenario],
        &[
            "line 1, column 11: there is no fault \"Los\"; write Loss",
            "line 3, column 7: at is 1; give a string",
        ],
    );
    refused(&["sim", "--seeds", "9..3"], &["--seeds 9..3: holds no seed"]);
}

#[test]
fn a_capture_that_is_none_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.path("capture");
    fs::write(&file, "no capture").unwrap();
    refused(&["tmp", "dump", &file], &["FILE: ", "it is neither pcap nor pcapng; give another file"]);
    refused(&["tmp", "dump", &scratch.path("none")], &["No such file"]);
    refused(&["tmp", "dump", &file, "--key-log", &scratch.path("none")], &["--key-log: "]);
}
