//! The door of the name server: from its flags, and the tree, to what it is told.

use crate::args::dns::DnsArgs;
use crate::form::given::take_all;
use crate::guide;
use crate::key_file;
use crate::machine::Machine;
use crate::print_config::{Effect, Effective};
use crate::problem::{Problems, Wrong};
use crate::tree::{self, Opened};
use controlplane::dns::cookie::{Secret, Secrets};
use controlplane::dns::engine::Settings;
use controlplane::dns::limits::{NSID_BYTES_MAX, UDP_BYTES_DEFAULT, UDP_BYTES_MIN};
use controlplane::dns::load::ZoneSource;
use controlplane::dns::policy::model::Server;
use controlplane::dns::policy::orders::Orders;
use controlplane::dns::rate::Rate;
use controlplane::dns::server::options::{ServerOptions, TcpOptions};
use controlplane::dns::subnets::Subnets;
use controlplane::logs::LogTarget;
use controlplane::logs::daemon::Level;
use controlplane::report::expected::Expected;
use controlplane::report::key::{ReportKey, Secret as ReportSecret};
use controlplane::tree::network::Network;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use dataplane::tmp::key::{PrivateKey, PublicKey};
use dataplane::tmp::random::{Random, SystemRandom};
use std::path::{Path, PathBuf};

/// Threads at most: more than the cores of any machine that serves DNS.
const THREADS_MAX: usize = 256;
/// Datagrams per system call at most: UIO_MAXIOV bounds it.
const BATCH_MAX: usize = 1_024;
/// Largest answer over UDP that a flag may allow; larger ones are fragments for certain.
const UDP_SIZE_MAX: u16 = 4_096;

/// What the name server is told.
#[derive(Clone, Debug)]
pub(crate) struct DnsConfig {
    pub(crate) server: ServerOptions,
    /// Zones of flags.
    pub(crate) zones: Vec<ZoneSource>,
    /// The tree, if there is one.
    pub(crate) tree: Option<TreeSource>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) admin_hosts: Vec<String>,
    pub(crate) query_log: LogTarget,
    pub(crate) log_level: Level,
    /// Reports, if they are taken.
    pub(crate) reports: Option<ReportsConfig>,
    /// Where commands are taken while it runs, if anywhere.
    pub(crate) control: Option<PathBuf>,
    /// Where orders about servers are kept, if anywhere.
    pub(crate) overrides: Option<PathBuf>,
    /// What was kept there.
    pub(crate) orders: Orders,
    /// Values that the tree gave in place of flags.
    from_tree: Vec<&'static str>,
}

/// How reports are taken.
#[derive(Clone, Debug)]
pub(crate) struct ReportsConfig {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) keys: TakenKeys,
    /// In whose name probers are asked for resolvers: that of this node.
    pub(crate) node: Option<String>,
    /// Where what was reported is kept, if anywhere.
    pub(crate) state: Option<PathBuf>,
}

/// By what a taker of reports knows who sends them.
#[derive(Clone, Debug)]
pub(crate) enum TakenKeys {
    /// A name server: by the network's secret.
    Secret(ReportSecret),
    /// A front-end: by its own private key and the others' public ones.
    Pairs(PrivateKey),
}

impl TakenKeys {
    /// Who may say what.
    pub(crate) fn expected(&self, network: &Network, servers: &[Server]) -> Expected {
        network.reporting.expected(&network.probes, servers, |node| match self {
            Self::Secret(secret) => Some(secret.of_node(&node.name)),
            Self::Pairs(own) => {
                let public = node.public_key.as_ref().and_then(|key| PublicKey::from_text(key).ok());
                public.and_then(|public| ReportKey::of_pair(own, &public))
            }
        })
    }
}

/// Where the tree is.
#[derive(Clone, Debug)]
pub(crate) struct TreeSource {
    /// Its file.
    pub(crate) file: PathBuf,
    /// Where the last tree that worked is kept.
    pub(crate) last_good: Option<PathBuf>,
    /// The tree is broken, and the last good one serves: what is wrong.
    pub(crate) broken: Vec<String>,
    /// What it came to at the start.
    pub(crate) network: Network,
    /// Its text, to be kept once it has worked.
    pub(crate) text: String,
}

/// Reads and checks all flags and the tree; everything that is wrong at once. Zones are not read yet.
pub(crate) fn configure(args: &DnsArgs) -> Result<DnsConfig, Problems> {
    let mut problems = Problems::default();
    let zones = take_all(&args.zone, "zone", &mut problems);
    problems.require(
        !args.zone.is_empty() || args.config.is_some(),
        "--zone",
        "is missing",
        "give a zone: --zone example.test=FILE, or the network's tree: --config FILE",
    );
    let tree = args.config.as_ref().and_then(|file| open_tree(args, file, &mut problems));
    let node = tree.as_ref().and_then(|tree| node(args, &tree.network, &mut problems));
    let reports = tree.as_ref().and_then(|tree| reports(args, &tree.network, &mut problems));
    let mut from_tree = Vec::new();
    let server = ServerOptions {
        listen: listen(args, node.as_ref(), &mut from_tree, &mut problems),
        threads: threads(args, &mut problems),
        batch: bounded(args.batch.take_or("batch", &mut problems, 1), 1, BATCH_MAX, "--batch", &mut problems),
        udp_buffer_bytes: args.udp_buffer.take_or("udp_buffer", &mut problems, 0),
        settings: settings(args, node.as_ref(), &mut from_tree, &mut problems),
        tcp: tcp(args, &mut problems),
        log_sample: bounded(
            args.query_log_sample.take_or("query_log_sample", &mut problems, 1),
            1,
            u32::MAX,
            "--query-log-sample",
            &mut problems,
        ),
    };
    let config = DnsConfig {
        server,
        zones: zones.into_iter().map(|(_, zone)| zone).collect(),
        tree,
        admin: args.admin.take_or("admin", &mut problems, None),
        admin_hosts: args.admin_host.clone(),
        query_log: match args.query_log.to_str() {
            Some("off") => LogTarget::Nowhere,
            Some("stderr") => LogTarget::StandardError,
            Some(_) | None => LogTarget::File(args.query_log.clone()),
        },
        log_level: args.log_level.take_or("log_level", &mut problems, Level::Info),
        reports,
        control: args.control.clone(),
        overrides: args.overrides.clone(),
        orders: orders(args, &mut problems),
        from_tree,
    };
    problems.into_result(config)
}

fn orders(args: &DnsArgs, problems: &mut Problems) -> Orders {
    let Some(file) = &args.overrides else { return Orders::default() };
    guide::kept_orders(file).unwrap_or_else(|wrong| {
        problems.add(format_args!("--overrides {}", file.display()), &wrong);
        Orders::default()
    })
}

fn reports(args: &DnsArgs, network: &Network, problems: &mut Problems) -> Option<ReportsConfig> {
    let given: Vec<_> = take_all(&args.reports, "reports", problems).into_iter().map(|(_, at)| at).collect();
    let file = args.reports_key.as_ref().or(network.reporting.key.as_ref());
    let of_node = args.node.as_ref().and_then(|node| network.reporting.node(node));
    let listen = match of_node {
        _ if !given.is_empty() => given,
        Some(node) => node.listen.clone(),
        None => Vec::new(),
    };
    let is_missing = file.is_none() && (!args.reports.is_empty() || args.reports_state.is_some());
    let instead = "give the secret that signs them: --reports-key FILE (`longhaul key report`), or reports.key in the tree";
    problems.require(!is_missing, "--reports", "are taken from nobody", instead);
    let secret =
        key_file::report_secret(file?).map_err(|wrong| problems.add("--reports-key", &wrong)).ok()?;
    (!listen.is_empty()).then(|| ReportsConfig {
        listen,
        keys: TakenKeys::Secret(secret),
        node: args.node.clone(),
        state: args.reports_state.clone(),
    })
}

/// Opens the tree, or in its place the last one that worked.
fn open_tree(args: &DnsArgs, file: &Path, problems: &mut Problems) -> Option<TreeSource> {
    let last_good = args.last_good.clone();
    let source = |opened: Opened, broken| {
        let Opened { text, network, .. } = opened;
        TreeSource { file: file.to_owned(), last_good: last_good.clone(), broken, network, text }
    };
    let lines = match tree::open(file) {
        Ok(opened) => return Some(source(opened, Vec::new())),
        Err(lines) => lines,
    };
    let kept = args.last_good.as_ref().filter(|kept| kept.exists());
    match kept.map(|kept| tree::open_in_place_of(kept, file)) {
        Some(Ok(opened)) => Some(source(opened, lines)),
        Some(Err(_)) | None => {
            problems.extend(lines);
            None
        }
    }
}

type Node = (String, Vec<SocketAddr>, String);

fn node(args: &DnsArgs, network: &Network, problems: &mut Problems) -> Option<Node> {
    let name = args.node.as_ref()?;
    let found = network.nodes.iter().find(|(known, _, _)| known == name).cloned();
    let known: Vec<&str> = network.nodes.iter().map(|(known, _, _)| known.as_str()).collect();
    let instead = if known.is_empty() {
        format!("add [node.{name}] to it")
    } else {
        format!("give one of {}", known.join(", "))
    };
    problems.require(found.is_some(), format_args!("--node {name}"), "is no node of the tree", instead);
    found
}

fn listen(
    args: &DnsArgs,
    node: Option<&Node>,
    from_tree: &mut Vec<&'static str>,
    problems: &mut Problems,
) -> Vec<SocketAddr> {
    let listen: Vec<_> = take_all(&args.listen, "listen", problems);
    for (at, (text, address)) in listen.iter().enumerate() {
        let is_free = address.port() == 0 || listen[..at].iter().all(|(_, other)| other != address);
        problems.require(
            is_free,
            format_args!("--listen {text}"),
            "is there twice",
            "give every address once",
        );
    }
    match node {
        _ if !args.listen.is_empty() => listen.into_iter().map(|(_, address)| address).collect(),
        Some((_, listen, _)) => {
            from_tree.push("listen");
            listen.clone()
        }
        None => vec![(Ipv4Addr::UNSPECIFIED, 53).into(), (Ipv6Addr::UNSPECIFIED, 53).into()],
    }
}

/// What `--print-config` shows in place of what was written.
pub(crate) fn effective(config: &DnsConfig) -> Effective {
    let listen = config.server.listen.iter().map(ToString::to_string).collect();
    let nsid = String::from_utf8_lossy(&config.server.settings.nsid).into_owned();
    let is_from_tree = |flag| config.from_tree.contains(&flag);
    vec![
        Effect { flag: "listen", values: listen, is_from_tree: is_from_tree("listen") },
        Effect { flag: "nsid", values: vec![nsid], is_from_tree: is_from_tree("nsid") },
        Effect::of("threads", config.server.threads.to_string()),
    ]
}

fn bounded<N: Copy + PartialOrd + core::fmt::Display>(
    value: N,
    least: N,
    most: N,
    flag: &str,
    problems: &mut Problems,
) -> N {
    let is_good = value >= least && value <= most;
    problems.require(
        is_good,
        format_args!("{flag} {value}"),
        "is out of bounds",
        format!("give {least} to {most}"),
    );
    value
}

fn threads(args: &DnsArgs, problems: &mut Problems) -> usize {
    let auto = || Machine::look().cpus.len().clamp(1, THREADS_MAX);
    let given = args.threads.take_or("threads", problems, Some(1));
    given.map_or_else(auto, |threads| bounded(threads, 1, THREADS_MAX, "--threads", problems))
}

fn tcp(args: &DnsArgs, problems: &mut Problems) -> TcpOptions {
    TcpOptions {
        connections_max: bounded(
            args.tcp_max.take_or("tcp_max", problems, 1),
            1,
            1_000_000,
            "--tcp-max",
            problems,
        ),
        connections_per_client_max: bounded(
            args.tcp_per_client_max.take_or("tcp_per_client_max", problems, 1),
            1,
            1_000_000,
            "--tcp-per-client-max",
            problems,
        ),
        idle: args.tcp_idle.take_or("tcp_idle", problems, Duration::from_secs(1)),
        ..TcpOptions::default()
    }
}

fn settings(
    args: &DnsArgs,
    node: Option<&Node>,
    from_tree: &mut Vec<&'static str>,
    problems: &mut Problems,
) -> Settings {
    let nsid = match node {
        Some((_, _, nsid)) if args.nsid.is_empty() => {
            from_tree.push("nsid");
            nsid.clone()
        }
        Some(_) | None => args.nsid.clone(),
    };
    let is_fitting = nsid.len() <= NSID_BYTES_MAX;
    problems.require(is_fitting, "--nsid", "is too long", format!("give at most {NSID_BYTES_MAX} bytes"));
    let udp_bytes_max = args.udp_size.take_or("udp_size", problems, UDP_BYTES_DEFAULT);
    let idle = args.tcp_idle.take_or("tcp_idle", &mut Problems::default(), Duration::ZERO);
    Settings {
        udp_bytes_max: bounded(udp_bytes_max, UDP_BYTES_MIN as u16, UDP_SIZE_MAX, "--udp-size", problems),
        nsid: nsid.into_bytes(),
        secrets: secrets(&args.cookies, problems),
        rate: Rate {
            per_second: bounded(
                args.rate_limit.take_or("rate_limit", problems, 0),
                0,
                1_000_000,
                "--rate-limit",
                problems,
            ),
            slip: args.rate_slip.take_or("rate_slip", problems, 0),
        },
        rate_exempt: args.rate_exempt.take_or("rate_exempt", problems, Subnets::default()),
        rate_key: random(),
        keepalive_ds: u16::try_from(idle.as_millis() / 100).unwrap_or(u16::MAX),
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes);
    bytes
}

fn secrets(path: &Path, problems: &mut Problems) -> Option<Secrets> {
    match path.to_str() {
        Some("off") => None,
        Some("auto") => Some(Secrets { current: Secret(random()), other: None }),
        Some(_) | None => {
            let read = key_file::cookie_secrets(path);
            read.map_err(|wrong| problems.add("--cookies", &wrong)).ok()
        }
    }
}

/// Makes a secret for `--cookies`.
pub(crate) fn new_cookie_secret(out: &Path) -> Result<(), Wrong> {
    let hex: String = random().iter().map(|byte| format!("{byte:02x}")).collect();
    key_file::create(out, &hex)
}
