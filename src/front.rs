//! The door of the front-end: from its flags to what the node is told.

use crate::args::front::FrontArgs;
use crate::assemble::{self, Common, Listeners, Origins};
use crate::config::{CarrierKind, End, NodeConfig, RouteConfig};
use crate::form::given::take_all;
use crate::form::site::{SiteWay, WayText};
use crate::form::tcp::TcpListen;
use crate::problem::{Problems, Wrong};
use crate::tunnel_from;
use core::net::SocketAddr;
use dataplane::exchange::link::{Kind, Way};
use dataplane::role::plan::{Plan, Site};
use dataplane::tmp::limits::PATHS_MAX;
use dataplane::tmp::path_limits::PathLimits;
use dataplane::tmp::spread::{PathUse, Spread};
use std::collections::HashMap;

/// Reads, checks and joins all flags; everything that is wrong at once.
pub(crate) fn configure(args: &FrontArgs) -> Result<NodeConfig, Problems> {
    configure_again(args, None)
}

/// The same for a node that runs already, which keeps its keys.
pub(crate) fn configure_again(
    args: &FrontArgs,
    running: Option<&NodeConfig>,
) -> Result<NodeConfig, Problems> {
    let mut problems = Problems::default();
    let mut sites = Sites::new(args, &mut problems);
    let common = assemble::common(&args.node, &mut problems);
    let listeners = listeners(args, &mut sites, &mut problems);
    listeners.check_admin(common.seeing.admin, &mut problems);
    let may_grow = args.node.tree.config.is_some();
    // Keys are read at the start alone, so one that is there is read for the tunnels that a reload may bring.
    let may_have_tunnels = !args.route.is_empty() || may_grow && args.keys.key.is_some();
    let (key, psk) = assemble::keys(&args.keys, may_have_tunnels, running, &mut problems);
    let hears: Vec<SocketAddr> =
        take_all(&args.reports, "reports", &mut problems).into_iter().map(|(_, at)| at).collect();
    let needs_key = !hears.is_empty() || args.report.has_fronts(&mut Problems::default());
    let report_identity = assemble::report_identity(&args.keys, needs_key, (&key, running), &mut problems);
    let report_as = args.report_as.as_deref().unwrap_or(&args.name);
    let report_before = running.and_then(|running| running.report.as_ref());
    let report = args.report.config(report_as, report_identity.as_ref(), report_before, &mut problems);
    let far_ends = sites.routes.iter().map(|route| (format!("--route {}=…", route.name), &route.public_key));
    assemble::check_peers(key.as_ref(), far_ends, &mut problems);
    let any_family = may_grow && may_have_tunnels;
    let listen_udp = tunnel_from::sockets(&args.tunnel_from, &sites.routes, any_family, &mut problems);
    let plan = Plan {
        listeners: listeners.all,
        sites: sites.all.into(),
        routes: assemble::routes(&common.cores, sites.routes),
        origins: sites.origins.all.into(),
        generation: 0,
        peers: Vec::new(),
        rules: common.rules.clone(),
        trusted_proxies: assemble::networks(&args.trusted_proxy, "trusted_proxy", &mut problems),
        pseudonym: assemble::name(&args.name, &mut problems),
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
        end: End::Front,
        plan,
        limits,
        origins: sites.origins.addresses,
        key,
        psk,
        key_log: args.keys.key_log.clone(),
        listen_udp,
        may_grow,
        cores,
        driver,
        sockets,
        tunnel,
        blender,
        seeing,
        identity,
        control,
        rule_source,
        report,
        report_identity,
        hears,
        memory_limit_bytes,
    };
    assemble::finish(config, problems)
}

/// Sites and what they lead to, while they are being read.
struct Sites {
    all: Vec<Site>,
    by_name: HashMap<String, usize>,
    routes: Vec<RouteConfig>,
    origins: Origins,
    /// Every route could be read, so that a name that is not among them is unknown.
    knows_all_routes: bool,
}

impl Sites {
    fn new(args: &FrontArgs, problems: &mut Problems) -> Self {
        let mut routes: Vec<RouteConfig> = Vec::new();
        let chosen = PathUse {
            spread: args.route_mode.take_or("route_mode", problems, Spread::default()),
            limits: args.route_limit.take_or("route_limit", problems, PathLimits::default()),
        };
        let kind = args.carrier.take_or("carrier", problems, CarrierKind::Udp);
        for (text, mut route) in take_all(&args.route, "route", problems) {
            route.chosen = chosen;
            let first = route.addresses.first().copied().filter(|_| kind == CarrierKind::Auto);
            let has_room = route.addresses.len() + route.carriers.len() < PATHS_MAX;
            let is_new = first.is_some_and(|first| !route.carriers.contains(&first));
            route.carriers.extend(first.filter(|_| has_room && is_new));
            let flag = format!("--route {text}");
            let is_other = routes.iter().all(|known| known.public_key != route.public_key);
            problems.require(
                is_other,
                &flag,
                "leads to the back-end of another route",
                "give every back-end one route",
            );
            let is_new = routes.iter().all(|known| known.name != route.name);
            problems.require(
                is_new,
                flag,
                format!("is a second {}", route.name),
                "give every route its own name",
            );
            routes.push(route);
        }
        let knows_all_routes = routes.len() == args.route.len();
        let mut sites = Self {
            all: Vec::new(),
            by_name: HashMap::new(),
            routes,
            origins: Origins::default(),
            knows_all_routes,
        };
        for (text, site) in take_all(&args.site, "site", problems) {
            sites.add(&format!("--site {text}"), site, problems);
        }
        for (text, (name, site)) in take_all(&args.site_alias, "site_alias", problems) {
            sites.alias(&format!("--site-alias {text}"), name, site, problems);
        }
        problems.require(
            !args.site.is_empty() || args.listen.is_empty(),
            "--site",
            "is missing: nothing that HTTP clients ask for would be known",
            "give at least one SITE=ROUTE or SITE=http://HOST:PORT",
        );
        sites
    }

    fn add(&mut self, flag: &str, site: SiteWay, problems: &mut Problems) {
        let SiteWay { site: name, way } = site;
        let is_new = self.find(&name).is_none();
        problems.require(is_new, flag, format!("is a second {name}"), "say once where a site goes");
        let ways: Vec<Way> = match way {
            WayText::Routes(routes) => {
                routes.iter().filter_map(|route| self.route(flag, route, problems)).collect()
            }
            WayText::Origin(target) => vec![Way::Origin(self.origins.add(&name, target))],
        };
        if let Some((way, others)) = ways.split_first() {
            self.push(name, *way, others.to_vec());
        }
    }

    /// A further name of a site, which goes where that goes.
    fn alias(&mut self, flag: &str, name: String, site: String, problems: &mut Problems) {
        let is_new = self.find(&name).is_none();
        problems.require(is_new, flag, format!("is a second {name}"), "give every name once");
        match self.find(&site).map(|site| &self.all[site]).filter(|site| site.alias_of.is_none()) {
            Some(Site { way, others, .. }) => {
                let (way, others) = (*way, others.clone());
                let number = self.push(name, way, others);
                self.all[number].alias_of = Some(site);
            }
            None => {
                let instead = format!("give --site {site}=ROUTE, or another");
                problems.add(flag, &Wrong::new(format!("there is no site {site}"), instead));
            }
        }
    }

    /// Its number.
    fn push(&mut self, name: String, way: Way, others: Vec<Way>) -> usize {
        self.by_name.insert(name.clone(), self.all.len());
        self.all.push(Site { name, way, others, alias_of: None, retired: None });
        self.all.len() - 1
    }

    fn route(&self, flag: &str, name: &str, problems: &mut Problems) -> Option<Way> {
        let found = self.routes.iter().position(|route| route.name == name);
        if found.is_none() && self.knows_all_routes {
            let names: Vec<&str> = self.routes.iter().map(|route| route.name.as_str()).collect();
            let instead = match names.as_slice() {
                [] => format!("give --route {name}=KEY@ADDR, or an origin: http://HOST:PORT"),
                names => format!("name one of {}, or give --route {name}=KEY@ADDR", names.join(", ")),
            };
            problems.add(flag, &Wrong::new(format!("there is no route {name}"), instead));
        }
        found.map(|index| Way::Route(index as u16))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The site of a plain TCP listener. If it was not given by itself it goes where `*` goes, else over the only
    /// route.
    fn tcp_site(&mut self, flag: &str, name: &str, problems: &mut Problems) -> Option<u16> {
        let found = self.find(name).or_else(|| self.find("*")).map(|site| &self.all[site]);
        let (way, others) = if let Some(site) = found {
            (site.way, site.others.clone())
        } else if self.routes.len() == 1 && self.knows_all_routes {
            (Way::Route(0), Vec::new())
        } else {
            // With a route that could not be read nobody knows whether it is the only one.
            let what = format!("nothing says where {name} goes");
            let instead = format!("give --site {name}=ROUTE or --site {name}=tcp://HOST:PORT");
            problems.require(!self.knows_all_routes, flag, what, instead);
            return None;
        };
        self.check_tcp_way(flag, name, way, problems);
        let site = self.find(name).unwrap_or_else(|| self.push(name.to_owned(), way, others));
        Some(site as u16)
    }

    fn check_tcp_way(&self, flag: &str, name: &str, way: Way, problems: &mut Problems) {
        let is_http = match way {
            Way::Route(_) => false,
            Way::Origin(origin) => self.origins.all[usize::from(origin)].kind == Kind::Http,
        };
        let instead = format!("give --site {name}=tcp://HOST:PORT or a route");
        problems.require(!is_http, flag, format!("{name} goes to an HTTP origin"), instead);
    }
}

fn listeners(args: &FrontArgs, sites: &mut Sites, problems: &mut Problems) -> Listeners {
    let mut listeners = Listeners::default();
    problems.require(
        !args.listen.is_empty() || !args.tcp.is_empty(),
        "--listen",
        "is missing: nobody could reach this front-end",
        "give --listen ADDR for HTTP, or --tcp ADDR=SITE",
    );
    for (text, listen) in take_all(&args.listen, "listen", problems) {
        listeners.add(&format!("--listen {text}"), listen, None, problems);
    }
    for (text, TcpListen { listen, site }) in take_all(&args.tcp, "tcp", problems) {
        let flag = format!("--tcp {text}");
        let site = sites.tcp_site(&flag, &site, problems);
        listeners.add(&flag, listen, site, problems);
    }
    listeners
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
        configure(&FrontArgs::from_flags(flags).unwrap()).unwrap()
    }

    #[test]
    fn sites_routes_and_listeners_become_a_plan() {
        let folder = Scratch::new();
        let file = folder.path("front.key");
        key_file::create(&file, &PrivateKey::generate(&mut PredictableRandom::new(9)).to_text()).unwrap();
        let east = format!("east={}@127.0.0.1:7000", example(1));
        let west = format!("west={}@[::1]:7000,127.0.0.1:7001", example(2));
        let key = file.to_str().unwrap();
        let flags =
            ["--listen", "127.0.0.1:8080,proxy", "--tcp", "127.0.0.1:2525=mail.example", "--key", key];
        let ways = ["--route", &east, "--route", &west, "--site", "shop.example=west", "--site", "*=east"];
        let config =
            config(&[&flags[..], &ways, &["--class", "path=/a/*:0", "--class", "default:3"]].concat());
        let plan = &config.plan;
        assert_eq!(
            plan.site(b"shop.example").map(|site| plan.sites[usize::from(site)].way),
            Some(Way::Route(1))
        );
        assert_eq!(plan.site(b"other").map(|site| plan.sites[usize::from(site)].way), Some(Way::Route(0)));
        assert!(plan.listeners[0].proxy && plan.listeners[0].tcp_site.is_none());
        let mail = usize::from(plan.listeners[1].tcp_site.unwrap());
        assert_eq!((plan.sites[mail].name.as_str(), plan.sites[mail].way), ("mail.example", Way::Route(0)));
        assert_eq!((plan.rules.requests.len(), plan.rules.class_default), (1, 3));
        assert_eq!((plan.routes.len(), plan.routes[1].addresses.len()), (2, 2));
        assert!(config.key.is_some() && config.psk.is_none());
        let from: Vec<String> = config.listen_udp.iter().map(|socket| socket.address.to_string()).collect();
        assert_eq!(from, ["0.0.0.0:0", "[::]:0"]);
    }

    #[test]
    fn a_front_end_alone_needs_no_key_and_has_no_tunnel() {
        let config = config(&[
            "--listen",
            "[::1]:0",
            "--listen",
            "[::1]:0",
            "--site",
            "a=http://h",
            "--site",
            "b=tcp://h:1",
        ]);
        assert!(config.key.is_none() && config.listen_udp.is_empty() && config.plan.routes.is_empty());
        assert_eq!(config.origins[0], crate::config::OriginAddress { host: "h".into(), port: 80 });
        assert_eq!(config.plan.origins[1].kind, Kind::Tcp);
    }

    #[test]
    fn a_tcp_site_goes_over_the_only_route_without_a_site_flag() {
        let folder = Scratch::new();
        let file = folder.path("front.key");
        key_file::create(&file, &PrivateKey::generate(&mut PredictableRandom::new(9)).to_text()).unwrap();
        let east = format!("east={}@127.0.0.1:7000", example(1));
        let config =
            config(&["--tcp", "127.0.0.1:25=mail", "--route", &east, "--key", file.to_str().unwrap()]);
        assert_eq!((config.plan.sites.len(), config.plan.sites[0].way), (1, Way::Route(0)));
        assert_eq!(config.listen_udp, [SocketAddr::from(([0; 4], 0)).into()]);
    }
}
