//! The door of the load generator.

use crate::args::load::LoadArgs;
use crate::exit::Exit;
use crate::form::given::take_all;
use crate::problem::{Problems, Wrong};
use crate::show;
use core::time::Duration;
use tools::load::{LoadError, LoadOptions};

/// What the flags say. Whether the options go together is for the load generator to say.
pub(crate) fn configure(args: &LoadArgs) -> Result<LoadOptions, Problems> {
    let mut problems = Problems::default();
    let duration = args.duration.take_or("duration", &mut problems, Duration::ZERO);
    let pids = take_all(&args.pid, "pid", &mut problems).into_iter().map(|(_, pid)| pid);
    let options = LoadOptions {
        urls: args.url.clone(),
        connect: args.connect.take_or("connect", &mut problems, None),
        host: args.host.clone(),
        pids: pids.collect(),
        fields: args.header.iter().filter_map(|text| field(text, &mut problems)).collect(),
        connections: args.connections.take_or("connections", &mut problems, 1),
        rate_per_second: args.rate.take_or("rate", &mut problems, None).map(f64::from),
        duration: (!duration.is_zero()).then_some(duration),
        requests: args.requests.take_or("requests", &mut problems, None),
        keep_alive: !args.no_keep_alive,
        verify: args.verify,
        abort_ppm: args.abort_ppm.take_or("abort_ppm", &mut problems, 0),
        upload_bytes: args.upload.take_or("upload", &mut problems, None),
        upload_chunked: args.upload_chunked,
        timeout: args.timeout.take_or("timeout", &mut problems, Duration::ZERO),
        threads: args.threads.take_or("threads", &mut problems, 1),
        seed: args.seed.take_or("seed", &mut problems, 0),
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

/// Runs to the end and prints what was found.
pub(crate) fn run(options: &LoadOptions, as_json: bool) -> Exit {
    let report = match tools::load::run(options) {
        Ok(report) => report,
        Err(error) => return refused(&error),
    };
    if as_json {
        let json = serde_json::to_string_pretty(&report);
        show::line(&json.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));
    } else {
        show::text(&report.to_string());
    }
    if report.is_clean() { Exit::Done } else { Exit::Different }
}

fn refused(error: &LoadError) -> Exit {
    eprintln!("longhaul {error}");
    match error {
        LoadError::Option(_) | LoadError::Url(..) => Exit::Usage,
        LoadError::Descriptors { .. } => Exit::Unable,
        LoadError::Poll(_) => Exit::Failed,
    }
}
