//! The flags of `longhaul key`.

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
    /// Make a secret for the DNS cookies of a group of name servers
    Cookie {
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}
