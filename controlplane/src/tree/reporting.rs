//! What a tree says about reports: who may make them, with which key, and to whom they go.

use crate::dns::policy::model::Server;
use crate::probe::manners::Manners;
use crate::report::expected::{Expected, ExpectedNode, ExpectedTarget};
use crate::report::key::ReportKey;
use crate::report::limits::VOTE_INTERVALS;
use crate::report::poll::Rules;
use crate::tree::form::Taken;
use crate::tree::probes::Probe;
use crate::tree::read::Tree;
use crate::tree::redirects;
use core::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Who reports to whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reporting {
    /// The file with the network's secret; without it nobody reports.
    pub key: Option<PathBuf>,
    /// All nodes.
    pub nodes: Vec<ReportingNode>,
    /// Where the name servers take reports.
    pub to: Vec<SocketAddr>,
    /// Where front-ends take them that send clients elsewhere, each with its public key.
    pub to_fronts: Vec<(SocketAddr, String)>,
    /// How resolvers are probed.
    pub manners: Manners,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportingNode {
    /// Its name.
    pub name: String,
    /// Whether it has tunnels and clients.
    pub is_front: bool,
    /// The file with its own key.
    pub key: Option<PathBuf>,
    /// Its public key.
    pub public_key: Option<String>,
    /// Where it takes reports, if it is a name server.
    pub listen: Vec<SocketAddr>,
    /// Where it takes them as a front-end that sends clients elsewhere.
    pub listen_front: Vec<SocketAddr>,
    /// Whether it is a name server.
    pub is_dns: bool,
    /// Where its prober takes requests to probe resolvers, if it has one and resolvers are probed.
    pub asked: Vec<SocketAddr>,
    /// Where name servers reach that.
    pub asked_at: Option<SocketAddr>,
}

impl Reporting {
    /// What a tree says, whose files lie in `folder`, and which probes resolvers with these manners.
    pub fn of(tree: &Tree, folder: &Path, manners: Manners) -> Self {
        let file = |path: &[&str]| tree.text(path).map(|file| folder.join(file));
        let mut reporting = Self { key: file(&["reports", "key"]), manners, ..Self::default() };
        let sending = redirects::senders(tree);
        for name in tree.names(&["node"]) {
            let roles = tree.list(&["node", name, "roles"]);
            let has = |role: &str| roles.iter().any(|own| own == role);
            let sockets = |key: &[&str]| {
                let sockets = tree.list(&[&["node", name][..], key].concat());
                sockets.iter().filter_map(|at| at.parse::<SocketAddr>().ok()).collect::<Vec<_>>()
            };
            let addresses = tree.list(&["node", name, "addresses"]);
            let addresses: Vec<IpAddr> = addresses.iter().filter_map(|at| at.parse().ok()).collect();
            let listen = if has("dns") { sockets(&["dns", "reports"]) } else { Vec::new() };
            reporting.to.extend(listen.iter().flat_map(|listen| reached(*listen, &addresses)));
            let is_asked = has("probe") && reporting.manners.is_on;
            let asked = if is_asked { sockets(&["probe", "requests"]) } else { Vec::new() };
            let public_key = match tree.value(&["node", name, "public_key"]) {
                Some(Taken::Text(key)) => Some(key),
                _ => None,
            };
            let is_sending = sending.contains(&name);
            let listen_front = if is_sending { sockets(&["front", "reports"]) } else { Vec::new() };
            let at = listen_front.iter().flat_map(|listen| reached(*listen, &addresses));
            reporting.to_fronts.extend(at.zip(public_key.iter().cloned().cycle()));
            let key = file(&["node", name, "report_key"]);
            reporting.nodes.push(ReportingNode {
                name: name.to_owned(),
                is_front: has("front"),
                key,
                public_key,
                listen,
                listen_front,
                is_dns: has("dns"),
                asked_at: asked.iter().flat_map(|asked| reached(*asked, &addresses)).next(),
                asked,
            });
        }
        reporting
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&ReportingNode> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Who may say what to whoever has these servers, and knows each node by the key that `key` gives.
    pub fn expected(
        &self,
        probes: &[Probe],
        servers: &[Server],
        key: impl Fn(&ReportingNode) -> Option<ReportKey>,
    ) -> Expected {
        let server = |name: &str| servers.iter().position(|server| server.name == name);
        let node = |node: &ReportingNode| ExpectedNode {
            name: node.name.clone(),
            key: key(node),
            is_front: node.is_front,
            server: server(&node.name),
            asked_at: node.asked_at,
        };
        let place = |name: &String| self.nodes.iter().position(|node| node.name == *name);
        let target = |probe: &Probe| {
            let pace = probe.target.pace;
            let interval = pace.interval + pace.interval * pace.jitter_ppm / 1_000_000;
            ExpectedTarget {
                name: probe.target.name.clone(),
                server: probe.target.server.as_deref().and_then(server),
                lookers: probe.nodes.iter().filter_map(place).collect(),
                rules: Rules {
                    quorum: probe.quorum,
                    stale_us: (interval * VOTE_INTERVALS + pace.timeout).as_micros() as u64,
                },
            }
        };
        Expected {
            nodes: self.nodes.iter().map(node).collect(),
            targets: probes.iter().map(target).collect(),
            servers: servers.iter().map(|server| server.name.clone()).collect(),
            manners: self.manners.clone(),
        }
    }
}

/// Where others reach what listens there: at the machine's addresses if it listens on all of them.
fn reached(listen: SocketAddr, addresses: &[IpAddr]) -> Vec<SocketAddr> {
    match (listen.port(), listen.ip().is_unspecified()) {
        (0, _) => Vec::new(),
        (_, false) => vec![listen],
        (port, true) => {
            let of_family = addresses.iter().filter(|address| address.is_ipv4() == listen.is_ipv4());
            of_family.map(|address| SocketAddr::new(*address, port)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::key::Secret;
    use crate::tree::network::Network;

    const TREE: &str = r#"
reports.key = "reports.key"
[node.fra]
roles = ["front", "dns", "probe"]
addresses = ["192.0.2.1", "2001:db8::1"]
report_key = "fra.report"
[node.nyc]
roles = ["dns"]
addresses = ["192.0.2.2"]
dns.reports = ["127.0.0.1:9000", "127.0.0.1:0"]
[node.sin]
roles = ["probe"]
[probe.web]
url = "tcp://{address}:80"
servers = ["nyc"]
interval = "2s"
timeout = "1s"
"#;

    #[test]
    fn name_servers_are_told_and_know_who_may_say_what() {
        let network = Network::of(&Tree::read(TREE).unwrap(), Path::new("/etc/longhaul")).unwrap();
        let reporting = &network.reporting;
        let to: Vec<String> = reporting.to.iter().map(ToString::to_string).collect();
        assert_eq!(to, ["192.0.2.1:7353", "[2001:db8::1]:7353", "127.0.0.1:9000"]);
        assert_eq!(reporting.key.as_deref(), Some(Path::new("/etc/longhaul/reports.key")));
        assert_eq!(
            reporting.node("fra").unwrap().key.as_deref(),
            Some(Path::new("/etc/longhaul/fra.report"))
        );
        assert!(reporting.node("sin").unwrap().listen.is_empty());
        assert!(reporting.nodes.iter().all(|node| node.asked.is_empty() && node.asked_at.is_none()), "off");
        let on = format!(
            "{TREE}[zone.\"a.test\"]\nrecords = \"@ 9 SOA a b 1 1 1 1 1\\n@ 9 NS a\"\n[resolvers]\nprobe = \"on\"\n"
        );
        let on = Network::of(&Tree::read(&on).unwrap(), Path::new("/etc/longhaul")).unwrap().reporting;
        let asked_at = |name: &str| on.node(name).unwrap().asked_at;
        assert_eq!(asked_at("fra"), Some(([192, 0, 2, 1], 7355).into()));
        assert_eq!((asked_at("nyc"), asked_at("sin")), (None, None), "no prober; nowhere to reach it");
        assert_eq!((on.node("sin").unwrap().asked.len(), on.node("fra").unwrap().is_dns), (2, true));
        let secret = Secret::new([1; 32]);
        let key = |node: &ReportingNode| Some(secret.of_node(&node.name));
        let expected = reporting.expected(&network.probes, &network.servers, key);
        let fronts: Vec<_> =
            expected.nodes.iter().map(|node| (node.name.as_str(), node.is_front, node.server)).collect();
        assert_eq!(fronts, [("fra", true, Some(0)), ("nyc", false, Some(1)), ("sin", false, Some(2))]);
        let fra = expected.nodes[0].key.as_ref().unwrap();
        assert_eq!(fra.bytes(), secret.of_node("fra").bytes());
        let [web] = &expected.targets[..] else { panic!("one target") };
        let mut lookers = web.lookers.clone();
        lookers.sort_unstable();
        assert_eq!((web.name.as_str(), web.server, lookers), ("web/nyc", Some(1), vec![0, 2]));
        assert_eq!(web.rules.stale_us, 7_600_000, "3 x 2.2 s + 1 s");
    }
}
