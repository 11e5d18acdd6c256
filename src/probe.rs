//! The door of the prober: from its flags and the tree to what it is told.

use crate::args::probe::ProbeArgs;
use crate::args::reporting::ReportConfig;
use crate::form::given::{Given, take_all};
use crate::key_file;
use crate::probe_once::keys;
use crate::problem::{Problems, Wrong};
use crate::tree;
use controlplane::logs::daemon::Level;
use controlplane::nearest::nearest;
use controlplane::probe::manners::Manners;
use controlplane::probe::talk::KnockKeys;
use controlplane::probe::target::Target;
use controlplane::probe::url::Kind;
use controlplane::tree::duties;
use controlplane::tree::network::Network;
use core::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the prober is told.
#[derive(Clone, Debug)]
pub(crate) struct ProbeConfig {
    /// The tree's file, for when it is read again.
    pub(crate) file: PathBuf,
    /// Which node this is.
    pub(crate) node: String,
    /// What it looks at.
    pub(crate) targets: Vec<Arc<Target>>,
    pub(crate) keys: Option<KnockKeys>,
    pub(crate) name_servers: Option<Vec<SocketAddr>>,
    /// How it probes resolvers that name servers ask for, if it does.
    pub(crate) resolvers: Option<ResolversConfig>,
    /// To whom it tells what it sees, if to anybody.
    pub(crate) report: Option<ReportConfig>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) admin_hosts: Vec<String>,
    pub(crate) log_level: Level,
}

/// How resolvers are probed for name servers that ask.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResolversConfig {
    /// Where they ask.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) manners: Manners,
    /// The name servers of the tree.
    pub(crate) askers: Vec<String>,
}

/// Reads and checks all flags and the tree; everything that is wrong at once.
pub(crate) fn configure(args: &ProbeArgs) -> Result<ProbeConfig, Problems> {
    let mut problems = Problems::default();
    let servers: Vec<_> =
        take_all(&args.name_server, "name_server", &mut problems).into_iter().map(|(_, at)| at).collect();
    let mut config = ProbeConfig {
        file: args.config.clone().unwrap_or_default(),
        node: String::new(),
        targets: Vec::new(),
        keys: None,
        resolvers: None,
        report: None,
        name_servers: (!servers.is_empty()).then_some(servers),
        admin: args.admin.take_or("admin", &mut problems, None),
        admin_hosts: args.admin_host.clone(),
        log_level: args.log_level.take_or("log_level", &mut problems, Level::Info),
    };
    let Some(file) = &args.config else {
        let instead = "give the network's tree, or probe by hand: longhaul probe once URL";
        problems.add("--config", &Wrong::new("is missing", instead));
        return Err(problems);
    };
    match tree::open(file) {
        Err(lines) => problems.extend(lines),
        Ok(opened) => {
            if let Some(node) = node(args.node.as_deref(), &opened, &mut problems) {
                config.targets = targets(&opened.network, &node);
                let of_tree = opened.probe_files(file, &node);
                let key = args.key.as_deref().or(of_tree.key.as_deref());
                let psk = args.psk.as_deref().or(of_tree.psk.as_deref());
                // Files that nothing here needs need not be on this machine.
                let knocks = config.targets.iter().any(|target| target.url.kind == Kind::Tmp);
                if knocks || args.key.is_some() {
                    config.keys = keys(key, psk, &mut problems);
                    let what = "is missing, and this node has targets of kind tmp";
                    let instead = format!("give one, or node.{node}.key in the tree");
                    problems.require(key.is_some(), "--key", what, instead);
                }
                config.report = report(args, &opened.network, (&node, key), &mut problems);
                config.resolvers =
                    config.report.as_ref().and_then(|report| resolvers(&opened.network, report));
                config.node = node;
            }
        }
    }
    problems.into_result(config)
}

/// Which node of the tree this is.
fn node(given: Option<&str>, opened: &tree::Opened, problems: &mut Problems) -> Option<String> {
    let known = duties::of_role(&opened.tree, "probe");
    let wrong = match (given, known.as_slice()) {
        (Some(node), known) if known.contains(&node) => return Some(node.to_owned()),
        (None, [only]) => return Some((*only).to_owned()),
        (_, []) => Wrong::new("no node of the tree has the role probe", "give one roles = [\"probe\"]"),
        (None, several) => Wrong::new("is missing", format!("name one of {}", several.join(", "))),
        (Some(node), known) => {
            let near = nearest(node, known.iter().copied()).map(|near| format!("{near} is near"));
            let instead = near.unwrap_or_else(|| format!("name one of {}", known.join(", ")));
            Wrong::new(format!("{node} is no node with the role probe"), instead)
        }
    };
    problems.add("--node", &wrong);
    None
}

/// What a node looks at.
pub(crate) fn targets(network: &Network, node: &str) -> Vec<Arc<Target>> {
    let own = network.probes.iter().filter(|probe| probe.nodes.iter().any(|looker| looker == node));
    own.map(|probe| Arc::new(probe.target.clone())).collect()
}

/// How a node probes resolvers, if the tree wants it to: only who reports has somebody to tell.
pub(crate) fn resolvers(network: &Network, report: &ReportConfig) -> Option<ResolversConfig> {
    let reporting = &network.reporting;
    let listen = reporting.node(&report.node)?.asked.clone();
    let askers = reporting.nodes.iter().filter(|node| node.is_dns).map(|node| node.name.clone()).collect();
    let manners = reporting.manners.clone();
    (!listen.is_empty()).then_some(ResolversConfig { listen, manners, askers })
}

/// To whom a node tells what it sees: to those of the flags, else to those of the tree.
fn report(
    args: &ProbeArgs,
    network: &Network,
    (node, own_key): (&str, Option<&Path>),
    problems: &mut Problems,
) -> Option<ReportConfig> {
    let mut of_flags = args.report.clone();
    let reporting = &network.reporting;
    let key = reporting.node(node).and_then(|node| node.key.clone()).or_else(|| reporting.key.clone());
    of_flags.report_key = of_flags.report_key.or(key);
    if of_flags.report_to.is_empty() {
        of_flags.report_to = reporting.to.iter().map(|to| Given::of((*to, None))).collect();
        let fronts = reporting.to_fronts.iter().map(|(to, key)| format!("{key}@{to}"));
        of_flags.report_to.extend(fronts.filter_map(|text| text.parse().ok()));
    }
    let own = own_key.filter(|_| of_flags.has_fronts(&mut Problems::default()));
    let own =
        own.and_then(|file| key_file::private(file).map_err(|wrong| problems.add("--key", &wrong)).ok());
    of_flags.config(node, own.as_ref(), None, problems)
}

/// Files of a node that the tree names.
#[derive(Debug, Default)]
pub(crate) struct NodeFiles {
    pub(crate) key: Option<PathBuf>,
    pub(crate) psk: Option<PathBuf>,
}

impl tree::Opened {
    /// The files with which this node proves who it is.
    pub(crate) fn probe_files(&self, file: &Path, node: &str) -> NodeFiles {
        let of =
            |path: &[&str]| duties::file(&self.tree, file.parent().unwrap_or_else(|| Path::new("")), path);
        NodeFiles { key: of(&["node", node, "key"]), psk: of(&["network", "psk"]) }
    }
}
