//! What the name server makes of a tree: zones, servers, policies, and the names that they answer. Looks at everything that
//! no single leaf can know, and tells all that is wrong with its place.

use crate::dns::load::{Loaded, Loading, ZoneSource, ZoneText};
use crate::dns::name::Name;
use crate::dns::policy::geo::Locations;
use crate::dns::policy::model::{
    Action, GeoRule, Kind, MEMBERS_MAX, Override, Persistence, Policy, Rules, Server, ServerId, Unknown,
    WhenAllDown,
};
use crate::dns::policy::steering::Steering;
use crate::nearest::nearest;
use crate::tree::definition::ROLES;
use crate::tree::form::{Taken, span};
use crate::tree::probes::{self, Probe};
use crate::tree::read::{Problem, Tree};
use crate::tree::redirects::{self, SiteRedirect};
use crate::tree::reporting::Reporting;
use crate::tree::resolvers;
use core::net::{IpAddr, SocketAddr};
use jiff::Timestamp;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a tree comes to.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The zones.
    pub zones: Vec<ZoneSource>,
    /// Nodes and the customer's servers.
    pub servers: Vec<Server>,
    /// The policies; behind those of the tree, one for each role of nodes.
    pub policies: Vec<Policy>,
    /// Names that a policy answers.
    pub names: Vec<(Name, u32)>,
    /// Names with addresses of their own: the machines.
    pub machines: Vec<(Name, Vec<IpAddr>)>,
    /// Where what was measured stands.
    pub figures: Option<PathBuf>,
    /// Where clients are.
    pub locations: Option<PathBuf>,
    /// What is probed, and by whom.
    pub probes: Vec<Probe>,
    /// Who reports to whom.
    pub reporting: Reporting,
    /// Sites whose clients may be sent from one front-end to another.
    pub redirects: Vec<SiteRedirect>,
    /// Where a node listens, and who it says it is.
    pub nodes: Vec<(String, Vec<SocketAddr>, String)>,
    /// Users of the machines, and the commands that they may give.
    pub users: Vec<(String, Vec<String>)>,
}

/// Time to live of the addresses of machines and roles, seconds.
const MACHINE_TTL_S: u32 = 60;

impl Network {
    /// Makes it of a tree whose files lie in `folder`; on errors, all of them.
    pub fn of(tree: &Tree, folder: &Path) -> Result<Self, Vec<Problem>> {
        let mut making =
            Making { tree, folder, network: Self::default(), answered: HashSet::new(), problems: Vec::new() };
        making.servers();
        making.overrides();
        making.policies();
        making.zones();
        making.sites();
        making.machines();
        for user in tree.names(&["user"]) {
            let may = tree.list(&["user", user, "may"]);
            making.network.users.push((user.to_owned(), may));
        }
        match probes::of(tree, folder, &making.network.servers) {
            Ok(probes) => making.network.probes = probes,
            Err(problems) => making.problems.extend(problems),
        }
        match redirects::of(tree, &making.network.servers, &making.network.policies) {
            Ok(redirects) => making.network.redirects = redirects,
            Err(problems) => making.problems.extend(problems),
        }
        match resolvers::of(tree) {
            Ok(manners) => making.network.reporting = Reporting::of(tree, folder, manners),
            Err(problems) => making.problems.extend(problems),
        }
        making.network.figures = making.file(&["dns", "figures"]);
        making.network.locations = making.file(&["dns", "locations"]);
        let Making { network, mut problems, .. } = making;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.is_empty() { Ok(network) } else { Err(problems) }
    }

    /// Loads zones and the file of places into what a name server answers from; all that is wrong, one line each.
    pub fn load(&self) -> Result<(Loaded, Steering), Vec<String>> {
        let mut loading = Loading::default();
        self.zones.iter().for_each(|zone| loading.zone(zone));
        for (name, policy) in &self.names {
            loading.at(name, |builder, zone| builder.policy(zone, name, *policy));
        }
        for (name, addresses) in &self.machines {
            for address in addresses {
                let (rtype, data) = match address {
                    IpAddr::V4(v4) => (1, v4.octets().to_vec()),
                    IpAddr::V6(v6) => (28, v6.octets().to_vec()),
                };
                loading.at(name, |builder, zone| builder.record(zone, name, rtype, MACHINE_TTL_S, &data));
            }
        }
        let locations = self.locations.as_ref().map(|path| {
            let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            bytes.and_then(Locations::read).map_err(|wrong| format!("{}: {wrong}", path.display()))
        });
        let locations = match locations {
            Some(Err(wrong)) => {
                loading.problems.push(wrong);
                None
            }
            Some(Ok(locations)) => Some(Arc::new(locations)),
            None => None,
        };
        let loaded = loading.finish()?;
        Ok((loaded, Steering::new(self.servers.clone(), self.policies.clone(), locations)))
    }
}

struct Making<'t> {
    tree: &'t Tree,
    folder: &'t Path,
    network: Network,
    /// Names that a policy answers, to find those that have two.
    answered: HashSet<Name>,
    problems: Vec<Problem>,
}

impl Making<'_> {
    fn problem(&mut self, path: &[&str], what: String) {
        let (line, column) = self.tree.place(path);
        self.problems.push(Problem { line, column, what });
    }

    fn number(&self, path: &[&str]) -> f32 {
        match self.tree.value(path) {
            Some(Taken::Number(number)) => number as f32,
            Some(Taken::Count(count)) => count as f32,
            _ => 0.0,
        }
    }

    fn file(&self, path: &[&str]) -> Option<PathBuf> {
        self.tree.text(path).map(|file| self.folder.join(file))
    }

    fn seconds(&self, path: &[&str]) -> u32 {
        let found = self.tree.text(path).and_then(|text| span(&text));
        found.map_or(0, |span| u32::try_from(span.as_secs().max(1)).unwrap_or(u32::MAX))
    }

    fn servers(&mut self) {
        for table in ["node", "server"] {
            for name in self.tree.names(&[table]) {
                if self.network.servers.iter().any(|known| known.name == name) {
                    self.problem(
                        &[table, name],
                        format!("{name} is a node and a server; give one of them another name"),
                    );
                }
                let domain = self.tree.text(&[table, name, if table == "node" { "pop" } else { "domain" }]);
                let addresses = addresses(&self.tree.list(&[table, name, "addresses"]));
                let prefix = self.tree.text(&[table, name, "prefix"]);
                let prefix = prefix.and_then(|prefix| prefix.strip_suffix("/64")?.parse().ok());
                let weight = self.number(&[table, name, "weight"]);
                if weight == 0.0 {
                    self.problem(
                        &[table, name, "weight"],
                        format!("a weight of 0 leaves {name} nothing; order it drained ([override.{name}])"),
                    );
                }
                self.network.servers.push(Server {
                    name: name.to_owned(),
                    domain: domain.unwrap_or_else(|| name.to_owned()),
                    v4: addresses
                        .iter()
                        .filter_map(|a| if let IpAddr::V4(v4) = a { Some(*v4) } else { None })
                        .collect(),
                    v6: addresses
                        .iter()
                        .filter_map(|a| if let IpAddr::V6(v6) = a { Some(*v6) } else { None })
                        .collect(),
                    v6_prefix: prefix,
                    weight,
                    slow_start_s: match self.tree.text(&[table, name, "slow_start"]).as_deref() {
                        Some("off") | None => 0,
                        Some(_) => self.seconds(&[table, name, "slow_start"]),
                    },
                    cost: self.number(&[table, name, "cost"]),
                    order: None,
                });
            }
        }
        for name in self.tree.names(&["node"]) {
            let listen = self.tree.list(&["node", name, "dns", "listen"]);
            let listen = listen.iter().filter_map(|address| address.parse().ok()).collect();
            let nsid = self.tree.text(&["node", name, "dns", "nsid"]).unwrap_or_else(|| name.to_owned());
            self.network.nodes.push((name.to_owned(), listen, nsid));
        }
    }

    fn overrides(&mut self) {
        for name in self.tree.names(&["override"]) {
            let path = ["override", name];
            let action = match self.tree.text(&["override", name, "action"]).as_deref() {
                Some("drain") => Action::Drain,
                Some("up") => Action::Up,
                Some("down") => Action::Down,
                _ => {
                    self.problem(&path, format!("override.{name} orders nothing; give an action"));
                    continue;
                }
            };
            let Some(reason) =
                self.tree.text(&["override", name, "reason"]).filter(|reason| !reason.is_empty())
            else {
                self.problem(
                    &path,
                    format!("override.{name} has no reason; the next one who looks wants it"),
                );
                continue;
            };
            let until =
                self.tree.text(&["override", name, "until"]).and_then(|text| text.parse::<Timestamp>().ok());
            let until_s = until.and_then(|until| u64::try_from(until.as_second()).ok());
            match self.server(name) {
                Some(server) => {
                    let order = Some(Override { action, reason, until_s, by_uid: None });
                    self.network.servers[usize::from(server.0)].order = order;
                }
                None => self.no_server(&path, name),
            }
        }
    }

    fn server(&self, name: &str) -> Option<ServerId> {
        let place = self.network.servers.iter().position(|server| server.name == name)?;
        u16::try_from(place).ok().map(ServerId)
    }

    fn no_server(&mut self, path: &[&str], name: &str) {
        let known: Vec<&str> = self.network.servers.iter().map(|server| server.name.as_str()).collect();
        let near =
            nearest(name, known.iter().copied()).map(|near| format!("; {near} is near")).unwrap_or_default();
        self.problem(path, format!("there is no node and no server {name}{near}"));
    }

    fn members(&mut self, path: &[&str]) -> Vec<ServerId> {
        let mut members = Vec::new();
        for name in self.tree.list(path) {
            match self.server(&name) {
                Some(server) => members.push(server),
                None => self.no_server(path, &name),
            }
        }
        members
    }

    fn of_role(&self, role: &str) -> Vec<ServerId> {
        let nodes = self.tree.names(&["node"]).into_iter();
        let of_role =
            nodes.filter(|name| self.tree.list(&["node", name, "roles"]).iter().any(|own| own == role));
        of_role.filter_map(|name| self.server(name)).collect()
    }

    fn policies(&mut self) {
        for name in self.tree.names(&["policy"]) {
            let of = |leaf| ["policy", name, leaf];
            let is_given = !self.tree.list(&of("members")).is_empty();
            let members = if is_given { self.members(&of("members")) } else { self.of_role("front") };
            if members.is_empty() || members.len() > MEMBERS_MAX {
                let what = format!("policy.{name} has {} members; give 1 to {MEMBERS_MAX}", members.len());
                self.problem(
                    &["policy", name],
                    format!("{what} (without `members`, the nodes with the role front are)"),
                );
            }
            let policy = Policy {
                name: name.to_owned(),
                kind: self.kind(name, &members),
                members,
                ttl_s: self.seconds(&of("ttl")),
                answers: self.number(&of("answers")) as usize,
                persistence: match self.tree.text(&of("persistence")).as_deref() {
                    Some("off") => Persistence::Off,
                    Some("forever") | None => Persistence::Forever,
                    Some(_) => Persistence::Seconds(self.seconds(&of("persistence"))),
                },
                stale_s: u64::from(self.seconds(&of("stale"))),
                when_all_down: self.when_all_down(name),
                unknown: match self.tree.text(&of("unknown")).as_deref() {
                    Some("up") => Unknown::Up,
                    Some("down") => Unknown::Down,
                    _ => Unknown::AfterUp,
                },
            };
            self.network.policies.push(policy);
        }
    }

    fn when_all_down(&mut self, policy: &str) -> WhenAllDown {
        let fallback = addresses(&self.tree.list(&["policy", policy, "fallback"]));
        match self.tree.text(&["policy", policy, "when_all_down"]).as_deref() {
            Some("servfail") => WhenAllDown::ServFail,
            Some("nothing") => WhenAllDown::Nothing,
            Some("fallback") => {
                if fallback.is_empty() {
                    self.problem(
                        &["policy", policy, "when_all_down"],
                        format!("policy.{policy}.fallback has no addresses to fall back on; give some"),
                    );
                }
                WhenAllDown::Fallback(fallback)
            }
            _ => WhenAllDown::All,
        }
    }

    fn kind(&mut self, policy: &str, members: &[ServerId]) -> Kind {
        let places = self.tree.names(&["policy", policy, "geo"]);
        let kind = self.tree.text(&["policy", policy, "kind"]).unwrap_or_default();
        if kind != "geo" && !places.is_empty() {
            self.problem(
                &["policy", policy, "geo"],
                format!("policy.{policy}.geo says nothing under kind {kind:?}; write kind = \"geo\""),
            );
        }
        match kind.as_str() {
            "weighted" => Kind::Weighted,
            "failover" => Kind::Failover,
            "static" => Kind::Static,
            "geo" => Kind::Geo(self.geo(policy, &places, members)),
            _ => {
                let part = |leaf| self.number(&["policy", policy, "score", leaf]);
                Kind::Best(Rules {
                    load_ms: part("load"),
                    loss_ms: part("loss"),
                    soured_ms: part("soured"),
                    cost_ms: part("cost"),
                    unknown_ms: part("unknown"),
                    tolerance_ms: part("tolerance"),
                })
            }
        }
    }

    fn geo(&mut self, policy: &str, places: &[&str], members: &[ServerId]) -> Vec<GeoRule> {
        if self.tree.text(&["dns", "locations"]).is_none() {
            self.problem(
                &["policy", policy, "kind"],
                format!("policy.{policy} asks where clients are; give dns.locations, an MMDB file"),
            );
        }
        if !places.contains(&"*") {
            self.problem(&["policy", policy], format!("policy.{policy}.geo has nobody for clients of unknown place; give [policy.{policy}.geo] a \"*\""));
        }
        let mut rules = Vec::new();
        for place in places {
            let path = ["policy", policy, "geo", place];
            let is_code =
                *place == "*" || place.len() == 2 && place.bytes().all(|byte| byte.is_ascii_uppercase());
            if !is_code {
                self.problem(
                    &path,
                    format!("{place} is no place; write a country as DE, a continent as EU, or *"),
                );
            }
            let mut listed = Vec::new();
            for server in self.members(&path) {
                match members.iter().position(|member| *member == server) {
                    Some(at) => listed.push(at as u16),
                    None => {
                        let name = self.network.servers[usize::from(server.0)].name.clone();
                        self.problem(
                            &path,
                            format!("{name} is no member of policy.{policy}; add it to `members`"),
                        );
                    }
                }
            }
            rules.push(GeoRule { place: (*place).to_owned(), members: listed });
        }
        rules
    }

    fn zones(&mut self) {
        for name in self.tree.names(&["zone"]) {
            let Some(apex) = Name::from_text(name) else {
                self.problem(&["zone", name], format!("{name} is no domain name"));
                continue;
            };
            let text = match (self.file(&["zone", name, "file"]), self.tree.text(&["zone", name, "records"]))
            {
                (Some(file), None) => ZoneText::File(file),
                (None, Some(records)) => {
                    let (line, _) = self.tree.place(&["zone", name, "records"]);
                    ZoneText::Inline(records, format!("zone {name:?} (behind line {line} of the tree)"))
                }
                (None, None) => {
                    self.problem(
                        &["zone", name],
                        format!("zone {name:?} has no records; give a file, or records"),
                    );
                    continue;
                }
                (Some(_), Some(_)) => {
                    self.problem(
                        &["zone", name, "records"],
                        format!("zone {name:?} has a file and records; keep one"),
                    );
                    continue;
                }
            };
            self.network.zones.push(ZoneSource { apex, text });
        }
    }

    fn sites(&mut self) {
        for site in self.tree.names(&["site"]) {
            if let Some(policy) = self.tree.text(&["site", site, "dns", "policy"]) {
                self.answered(&["site", site, "dns", "policy"], site, &policy);
            }
            for name in self.tree.names(&["site", site, "dns", "names"]) {
                let path = ["site", site, "dns", "names", name];
                if let Some(policy) = self.tree.text(&path) {
                    self.answered(&path, name, &policy);
                }
            }
        }
    }

    fn answered(&mut self, path: &[&str], name: &str, policy: &str) {
        let number = self.network.policies.iter().position(|known| known.name == policy);
        let Some(number) = number else {
            let known = self.tree.names(&["policy"]);
            let near = nearest(policy, known).map(|near| format!("; {near} is near")).unwrap_or_default();
            return self.problem(path, format!("there is no policy {policy}{near}"));
        };
        let Some(wire) = Name::from_text(name) else {
            return self.problem(path, format!("{name} is no domain name"));
        };
        if !self.is_held(&wire) {
            return self
                .problem(path, format!("no zone holds {name}; add [zone.NAME] for it or a domain above"));
        }
        if !self.answered.insert(wire) {
            return self.problem(path, format!("{name} has a policy already; keep one"));
        }
        self.network.names.push((wire, number as u32));
    }

    fn is_held(&self, name: &Name) -> bool {
        self.network.zones.iter().any(|zone| name.is_within(&zone.apex))
    }

    /// `NODE.NETWORK` and `ROLE.NETWORK`, so that machines find each other.
    fn machines(&mut self) {
        let Some(network) = self.tree.text(&["network", "name"]) else { return };
        let Some(above) = Name::from_text(&network) else { return };
        if !self.is_held(&above) {
            return self.problem(
                &["network", "name"],
                format!("no zone holds {network}; add [zone.\"{network}\"] or a domain above"),
            );
        }
        for node in self.tree.names(&["node"]) {
            let found = addresses(&self.tree.list(&["node", node, "addresses"]));
            match Name::from_text(&format!("{node}.{network}")) {
                Some(_) if ROLES.contains(&node) => {
                    self.problem(
                        &["node", node],
                        format!("{node} is the name of a role; give the node another"),
                    );
                }
                Some(name) => self.network.machines.push((name, found)),
                None => self.problem(
                    &["node", node],
                    format!("{node} cannot be a label of {network}; use letters, digits and -"),
                ),
            }
        }
        for role in ROLES {
            let members = self.of_role(role);
            let name = Name::from_text(&format!("{role}.{network}"));
            if let (Some(name), false) = (name, members.is_empty()) {
                self.network.names.push((name, self.network.policies.len() as u32));
                self.network.policies.push(of_role(role, members));
            }
        }
    }
}

/// How the machines of a role are found: two of them, the nearest first.
fn of_role(role: &str, members: Vec<ServerId>) -> Policy {
    Policy {
        name: format!("role:{role}"),
        kind: Kind::Best(Rules::default()),
        answers: members.len().min(2),
        members,
        ttl_s: MACHINE_TTL_S,
        persistence: Persistence::Forever,
        stale_s: 60,
        when_all_down: WhenAllDown::All,
        unknown: Unknown::AfterUp,
    }
}

fn addresses(texts: &[String]) -> Vec<IpAddr> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
