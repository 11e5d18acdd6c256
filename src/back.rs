//! The door of the back-end: from its flags to what the node is told.

use crate::args::back::BackArgs;
use crate::assemble::{self, Common, Listeners, Origins};
use crate::config::{End, NodeConfig, PeerConfig};
use crate::form::given::take_all;
use crate::problem::Problems;
use core::net::SocketAddr;
use dataplane::exchange::link::{Kind, Way};
use dataplane::node::TunnelSocket;
use dataplane::role::plan::{Peer, Plan, Site};
use std::collections::HashSet;

/// Characters of a peer's key that name it in logs: enough to tell a hundred thousand apart.
const LABEL_CHARS: usize = 8;

/// Reads, checks and joins all flags; everything that is wrong at once.
pub(crate) fn configure(args: &BackArgs) -> Result<NodeConfig, Problems> {
    configure_again(args, None)
}

/// The same for a node that runs already, which keeps its keys.
pub(crate) fn configure_again(args: &BackArgs, running: Option<&NodeConfig>) -> Result<NodeConfig, Problems> {
    let mut problems = Problems::default();
    let origins = origins(args, &mut problems);
    let common = assemble::common(&args.node, &mut problems);
    let listeners = listeners(args, &origins, &mut problems);
    listeners.check_admin(common.seeing.admin, &mut problems);
    let listen_udp = listen_udp(args, &mut problems);
    let peers = peers(args, &origins, &mut problems);
    let has_tunnels = !args.listen.is_empty() || !args.peer.is_empty();
    let (key, psk) = assemble::keys(&args.keys, has_tunnels, running, &mut problems);
    let far_ends = peers.iter().map(|peer| (peer_flag(&peer.public_key.to_text()), &peer.public_key));
    assemble::check_peers(key.as_ref(), far_ends, &mut problems);
    let plan = Plan {
        listeners: listeners.all,
        sites: sites(args, &origins).into(),
        peers: peers.iter().map(plan_peer).collect(),
        origins: origins.all.into(),
        trusted_proxies: assemble::networks(&args.trusted_proxy, "trusted_proxy", &mut problems),
        pseudonym: assemble::name(&args.name, &mut problems),
        rules: common.rules.clone(),
        ..Plan::default()
    };
    let Common {
        limits,
        cores,
        driver,
        sockets,
        tunnel,
        blender,
        seeing,
        rules: _,
        rule_source,
        identity,
        control,
        memory_limit_bytes,
    } = common;
    let config = NodeConfig {
        end: End::Back,
        plan,
        limits,
        origins: origins.addresses,
        key,
        psk,
        key_log: args.keys.key_log.clone(),
        listen_udp,
        may_grow: args.node.tree.config.is_some(),
        cores,
        driver,
        sockets,
        tunnel,
        blender,
        seeing,
        identity,
        control,
        rule_source,
        report: None,
        report_identity: None,
        hears: Vec::new(),
        memory_limit_bytes,
    };
    assemble::finish(config, problems)
}

fn origins(args: &BackArgs, problems: &mut Problems) -> Origins {
    let mut origins = Origins::default();
    problems.require(
        !args.origin.is_empty(),
        "--origin",
        "is missing: there would be nothing to serve",
        "give at least one SITE=http://HOST:PORT or SITE=tcp://HOST:PORT",
    );
    let mut known = HashSet::new();
    for (text, origin) in take_all(&args.origin, "origin", problems) {
        let (site, kind) = (origin.site, origin.target.kind);
        problems.require(
            known.insert((site.clone(), kind)),
            format_args!("--origin {text}"),
            format!("is a second origin of {site}"),
            "give one per site; a name that resolves to several addresses uses them all",
        );
        origins.add(&site, origin.target);
    }
    origins
}

fn listeners(args: &BackArgs, origins: &Origins, problems: &mut Problems) -> Listeners {
    let mut listeners = Listeners::default();
    for (text, listen) in take_all(&args.http_listen, "http_listen", problems) {
        listeners.add(&format!("--http-listen {text}"), listen, None, problems);
    }
    for (text, address) in take_all(&args.carrier_listen, "carrier_listen", problems) {
        let flag = format!("--carrier-listen {text}");
        problems.require(
            !args.peer.is_empty(),
            &flag,
            "is for nobody",
            "give --peer KEY=SITE for each front-end",
        );
        listeners.add_carrier(&flag, address, problems);
    }
    let knows_all = origins.all.len() == args.origin.len();
    problems.require(
        args.http_listen.is_empty()
            || !knows_all
            || origins.all.iter().any(|origin| origin.kind == Kind::Http),
        "--http-listen",
        "has no HTTP origin to serve from",
        "give an --origin SITE=http://HOST:PORT",
    );
    listeners
}

/// What clients may ask for here: every HTTP origin's site.
fn sites(args: &BackArgs, origins: &Origins) -> Vec<Site> {
    if args.http_listen.is_empty() {
        return Vec::new();
    }
    let numbered = origins.all.iter().enumerate().filter(|(_, origin)| origin.kind == Kind::Http);
    numbered
        .map(|(index, origin)| Site {
            name: origin.site.clone(),
            way: Way::Origin(index as u16),
            others: Vec::new(),
            alias_of: None,
            retired: None,
        })
        .collect()
}

fn listen_udp(args: &BackArgs, problems: &mut Problems) -> Vec<TunnelSocket> {
    problems.require(
        !args.listen.is_empty() || !args.http_listen.is_empty(),
        "--listen",
        "is missing: nobody could reach this back-end",
        "give --listen ADDR for tunnels, or --http-listen ADDR for users without a front-end",
    );
    problems.require(
        args.listen.is_empty() || !args.peer.is_empty(),
        "--peer",
        "is missing: no front-end would be let in",
        "give --peer KEY=SITE for each; `longhaul key show` prints the front-end's KEY",
    );
    problems.require(
        args.peer.is_empty() || !args.listen.is_empty(),
        "--listen",
        "is missing, and there are peers",
        "give the UDP address that they send to",
    );
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for (text, address) in take_all(&args.listen, "listen", problems) {
        let is_free = address.port() == 0 || !addresses.contains(&address);
        let flag = format!("--listen {text}");
        problems.require(is_free, flag, "listens where another flag does", "give another address");
        addresses.push(address);
    }
    addresses.into_iter().map(TunnelSocket::from).collect()
}

fn peers(args: &BackArgs, origins: &Origins, problems: &mut Problems) -> Vec<PeerConfig> {
    let mut peers: Vec<PeerConfig> = Vec::new();
    let knows_all = origins.all.len() == args.origin.len();
    let served: HashSet<&str> = origins.all.iter().map(|origin| origin.site.as_str()).collect();
    for (text, peer) in take_all(&args.peer, "peer", problems) {
        let flag = peer_flag(&text);
        let is_new = peers.iter().all(|known| known.public_key != peer.public_key);
        problems.require(is_new, &flag, "is there twice", "name all sites of a front-end in one --peer");
        let serves = |site: &str| served.contains(site) || served.contains("*");
        for site in peer.sites.iter().filter(|site| knows_all && *site != "*" && !serves(site)) {
            let instead = format!("give --origin {site}=http://HOST:PORT, or leave the site out");
            problems.require(false, &flag, format!("no origin serves {site}"), instead);
        }
        peers.push(peer);
    }
    peers
}

fn peer_flag(text: &str) -> String {
    format!("--peer {}…", text.get(..LABEL_CHARS).unwrap_or(text))
}

fn plan_peer(peer: &PeerConfig) -> Peer {
    let label = peer.public_key.to_text().chars().take(LABEL_CHARS).collect();
    Peer {
        label,
        public_key: peer.public_key,
        sites: peer.sites.iter().map(|site| site.clone().into_bytes()).collect(),
        retired: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::key::example;
    use crate::key_file;
    use crate::scratch::Scratch;
    use dataplane::tmp::key::PrivateKey;
    use dataplane::tmp::random::PredictableRandom;

    fn config(flags: &[&str]) -> NodeConfig {
        configure(&BackArgs::from_flags(flags).unwrap()).unwrap()
    }

    #[test]
    fn peers_and_origins_become_a_plan() {
        let folder = Scratch::new();
        let file = folder.path("back.key");
        key_file::create(&file, &PrivateKey::generate(&mut PredictableRandom::new(9)).to_text()).unwrap();
        let peer = format!("{}=shop.example,mail.example", example(1));
        let flags = ["--listen", "127.0.0.1:0", "--key", file.to_str().unwrap(), "--peer", &peer];
        let origins = ["--origin", "shop.example=http://h:9", "--origin", "mail.example=tcp://h:25,proxy=v1"];
        let config = config(&[&flags[..], &origins].concat());
        let plan = &config.plan;
        assert!(plan.sites.is_empty() && plan.listeners.is_empty());
        assert!(plan.is_allowed(0, b"mail.example") && !plan.is_allowed(0, b"other"));
        assert_eq!(plan.origin(b"mail.example", Kind::Tcp), Some(1));
        assert_eq!(plan.peers[0].label, example(1)[..8]);
        assert_eq!(config.listen_udp, [SocketAddr::from(([127, 0, 0, 1], 0)).into()]);
    }

    #[test]
    fn a_back_end_alone_serves_its_http_origins() {
        let config =
            config(&["--http-listen", "127.0.0.1:0", "--origin", "b=tcp://h:1", "--origin", "*=http://h"]);
        assert_eq!((config.plan.sites.len(), config.plan.sites[0].way), (1, Way::Origin(1)));
        assert!(config.key.is_none() && config.listen_udp.is_empty());
    }
}
