//! One run: check the options, start the threads, add up what they found.

use crate::clock::Clock;
use crate::descriptors;
use crate::load::cpu::Meter;
use crate::load::options::{LoadError, LoadOptions};
use crate::load::report::LoadReport;
use crate::load::schedule::{Schedule, Share};
use crate::load::tally::Tally;
use crate::load::target::Target;
use crate::load::worker::Worker;
use core::sync::atomic::AtomicBool;

/// The highest rate: above it starts would lie closer together than a clock's microsecond per thread can tell.
const RATE_MAX: f64 = 1e6;

/// Runs the load to its end and reports. Blocks; errors are the operator's (options, limits), never the peer's.
pub fn run(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    run_until(options, &AtomicBool::new(false))
}

/// The same, ending early (within 100 ms, then as soon as running requests are answered) once `stop` is set.
pub fn run_until(options: &LoadOptions, stop: &AtomicBool) -> Result<LoadReport, LoadError> {
    check(options)?;
    let targets = options.urls.iter().map(|url| Target::new(url, options)).collect::<Result<Vec<_>, _>>()?;
    let wanted = options.connections as u64;
    let allowed = descriptors::room_for(wanted);
    if allowed < wanted {
        return Err(LoadError::Descriptors { wanted, allowed });
    }
    let meter = (!options.pids.is_empty()).then(|| Meter::start(&options.pids));
    let clock = Clock::start();
    let start = clock.now();
    let threads = options.threads as u64;
    let workers = (0..threads).map(|index| {
        let share = Share { index, count: threads };
        let schedule =
            Schedule::new(start, options.rate_per_second, options.duration, options.requests, share);
        let (places, seed) = (share.of(wanted) as usize, options.seed.wrapping_add(index));
        Worker::new(options, &targets, stop, clock, schedule, places, seed)
    });
    let tally = run_all(workers.collect::<Result<Vec<_>, _>>()?)?;
    let mut report = tally.report(start);
    report.cpu = meter.map(|meter| meter.finish(report.requests));
    Ok(report)
}

fn run_all(workers: Vec<Worker<'_>>) -> Result<Tally, LoadError> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || worker.run())).collect();
        let mut total = Tally::new();
        for thread in threads {
            total.add(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(total)
    })
}

fn check(options: &LoadOptions) -> Result<(), LoadError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let plain = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t');
    let fields_fit = options
        .fields
        .iter()
        .all(|(name, value)| !name.is_empty() && name.bytes().all(token) && plain(value));
    let rate_fits = options.rate_per_second.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX);
    let rules = [
        (!options.urls.is_empty(), "give at least one URL"),
        (options.threads > 0, "give at least one thread"),
        (options.connections >= options.threads, "give at least one connection per thread"),
        (options.duration.is_some() || options.requests.is_some(), "give a duration or a number of requests"),
        (rate_fits, "the rate must be above 0 and at most 1,000,000 per second"),
        (!options.timeout.is_zero(), "the timeout must be above 0"),
        (options.abort_ppm <= 1_000_000, "aborts are counted in a million: at most 1,000,000"),
        (fields_fit, "a field's name or value has characters that no field may have"),
        (options.host.as_deref().is_none_or(plain), "the host has control characters"),
    ];
    rules.into_iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, rule)| Err(LoadError::Option(rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let good = || LoadOptions {
            urls: vec!["http://[::1]:1/".into()],
            requests: Some(1),
            ..LoadOptions::default()
        };
        assert!(check(&good()).is_ok());
        let bad = [
            LoadOptions { urls: Vec::new(), ..good() },
            LoadOptions { requests: None, ..good() },
            LoadOptions { threads: 65, ..good() },
            LoadOptions { rate_per_second: Some(f64::NAN), ..good() },
            LoadOptions { fields: vec![("X".into(), "a\r\nb".into())], ..good() },
        ];
        for options in bad {
            assert!(matches!(check(&options), Err(LoadError::Option(_))), "{options:?}");
        }
        let many = LoadOptions { connections: 1 << 40, ..good() };
        assert!(matches!(run(&many), Err(LoadError::Descriptors { .. })));
    }
}
