//! What a node that runs takes from its files when they are read again: from the tree, or from the rules file alone.
//!
//! Whole or not at all: a step that can fail stands before the first one that changes anything. Sites, ways, origins,
//! peers, rules and what `longhaul ctl set` sets are taken over; everything else waits for the next start, and it is said
//! which.

use crate::args::reporting::ReportConfig;
use crate::config::{NodeConfig, OriginAddress};
use crate::key_file;
use crate::node_tree::{Read, TreeSource};
use crate::outfit;
use crate::settings::Board;
use controlplane::resolve::Resolver;
use controlplane::tree::differ;
use controlplane::tree::duties::Flag;
use controlplane::tree::network::Network;
use controlplane::tree::read::Tree;
use core::time::Duration;
use dataplane::node::Running;
use dataplane::role::plan::Plan;
use dataplane::role::succession::{Abilities, NUMBERS_MAX, Succession};
use std::sync::Arc;

/// Flags whose values are taken over; sites and ways that need sockets or workers of another kind wait all the same.
const LIVE: [&str; 19] = [
    "site",
    "origin",
    "route",
    "peer",
    "route-mode",
    "route-limit",
    "trusted-proxy",
    "name",
    "class",
    "rules",
    "weights",
    "sub-packet",
    "packet-bytes",
    "compress",
    "shed-at",
    "log-level",
    "site-class",
    "site-alias",
    "report-to",
];
/// How long new names of origins may take to be resolved before the plan that has them holds anyway.
const NAMES_WITHIN: Duration = Duration::from_secs(5);
/// Changes that are told one by one.
const CHANGES_MAX: usize = 20;

/// What a node was made from, as it was read last.
pub(crate) struct NodeFiles {
    config: NodeConfig,
    tree: Option<TreeSource>,
    abilities: Abilities,
    /// Where each origin of the plan is, by number.
    origins: Vec<Option<OriginAddress>>,
}

/// What came of reading them again.
#[derive(Debug)]
pub(crate) struct Renewed {
    /// For whoever asked.
    pub(crate) said: Vec<String>,
    /// Values that hold from the next start on.
    pub(crate) waiting: Vec<String>,
}

impl NodeFiles {
    /// Those of a node that was started with `config`.
    pub(crate) fn new(config: &NodeConfig, tree: Option<&TreeSource>) -> Self {
        Self {
            abilities: Abilities {
                origins: config.may_grow || !config.plan.origins.is_empty(),
                tunnel_addresses: config
                    .key
                    .iter()
                    .flat_map(|_| config.listen_udp.iter().map(|socket| socket.address))
                    .collect(),
            },
            origins: config.origins.iter().cloned().map(Some).collect(),
            config: config.clone(),
            tree: tree.cloned(),
        }
    }

    /// What is wrong with the tree, if the last good one serves in its place.
    pub(crate) fn broken(&self) -> &[String] {
        self.tree.as_ref().map_or(&[], |tree| &tree.broken)
    }

    /// What the redirector goes by, and the reports, as they were read last.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.tree.as_ref().and_then(|tree| tree.network.as_ref())
    }

    /// To whom is told what is seen.
    pub(crate) fn report(&self) -> Option<&ReportConfig> {
        self.config.report.as_ref()
    }

    /// Users who may give commands, beside the process's own and root.
    pub(crate) fn users(&self) -> &[(String, Vec<String>)] {
        self.tree.as_ref().map_or(&[], |tree| &tree.users)
    }

    /// Keeps a tree that has worked; what went wrong with that.
    pub(crate) fn keep(&self) -> Result<(), Vec<String>> {
        match &self.tree {
            Some(tree) if tree.broken.is_empty() => tree.keep(&tree.text),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads them again and gives the workers what they say now. On an error nothing has changed.
    pub(crate) fn renew(
        &mut self,
        running: &Running,
        resolver: &Resolver,
        board: &Board,
    ) -> Result<Renewed, Vec<String>> {
        match self.tree.clone() {
            Some(tree) => self.renew_tree(tree, running, resolver, board),
            None if self.config.rule_source.file.is_some() => self.renew_rules(running),
            None => Err(vec![
                "nothing to reload: there is neither --config nor --rules, and flags are read at start only"
                    .to_owned(),
            ]),
        }
    }

    fn renew_rules(&self, running: &Running) -> Result<Renewed, Vec<String>> {
        let rules = self.config.rule_source.load().map_err(|unread| unread.lines())?;
        let (requests, answers) = (rules.requests.len(), rules.answers.len());
        let now = running.control().plan();
        let plan = Plan { generation: now.generation + 1, rules: Arc::new(rules), ..Plan::clone(&now) };
        running.publish_plan(Arc::new(plan));
        let said = format!("rules are read again: {requests} about requests, {answers} about answers");
        Ok(Renewed { said: vec![said], waiting: Vec::new() })
    }

    fn renew_tree(
        &mut self,
        mut tree: TreeSource,
        running: &Running,
        resolver: &Resolver,
        board: &Board,
    ) -> Result<Renewed, Vec<String>> {
        let (read, config) = tree.read_again(&self.config)?;
        let control = running.control();
        let succession = control
            .plan()
            .succeed(config.plan.clone(), control.settled(), &self.abilities)
            .map_err(|_| vec![format!("more than {NUMBERS_MAX} sites, routes or origins; restart it")])?;
        let origins = self.origins_of(&succession, &config);
        let names: Vec<_> =
            origins.iter().map(|at| at.as_ref().map(|at| (at.host.clone(), at.port))).collect();
        resolver.replace(&names, NAMES_WITHIN).map_err(|error| vec![error.to_string()])?;

        let mut waiting = waiting_flags(&tree.flags, &read.flags);
        waiting.extend(waiting_keys(&self.config, &read.flags));
        waiting.extend(succession.waiting.iter().map(|site| {
            format!("site {site}: it needs a key or a socket that this process was not started with")
        }));
        let said = told(&tree.text, &read, &succession.plan);
        if config.origins.len() > self.config.origins.len() {
            // Too few descriptors are warned of, as at the start.
            let _warned = outfit::raise_descriptors(&config);
        }
        running.publish_plan(Arc::new(succession.plan));
        match board.follow(&self.config, &config) {
            Ok(settings) => settings.into_iter().for_each(|settings| running.publish_settings(settings)),
            Err(wrong) => waiting.push(wrong.to_string()),
        }
        (tree.text, tree.users, tree.broken) = (read.text, read.users, Vec::new());
        tree.network = read.network;
        (self.config, self.origins, self.tree) = (config, origins, Some(tree));
        Ok(Renewed { said, waiting })
    }

    /// Where the origins of a plan are: those that are new in it, and those that are in it still.
    fn origins_of(&self, succession: &Succession, config: &NodeConfig) -> Vec<Option<OriginAddress>> {
        let mut origins = self.origins.clone();
        origins.resize(succession.plan.origins.len(), None);
        for (number, origin) in succession.plan.origins.iter().enumerate() {
            if origin.retired.is_some() {
                origins[number] = None;
            }
        }
        for (number, address) in succession.origins.iter().zip(&config.origins) {
            origins[usize::from(*number)] = Some(address.clone());
        }
        origins
    }
}

/// What changes, each thing in words, if it is not too much.
fn told(before: &str, read: &Read, plan: &Plan) -> Vec<String> {
    let sites = plan.sites.iter().filter(|site| site.retired.is_none()).count();
    let mut said = vec![format!("the tree is read again, generation {}: {sites} sites", plan.generation)];
    if let (Ok(before), Ok(after)) = (Tree::read(before), Tree::read(&read.text)) {
        let changes = differ::differences(&before, &after);
        let left = changes.len().saturating_sub(CHANGES_MAX);
        said.extend(changes.into_iter().take(CHANGES_MAX));
        if left > 0 {
            said.push(format!("and {left} changes more"));
        }
    }
    said
}

/// Flags that are not taken over and differ from those of the start.
fn waiting_flags(started: &[Flag], now: &[Flag]) -> Vec<String> {
    let mut names: Vec<&str> = started.iter().chain(now).map(|(flag, _)| flag.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !LIVE.contains(name));
    let values = |flags: &[Flag], name: &str| -> Vec<String> {
        flags.iter().filter(|(flag, _)| flag == name).map(|(_, value)| value.clone()).collect()
    };
    let said = |values: Vec<String>| if values.is_empty() { "none".to_owned() } else { values.join(" ") };
    let differs = |name: &str| {
        let (before, after) = (values(started, name), values(now, name));
        (before != after).then(|| format!("{name}: {}, was {}", said(after), said(before)))
    };
    names.into_iter().filter_map(differs).collect()
}

/// Key files with other keys than those that this process has. What cannot be read any more says nothing.
fn waiting_keys(config: &NodeConfig, flags: &[Flag]) -> Vec<String> {
    let file = |name: &str| flags.iter().find(|(flag, _)| flag == name).map(|(_, value)| value);
    let key = file("key").and_then(|path| key_file::private(path.as_ref()).ok());
    let is_other = key.zip(config.key.as_ref()).is_some_and(|(new, old)| new.public() != old.public());
    is_other.then(|| "key: the file holds another key than the one in use".to_owned()).into_iter().collect()
}
