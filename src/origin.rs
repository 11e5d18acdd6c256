//! The door of the origin for tests and benchmarks.

use crate::args::origin::OriginArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::problem::Problems;
use core::time::Duration;
use std::io::ErrorKind;
use tools::origin::{Mode, OriginError, OriginOptions};

/// What the flags say.
pub(crate) fn configure(args: &OriginArgs) -> Result<OriginOptions, Problems> {
    let mut problems = Problems::default();
    let listen = take_all(&args.listen, "listen", &mut problems).into_iter().map(|(_, address)| address);
    let options = OriginOptions {
        listen: listen.collect(),
        mode: if args.tcp_echo { Mode::TcpEcho } else { Mode::Http },
        threads: args.threads.take_or("threads", &mut problems, 1),
        connections_max: args.connections_max.take_or("connections_max", &mut problems, 1),
        idle: args.idle_timeout.take_or("idle_timeout", &mut problems, Duration::ZERO),
    };
    let (threads, connections) = (options.threads, options.connections_max);
    problems.require((1..=256).contains(&threads), "--threads", "is no usable number", "give 1 to 256");
    problems.require(connections > 0, "--connections-max", "lets nobody in", "give at least 1");
    problems.into_result(options)
}

/// Serves until it is killed; says where on standard error.
pub(crate) fn run(options: &OriginOptions) -> Exit {
    let ended = tools::origin::run(options, |addresses, _stopper| {
        for address in addresses {
            eprintln!("longhaul origin: listening on {address}");
        }
    });
    let Err(error) = ended else { return Exit::Done };
    eprintln!("longhaul {error}");
    match error {
        OriginError::Nothing => Exit::Usage,
        OriginError::Listen(_, error) if error.kind() == ErrorKind::AddrInUse => Exit::TryAgain,
        OriginError::Listen(..) | OriginError::Poll(_) => Exit::Failed,
    }
}
