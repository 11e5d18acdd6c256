//! Machines that join the network, invited or not: the holder of the tree lets in whom it has invited, once, as it has said, and
//! the tree is changed whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod process;

use process::{Folder, Node, PATIENCE, until};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tools::origin::{OriginOptions, OriginThread};

fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_longhaul")).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn good(arguments: &[&str]) -> String {
    let (code, said) = run(arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

/// The holder and what it has.
struct Holder {
    folder: Folder,
    tree: String,
    node: Node,
}

impl Holder {
    fn new(tree: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let file = folder.path("longhaul.toml");
        fs::write(&file, tree).unwrap();
        good(&["key", "report", "--out", &folder.path("reports.key")]);
        folder.key("holder.key");
        // The folder of invitations is there once somebody was invited.
        let holder = Command::new("mkdir").args(["-m", "700", &folder.path("invitations")]).status().unwrap();
        assert!(holder.success());
        let node =
            Node::start(
                &[
                    &[
                        "config",
                        "serve",
                        &file,
                        "--listen",
                        "127.0.0.1:0",
                        "--key",
                        &folder.path("holder.key"),
                    ][..],
                    &["--invitations", &folder.path("invitations"), "--admin", "127.0.0.1:0"],
                    flags,
                ]
                .concat(),
            );
        Self { folder, tree: file, node }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.tree).unwrap()
    }

    /// An invitation; its file.
    fn invite(&self, name: &str, flags: &[&str]) -> String {
        self.invite_at(name, self.node.address(), flags)
    }

    fn invite_at(&self, name: &str, at: SocketAddr, flags: &[&str]) -> String {
        let out = self.folder.path(&format!("{name}.invitation"));
        let (folder, key) = (self.folder.path("invitations"), self.folder.path("holder.key"));
        let fixed = [
            "key",
            "invite",
            "--invitations",
            &folder,
            "--key",
            &key,
            "--at",
            &at.to_string(),
            "--out",
            &out,
        ];
        good(&[&fixed[..], flags].concat());
        out
    }

    fn outcomes(&self, outcome: &str) -> f64 {
        self.node.metric(&format!("longhaul_joins_total{{outcome=\"{outcome}\"}}")).unwrap()
    }
}

/// A machine that wants to join.
struct Guest {
    folder: Folder,
    key: String,
    public: String,
}

impl Guest {
    fn new() -> Self {
        let folder = Folder::new();
        let (key, public) = folder.key("own.key");
        Self { folder, key, public }
    }

    fn join(&self, invitation: &str, name: &str, roles: &str, flags: &[&str]) -> (i32, String) {
        let out = self.folder.path("");
        let fixed =
            ["join", "--invitation", invitation, "--name", name, "--roles", roles, "--key", &self.key];
        run(&[&fixed[..], &["--out", &out], flags].concat())
    }
}

const TREE: &str = r#"# The network, by hand.
reports.key = "reports.key"
network.name = "net.test"

[zone."test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
"""

[node.fra1]   # the first one
roles = ["front"]
addresses = ["127.0.0.1"]
public_key = "FRA1"
front.listen = ["127.0.0.1:0"]

[node.ns]
roles = ["dns"]
addresses = ["127.0.0.1"]
dns.listen = ["127.0.0.1:0"]

[node.p1]
roles = ["probe"]

[policy.web]
[site."shop.test"]
origins = ["http://127.0.0.1:9"]
dns.policy = "web"
"#;

#[test]
fn who_is_invited_joins_once_and_begins_small() {
    // What the newcomer serves; the prober looks there, and reads the tree again by itself.
    let service: OriginThread = tools::origin::spawn(&OriginOptions::default()).unwrap();
    let tree = format!(
        "{TREE}[probe.up]\nurl = \"tcp://127.0.0.1:{}\"\nservers = [\"fra1\"]   # by hand\ninterval = \"500ms\"\ntimeout = \"400ms\"\n",
        service.address().port()
    );
    let control = Folder::new();
    let door = control.path("ctl");
    let holder = Holder::new(&tree, &["--reload", &door, "--slow-start", "1h"]);
    let dns =
        Node::start(
            &[
                &[
                    "dns",
                    "--config",
                    &holder.tree,
                    "--node",
                    "ns",
                    "--threads",
                    "1",
                    "--admin",
                    "127.0.0.1:0",
                ][..],
                &["--reports", "127.0.0.1:0", "--control", &door],
            ]
            .concat(),
        );
    let reports = dns.fields("reports are taken", "reports_udp=")[0].to_string();
    let probe = Node::start(&["probe", "--config", &holder.tree, "--node", "p1", "--report-to", &reports]);

    let guest = Guest::new();
    let flags = ["--roles", "front,probe", "--probe", "up", "--name", "fra2", "--public-key", &guest.public];
    let invitation = holder.invite("fra2", &flags);
    let place = ["--address", "127.0.0.2", "--listen", "127.0.0.2:80", "--pop", "fra"];
    let (code, said) = guest.join(&invitation, "fra2", "front", &place);
    assert!(code == 0 && said.contains("fra2 has joined the network"), "{said}");

    // The tree has it and keeps what stood there; the guest has all that it needs.
    let text = holder.text();
    let mut left = text.lines();
    let kept = tree.lines().filter(|line| !line.starts_with("servers"));
    for line in kept {
        assert!(left.any(|left| left == line), "{line}: {text}");
    }
    assert!(text.contains("\"fra2\"]   # by hand"), "{text}");
    good(&["config", "check", &holder.tree]);
    for (path, due) in
        [("roles", "[\"front\"]"), ("pop", "fra"), ("slow_start", "3600s"), ("public_key", &guest.public)]
    {
        let said = good(&["config", "get", &holder.tree, &format!("node.fra2.{path}")]);
        assert_eq!(said.trim().replace('\'', "\""), due, "{path}");
    }
    assert_eq!(fs::read_to_string(guest.folder.path("longhaul.toml")).unwrap().trim_end(), text.trim_end());
    let key = fs::read_to_string(guest.folder.path("fra2.report")).unwrap();
    assert!(key.starts_with("longhaul-report-key fra2 "), "{key}");

    // The name server has read it, and lets it begin small once it is known to be healthy.
    holder.node.wait_for("the tree was read again");
    probe.signal("HUP");
    let explained = until("it is known to be up", || {
        let (code, said) =
            run(&["ctl", "--control", &door, "explain", "shop.test", "--client", "198.51.100.7"]);
        (code == 0 && said.contains("up/fra2: up for")).then_some(said)
    });
    let line = explained.lines().find(|line| line.starts_with("fra2 ")).unwrap();
    assert!(line.contains("/ weight 0.1") && line.contains("of 1 (slow start: up for"), "{explained}");
    assert!(
        !explained.lines().find(|line| line.starts_with("fra1 ")).unwrap().contains("slow start"),
        "{explained}"
    );

    // Once is once.
    let other = Guest::new();
    let (code, said) = other.join(&invitation, "fra3", "front", &[]);
    assert!(code == 1 && said.contains("the invitation was used already"), "{said}");
    assert_eq!((holder.text(), holder.outcomes("joined"), holder.outcomes("used")), (text, 1.0, 1.0));
    drop(service);
}

#[test]
fn who_is_not_invited_or_not_like_this_stays_out() {
    let holder = Holder::new(TREE, &[]);
    let guest = Guest::new();
    let refused =
        |guest: &Guest, invitation: &str, (name, roles): (&str, &str), flags: &[&str], due: &str| {
            let (code, said) = guest.join(invitation, name, roles, flags);
            assert!(code == 1 && said.contains(due), "{due}: {said}");
            assert_eq!(holder.text(), TREE, "{due}");
            assert!(fs::metadata(guest.folder.path("longhaul.toml")).is_err(), "{due}");
        };
    let front = holder.invite("front", &["--roles", "front"]);

    // Of another holder, with another secret, or with another holder's key.
    let elsewhere = Holder::new(TREE, &[]);
    let foreign = elsewhere.invite_at("foreign", holder.node.address(), &["--roles", "front"]);
    refused(&guest, &foreign, ("fra2", "front"), &[], "does not take this invitation");
    let line = fs::read_to_string(&front).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let changed = |name: &str, place: usize, word: &str| {
        let mut words = words.clone();
        words[place] = word;
        let file = holder.folder.path(name);
        fs::copy(&front, &file).unwrap();
        fs::write(&file, words.join(" ")).unwrap();
        file
    };
    let guessed = changed("guessed", 2, &"ab".repeat(32));
    refused(&guest, &guessed, ("fra2", "front"), &[], "does not take this invitation");
    let unknown = changed("unknown", 1, "0123456789abcdef");
    refused(&guest, &unknown, ("fra2", "front"), &[], "does not take this invitation");
    assert_eq!(holder.outcomes("stranger"), 3.0);

    let late = holder.invite("late", &["--roles", "front", "--valid", "1us"]);
    refused(&guest, &late, ("fra2", "front"), &[], "the invitation has expired");
    let for_other = holder.invite("other", &["--roles", "front", "--public-key", &Guest::new().public]);
    refused(&guest, &for_other, ("fra2", "front"), &[], "for another key");
    let for_name = holder.invite("named", &["--roles", "front", "--name", "fra3"]);
    refused(&guest, &for_name, ("fra2", "front"), &[], "for another name");
    refused(&guest, &front, ("fra1", "front"), &[], "the name fra1 is taken");
    refused(&guest, &front, ("Fra 2", "front"), &[], "is no name");
    refused(&guest, &front, ("fra2", "front,dns"), &[], "not for the role dns");
    // What `config check` would say: a role's name, an own name that is no URL's.
    refused(&guest, &front, ("probe", "front"), &[], "probe is the name of a role");
    let lost = holder.invite("lost", &["--roles", "front", "--probe", "wbe"]);
    refused(&guest, &lost, ("fra2", "front"), &[], "there is no probe wbe");
    for (outcome, count) in [("expired", 1.0), ("key", 1.0), ("name", 3.0), ("roles", 1.0), ("request", 2.0)]
    {
        assert_eq!(holder.outcomes(outcome), count, "{outcome}");
    }
    assert_eq!((holder.outcomes("joined"), holder.outcomes("used")), (0.0, 0.0));

    // None of this has used the invitation up.
    let (code, said) = guest.join(&front, "fra2", "front", &[]);
    assert_eq!(code, 0, "{said}");
    let same_key = Guest { folder: Folder::new(), key: guest.key.clone(), public: guest.public };
    let again = holder.invite("again", &["--roles", "front"]);
    let (code, said) = same_key.join(&again, "fra4", "front", &[]);
    assert!(code == 1 && said.contains("fra2 has this key already"), "{said}");
}

/// Somebody between them hears all that is said, and says it again.
#[test]
fn what_was_said_once_is_worth_nothing_a_second_time() {
    let holder = Holder::new(TREE, &[]);
    let at = holder.node.address();
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let invitation = holder.invite_at("fra2", between.local_addr().unwrap(), &["--roles", "front"]);
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    let keeper = heard.clone();
    let relay = std::thread::spawn(move || {
        let (mut guest, _) = between.accept().unwrap();
        let mut to_holder = TcpStream::connect(at).unwrap();
        let (mut back, mut to_guest) = (to_holder.try_clone().unwrap(), guest.try_clone().unwrap());
        let down = std::thread::spawn(move || {
            std::io::copy(&mut back, &mut to_guest).unwrap();
            let _closed = to_guest.shutdown(Shutdown::Both);
        });
        let mut buffer = [0; 4_096];
        while let Ok(bytes @ 1..) = guest.read(&mut buffer) {
            keeper.lock().unwrap().extend_from_slice(&buffer[..bytes]);
            to_holder.write_all(&buffer[..bytes]).unwrap();
        }
        down.join().unwrap();
    });
    let (code, said) = Guest::new().join(&invitation, "fra2", "front", &[]);
    assert_eq!(code, 0, "{said}");
    relay.join().unwrap();
    let (text, said) = (holder.text(), heard.lock().unwrap().clone());
    assert!(said.len() > 200);
    let mut again = TcpStream::connect(at).unwrap();
    again.set_read_timeout(Some(PATIENCE)).unwrap();
    again.write_all(&said).unwrap();
    let mut answer = Vec::new();
    let _ended = again.read_to_end(&mut answer);
    until("it is refused", || (holder.outcomes("stranger") == 1.0).then_some(()));
    assert_eq!((holder.text(), holder.outcomes("joined")), (text, 1.0));
    assert!(answer.len() < 100, "it hears the second message of the conversation at most");
    // Nor does nonsense, or silence, hold up anybody.
    let _silent = TcpStream::connect(at).unwrap();
    TcpStream::connect(at).unwrap().write_all(&[0xff; 70_000]).unwrap();
    let next = holder.invite("fra3", &["--roles", "front"]);
    let (code, said) = Guest::new().join(&next, "fra3", "front", &[]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn what_is_wrong_with_flags_is_said_at_once() {
    let (folder, guest) = (Folder::new(), Guest::new());
    let (code, said) = guest.join(&folder.path("none"), "fra2", "front,cook", &["--address", "x"]);
    assert!(code == 2, "{said}");
    for due in
        ["--invitation", "longhaul key invite", "--roles cook: is no role", "--address x: is no address"]
    {
        assert!(said.contains(due), "{due}: {said}");
    }
    let holder = Holder::new(TREE, &[]);
    let invitation = holder.invite("fra2", &["--roles", "front"]);
    fs::write(guest.folder.path("longhaul.toml"), "mine").unwrap();
    let (code, said) = guest.join(&invitation, "fra2", "front", &[]);
    assert!(code == 2 && said.contains("is there already"), "{said}");
    assert_eq!(fs::read_to_string(guest.folder.path("longhaul.toml")).unwrap(), "mine");
    let Holder { folder: _kept, node, .. } = holder;
    drop(node);
    fs::remove_file(guest.folder.path("longhaul.toml")).unwrap();
    let (code, said) = guest.join(&invitation, "fra2", "front", &[]);
    assert!(code == 75 && said.contains("the holder is not reached"), "{said}");
    let (code, said) =
        run(&["config", "serve", &folder.path("none"), "--key", "none", "--invitations", "none"]);
    assert!(code == 2 && said.contains("--listen") && said.contains("cannot be read"), "{said}");
}
