//! SIGHUP: new zones whole or not at all, under load and without a lost answer; broken zones at the start.

use crate::Server;
use crate::client::{addresses, ask, question, shown, udp};
use crate::process::{Folder, Node, until};
use crate::zone;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn new_zones_are_served_and_broken_ones_are_not() {
    let server = Server::start(&[]);
    let asked = question("new.example.test", 1, None);
    assert!(shown(&ask(server.node.address(), &asked)).starts_with("NXDomain"));
    fs::write(&server.zone, format!("{}new A 192.0.2.200\n", zone::TEXT)).unwrap();
    server.node.signal("HUP");
    server.node.wait_for("generation=2");
    until("the new zone is served", || {
        (addresses(&ask(server.node.address(), &asked)) == ["192.0.2.200"]).then_some(())
    });
    fs::write(&server.zone, format!("{}broken A 192.0.2.300\nmore CNAME a\nmore A 192.0.2.1\n", zone::TEXT))
        .unwrap();
    server.node.signal("HUP");
    let line = zone::TEXT.lines().count() + 1;
    server.node.wait_for(&format!("example.test.zone:{line}: at its end: expected IPv4 address"));
    server.node.wait_for("nothing was reloaded; the old zones stay");
    assert_eq!(addresses(&ask(server.node.address(), &asked)), ["192.0.2.200"]);
    let (_, status) = server.node.page("/status");
    assert!(status.contains("\"failed\":1") && status.contains("example.test.zone:"), "{status}");
    assert_eq!(server.node.page("/healthz").0, 200);
}

/// Each generation has its number in every answer of two records: none may have two numbers, none may be lost.
#[test]
fn no_answer_mixes_two_generations() {
    let zone = |n: usize| {
        format!("$TTL 9\n@ SOA a b {n} 1 1 1 1\n@ NS a\na A 192.0.2.1\npair TXT \"{n}\"\npair TXT \"x{n}\"\n")
    };
    let server = Server::with_zone(&zone(1), &["--rate-limit", "0"]);
    let (stop, to) = (AtomicBool::new(false), server.node.address());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (socket, asked) = (udp(to), question("pair.example.test", 16, None));
            let mut answered = 0;
            while !stop.load(Ordering::Relaxed) {
                socket.send(&asked).unwrap();
                let mut answer = [0; 512];
                let bytes = socket.recv(&mut answer).unwrap();
                let texts = addresses(&answer[..bytes]);
                assert_eq!(format!("x{}", texts[0]), texts[1], "two generations in one answer");
                answered += 1;
            }
            answered
        });
        for n in 2..40 {
            fs::write(&server.zone, zone(n)).unwrap();
            server.node.signal("HUP");
            server.node.wait_for(&format!("generation={n}"));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 100);
    });
}

/// Every kind of broken zone: nothing starts, and everything that is wrong is said.
#[test]
fn broken_zones_start_nothing() {
    let cases = [
        ("", vec!["no SOA record", "no NS record"]),
        ("@ SOA a b 1 1 1 1\n", vec!["zone:1: at its end: unexpected end of entry", "problems=1"]),
        (
            "@ 5 SOA a b 1 1 1 1 1\n@ 5 NS a\nother.example. 5 A 192.0.2.1\nx 5 DNAME y\n",
            vec!["zone:3: other.example. lies outside the zone", "zone:4: DNAME is not served"],
        ),
        (
            "@ 5 SOA a b 1 1 1 1 1\n@ 5 NS a\nx 5 CNAME a\nx 5 CNAME b\nx 5 A 192.0.2.1\n",
            vec!["several CNAME", "CNAME and other records"],
        ),
        (
            "@ 5 SOA a b 1 1 1 1 1\n@ 5 NS a\n$INCLUDE missing\n",
            vec!["zone:3: $INCLUDE missing cannot be read"],
        ),
        ("@ 5 SOA a b 1 1 1 1 1\n@ 5 NS a\nx 5 A ( 192.0.2.1\n", vec!["zone:"]),
        ("@ 5 SOA a b 1 1 1 1 1\n@ 5 NS a\nx 5 CH A 192.0.2.1\n", vec!["different class"]),
        ("\u{0}\u{1}\u{2}\n", vec!["zone:"]),
    ];
    for (text, sentences) in cases {
        let folder = Folder::new();
        let zone = folder.path("example.test.zone");
        fs::write(&zone, text).unwrap();
        let mut node = Node::launch(&["dns", "--listen", "127.0.0.1:0", "--zone", &zone]);
        assert_eq!(node.ended().code(), Some(2), "{text}");
        node.wait_for("nothing was started");
        for sentence in sentences {
            assert!(node.said().contains(sentence), "{sentence:?} about {text:?} in:\n{}", node.said());
        }
    }
}

#[test]
fn included_files_are_read_beside_the_zone_and_circles_end() {
    let server = Server::start(&[]);
    fs::write(server.folder.path("more"), "more A 192.0.2.77\n").unwrap();
    fs::write(server.folder.path("round"), "$INCLUDE round\n").unwrap();
    fs::write(&server.zone, format!("{}$INCLUDE more\n", zone::TEXT)).unwrap();
    server.node.signal("HUP");
    server.node.wait_for("generation=2");
    assert_eq!(
        addresses(&ask(server.node.address(), &question("more.example.test", 1, None))),
        ["192.0.2.77"]
    );
    fs::write(&server.zone, format!("{}$INCLUDE round\n", zone::TEXT)).unwrap();
    server.node.signal("HUP");
    server.node.wait_for("is it a circle?");
}
