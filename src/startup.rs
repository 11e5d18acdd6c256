//! What a node says about itself when it starts: its bounds and their sum.

use crate::args::bounds::BoundArgs;
use crate::args::stopping::StoppingArgs;
use crate::args::timeouts::TimeoutArgs;
use crate::config::NodeConfig;
use crate::form::cpus;
use crate::memory;

/// One line per bound and per holder of memory, for the log.
pub(crate) fn lines(config: &NodeConfig) -> Vec<String> {
    let mut lines = vec![format!("workers on cpus {}", cpus::write(&config.cores.cpus))];
    let mut bound = |name: &'static str, value: String| {
        lines.push(format!("bound {} = {value}", name.replace('_', "-")));
    };
    BoundArgs::each(&config.limits, &mut bound);
    TimeoutArgs::each(&config.limits, &mut bound);
    StoppingArgs::each(&config.limits, &mut bound);
    lines.extend(memory::lines(config));
    lines
}
