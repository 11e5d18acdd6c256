//! Which files hold a node's keys.

use std::path::PathBuf;

/// Needed as soon as there is a tunnel.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Keys")]
pub(crate) struct KeyFileArgs {
    /// File with this machine's private key (`longhaul key new --out FILE`), readable by nobody else
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// File with the secret that both ends share beside their keys (`longhaul key psk --out FILE`)
    #[arg(long, value_name = "FILE")]
    pub(crate) psk: Option<PathBuf>,
    /// Append the secrets of every session to this file, for `longhaul tmp dump`: whoever reads the file and a capture
    /// reads every byte of the tunnels. For looking into trouble, never for long
    #[arg(long, value_name = "FILE")]
    pub(crate) key_log: Option<PathBuf>,
}
