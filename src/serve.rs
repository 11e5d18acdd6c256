//! From a whole configuration to a running node: says what was decided, then runs.

use crate::config::NodeConfig;
use crate::exit::Exit;
use crate::node;
use crate::node_tree::TreeSource;
use crate::startup;
use controlplane::logs::daemon;

/// Runs the node until it is told to stop; the tree, if it runs from one, is read again on request.
pub(crate) fn run(config: &NodeConfig, tree: Option<&TreeSource>) -> Exit {
    daemon::set_level_max(config.seeing.log_level);
    for line in startup::lines(config) {
        daemon::info(&line, &[]);
    }
    node::run(config, tree)
}
