//! What a tree says of one front-end or back-end: the flags that would say the same on its command line. So there is one
//! meaning of everything, and a flag that is given there wins over the tree's. Looks at what no single leaf can know.

use crate::nearest::nearest;
use crate::probe::manners::Manners;
use crate::probe::url::Kind;
use crate::tree::network::Network;
use crate::tree::probes::Probe;
use crate::tree::read::{Problem, Tree};
use crate::tree::reporting::Reporting;
use core::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a node is, as its subcommand is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// `longhaul front`.
    Front,
    /// `longhaul back`.
    Back,
}

impl Duty {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Front, Self::Back];

    /// The role's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Back => "back",
        }
    }
}

/// Addresses that a route takes, over UDP and TCP together.
pub const PATHS_MAX: usize = 4;

/// How paths are used where nothing else is said, here and on the command line.
const ROUTE_MODE: &str = "failover";

/// A flag without its dashes, and its value; those that repeat come several times.
pub type Flag = (String, String);

/// Nodes that have a duty.
pub fn of_duty(tree: &Tree, duty: Duty) -> Vec<&str> {
    of_role(tree, duty.name())
}

/// Nodes that have a role.
pub fn of_role<'t>(tree: &'t Tree, role: &str) -> Vec<&'t str> {
    let nodes = tree.names(&["node"]).into_iter();
    nodes.filter(|node| tree.list(&["node", node, "roles"]).iter().any(|own| own == role)).collect()
}

/// A file that the tree names; its files lie in `folder`.
pub fn file(tree: &Tree, folder: &Path, path: &[&str]) -> Option<PathBuf> {
    tree.text(path).map(|file| folder.join(file))
}

/// The flags of `node` under a duty; the tree's files lie in `folder`. On errors, all of them.
pub fn flags(tree: &Tree, folder: &Path, node: &str, duty: Duty) -> Result<Vec<Flag>, Vec<Problem>> {
    let (fronts, backs) = (of_duty(tree, Duty::Front), of_duty(tree, Duty::Back));
    let mut writing = Writing { tree, folder, node, fronts, backs, flags: Vec::new(), problems: Vec::new() };
    if of_duty(tree, duty).contains(&node) {
        match duty {
            Duty::Front => writing.front(),
            Duty::Back => writing.back(),
        }
        writing.common();
    } else {
        writing.no_duty(duty);
    }
    let Writing { flags, problems, .. } = writing;
    if problems.is_empty() { Ok(flags) } else { Err(problems) }
}

/// A site that only the name server knows has neither back-ends nor origins.
fn is_served(tree: &Tree, site: &str) -> bool {
    ["back", "origins", "tcp", "fronts"].iter().any(|leaf| !tree.list(&["site", site, leaf]).is_empty())
}

struct Writing<'t> {
    tree: &'t Tree,
    folder: &'t Path,
    node: &'t str,
    /// The nodes with each duty.
    fronts: Vec<&'t str>,
    backs: Vec<&'t str>,
    flags: Vec<Flag>,
    problems: Vec<Problem>,
}

impl<'t> Writing<'t> {
    /// Sites that this node serves to users: those that name it, and those that name nobody.
    fn sites(&self) -> Vec<&'t str> {
        let mut sites = self.tree.names(&["site"]);
        sites.retain(|site| is_served(self.tree, site) && self.fronts_of(site).contains(&self.node));
        sites
    }

    /// The front-ends of a site.
    fn fronts_of(&self, site: &str) -> Vec<&'t str> {
        let named = self.tree.list(&["site", site, "fronts"]);
        let serves = |front: &&&str| named.is_empty() || named.iter().any(|name| name == **front);
        self.fronts.iter().filter(serves).copied().collect()
    }

    fn front(&mut self) {
        let tree = self.tree;
        for listen in tree.list(&["node", self.node, "front", "listen"]) {
            self.flag("listen", listen);
        }
        let mut backs: Vec<String> = Vec::new();
        for site in self.sites() {
            for listen in tree.list(&["site", site, "tcp"]) {
                self.flag("tcp", format!("{listen}={site}"));
            }
            for class in tree.list(&["site", site, "classes"]) {
                self.flag("site-class", format!("{site}={class}"));
            }
            let several = tree.list(&["site", site, "back"]);
            // A machine near the origin that users reach, too, needs no tunnel to itself.
            let is_here = self.backs.contains(&self.node) && several.iter().any(|back| back == self.node);
            if !several.is_empty() && !is_here {
                self.flag("site", format!("{site}={}", several.join(",")));
                for back in several {
                    if !backs.contains(&back) && self.backs.contains(&back.as_str()) {
                        backs.push(back);
                    }
                }
                continue;
            }
            let origins = tree.list(&["site", site, "origins"]);
            if origins.is_empty() {
                self.problem(&["site", site], format!("site {site:?} leads nowhere; give back or origins"));
            }
            origins.iter().for_each(|origin| self.flag("site", format!("{site}={origin}")));
        }
        backs.iter().for_each(|back| self.route(back));
        for from in tree.list(&["node", self.node, "front", "tunnel_from"]) {
            self.flag("tunnel-from", from);
        }
        let mode = tree.text(&["node", self.node, "front", "route_mode"]);
        if let Some(mode) = mode.filter(|mode| mode != ROUTE_MODE) {
            self.flag("route-mode", mode);
        }
        let limit = tree.text(&["node", self.node, "front", "route_limit"]);
        if let Some(limit) = limit.filter(|limit| limit != "off") {
            self.flag("route-limit", limit);
        }
        self.redirects();
        self.reports();
    }

    /// To whom a front-end tells what it sees: to every name server, and every front-end that sends clients elsewhere, if
    /// there are keys for that.
    fn reports(&mut self) {
        let reporting = Reporting::of(self.tree, self.folder, Manners::default());
        let own = reporting.node(self.node).and_then(|node| node.key.clone());
        let has_takers = !reporting.to.is_empty() || !reporting.to_fronts.is_empty();
        let Some(key) = own.or(reporting.key).filter(|_| has_takers) else { return };
        self.flag("report-key", key.display().to_string());
        self.flag("report-as", self.node.to_owned());
        reporting.to.iter().for_each(|to| self.flag("report-to", to.to_string()));
        for (to, key) in &reporting.to_fronts {
            self.flag("report-to", format!("{key}@{to}"));
        }
    }

    /// The names that single machines have for its sites, which it serves wherever they led, and where it hears the others.
    fn redirects(&mut self) {
        // What is wrong with the network as a whole was said before any node was asked about.
        let Ok(network) = Network::of(self.tree, self.folder) else { return };
        let sites = self.sites();
        let own = network.redirects.iter().filter(|redirect| sites.contains(&redirect.site.as_str()));
        for (redirect, target) in
            own.flat_map(|redirect| redirect.targets.iter().map(move |one| (redirect, one)))
        {
            self.flag("site-alias", format!("{}={}", target.host, redirect.site));
        }
        let hears = network.reporting.node(self.node).map(|node| node.listen_front.clone());
        hears.iter().flatten().for_each(|listen| self.flag("reports", listen.to_string()));
    }

    /// The way to a back-end: where it says that it is reached, or its addresses with the port that it listens on.
    fn route(&mut self, back: &str) {
        let mut reach = self.reach(back, "reach", "listen");
        if reach.is_empty() {
            let what = format!(
                "nobody knows where {back} is reached; give its addresses, or node.{back}.back.reach"
            );
            return self.problem(&["node", back], what);
        }
        let carriers = self.carriers(back, reach.len());
        if reach.len() + carriers.len() > PATHS_MAX {
            let what = format!(
                "{back} is reached at {} addresses, and a front-end takes {PATHS_MAX}; name those to use in \
                 node.{back}.back.reach and carrier_reach",
                reach.len() + carriers.len()
            );
            return self.problem(&["node", back], what);
        }
        reach.extend(carriers.into_iter().map(|carrier| format!("tcp+{carrier}")));
        if let Some(key) = self.public_key(back) {
            self.flag("route", format!("{back}={key}@{}", reach.join(",")));
        }
    }

    /// Where a back-end says that it is reached, or else its addresses with the port of what it listens on.
    fn reach(&self, back: &str, reach: &str, listen: &str) -> Vec<String> {
        let given = self.tree.list(&["node", back, "back", reach]);
        if !given.is_empty() {
            return given;
        }
        let listens = self.tree.list(&["node", back, "back", listen]);
        let port = listens.iter().find_map(|listen| Some(listen.parse::<SocketAddr>().ok()?.port()));
        let addresses = self.tree.list(&["node", back, "addresses"]);
        let addresses = addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
        let at = |port| addresses.map(|address| SocketAddr::new(address, port).to_string()).collect();
        port.map_or_else(Vec::new, at)
    }

    /// Where it is reached over TCP: where it says so, or else at its first address, if that leaves room for it behind so
    /// many over UDP.
    fn carriers(&self, back: &str, over_udp: usize) -> Vec<String> {
        if self.tree.text(&["node", self.node, "front", "carrier"]).as_deref() == Some("udp") {
            return Vec::new();
        }
        let mut carriers = self.reach(back, "carrier_reach", "carrier_listen");
        if self.tree.list(&["node", back, "back", "carrier_reach"]).is_empty() {
            carriers.truncate(PATHS_MAX.saturating_sub(over_udp).min(1));
        }
        carriers
    }

    fn back(&mut self) {
        let tree = self.tree;
        for listen in tree.list(&["node", self.node, "back", "listen"]) {
            self.flag("listen", listen);
        }
        for listen in tree.list(&["node", self.node, "back", "carrier_listen"]) {
            self.flag("carrier-listen", listen);
        }
        let mut peers: Vec<(&str, Vec<&str>)> = Vec::new();
        for site in tree.names(&["site"]) {
            if !tree.list(&["site", site, "back"]).iter().any(|back| back == self.node) {
                continue;
            }
            let origins = tree.list(&["site", site, "origins"]);
            if origins.is_empty() {
                let what =
                    format!("site {site:?} goes over {} and has no origin there; give origins", self.node);
                self.problem(&["site", site], what);
            }
            origins.iter().for_each(|origin| self.flag("origin", format!("{site}={origin}")));
            for front in self.fronts_of(site).into_iter().filter(|front| *front != self.node) {
                match peers.iter_mut().find(|(known, _)| *known == front) {
                    Some((_, sites)) => sites.push(site),
                    None => peers.push((front, vec![site])),
                }
            }
        }
        for (front, sites) in &peers {
            if let Some(key) = self.public_key(front) {
                self.flag("peer", format!("{key}={}", sites.join(",")));
            }
        }
        let fronts: Vec<&str> = peers.into_iter().map(|(front, _)| front).collect();
        self.probers(&fronts);
    }

    /// Probers knock at a back-end with their own keys, and may do nothing else there.
    fn probers(&mut self, fronts: &[&str]) {
        let Some(own) = self.tree.text(&["node", self.node, "public_key"]) else { return };
        // What is wrong with the network as a whole was said before any node was asked about.
        let Ok(network) = Network::of(self.tree, self.folder) else { return };
        let knocks = |probe: &&Probe| {
            probe.target.url.kind == Kind::Tmp && probe.target.url.user.as_deref() == Some(own.as_str())
        };
        let mut lookers: Vec<&String> =
            network.probes.iter().filter(knocks).flat_map(|probe| &probe.nodes).collect();
        lookers.sort_unstable();
        lookers.dedup();
        for looker in lookers.into_iter().filter(|looker| !fronts.contains(&looker.as_str())) {
            if let Some(key) = self.public_key(looker) {
                self.flag("peer", format!("{key}=none"));
            }
        }
    }

    fn common(&mut self) {
        // Of all sites: one whose front-ends are misspelt is served by nobody, who could say it.
        for site in self.tree.names(&["site"]) {
            self.check_names(site, "fronts", Duty::Front);
            self.check_names(site, "back", Duty::Back);
        }
        let files = [
            (&["node", self.node, "key"][..], "key"),
            (&["network", "psk"], "psk"),
            (&["network", "rules"], "rules"),
        ];
        for (leaf, flag) in files {
            if let Some(file) = self.tree.text(leaf) {
                self.flag(flag, self.folder.join(file).display().to_string());
            }
        }
        for flag in self.tree.names(&["node", self.node, "flags"]) {
            if let Some(value) = self.tree.text(&["node", self.node, "flags", flag]) {
                self.flag(flag, value);
            }
        }
    }

    fn public_key(&mut self, node: &str) -> Option<String> {
        let key = self.tree.text(&["node", node, "public_key"]);
        if key.is_none() {
            let what = format!("{node} has no public_key; `longhaul key show FILE` prints it");
            self.problem(&["node", node], what);
        }
        key
    }

    /// Names in a list of a site must be nodes of that duty.
    fn check_names(&mut self, site: &str, leaf: &str, duty: Duty) {
        let known = match duty {
            Duty::Front => self.fronts.clone(),
            Duty::Back => self.backs.clone(),
        };
        for name in self.tree.list(&["site", site, leaf]) {
            if !known.contains(&name.as_str()) {
                let near = nearest(&name, known.iter().copied());
                let near = near.map(|near| format!("; {near} is near")).unwrap_or_default();
                let what = format!("there is no node {name} with the role {}{near}", duty.name());
                self.problem(&["site", site, leaf], what);
            }
        }
    }

    fn no_duty(&mut self, duty: Duty) {
        let known = of_duty(self.tree, duty);
        let instead = match (nearest(self.node, known.iter().copied()), known.as_slice()) {
            (Some(near), _) => format!("{near} is near"),
            (None, []) => format!("no node has it; give one roles = [{:?}]", duty.name()),
            (None, known) => format!("name one of {}", known.join(", ")),
        };
        let what = format!("there is no node {} with the role {}; {instead}", self.node, duty.name());
        self.problem(&["node", self.node], what);
    }

    fn flag(&mut self, flag: &str, value: String) {
        self.flags.push((flag.to_owned(), value));
    }

    fn problem(&mut self, path: &[&str], what: String) {
        let (line, column) = self.tree.place(path);
        self.problems.push(Problem { line, column, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"
network.psk = "pair.psk"
[node.fra]
roles = ["front"]
key = "fra.key"
public_key = "FRA"
front.listen = ["0.0.0.0:80", "10.0.0.5:8080,proxy"]
flags = { admin = "127.0.0.1:8088" }
[node.nyc]
roles = ["front", "dns"]
public_key = "NYC"
[node.home]
roles = ["back"]
addresses = ["192.0.2.9", "2001:db8::9"]
public_key = "HOME"
back.listen = ["0.0.0.0:7001"]
[site."shop.test"]
back = ["home"]
origins = ["http://127.0.0.1:9000"]
[site."mail.test"]
back = ["home"]
fronts = ["fra"]
origins = ["tcp://127.0.0.1:25"]
tcp = ["0.0.0.0:25"]
[site."alone.test"]
fronts = ["nyc"]
origins = ["http://192.0.2.80"]
[site."named.test".dns]
policy = "web"
"#;

    fn of(text: &str, node: &str, duty: Duty) -> Result<String, Vec<String>> {
        let tree = Tree::read(text).unwrap();
        let flags = flags(&tree, Path::new("/etc/longhaul"), node, duty);
        let line = |(flag, value): (String, String)| format!("--{flag} {value}");
        flags
            .map(|flags| flags.into_iter().map(line).collect::<Vec<_>>().join("\n"))
            .map_err(|problems| problems.into_iter().map(|problem| problem.to_string()).collect())
    }

    #[test]
    fn nodes_of_a_tree_have_the_flags_that_would_say_the_same() {
        assert_eq!(
            of(TREE, "fra", Duty::Front).unwrap(),
            "--listen 0.0.0.0:80\n--listen 10.0.0.5:8080,proxy\n--tcp 0.0.0.0:25=mail.test\n--site mail.test=home\n\
             --site shop.test=home\n--route home=HOME@192.0.2.9:7001,[2001:db8::9]:7001\n\
             --key /etc/longhaul/fra.key\n--psk /etc/longhaul/pair.psk\n--admin 127.0.0.1:8088"
        );
        assert_eq!(
            of(TREE, "nyc", Duty::Front).unwrap(),
            "--site alone.test=http://192.0.2.80\n--site shop.test=home\n\
             --route home=HOME@192.0.2.9:7001,[2001:db8::9]:7001\n--psk /etc/longhaul/pair.psk"
        );
        assert_eq!(
            of(TREE, "home", Duty::Back).unwrap(),
            "--listen 0.0.0.0:7001\n--origin mail.test=tcp://127.0.0.1:25\n--origin shop.test=http://127.0.0.1:9000\n\
             --peer FRA=mail.test,shop.test\n--peer NYC=shop.test\n--psk /etc/longhaul/pair.psk"
        );
    }

    /// Several back-ends in order, over TCP where one takes it, by the front-end's own uplinks.
    #[test]
    fn routes_of_a_tree_are_what_flags_can_say() {
        let tree = TREE
            .replacen("back = [\"home\"]", "back = [\"home\", \"away\"]", 1)
            .replacen("back.listen = [\"0.0.0.0:7001\"]", "back.listen = [\"0.0.0.0:7001\"]\nback.carrier_listen = [\"0.0.0.0:443\"]", 1)
            .replacen(
                "key = \"fra.key\"",
                "key = \"fra.key\"\nfront.tunnel_from = [\"%eth1\", \"10.0.0.5:0\"]\nfront.route_mode = \"bond\"\nfront.route_limit = \"loss=3%\"",
                1,
            );
        let away = "[node.away]\nroles = [\"back\"]\npublic_key = \"AWAY\"\nback.reach = [\"203.0.113.9:7000\"]\n\
                    back.carrier_listen = [\"0.0.0.0:7000\"]\nback.carrier_reach = [\"203.0.113.9:443\", \"203.0.113.10:443\"]\n";
        let tree = format!("{tree}{away}");
        let front = of(&tree, "fra", Duty::Front).unwrap();
        for due in [
            "--site shop.test=home,away",
            "--route home=HOME@192.0.2.9:7001,[2001:db8::9]:7001,tcp+192.0.2.9:443",
            "--route away=AWAY@203.0.113.9:7000,tcp+203.0.113.9:443,tcp+203.0.113.10:443",
            "--tunnel-from %eth1\n--tunnel-from 10.0.0.5:0\n--route-mode bond\n--route-limit loss=3%",
        ] {
            assert!(front.contains(due), "{due}: {front}");
        }
        let back = of(&tree, "home", Duty::Back).unwrap();
        assert!(back.starts_with("--listen 0.0.0.0:7001\n--carrier-listen 0.0.0.0:443\n"), "{back}");
        assert!(
            of(&tree, "away", Duty::Back).unwrap().contains("--origin shop.test="),
            "the second serves it, too"
        );
        let udp = tree.replacen("front.route_mode", "front.carrier = \"udp\"\nfront.route_mode", 1);
        assert!(!of(&udp, "fra", Duty::Front).unwrap().contains("tcp+"));
        let crowd =
            tree.replacen("203.0.113.9:7000\"", "203.0.113.9:1\", \"203.0.113.9:2\", \"203.0.113.9:3\"", 1);
        let wrong = of(&crowd, "fra", Duty::Front).unwrap_err();
        assert!(wrong[0].contains("away is reached at 5 addresses, and a front-end takes 4"), "{wrong:?}");
    }

    #[test]
    fn a_machine_of_both_roles_serves_its_sites_straight() {
        let tree = TREE
            .replacen(
                "back.listen = [\"0.0.0.0:7001\"]",
                "back.listen = [\"0.0.0.0:7001\"]\nfront.listen = [\"0.0.0.0:80\"]",
                1,
            )
            .replacen("roles = [\"back\"]", "roles = [\"back\", \"front\"]", 1);
        let front = of(&tree, "home", Duty::Front).unwrap();
        assert!(
            front.contains("--site shop.test=http://127.0.0.1:9000") && !front.contains("--route"),
            "{front}"
        );
        let back = of(&tree, "home", Duty::Back).unwrap();
        assert!(back.contains("--peer FRA=") && !back.contains("--peer HOME="), "{back}");
    }

    #[test]
    fn back_ends_let_probers_knock() {
        let probers = "[node.p1]\nroles = [\"probe\"]\npublic_key = \"PONE\"\n[node.p2]\nroles = [\"probe\"]\npublic_key = \"PTWO\"\n\
                       [probe.home]\nurl = \"tmp://HOME@192.0.2.9:7001\"\nnodes = 1\n[zone.\"named.test\"]\n\
                       records = \"@ 1 SOA a b 1 1 1 1 1\"\n[policy.web]\n";
        let flags = of(&format!("{TREE}{probers}"), "home", Duty::Back).unwrap();
        let knocking: Vec<&str> = flags.lines().filter(|line| line.ends_with("=none")).collect();
        assert!(matches!(knocking[..], ["--peer PONE=none" | "--peer PTWO=none"]), "{flags}");
    }

    #[test]
    fn front_ends_report_where_there_is_a_key() {
        let tree = TREE.replacen(
            "roles = [\"front\", \"dns\"]",
            "roles = [\"front\", \"dns\"]\naddresses = [\"192.0.2.2\"]",
            1,
        );
        let with_key = format!("reports.key = \"reports.key\"\n{tree}");
        let flags = of(&with_key, "fra", Duty::Front).unwrap();
        let due = "--report-key /etc/longhaul/reports.key\n--report-as fra\n--report-to 192.0.2.2:7353";
        assert!(flags.contains(due), "{flags}");
        assert!(!of(&tree, "fra", Duty::Front).unwrap().contains("report"));
    }

    #[test]
    fn what_no_leaf_can_know_is_said_with_its_place() {
        let wrong =
            |old: &str, new: &str, node: &str, duty| of(&TREE.replacen(old, new, 1), node, duty).unwrap_err();
        let lost = wrong(
            "back = [\"home\"]\norigins = [\"http",
            "back = [\"hoem\"]\norigins = [\"http",
            "fra",
            Duty::Front,
        );
        assert!(lost[0].contains("there is no node hoem with the role back; home is near"), "{lost:?}");
        let keyless = wrong("public_key = \"HOME\"", "", "fra", Duty::Front);
        assert!(
            keyless[0].starts_with("12:") && keyless[0].contains("home has no public_key"),
            "{keyless:?}"
        );
        let bare = wrong("origins = [\"http://127.0.0.1:9000\"]", "", "home", Duty::Back);
        assert!(bare[0].contains("has no origin there"), "{bare:?}");
        let stranger = of(TREE, "frax", Duty::Front).unwrap_err();
        assert_eq!(stranger, ["0:0: there is no node frax with the role front; fra is near"]);
    }
}
