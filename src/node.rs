//! The node: starts workers, tunnels and the threads beside them, waits for signals, drains. Not yet connected.

use crate::config::NodeConfig;
use crate::exit::Exit;

/// Runs a node until it is told to stop. Blocks; what went wrong has been logged when it returns.
pub(crate) fn run(config: &NodeConfig) -> Exit {
    eprintln!("longhaul {}: the node is not connected to this door yet", config.end.name());
    Exit::Failed
}
