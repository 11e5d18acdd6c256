//! dig and kdig as operators use them.

use crate::Server;
use crate::peers::is_there;
use std::process::Command;

/// What a tool says about our server.
fn run(server: &Server, tool: &str, arguments: &[&str]) -> String {
    let address = server.node.address();
    let (at, port) = (format!("@{}", address.ip()), address.port().to_string());
    let output = Command::new(tool).args([&at, "-p", &port]).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {text}");
    text
}

#[test]
fn dig_is_content() {
    if !is_there("dig", "-v") {
        return;
    }
    let server = Server::start(&["--nsid", "fra1"]);
    let cases: &[(&[&str], &[&str])] = &[
        (&["www.example.test"], &["status: NOERROR", "flags: qr aa", "192.0.2.80", "192.0.2.81"]),
        (&["www.example.test", "+nsid"], &["(\"fra1\")"]),
        (&["www.example.test", "+cookie=0123456789abcdef"], &["(good)"]),
        (&["www.example.test", "+subnet=198.51.100.0/24"], &["CLIENT-SUBNET: 198.51.100.0/24/0"]),
        (&["www.example.test", "ANY"], &["HINFO", "RFC8482"]),
        (&["example.test", "AXFR"], &["Transfer failed"]),
        (&["big.example.test", "TXT", "+noedns"], &["ANSWER: 5", "(TCP)"]),
        (&["big.example.test", "TXT", "+noedns", "+ignore"], &["tc", "ANSWER: 0"]),
        (&["nothing.example.test"], &["status: NXDOMAIN", "SOA"]),
        (&["www.elsewhere.test"], &["status: REFUSED", "EDE: 20 (Not Authoritative)"]),
        (&["www.example.test", "+edns=1", "+noednsneg"], &["status: BADVERS"]),
        (&["www.example.test", "+ednsopt=65001:00ff"], &["status: NOERROR"]),
        (&["www.example.test", "+ednsflags=0x4000"], &["status: NOERROR", "flags:;"]),
        (&["www.example.test", "+opcode=status"], &["status: NOTIMP"]),
        (&["www.example.test", "+zflag"], &["status: NOERROR"]),
        (&["www.example.test", "TYPE65280"], &["status: NOERROR", "ANSWER: 0"]),
        (&["-x", "192.0.2.1"], &["status: REFUSED"]),
        (&["example.test", "HTTPS"], &["alpn=\"h2,h3\""]),
        (&["id.server", "CH", "TXT"], &["\"fra1\""]),
        (&["version.bind", "CH", "TXT"], &["status: REFUSED"]),
        (&["www.example.test", "+tcp", "+keepalive"], &["TCP KEEPALIVE: 10.0"]),
    ];
    for (arguments, expected) in cases {
        let text = run(&server, "dig", arguments);
        for part in *expected {
            assert!(text.contains(part), "dig {arguments:?} lacks {part:?}:\n{text}");
        }
    }
}

#[test]
fn kdig_is_content() {
    if !is_there("kdig", "-V") {
        return;
    }
    let server = Server::start(&[]);
    let text = run(&server, "kdig", &["+tcp", "+keepopen", "www.example.test", "x.wild.example.test", "TXT"]);
    assert!(text.contains("192.0.2.81") && text.contains("\"wild\""), "{text}");
    let text = run(&server, "kdig", &["www.kid.example.test"]);
    assert!(
        text.contains("ns.kid.example.test.") && text.contains("192.0.2.54") && !text.contains("aa"),
        "{text}"
    );
    let text = run(&server, "kdig", &["+cookie", "+badcookie", "www.example.test"]);
    assert!(text.contains("COOKIE"), "{text}");
}
