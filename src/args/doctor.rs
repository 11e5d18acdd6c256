//! The flags of `longhaul doctor`.

use crate::form::given::Given;
use crate::form::route::Back;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
One row per question: ok, warn (it runs, with the loss that the row names) or fail; what was found,
and what to do about it. Everything is tried, not read off version numbers; it takes under two
seconds and changes nothing. With --back the way to a back-end is tried instead: whether tunnels pass
over UDP, and over TCP (--carrier-listen there).

Examples:
  longhaul doctor && longhaul demo --check
  longhaul doctor --key front.key --psk pair.psk --back BACK_PUBLIC_KEY@192.0.2.9:7000

Exit statuses: 0 this machine, or the way, will do, 4 it will not do as it is.";

/// Tries what the data plane needs of this machine, or whether the way to a back-end lets tunnels through, and says what to do
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Try the way to this back-end: its public key and where it listens, as in --route; `tcp+` before an address that takes
    /// TCP alone
    #[arg(long, value_name = "KEY@ADDR[,ADDR…]")]
    pub(crate) back: Option<Given<Back>>,
    /// File with the front-end's private key, which the back-end knows
    #[arg(long, value_name = "FILE", requires = "back")]
    pub(crate) key: Option<PathBuf>,
    /// File with the secret that both ends share
    #[arg(long, value_name = "FILE", requires = "back")]
    pub(crate) psk: Option<PathBuf>,
}
