//! The flags of `longhaul key`.

use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul key new --out back.key       makes a private key (0600, never overwrites), prints its public key
  longhaul key show back.key            prints the public key again, for --route and --peer
  longhaul key psk --out pair.psk       makes a secret for --psk; copy the file to the other machine
  longhaul key cookie --out dns.cookie  makes a secret for dns --cookies; copy it to the other servers

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
    /// Make a secret for the DNS cookies of a group of name servers
    Cookie {
        /// The file to make; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}
