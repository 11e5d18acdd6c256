//! A network that has something to show: a front-end and a back-end with a tunnel, two probers of which one lies, a name server
//! that all of them tell, one server that is down, and names that bite.

use crate::client::{ask, question};
use crate::process::{Folder, Node, one_cpu, until};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use tools::origin::{OriginOptions, OriginThread};

/// A name that would be a script if a page took it for one.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>.shop.test";

/// All of it.
pub(crate) struct Network {
    _folder: Folder,
    origin: OriginThread,
    pub(crate) dns: Node,
    pub(crate) front: Node,
    pub(crate) back: Node,
    pub(crate) probe: Node,
    _liar: Node,
}

fn tree(port: u16) -> String {
    format!(
        r#"
reports.key = "reports.key"
[zone."shop.test"]
records = """
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
"""
[node.ns1]
roles = ["dns"]
dns.listen = ["127.0.0.1:0"]
[node.fra1]
roles = ["front", "probe"]
pop = "Frankfurt"
addresses = ["127.0.0.1"]
[node.nyc1]
roles = ["front", "probe"]
pop = "New York"
addresses = ["127.0.0.9"]
[server.own]
addresses = ["192.0.2.80"]
[override.own]
action = "drain"
reason = "moves to another rack & <b>cage</b>"
[policy.web]
members = ["fra1", "nyc1", "own"]
[policy.static]
kind = "failover"
members = ["nyc1", "fra1"]
[site."shop.test".dns]
policy = "web"
names = {{ "*.shop.test" = "web", "static.shop.test" = "static" }}
[probe.web]
url = "http://{{address}}:{port}/bytes/10"
servers = ["fra1", "nyc1"]
interval = "500ms"
timeout = "400ms"
fall = 2
"#
    )
}

fn longhaul(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_longhaul")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Network {
    /// Starts it and waits until each part has something to show.
    pub(crate) fn start() -> Self {
        let (folder, origin) = (Folder::new(), tools::origin::spawn(&OriginOptions::default()).unwrap());
        let path = folder.path("longhaul.toml");
        let text = tree(origin.address().port());
        fs::write(&path, &text).unwrap();
        let secret = folder.path("reports.key");
        longhaul(&["key", "report", "--out", &secret]);
        let dns = Node::start(
            &[
                &["dns", "--config", &path, "--node", "ns1", "--threads", "1", "--admin", "127.0.0.1:0"][..],
                &["--reports", "127.0.0.1:0"],
            ]
            .concat(),
        );
        let line = dns.wait_for("reports are taken");
        let to = line.split("reports_udp=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        // The second prober looks for a text that is not there.
        let lie = folder.path("lie.toml");
        fs::write(&lie, text.replace("fall = 2", "fall = 2\nbody = \"no such text\"")).unwrap();
        let probe = |node: &str, tree: &str| {
            let flags =
                ["probe", "--config", tree, "--node", node, "--report-to", &to, "--admin", "127.0.0.1:0"];
            Node::start(&flags)
        };
        let (probe, liar) = (probe("fra1", &path), probe("nyc1", &lie));
        let [front_key, back_key] = ["front", "back"].map(|name| folder.key(&format!("{name}.key")));
        let cpu = one_cpu();
        let admin = ["--cpus", &cpu, "--admin", "127.0.0.1:0"];
        let back = ["back", "--listen", "127.0.0.1:0", "--key", &back_key.0];
        let peer = ["--peer".to_owned(), format!("{}=*", front_key.1), "--origin".to_owned()];
        let origin_flag = format!("*=http://{}", origin.address());
        let peer: Vec<&str> = peer.iter().map(String::as_str).chain([origin_flag.as_str()]).collect();
        let back = Node::start(&[&back[..], &peer, &admin].concat());
        // What an operator may call a route, and a browser might take for a picture.
        let route = format!("home={}@{}", back_key.1, back.tunnel());
        let front = Node::start(
            &[
                &["front", "--listen", "127.0.0.1:0", "--key", &front_key.0, "--route", &route][..],
                &["--site", "*=home", "--report-to", &to, "--report-key", &secret, "--report-as", "fra1"],
                &admin,
            ]
            .concat(),
        );
        let network = Self { _folder: folder, origin, dns, front, back, probe, _liar: liar };
        network.settle();
        network
    }

    fn settle(&self) {
        let mut client = TcpStream::connect(self.front.address()).unwrap();
        client.write_all(b"GET /bytes/10 HTTP/1.1\r\nHost: shop.test\r\n\r\n").unwrap();
        assert!(client.read(&mut [0; 4_096]).unwrap() > 0);
        let heard = |sample: &str, value: f64| (self.dns.metric(sample) == Some(value)).then_some(());
        until("the tunnel is told of", || {
            heard("longhaul_report_tunnel_sour{node=\"fra1\",to=\"home\"}", 0.0)
        });
        until("the dead server is seen", || heard("longhaul_report_target_up{target=\"web/nyc1\"}", 0.0));
        until("somebody disagrees", || {
            self.dns.metric("longhaul_report_outvoted{node=\"nyc1\"}").filter(|count| *count >= 1.0)
        });
        for name in ["shop.test", HOSTILE, "static.shop.test"] {
            assert!(!ask(self.dns.address(), &question(name, 1, Some(1_232))).is_empty());
        }
    }

    /// Asks the name server from another address of this machine.
    pub(crate) fn ask_from(&self, address: &str, name: &str) {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.send_to(&question(name, 1, None), self.dns.address()).unwrap();
    }

    /// Where the origin listens.
    pub(crate) fn origin(&self) -> SocketAddr {
        self.origin.address()
    }
}
