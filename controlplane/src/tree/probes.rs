//! What a tree says about probes: the targets, and which nodes look at each. Every node and every name server makes the
//! same list of the same tree, so nobody has to tell anybody.

use crate::dns::policy::model::Server;
use crate::dns::policy::rendezvous;
use crate::nearest::nearest;
use crate::probe::expect::{self, Expect, LoadFrom, Statuses};
use crate::probe::limits::INTERVAL_MIN;
use crate::probe::target::{Pace, Target};
use crate::probe::url::Url;
use crate::tree::form::{Taken, span};
use crate::tree::read::{Problem, Tree};
use core::net::IpAddr;
use core::time::Duration;
use std::path::Path;

/// What stands for an address in an URL.
const ADDRESS: &str = "{address}";

/// A target and those who look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The target.
    pub target: Target,
    /// The nodes that look at it, by name.
    pub nodes: Vec<String>,
    /// How many of them must agree; 0: more than half of those that are heard.
    pub quorum: usize,
}

/// The probes of a tree whose files lie in `folder`. On errors, all of them.
pub fn of(tree: &Tree, folder: &Path, servers: &[Server]) -> Result<Vec<Probe>, Vec<Problem>> {
    let mut making = Making { tree, folder, servers, probes: Vec::new(), problems: Vec::new() };
    for name in tree.names(&["probe"]) {
        making.probe(name);
    }
    making.references();
    let Making { probes, problems, .. } = making;
    if problems.is_empty() { Ok(probes) } else { Err(problems) }
}

struct Making<'t> {
    tree: &'t Tree,
    folder: &'t Path,
    servers: &'t [Server],
    probes: Vec<Probe>,
    problems: Vec<Problem>,
}

impl Making<'_> {
    fn probe(&mut self, name: &str) {
        let Some(url) = self.text(name, "url") else {
            return self.problem(name, "url", format!("probe.{name} asks nobody; give an url"));
        };
        let names = self.tree.list(&["probe", name, "servers"]);
        if names.is_empty() && url.contains(ADDRESS) {
            let what = format!("probe.{name} says {ADDRESS} of nobody; give servers");
            return self.problem(name, "servers", what);
        }
        let Some(like) = self.like(name) else { return };
        if names.is_empty() {
            return self.target(name, name.to_owned(), None, &url, &like);
        }
        for server in &names {
            let Some(found) = self.servers.iter().find(|known| known.name == *server) else {
                let known = self.servers.iter().map(|server| server.name.as_str());
                let near = nearest(server, known).map(|near| format!("; {near} is near")).unwrap_or_default();
                self.problem(name, "servers", format!("there is no node and no server {server}{near}"));
                continue;
            };
            let v4 = found.v4.iter().map(|address| IpAddr::V4(*address));
            let addresses: Vec<IpAddr> =
                v4.chain(found.v6.iter().map(|address| IpAddr::V6(*address))).collect();
            if !url.contains(ADDRESS) {
                self.target(name, format!("{name}/{server}"), Some(server), &url, &like);
            } else if addresses.is_empty() {
                self.problem(
                    name,
                    "servers",
                    format!("{server} has no address to put in place of {ADDRESS}; give some"),
                );
            }
            for address in addresses.iter().filter(|_| url.contains(ADDRESS)) {
                let several = if addresses.len() > 1 { format!("/{address}") } else { String::new() };
                let text = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
                let url = url.replace(ADDRESS, &text);
                self.target(name, format!("{name}/{server}{several}"), Some(server), &url, &like);
            }
        }
    }

    /// What all targets of a probe have alike.
    fn like(&mut self, name: &str) -> Option<Target> {
        let before = self.problems.len();
        let pace = self.pace(name);
        let statuses = self.text(name, "status").unwrap_or_default();
        let statuses = self.taken(name, "status", Statuses::read(&statuses)).unwrap_or_default();
        let digest = self.text(name, "sha256").map(|text| expect::digest(&text)).transpose();
        let digest = self.taken(name, "sha256", digest).flatten();
        let load = self.text(name, "load").unwrap_or_default();
        let load = self.taken(name, "load", LoadFrom::read(&load)).unwrap_or_default();
        let host = self.text(name, "host");
        let is_host =
            host.as_ref().is_none_or(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic()));
        if !is_host {
            self.problem(name, "host", format!("probe.{name}.host is no name; give one as in a Host field"));
        }
        let url = Url {
            kind: crate::probe::url::Kind::Tcp,
            user: None,
            host: String::new(),
            port: 0,
            path: String::new(),
        };
        let like = Target {
            host,
            pace,
            expect: Expect { statuses, body: self.text(name, "body"), digest },
            load,
            redirects: self.count(name, "redirects") as u8,
            is_verified: self.text(name, "verify").as_deref() != Some("off"),
            authorities: self.text(name, "ca").map(|file| self.folder.join(file)),
            same_as: self.text(name, "same_as"),
            lag_max: self.span(name, "lag"),
            is_digested: digest.is_some(),
            ..Target::of("", url)
        };
        (self.problems.len() == before).then_some(like)
    }

    fn pace(&mut self, name: &str) -> Pace {
        let pace = Pace {
            interval: self.span(name, "interval"),
            jitter_ppm: match self.tree.value(&["probe", name, "jitter"]) {
                Some(Taken::Number(share)) => (share * 1e6).min(2e6) as u32,
                _ => 0,
            },
            timeout: self.span(name, "timeout"),
            rise: self.count(name, "rise"),
            fall: self.count(name, "fall"),
        };
        if pace.interval < INTERVAL_MIN {
            let what =
                format!("probe.{name}.interval is a flood; give {} ms at least", INTERVAL_MIN.as_millis());
            self.problem(name, "interval", what);
        }
        if pace.timeout > pace.interval {
            let what = format!(
                "probe.{name}.timeout is longer than its interval; a probe must end before the next begins"
            );
            self.problem(name, "timeout", what);
        }
        if pace.jitter_ppm > 1_000_000 {
            self.problem(
                name,
                "jitter",
                format!("probe.{name}.jitter is a share of the interval; give 0 to 1"),
            );
        }
        pace
    }

    fn target(&mut self, probe: &str, name: String, server: Option<&String>, url: &str, like: &Target) {
        let url = match Url::read(url) {
            Ok(url) => url,
            Err(what) => return self.problem(probe, "url", format!("{url} {what}")),
        };
        let nodes = self.chosen(&name, self.count(probe, "nodes") as usize);
        if nodes.is_empty() {
            let what = format!("nobody looks at probe.{probe}; give a node roles = [\"probe\"]");
            return self.problem(probe, "url", what);
        }
        let quorum = self.count(probe, "quorum") as usize;
        if quorum > nodes.len() {
            let what = format!(
                "probe.{probe}.quorum is {quorum}, and {} look at {name}; nothing would ever hold",
                nodes.len()
            );
            return self.problem(probe, "quorum", what);
        }
        let target = Target { name, server: server.cloned(), url, ..like.clone() };
        self.probes.push(Probe { target, nodes, quorum });
    }

    /// The nodes that look at a target: those that draw best for its name, one of each POP before a second of any.
    fn chosen(&self, target: &str, count: usize) -> Vec<String> {
        let nodes = self.tree.names(&["node"]).into_iter();
        let is_prober = |role: &String| role == "probe";
        let of_role = nodes.filter(|node| self.tree.list(&["node", node, "roles"]).iter().any(is_prober));
        let ticket = rendezvous::server_hash(target);
        let mut drawn: Vec<(f32, &str, String)> = of_role
            .map(|node| {
                let pop = self.tree.text(&["node", node, "pop"]).unwrap_or_else(|| node.to_owned());
                (rendezvous::draw(ticket, rendezvous::server_hash(node), 1.0), node, pop)
            })
            .collect();
        drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut pops = Vec::new();
        let (firsts, others): (Vec<_>, Vec<_>) = drawn.into_iter().partition(|(_, _, pop)| {
            let is_first = !pops.contains(pop);
            pops.push(pop.clone());
            is_first
        });
        firsts.into_iter().chain(others).take(count).map(|(_, node, _)| node.to_owned()).collect()
    }

    /// A reference is looked at by everybody who holds something against it, and its content is digested.
    fn references(&mut self) {
        for at in 0..self.probes.len() {
            let Some(reference) = self.probes[at].target.same_as.clone() else { continue };
            let own = self.probes[at].target.name.clone();
            let probe = own.split('/').next().unwrap_or_default().to_owned();
            let is_of = |probe: &Probe| probe.target.name.split('/').next() == Some(reference.as_str());
            let Some(place) = self.probes.iter().position(is_of).filter(|_| reference != probe) else {
                let known = self.tree.names(&["probe"]);
                let near = nearest(&reference, known).filter(|near| *near != probe);
                let near = near.map(|near| format!("; {near} is near")).unwrap_or_default();
                self.problem(&probe, "same_as", format!("there is no other probe {reference}{near}"));
                continue;
            };
            for node in self.probes[at].nodes.clone() {
                if !self.probes[place].nodes.contains(&node) {
                    self.probes[place].nodes.push(node);
                }
            }
            self.probes[place].target.is_digested = true;
            let name = self.probes[place].target.name.clone();
            let target = &mut self.probes[at].target;
            (target.is_digested, target.same_as) = (true, Some(name));
        }
    }

    fn text(&self, name: &str, leaf: &str) -> Option<String> {
        self.tree.text(&["probe", name, leaf])
    }

    fn span(&self, name: &str, leaf: &str) -> Duration {
        self.text(name, leaf).and_then(|text| span(&text)).unwrap_or_default()
    }

    fn count(&self, name: &str, leaf: &str) -> u32 {
        match self.tree.value(&["probe", name, leaf]) {
            Some(Taken::Count(count)) => u32::try_from(count).unwrap_or(u32::MAX),
            _ => 0,
        }
    }

    fn taken<T>(&mut self, name: &str, leaf: &str, taken: Result<T, String>) -> Option<T> {
        taken.map_err(|what| self.problem(name, leaf, format!("probe.{name}.{leaf}: {what}"))).ok()
    }

    fn problem(&mut self, name: &str, leaf: &str, what: String) {
        let (mut line, mut column) = self.tree.place(&["probe", name, leaf]);
        if line == 0 {
            (line, column) = self.tree.place(&["probe", name]);
        }
        // Several targets of one probe have the same fault once.
        let problem = Problem { line, column, what };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::network::Network;

    const TREE: &str = r#"
[node.fra]
roles = ["front", "probe"]
addresses = ["192.0.2.1", "2001:db8::1"]
[node.nyc]
roles = ["probe"]
[node.nyc2]
pop = "nyc"
roles = ["probe"]
[node.sin]
roles = ["probe"]
[server.own]
addresses = ["203.0.113.9"]
[probe.web]
url = "http://{address}:8080/health"
servers = ["fra", "own"]
nodes = 2
same_as = "origin"
[probe.origin]
url = "https://origin.test/health"
nodes = 1
interval = "1s"
timeout = "500ms"
load = "orca"
[policy.web]
members = ["fra", "own"]
"#;

    fn of(text: &str) -> Result<Vec<Probe>, Vec<String>> {
        let network = Network::of(&Tree::read(text).unwrap(), Path::new("/etc/longhaul"));
        network
            .map(|network| network.probes)
            .map_err(|problems| problems.into_iter().map(|problem| problem.to_string()).collect())
    }

    #[test]
    fn every_server_and_address_is_a_target() {
        let probes = of(TREE).unwrap();
        let shown: Vec<String> =
            probes.iter().map(|probe| format!("{} {}", probe.target.name, probe.target.url)).collect();
        assert_eq!(
            shown,
            [
                "origin https://origin.test/health",
                "web/fra/192.0.2.1 http://192.0.2.1:8080/health",
                "web/fra/2001:db8::1 http://[2001:db8::1]:8080/health",
                "web/own http://203.0.113.9:8080/health",
            ]
        );
        assert_eq!(probes[3].target.server.as_deref(), Some("own"));
        assert_eq!(
            (probes[0].target.pace.timeout, probes[1].target.pace),
            (Duration::from_millis(500), Pace::default())
        );
        assert!(probes.iter().all(|probe| probe.target.is_digested), "they are compared");
        let lookers: Vec<&String> = probes[1..].iter().flat_map(|probe| &probe.nodes).collect();
        assert!(
            lookers.iter().all(|node| probes[0].nodes.contains(node)),
            "who compares looks at the reference, too"
        );
    }

    #[test]
    fn few_look_at_each_target_and_all_agree_who() {
        let many: String = (0..300)
            .map(|at| format!("[probe.p{at}]\nurl = \"tcp://192.0.2.1:{}\"\nnodes = 3\n", at + 1))
            .collect();
        let probes = of(&format!("{TREE}{many}")).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for probe in probes.iter().filter(|probe| probe.target.name.starts_with('p')) {
            assert_eq!(probe.nodes.len(), 3);
            let both = probe.nodes.iter().filter(|node| node.starts_with("nyc")).count();
            assert_eq!(both, 1, "one of each POP: {:?}", probe.nodes);
            probe.nodes.iter().for_each(|node| *counts.entry(node.clone()).or_insert(0) += 1);
        }
        assert!((100..200).contains(&counts["nyc"]) && (100..200).contains(&counts["nyc2"]), "{counts:?}");
        // A node that comes takes its share, and nobody else's targets move.
        let more = of(&format!("{TREE}{many}[node.ams]\nroles = [\"probe\"]\n")).unwrap();
        for (before, after) in probes.iter().zip(&more) {
            let left = before.nodes.iter().filter(|node| !after.nodes.contains(node)).count();
            assert!(
                left <= 1 && (left == 0 || after.nodes.contains(&"ams".to_owned())),
                "{before:?} {after:?}"
            );
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_place() {
        let wrong = |old: &str, new: &str| of(&TREE.replacen(old, new, 1)).unwrap_err().join("\n");
        for (old, new, word) in [
            ("http://{address}:8080/health", "gopher://{address}/", "no kind of probe"),
            ("servers = [\"fra\", \"own\"]", "", "give servers"),
            ("servers = [\"fra\", \"own\"]", "servers = [\"nyc\"]", "nyc has no address"),
            ("servers = [\"fra\", \"own\"]", "servers = [\"farx\", \"own\"]", "no node and no server farx"),
            ("url = \"https://origin.test/health\"", "", "asks nobody"),
            ("same_as = \"origin\"", "same_as = \"web\"", "there is no other probe web"),
            ("same_as = \"origin\"", "quorum = 3", "nothing would ever hold"),
            ("same_as = \"origin\"", "jitter = 1.5", "give 0 to 1"),
            ("same_as = \"origin\"", "status = \"ok\"", "probe.web.status"),
            ("same_as = \"origin\"", "sha256 = \"abc\"", "no SHA-256"),
            ("load = \"orca\"", "load = \"a b\"", "says nothing about load"),
            ("timeout = \"500ms\"", "", "longer than its interval"),
            ("interval = \"1s\"", "interval = \"1ms\"", "is a flood"),
        ] {
            let said = wrong(old, new);
            assert!(said.contains(word), "{new}: {said}");
            assert!(!said.starts_with("0:"), "{said}");
        }
        let nobody = of("[probe.a]\nurl = \"tcp://192.0.2.1:1\"\n").unwrap_err().join("\n");
        assert!(nobody.contains("nobody looks at probe.a"), "{nobody}");
    }
}
