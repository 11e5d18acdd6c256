//! From a whole configuration to a running node: says what was decided, then runs.

use crate::config::NodeConfig;
use crate::exit::Exit;
use crate::node;
use crate::startup;
use controlplane::logs::daemon;

/// Runs the node until it is told to stop.
pub(crate) fn run(config: &NodeConfig) -> Exit {
    daemon::set_level_max(config.seeing.log_level);
    for line in startup::lines(config) {
        daemon::info(&line, &[]);
    }
    node::run(config)
}
