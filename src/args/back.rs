//! The flags of `longhaul back`.

use crate::args::keys::KeyFileArgs;
use crate::args::node::NodeArgs;
use crate::form::address::Address;
use crate::form::given::Given;
use crate::form::listen::Listen;
use crate::form::network::Network;
use crate::form::origin::Origin;
use crate::form::peer::Peer;
use clap::{Args, Command, FromArgMatches};
use std::ffi::OsString;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  Two sites for one front-end:
    longhaul back --listen 0.0.0.0:7000 --key back.key \\
                  --peer FRONT_PUBLIC_KEY=shop.example,mail.example \\
                  --origin shop.example=http://127.0.0.1:9000 \\
                  --origin mail.example=tcp://127.0.0.1:25
  An origin that wants to know the users' addresses:
    … --origin shop.example=http://10.0.0.8:80,proxy=v2
  Alone, without front-end and keys:
    longhaul back --http-listen 127.0.0.1:8080 --origin shop.example=http://127.0.0.1:9000

Signals: SIGTERM and SIGINT drain, a second one ends at once; SIGUSR1 reopens the access log;
SIGHUP reads the tree (--config) or the --rules file again, whole or not at all.
Exit statuses: 0 done, 1 failed, 2 wrong flags or files, 4 machine not able, 75 try again.";

/// Ends the tunnels of front-ends and speaks to the origin servers
#[derive(clap::Args, Clone, Debug)]
#[command(
    long_about = "The back-end, near the origin servers: ends the tunnels of the front-ends that it knows and carries \
                  their requests to the origins over kept connections. Sizes take k, m and g (powers of 1,024); \
                  times take us, ms, s, m and h.",
    after_long_help = EXAMPLES,
    next_help_heading = "Addresses"
)]
pub(crate) struct BackArgs {
    /// Listen for tunnels on this UDP address; repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<Given<Address>>,
    /// Take tunnels over TCP here, too, for front-ends whose way lets no UDP through (`--route NAME=KEY@ADDR,tcp+ADDR` there);
    /// repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) carrier_listen: Vec<Given<Address>>,
    /// A front-end that is let in, by its public key, and the sites that it may open (`*` for all; `none` for a prober, which
    /// may only knock); repeatable
    #[arg(long, value_name = "KEY=SITE[,SITE…]")]
    pub(crate) peer: Vec<Given<Peer>>,
    /// Where a site is served: http://HOST[:PORT] or tcp://HOST:PORT; `,proxy=v1` or `,proxy=v2` sends a PROXY protocol
    /// header on every connection; `*` serves what no other serves; repeatable
    #[arg(long, value_name = "SITE=URL[,proxy=V]")]
    pub(crate) origin: Vec<Given<Origin>>,
    /// Listen for HTTP here too, for users without a front-end; `,proxy` expects a PROXY protocol header; repeatable
    #[arg(long, value_name = "ADDR[,proxy]")]
    pub(crate) http_listen: Vec<Given<Listen>>,
    /// Believe the forwarding fields (X-Forwarded-For, -Proto, -Host, Forwarded) of --http-listen's clients in this
    /// network, and append to them; everybody else's are replaced; repeatable
    #[arg(long, value_name = "CIDR")]
    pub(crate) trusted_proxy: Vec<Given<Network>>,
    /// The name that Via fields and decision records carry
    #[arg(long, value_name = "NAME", default_value = "longhaul-back")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) keys: KeyFileArgs,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

impl BackArgs {
    /// The same from a list of flags; for nodes that the program itself starts. The error is clap's sentence.
    pub(crate) fn from_flags<T: Into<OsString> + Clone>(
        flags: impl IntoIterator<Item = T>,
    ) -> Result<Self, String> {
        let command = Self::augment_args(Command::new("back").no_binary_name(true));
        let matches = command.try_get_matches_from(flags).map_err(|error| error.to_string())?;
        Self::from_arg_matches(&matches).map_err(|error| error.to_string())
    }
}
