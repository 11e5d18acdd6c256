//! The flags of `longhaul key`.

use crate::form::address::Address;
use crate::form::given::Given;
use crate::form::span::Span;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul key new --out back.key       makes a private key (0600, never overwrites), prints its public key
  longhaul key show back.key            prints the public key again, for --route and --peer
  longhaul key psk --out pair.psk       makes a secret for --psk; copy the file to the other machine
  longhaul key cookie --out dns.cookie  makes a secret for dns --cookies; copy it to the other servers
  longhaul key report --out reports.key makes the secret behind all keys of reports; copy it to the name servers
  longhaul key report --of reports.key --node fra1 --out fra1.report    makes the key of one node from it
  longhaul key invite --invitations DIR --key holder.key --at 192.0.2.9:7355 --roles front --out fra2.invitation
                                        makes an invitation for `longhaul join`

Private keys and secrets are read only from regular files that nobody but their owner can read.";

/// Makes keys and shows public keys
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) door: KeyDoor,
}

/// What is done with keys.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum KeyDoor {
    /// Make a private key and print its public key
    New {
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public key of a private key
    Show {
        /// The file with the private key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a secret that both ends share beside their keys
    Psk {
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make the secret behind all keys of reports, or from it the key of one node
    Report {
        /// The secret that the node's key is made from
        #[arg(long, value_name = "FILE", requires = "node")]
        of: Option<PathBuf>,
        /// The node whose key it is
        #[arg(long, value_name = "NAME", requires = "of")]
        node: Option<String>,
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make an invitation to join the network, for one machine, once
    Invite(InviteArgs),
    /// Make a secret for the DNS cookies of a group of name servers
    Cookie {
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Who is invited.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct InviteArgs {
    /// The folder where the holder of the tree keeps its invitations (`longhaul config serve`)
    #[arg(long, value_name = "DIR")]
    pub(crate) invitations: PathBuf,
    /// The file with the holder's private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where the holder is reached; repeatable
    #[arg(long, value_name = "ADDR", required = true)]
    pub(crate) at: Vec<Given<Address>>,
    /// Roles that the machine may take
    #[arg(long, value_name = "ROLE[,ROLE…]", value_delimiter = ',', required = true)]
    pub(crate) roles: Vec<String>,
    /// The name that it must take; its own choice if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The public key that it must have; its own choice if not given
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: Option<String>,
    /// A probe of the tree that looks at the machine from then on; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) probe: Vec<String>,
    /// How long the invitation holds
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) valid: Given<Span>,
    /// The file for the guest; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}
