//! What both ends make of the flags that they share.

use crate::args::bounds;
use crate::args::keys::KeyFileArgs;
use crate::args::node::NodeArgs;
use crate::config::{
    BlenderTuning, Cores, DriverTuning, NodeConfig, OriginAddress, RouteConfig, Seeing, SocketTuning,
    TunnelTuning,
};
use crate::form::cpus;
use crate::form::given::{Given, take_all};
use crate::form::listen::ListenAddress;
use crate::form::network::Network;
use crate::form::origin::OriginTarget;
use crate::form::size;
use crate::key_file;
use crate::machine::Machine;
use crate::memory;
use crate::print_config::{Effect, Effective};
use crate::problem::{Problems, Wrong};
use crate::rule_source::RuleSource;
use core::net::SocketAddr;
use dataplane::reactor::privileges::Identity;
use dataplane::role::limits::Limits;
use dataplane::role::plan::{Listener, Origin, Route};
use dataplane::rules::Rules;
use dataplane::stdx::network::Network as Prefix;
use dataplane::tmp::key::{PresharedKey, PrivateKey, PublicKey};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything but sites, ways and addresses.
pub(crate) struct Common {
    pub(crate) limits: Limits,
    pub(crate) cores: Cores,
    pub(crate) driver: DriverTuning,
    pub(crate) sockets: SocketTuning,
    pub(crate) tunnel: TunnelTuning,
    pub(crate) blender: BlenderTuning,
    pub(crate) seeing: Seeing,
    /// As they are at the start.
    pub(crate) rules: Arc<Rules>,
    pub(crate) rule_source: RuleSource,
    pub(crate) identity: Option<Identity>,
    pub(crate) control: Option<PathBuf>,
    pub(crate) memory_limit_bytes: Option<u64>,
}

/// Reads the shared flags.
pub(crate) fn common(args: &NodeArgs, problems: &mut Problems) -> Common {
    let machine = Machine::look();
    let mut limits = Limits::default();
    args.bounds.apply(&mut limits, problems);
    args.timeouts.apply(&mut limits, problems);
    args.stopping.apply(&mut limits, problems);
    bounds::check(&limits, problems);
    let rule_source = args.rules.source(problems);
    let rules = rule_source.load().unwrap_or_else(|unread| {
        unread.lines().iter().for_each(|line| problems.note(format!("--rules {line}")));
        Rules::default()
    });
    let offload = args.tunnel.offload(problems);
    Common {
        cores: args.cores.cores(&machine, problems),
        driver: args.cores.driver(offload, problems),
        sockets: args.cores.sockets(offload, problems),
        tunnel: args.tunnel.tuning(limits.block_bytes, problems),
        blender: args.blender.tuning(problems),
        seeing: args.seeing.seeing(problems),
        rules: Arc::new(rules),
        rule_source,
        identity: args.process.identity(problems),
        control: args.process.control.clone(),
        memory_limit_bytes: args.cores.memory_limit_bytes(&machine, problems),
        limits,
    }
}

/// The keys of a node that has tunnels; without tunnels none are read. One that runs keeps those that it has: whoever it
/// has become may not read the files any more.
pub(crate) fn keys(
    args: &KeyFileArgs,
    has_tunnels: bool,
    running: Option<&NodeConfig>,
    problems: &mut Problems,
) -> (Option<PrivateKey>, Option<PresharedKey>) {
    if let Some(running) = running {
        return (running.key.clone(), running.psk.clone());
    }
    if !has_tunnels {
        return (None, None);
    }
    let mut noted = |flag: &str, wrong: Wrong| problems.add(flag, &wrong);
    let key = match &args.key {
        Some(path) => key_file::private(path).map_err(|wrong| noted("--key", wrong)).ok(),
        None => {
            let instead = "give --key FILE; `longhaul key new --out FILE` makes one";
            noted("--key", Wrong::new("is missing, and there is a tunnel", instead));
            None
        }
    };
    let psk = args.psk.as_ref().map(|path| key_file::preshared(path).map_err(|wrong| noted("--psk", wrong)));
    (key, psk.and_then(Result::ok))
}

/// The private key by which reports between two nodes are signed: that of the tunnels, or the same file where there are
/// none.
pub(crate) fn report_identity(
    args: &KeyFileArgs,
    is_needed: bool,
    (key, running): (&Option<PrivateKey>, Option<&NodeConfig>),
    problems: &mut Problems,
) -> Option<PrivateKey> {
    if !is_needed {
        return None;
    }
    let known = key.clone().or_else(|| running.and_then(|running| running.report_identity.clone()));
    known.or_else(|| keys(args, true, None, problems).0)
}

/// The TCP listeners of a node, none twice.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) all: Vec<Listener>,
}

impl Listeners {
    /// Adds one; `flag` is the flag with its value.
    pub(crate) fn add(
        &mut self,
        flag: &str,
        listen: ListenAddress,
        tcp_site: Option<u16>,
        problems: &mut Problems,
    ) {
        let ListenAddress { address, proxy } = listen;
        problems.require(
            self.is_free(address),
            flag,
            "listens where another flag does",
            "give another address",
        );
        self.all.push(Listener { address, proxy, tcp_site, carries_tunnels: false });
    }

    /// Adds one for tunnels over TCP.
    pub(crate) fn add_carrier(&mut self, flag: &str, address: SocketAddr, problems: &mut Problems) {
        self.add(flag, ListenAddress { address, proxy: false }, None, problems);
        self.all.iter_mut().last().into_iter().for_each(|listener| listener.carries_tunnels = true);
    }

    /// Notes it if the admin server would stand in the way of one.
    pub(crate) fn check_admin(&self, admin: Option<SocketAddr>, problems: &mut Problems) {
        let is_free = admin.is_none_or(|admin| self.is_free(admin));
        problems.require(is_free, "--admin", "listens where another flag does", "give another port");
    }

    fn is_free(&self, address: SocketAddr) -> bool {
        address.port() == 0 || self.all.iter().all(|listener| listener.address != address)
    }
}

/// The origins of a node.
#[derive(Default)]
pub(crate) struct Origins {
    pub(crate) all: Vec<Origin>,
    pub(crate) addresses: Vec<OriginAddress>,
}

impl Origins {
    /// Adds one; its number.
    pub(crate) fn add(&mut self, site: &str, target: OriginTarget) -> u16 {
        let OriginTarget { kind, address, proxy, label } = target;
        self.all.push(Origin { site: site.to_owned(), kind, label, proxy, retired: None });
        self.addresses.push(address);
        (self.all.len() - 1) as u16
    }
}

/// Looks at the name for Via fields: a token or a host (RFC 9110 §7.6.3).
pub(crate) fn name(name: &str, problems: &mut Problems) -> String {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    problems.require(
        !name.is_empty() && name.len() <= 64 && name.bytes().all(is_allowed),
        format_args!("--name {name}"),
        "cannot stand in a Via field",
        "use up to 64 letters, digits, - _ and .",
    );
    name.to_owned()
}

/// The networks of a flag that repeats.
pub(crate) fn networks(given: &[Given<Network>], field: &str, problems: &mut Problems) -> Vec<Prefix> {
    take_all(given, field, problems).into_iter().map(|(_, network)| network).collect()
}

/// The routes with the workers that own their tunnels: the owners in turn.
pub(crate) fn routes(cores: &Cores, routes: Vec<RouteConfig>) -> Vec<Route> {
    let route = |(route, owner): (RouteConfig, u8)| {
        let RouteConfig { name, public_key, addresses, carriers, chosen } = route;
        Route { name, public_key, addresses, carriers, chosen, owner, retired: None }
    };
    routes.into_iter().zip(cores.owners().into_iter().cycle()).map(route).collect()
}

/// Notes keys of other machines that cannot be theirs: our own, and what is no proper key.
pub(crate) fn check_peers<'k>(
    key: Option<&PrivateKey>,
    peers: impl Iterator<Item = (String, &'k PublicKey)>,
    problems: &mut Problems,
) {
    let Some(key) = key else { return };
    for (flag, public) in peers {
        let instead = "`longhaul key show` on the other machine prints its key";
        problems.require(*public != key.public(), &flag, "has this machine's own key", instead);
        problems.require(key.agrees_with(public), &flag, "has a key that is none", instead);
    }
}

/// The configuration, if nothing is wrong with any part of it or with their sum.
pub(crate) fn finish(config: NodeConfig, mut problems: Problems) -> Result<NodeConfig, Problems> {
    // With something else wrong the sum is made of stand-ins.
    if problems.lines().is_empty()
        && let Some(excess) = memory::excess(&config)
    {
        let instead =
            format!("lower the bounds, take fewer --cpus, or give --mem-limit {}", memory::enough(&config));
        problems.add("--mem-limit", &Wrong::new(excess, instead));
    }
    problems.into_result(config)
}

/// What became of the values that the node finds out itself.
pub(crate) fn effective(config: &NodeConfig) -> Effective {
    vec![
        Effect::of("cpus", cpus::write(&config.cores.cpus)),
        Effect::of("packet-bytes", config.tunnel.datagram_bytes_max.to_string()),
        Effect::of("mem-limit", config.memory_limit_bytes.map_or_else(|| "off".to_owned(), size::write)),
    ]
}
