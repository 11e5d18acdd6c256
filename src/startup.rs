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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::front::FrontArgs;
    use crate::front;
    use crate::memory::{enough, excess, holders, sum};

    fn config(flags: &[&str]) -> NodeConfig {
        let base = ["--listen", "127.0.0.1:0", "--site", "*=http://h", "--cpus", "0"];
        front::configure(&FrontArgs::from_flags([&base[..], flags].concat()).unwrap()).unwrap()
    }

    #[test]
    fn the_sum_follows_the_bounds() {
        let (small, large) = (config(&[]), config(&["--queue-bytes", "1g"]));
        let difference = sum(&holders(&large)) - sum(&holders(&small));
        assert_eq!(difference, (1 << 30) - (128 << 20));
        assert_eq!(memory::lines(&small).len(), holders(&small).len() + 2);
        assert!(lines(&small).iter().any(|line| line == "bound connections-max = 10000"));
    }

    #[test]
    fn what_is_enough_is_enough() {
        let enough = enough(&config(&[]));
        assert!(excess(&config(&["--mem-limit", &enough])).is_none());
        assert!(excess(&config(&["--mem-limit", "off"])).is_none());
        let base = ["--listen", "127.0.0.1:0", "--site", "*=http://h", "--cpus", "0", "--mem-limit", "100m"];
        let problems = front::configure(&FrontArgs::from_flags(base).unwrap()).unwrap_err();
        assert!(problems.lines()[0].contains(&format!("--mem-limit {enough}")), "{problems:?}");
    }
}
