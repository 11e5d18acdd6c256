//! The door of the load generator.

use crate::args::load::LoadArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::problem::{Problems, Wrong};
use crate::show;
use controlplane::signal::{Signal, Signals};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::IsTerminal;
use tools::drive::IoChoice;
use tools::load::{Arrivals, DnsOptions, LoadError, LoadOptions, read_mix};

/// How long the thread that waits for signals waits at a time.
const LISTEN: Duration = Duration::from_secs(3_600);

/// What the flags say. Whether the options go together is for the load generator to say.
pub(crate) fn configure(args: &LoadArgs) -> Result<LoadOptions, Problems> {
    let mut problems = Problems::default();
    let cpus = args.cpus.take_or("cpus", &mut problems, None).unwrap_or_default();
    let threads = args.threads.take_or("threads", &mut problems, None).unwrap_or_else(|| cpus.len().max(1));
    let client_subnet = args.client_subnet.take_or("client_subnet", &mut problems, None);
    let dns = DnsOptions { names: args.names.clone(), client_subnet };
    let duration = args.duration.take_or("duration", &mut problems, Duration::ZERO);
    let pids = take_all(&args.pid, "pid", &mut problems).into_iter().map(|(_, pid)| pid);
    let options = LoadOptions {
        urls: args.url.clone(),
        mix: None,
        connect: args.connect.take_or("connect", &mut problems, None),
        host: args.host.clone(),
        pids: pids.collect(),
        fields: args.header.iter().filter_map(|text| field(text, &mut problems)).collect(),
        connections: args.connections.take_or("connections", &mut problems, 1),
        rate_per_second: args.rate.take_or("rate", &mut problems, None).map(f64::from),
        arrivals: args.arrivals.take_or("arrivals", &mut problems, Arrivals::Constant),
        pipeline: args.pipeline.take_or("pipeline", &mut problems, 1),
        duration: (!duration.is_zero()).then_some(duration),
        requests: args.requests.take_or("requests", &mut problems, None),
        keep_alive: !args.no_keep_alive,
        verify: args.verify,
        abort_ppm: args.abort_ppm.take_or("abort_ppm", &mut problems, 0),
        upload_bytes: args.upload.take_or("upload", &mut problems, None),
        upload_chunked: args.upload_chunked,
        timeout: args.timeout.take_or("timeout", &mut problems, Duration::ZERO),
        threads,
        cpus,
        io: args.io.take_or("io", &mut problems, IoChoice::Auto),
        seed: args.seed.take_or("seed", &mut problems, 0),
        dns,
        look_first: true,
        progress: std::io::stderr().is_terminal(),
        hdr: args.hdr.clone(),
        plot: args.plot.clone(),
    };
    problems.into_result(options)
}

fn field(text: &str, problems: &mut Problems) -> Option<(String, String)> {
    let Some((name, value)) = text.split_once(':') else {
        let wrong = Wrong::new("has no colon", "write 'Name: value'");
        problems.add(format_args!("--header {text}"), &wrong);
        return None;
    };
    Some((name.to_owned(), value.trim().to_owned()))
}

/// Runs to the end, or until a signal, and prints what was found.
pub(crate) fn run(options: &LoadOptions, args: &LoadArgs) -> Exit {
    let mut options = options.clone();
    match args.mix.as_deref().map(read_mix).transpose() {
        Ok(mix) => options.mix = mix,
        Err(error) => return refused(&error),
    }
    let report = match run_until_signal(&options) {
        Ok(report) => report,
        Err(error) => return refused(&error),
    };
    if args.json {
        let json = serde_json::to_string_pretty(&report);
        show::line(&json.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));
    } else {
        show::text(&report.to_string());
    }
    if report.is_clean() { Exit::Done } else { Exit::Different }
}

fn run_until_signal(options: &LoadOptions) -> Result<tools::load::LoadReport, LoadError> {
    static STOP: AtomicBool = AtomicBool::new(false);
    // Blocked here, before the load's threads start and inherit it.
    let signals = Signals::block().map_err(LoadError::Driver)?;
    // The thread ends with the process.
    std::thread::spawn(move || {
        while signals.wait(LISTEN) != Some(Signal::Terminate) {}
        STOP.store(true, Ordering::Relaxed);
    });
    tools::load::run_until(options, &STOP)
}

fn refused(error: &LoadError) -> Exit {
    eprintln!("longhaul {error}");
    match error {
        LoadError::Option(_) | LoadError::Url(..) | LoadError::Mistake(_) => Exit::Usage,
        LoadError::Nobody(..) | LoadError::File(..) => Exit::Usage,
        LoadError::Descriptors { .. } | LoadError::Uring(_) => Exit::Unable,
        LoadError::Driver(_) => Exit::Failed,
    }
}
