//! The flags of `longhaul join`.

use crate::form::address::Address;
use crate::form::given::Given;
use crate::form::ip::Ip;
use crate::form::listen::Listen;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  On the machine that holds the tree, once for each new one; the file goes to the new machine by hand:
    longhaul key invite --invitations invitations --key holder.key --at 192.0.2.9:7355 \\
                        --roles front,probe --out fra2.invitation
  There, all the time:
    longhaul config serve longhaul.toml --listen 0.0.0.0:7355 --key holder.key \\
                        --invitations invitations --reload /run/longhaul-dns/ctl
  On the new machine:
    longhaul key new --out fra2.key
    longhaul join --invitation fra2.invitation --name fra2 --roles front,probe --key fra2.key \\
                  --address 198.51.100.7 --listen 0.0.0.0:80
    longhaul front --config longhaul.toml --node fra2

Exit statuses: 0 joined, 1 refused (the reason is said), 2 wrong flags or files, 75 nobody answers: try again.";

/// Registers this machine in the network's tree, with an invitation of the machine that holds it
#[derive(clap::Args, Clone, Debug)]
#[command(
    long_about = "Registers this machine in the network's tree, with an invitation of the machine that holds it, and \
                  writes what it needs to run: the tree, its key of reports, the secret of all pairs. Nothing is \
                  overwritten. The conversation is encrypted and each side knows the other's key.",
    after_long_help = EXAMPLES
)]
pub(crate) struct JoinArgs {
    /// The file with the invitation (`longhaul key invite`)
    #[arg(long, value_name = "FILE")]
    pub(crate) invitation: PathBuf,
    /// The name that this machine will have
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What it will do: front, back, dns, probe
    #[arg(long, value_name = "ROLE[,ROLE…]", value_delimiter = ',', required = true)]
    pub(crate) roles: Vec<String>,
    /// The file with its private key (`longhaul key new`)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// One of its public addresses; repeatable
    #[arg(long, value_name = "IP")]
    pub(crate) address: Vec<Given<Ip>>,
    /// Where it stands: what fails together with it; its own name if not given
    #[arg(long, value_name = "POP")]
    pub(crate) pop: Option<String>,
    /// Where it listens for users, as a front-end; repeatable
    #[arg(long, value_name = "ADDR[,proxy]")]
    pub(crate) listen: Vec<Given<Listen>>,
    /// Where it listens for tunnels, as a back-end; repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen_tunnels: Vec<Given<Address>>,
    /// The name that is its own, as a front-end to which clients may be sent: http://HOST[:PORT]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The folder for the tree and the secrets
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}
