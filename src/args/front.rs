//! The flags of `longhaul front`.

use crate::args::keys::KeyFileArgs;
use crate::args::node::NodeArgs;
use crate::args::reporting::ReportArgs;
use crate::config::CarrierKind;
use crate::form::address::Address;
use crate::form::departure::DepartureForm;
use crate::form::given::Given;
use crate::form::limits::Limits;
use crate::form::listen::Listen;
use crate::form::network::Network;
use crate::form::route::Route;
use crate::form::site::Site;
use crate::form::site_alias::SiteAlias;
use crate::form::tcp::Tcp;
use crate::form::word::Word;
use clap::{Args, Command, FromArgMatches};
use dataplane::tmp::path_limits::PathLimits;
use dataplane::tmp::spread::Spread;
use std::ffi::OsString;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  A site over one back-end, HTTP on port 80 in both families, figures on loopback:
    longhaul front --listen 0.0.0.0:80 --listen '[::]:80' --key front.key \\
                   --route east=BACK_PUBLIC_KEY@192.0.2.9:7000 \\
                   --site shop.example=east --admin 127.0.0.1:8088
  Everything else over another back-end, and mail beside it:
    … --route west=OTHER_PUBLIC_KEY@198.51.100.4:7000 --site '*=west' \\
      --site mail.example=east --tcp 0.0.0.0:25=mail.example
  Behind a balancer that speaks the PROXY protocol; checkout first, the crawlers' map last:
    … --listen 10.0.0.5:8080,proxy --class 'path=/checkout/*:0' \\
      --class path=/sitemap.xml:4 --class default:2
  Alone, without tunnel and keys:
    longhaul front --listen 127.0.0.1:8080 --site shop.example=http://127.0.0.1:9000

Signals: SIGTERM and SIGINT drain, a second one ends at once; SIGUSR1 reopens the access log;
SIGHUP reads the tree (--config) or the --rules file again, whole or not at all.
Exit statuses: 0 done, 1 failed, 2 wrong flags or files, 4 machine not able, 75 try again.";

/// Takes the users' connections and carries them over tunnels to back-ends (or straight to origins)
#[derive(clap::Args, Clone, Debug)]
#[command(
    long_about = "The front-end, near the users: takes their connections, gives each request a class and carries it \
                  over an encrypted UDP tunnel to a back-end, the important ones first. Sizes take k, m and g \
                  (powers of 1,024); times take us, ms, s, m and h.",
    after_long_help = EXAMPLES,
    next_help_heading = "Addresses"
)]
pub(crate) struct FrontArgs {
    /// Listen for HTTP here; `,proxy` expects a PROXY protocol header (v1 or v2) on every connection; repeatable
    #[arg(long, value_name = "ADDR[,proxy]")]
    pub(crate) listen: Vec<Given<Listen>>,
    /// Listen here for plain TCP that belongs to a site; the site's own --site, else that of *, else the only
    /// route says where it goes; repeatable
    #[arg(long, value_name = "ADDR[,proxy]=SITE")]
    pub(crate) tcp: Vec<Given<Tcp>>,
    /// Where a site's requests go: to a route (of several the first whose tunnel is up), or straight to an origin at http://HOST[:PORT] (or tcp://HOST:PORT for
    /// --tcp); `*` takes what no other takes, unknown names get 421; repeatable
    #[arg(long, value_name = "SITE=ROUTE[,ROUTE…]|URL")]
    pub(crate) site: Vec<Given<Site>>,
    /// Serve a site under this name too, which is one machine's own: the next hop is told the site's name, and nobody who
    /// asks for it is sent elsewhere; repeatable
    #[arg(long, value_name = "NAME=SITE")]
    pub(crate) site_alias: Vec<Given<SiteAlias>>,
    /// A way to a back-end: its public key and where it listens; a path leads to each of up to four addresses, over TCP where
    /// `tcp+` stands before it (or before the key, for all); repeatable
    #[arg(long, value_name = "NAME=KEY@ADDR[,ADDR…]")]
    pub(crate) route: Vec<Given<Route>>,
    /// Whether routes also have their first address as a last path over TCP, where the back-end has its --carrier-listen, for
    /// networks that let no UDP through: `auto` or `udp`
    #[arg(long, value_name = "KIND", default_value_t = Given::of(CarrierKind::Udp))]
    pub(crate) carrier: Given<Word<CarrierKind>>,
    /// How routes of several addresses use their paths: `failover`, everything on the first that is good; `best`, on the one
    /// with the shortest round trip; `bond`, each packet on the one on which it arrives first; `duplicate`, as failover, and
    /// urgent data on a second one, too
    #[arg(long, value_name = "MODE", default_value_t = Given::of(Spread::Failover))]
    pub(crate) route_mode: Given<Word<Spread>>,
    /// When a path is left for another, or a route of a site for its next one, besides being dead or four times slower than it
    /// was: some of `rtt=150ms`, `loss=3%` (of ten seconds) and `queue=50ms` (on the way), with commas; and `wait=200ms`, when it
    /// is full (what waits to be sent takes so long) and others take what is beyond; or `off`
    #[arg(long, value_name = "LIMITS", default_value_t = Given::of(PathLimits::default()))]
    pub(crate) route_limit: Given<Limits>,
    /// Send the tunnels' datagrams from here, an address or a network device (`%eth1`, `192.0.2.1:0%eth1`), whatever the routing
    /// table says; where there are several of a family, each path of a route leaves from another, in turn; without it from any
    /// address and port; repeatable
    #[arg(long, visible_alias = "bind", value_name = "ADDR|%DEVICE")]
    pub(crate) tunnel_from: Vec<Given<DepartureForm>>,
    /// Believe the forwarding fields (X-Forwarded-For, -Proto, -Host, Forwarded) of clients in this network, and append to
    /// them: a balancer of your own; everybody else's are replaced; repeatable
    #[arg(long, value_name = "CIDR")]
    pub(crate) trusted_proxy: Vec<Given<Network>>,
    /// The name that Via fields and decision records carry
    #[arg(long, value_name = "NAME", default_value = "longhaul-front")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    /// Take reports of other nodes here, UDP, to know which clients another front-end serves better, where the tree says that
    /// they are sent there; repeatable
    #[arg(long, value_name = "ADDR", help_heading = "Reports")]
    pub(crate) reports: Vec<Given<Address>>,
    /// The name in which reports are made: this node's in the tree
    #[arg(long, value_name = "NAME", requires = "report_key", help_heading = "Reports")]
    pub(crate) report_as: Option<String>,
    #[command(flatten)]
    pub(crate) keys: KeyFileArgs,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

impl FrontArgs {
    /// The same from a list of flags; for nodes that the program itself starts. The error is clap's sentence.
    pub(crate) fn from_flags<T: Into<OsString> + Clone>(
        flags: impl IntoIterator<Item = T>,
    ) -> Result<Self, String> {
        let command = Self::augment_args(Command::new("front").no_binary_name(true));
        let matches = command.try_get_matches_from(flags).map_err(|error| error.to_string())?;
        Self::from_arg_matches(&matches).map_err(|error| error.to_string())
    }
}
