//! The door of the origin for tests and benchmarks.

use crate::args::origin::OriginArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::problem::Problems;
use core::time::Duration;
use std::io::ErrorKind;
use tools::drive::IoChoice;
use tools::origin::{Habits, LoadIndex, Mode, OriginError, OriginOptions};
use tools::route::spread_ms;

/// What the flags say.
pub(crate) fn configure(args: &OriginArgs) -> Result<OriginOptions, Problems> {
    let mut problems = Problems::default();
    let listen = take_all(&args.listen, "listen", &mut problems).into_iter().map(|(_, address)| address);
    let cpus = args.cpus.take_or("cpus", &mut problems, None).unwrap_or_default();
    let threads = args.threads.take_or("threads", &mut problems, None).unwrap_or_else(|| cpus.len().max(1));
    let mode = match (args.tcp_echo, args.tcp_discard) {
        (true, _) => Mode::TcpEcho,
        (_, true) => Mode::TcpDiscard,
        _ => Mode::Http,
    };
    let options = OriginOptions {
        listen: listen.collect(),
        mode,
        habits: habits(args, &mut problems),
        io: args.io.take_or("io", &mut problems, IoChoice::Auto),
        cpus,
        seed: args.seed.take_or("seed", &mut problems, 0),
        threads,
        connections_max: args.connections_max.take_or("connections_max", &mut problems, 1),
        idle: args.idle_timeout.take_or("idle_timeout", &mut problems, Duration::ZERO),
    };
    let (threads, connections) = (options.threads, options.connections_max);
    let pinned = options.cpus.is_empty() || options.cpus.len() == threads;
    problems.require((1..=256).contains(&threads), "--threads", "is no usable number", "give 1 to 256");
    problems.require(pinned, "--cpus", "are not as many as --threads", "give one cpu for each thread");
    problems.require(connections > 0, "--connections-max", "lets nobody in", "give at least 1");
    problems.into_result(options)
}

fn habits(args: &OriginArgs, problems: &mut Problems) -> Habits {
    let delay_ms = args.delay.as_deref().map(spread_ms);
    let spread = "write 20, uniform:10-50, exp:20, normal:20,5 or pareto:5,1.5";
    problems.require(delay_ms != Some(None), "--delay", "is no distribution of milliseconds", spread);
    let load_index = match args.load_index.as_str() {
        "off" => Some(LoadIndex::Off),
        "auto" => Some(LoadIndex::Auto),
        text => text.parse().ok().filter(|index| (0.0..=1.0).contains(index)).map(LoadIndex::Fixed),
    };
    problems.require(load_index.is_some(), "--load-index", "is no index", "give off, auto or 0 to 1");
    let is_plain = args.cache_control.as_deref().is_none_or(|text| !text.bytes().any(|byte| byte < b' '));
    problems.require(is_plain, "--cache-control", "has control characters", "leave them out");
    Habits {
        cache_control: args.cache_control.clone(),
        etag: args.etag,
        last_modified: args.last_modified.take_or("last_modified", problems, None).map(i64::from),
        delay_ms: delay_ms.flatten(),
        load_index: load_index.unwrap_or_default(),
        in_flight_max: args.in_flight_max.take_or("in_flight_max", problems, None).unwrap_or(0),
        retry_after_s: args.retry_after.take_or("retry_after", problems, 1),
        busy: args.busy,
    }
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
        OriginError::Uring(_) => Exit::Unable,
        OriginError::Listen(..) | OriginError::Driver(_) => Exit::Failed,
    }
}
