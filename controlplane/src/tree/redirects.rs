//! What a tree says about sending clients from one front-end to another: for which sites, to whose own names, by which policy.
//! A name is either a site's, which all its front-ends share, or one machine's own for a site, never both: on that rests that
//! nobody is sent on twice.

use crate::dns::policy::model::{Kind, Policy, Server, ServerId};
use crate::nearest::nearest;
use crate::tree::form::span;
use crate::tree::read::{Problem, Tree};
use core::net::IpAddr;
use std::collections::{HashMap, HashSet};

/// A site whose clients may be sent elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteRedirect {
    /// Its name.
    pub site: String,
    /// The policy that scores.
    pub policy: u32,
    /// 302 or 307; `None`: hints only.
    pub status: Option<u16>,
    /// Whether answers name a better machine.
    pub hints: bool,
    /// How much better it must be, milliseconds of score.
    pub better_by_ms: f32,
    /// Where clients may be sent.
    pub targets: Vec<RedirectNode>,
    /// Its front-ends; all if there are none.
    fronts: Vec<String>,
}

impl SiteRedirect {
    /// Whether a front-end serves it.
    pub fn is_served_by(&self, front: &str) -> bool {
        self.fronts.is_empty() || has(&self.fronts, front)
    }
}

/// A machine with a name of its own for the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectNode {
    /// Its name in the tree.
    pub node: String,
    /// Its place among the servers.
    pub server: ServerId,
    /// What stands before the path.
    pub base: String,
    /// The host in it, lower case: its own name.
    pub host: String,
    /// Host and port, as Alt-Svc has them.
    pub authority: String,
}

/// Front-ends that serve a site whose clients may be sent elsewhere.
pub fn senders(tree: &Tree) -> Vec<&str> {
    let sites: Vec<&str> = tree.names(&["site"]).into_iter().filter(|site| sends(tree, site)).collect();
    let mut fronts = tree.names(&["node"]);
    fronts.retain(|node| {
        has(&tree.list(&["node", node, "roles"]), "front")
            && sites.iter().any(|site| serves(tree, site, node))
    });
    fronts
}

/// All sites of a tree that send clients elsewhere; on errors, all of them.
pub fn of(tree: &Tree, servers: &[Server], policies: &[Policy]) -> Result<Vec<SiteRedirect>, Vec<Problem>> {
    let mut making = Making { tree, servers, policies, problems: Vec::new() };
    let mut sites: Vec<SiteRedirect> = Vec::new();
    for site in tree.names(&["site"]).into_iter().filter(|site| sends(tree, site)) {
        sites.extend(making.site(site));
    }
    making.own_names(&sites);
    if !sites.is_empty() {
        making.reporters();
    }
    if making.problems.is_empty() { Ok(sites) } else { Err(making.problems) }
}

fn sends(tree: &Tree, site: &str) -> bool {
    let is_off = |leaf: &str| tree.text(&["site", site, "redirect", leaf]).is_none_or(|word| word == "off");
    !is_off("status") || !is_off("alt_svc")
}

fn serves(tree: &Tree, site: &str, node: &str) -> bool {
    let fronts = tree.list(&["site", site, "fronts"]);
    fronts.is_empty() || has(&fronts, node)
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|own| own == word)
}

struct Making<'t> {
    tree: &'t Tree,
    servers: &'t [Server],
    policies: &'t [Policy],
    problems: Vec<Problem>,
}

impl Making<'_> {
    fn problem(&mut self, path: &[&str], what: String) {
        let (line, column) = self.tree.place(path);
        self.problems.push(Problem { line, column, what });
    }

    fn site(&mut self, site: &str) -> Option<SiteRedirect> {
        let tree = self.tree;
        let path = |leaf| ["site", site, "redirect", leaf];
        if site == "*" {
            self.problem(&["site", site, "redirect"], "site \"*\" has no name of its own that could be told from those of its machines; redirect sites by name".to_owned());
            return None;
        }
        let policy = self.policy(site)?;
        let better_by = tree.text(&path("better_by")).and_then(|text| span(&text)).unwrap_or_default();
        let better_by_ms = better_by.as_secs_f32() * 1e3;
        let Policy { name, kind, .. } = &self.policies[policy as usize];
        match kind {
            Kind::Best(rules) if better_by_ms >= rules.tolerance_ms => {}
            Kind::Best(rules) => {
                let (least, name) = (rules.tolerance_ms, name.clone());
                self.problem(
                    &path("better_by"),
                    format!("scores that differ by {least} ms are as good under policy.{name}; give that much at least"),
                );
            }
            Kind::Weighted | Kind::Failover | Kind::Geo(_) | Kind::Static => {
                let name = name.clone();
                self.problem(
                    &path("policy"),
                    format!("policy.{name} has no scores to compare machines by; name one of kind \"best\""),
                );
            }
        }
        Some(SiteRedirect {
            policy,
            status: tree.text(&path("status")).and_then(|status| status.parse().ok()),
            hints: tree.text(&path("alt_svc")).is_some_and(|word| word == "on"),
            better_by_ms,
            targets: self.targets(site, policy),
            fronts: tree.list(&["site", site, "fronts"]),
            site: site.to_owned(),
        })
    }

    fn policy(&mut self, site: &str) -> Option<u32> {
        let named = self.tree.text(&["site", site, "redirect", "policy"]);
        let path = ["site", site, "redirect", "policy"];
        let Some(name) = named.or_else(|| self.tree.text(&["site", site, "dns", "policy"])) else {
            let what = format!(
                "nothing says which machine is better for site {site:?}; give a policy here, or under dns"
            );
            self.problem(&["site", site, "redirect"], what);
            return None;
        };
        let found = self.policies.iter().position(|policy| policy.name == name);
        if found.is_none() {
            let known = self.tree.names(&["policy"]);
            let near = nearest(&name, known).map(|near| format!("; {near} is near")).unwrap_or_default();
            self.problem(&path, format!("there is no policy {name}{near}"));
        }
        found.map(|number| number as u32)
    }

    fn targets(&mut self, site: &str, policy: u32) -> Vec<RedirectNode> {
        let tree = self.tree;
        let path = ["site", site, "redirect", "to"];
        let members = &self.policies[policy as usize].members;
        let is_member = |node: &str| members.iter().any(|id| self.servers[usize::from(id.0)].name == node);
        let named = tree.list(&path);
        let mut wrong = Vec::new();
        for node in &named {
            let is_front = has(&tree.list(&["node", node, "roles"]), "front") && serves(tree, site, node);
            if !is_front {
                wrong.push(format!("{node} is no front-end of site {site:?}"));
            } else if !is_member(node) {
                wrong.push(format!("{node} is no member of policy.{}", self.policies[policy as usize].name));
            } else if tree.text(&["node", node, "front", "url"]).is_none() {
                wrong.push(format!("{node} has no name of its own; give node.{node}.front.url"));
            }
        }
        let may = |node: &&str| {
            is_member(node)
                && serves(tree, site, node)
                && has(&tree.list(&["node", node, "roles"]), "front")
                && tree.text(&["node", node, "front", "url"]).is_some()
                && (named.is_empty() || has(&named, node))
        };
        let nodes: Vec<&str> = tree.names(&["node"]).into_iter().filter(may).collect();
        if nodes.is_empty() && wrong.is_empty() {
            wrong.push(format!(
                "no front-end of site {site:?} has a name of its own; give node.NAME.front.url to those that clients may be sent to"
            ));
        }
        wrong.into_iter().for_each(|what| self.problem(&path, what));
        nodes.into_iter().filter_map(|node| self.target(site, node)).collect()
    }

    fn target(&mut self, site: &str, node: &str) -> Option<RedirectNode> {
        let path = ["node", node, "front", "url"];
        let url = self.tree.text(&path)?.replace("{site}", site).to_ascii_lowercase();
        let place = self.servers.iter().position(|server| server.name == node)?;
        let Some((authority, host)) = authority(&url) else {
            let what = format!(
                "{url} is no name of a machine; write http://HOST[:PORT] or https://HOST[:PORT], without a path"
            );
            self.problem(&path, what);
            return None;
        };
        Some(RedirectNode {
            node: node.to_owned(),
            server: ServerId(place as u16),
            base: url,
            host,
            authority,
        })
    }

    /// No name is two things.
    fn own_names(&mut self, sites: &[SiteRedirect]) {
        let tree = self.tree;
        let mut shared: HashSet<&str> = tree.names(&["site"]).into_iter().collect();
        for site in tree.names(&["site"]) {
            shared.extend(tree.names(&["site", site, "dns", "names"]));
        }
        let mut own: HashMap<&str, (&str, &str)> = HashMap::new();
        let mut wrong = Vec::new();
        for (site, target) in sites.iter().flat_map(|site| site.targets.iter().map(move |one| (site, one))) {
            let (host, node) = (target.host.as_str(), target.node.as_str());
            if shared.contains(host) {
                wrong.push((
                    node,
                    format!(
                        "{host} is a site's name, which all its machines share; give {node} one of its own"
                    ),
                ));
            }
            match own.insert(host, (node, &site.site)) {
                None => {}
                Some((other, _)) if other == node => wrong.push((
                    node,
                    format!("{host} would be {node}'s name for several sites; write {{site}} into the name, such as http://{{site}}.{host}"),
                )),
                Some((other, _)) => {
                    wrong.push((node, format!("{host} is {other}'s own name already; give {node} another")));
                }
            }
        }
        wrong.into_iter().for_each(|(node, what)| self.problem(&["node", node, "front", "url"], what));
    }

    /// Whoever sees something tells it to these front-ends, under a key that the pair makes of their public keys.
    fn reporters(&mut self) {
        let tree = self.tree;
        if tree.text(&["reports", "key"]).is_none() {
            let what = "nobody reports, and so nobody knows which machine is better; give reports.key";
            self.problem(&["reports", "key"], what.to_owned());
        }
        for node in tree.names(&["node"]) {
            let roles = tree.list(&["node", node, "roles"]);
            let reports = has(&roles, "front") || has(&roles, "probe");
            for (leaf, how) in [
                ("public_key", "`longhaul key show FILE` prints it"),
                ("key", "the file on the machine itself"),
            ] {
                if reports && tree.text(&["node", node, leaf]).is_none() {
                    let what = format!(
                        "{node} has no {leaf}, by which front-ends that send clients elsewhere know its reports; give it ({how})"
                    );
                    self.problem(&["node", node], what);
                }
            }
        }
    }
}

/// Authority and host of a URL that has nothing else.
fn authority(url: &str) -> Option<(String, String)> {
    let (rest, port) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (_, Some(rest)) => (rest, 443),
        (None, None) => return None,
    };
    let (host, given) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0)?))
        }
        Some(_) | None => (rest, None),
    };
    let is_address = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let is_address = is_address.map_or(host, |inner| inner).parse::<IpAddr>().is_ok();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = host.len() <= 253 && host.split('.').all(is_label);
    (is_address || is_name).then(|| (format!("{host}:{}", given.unwrap_or(port)), host.to_owned()))
}

#[cfg(test)]
mod tests;
