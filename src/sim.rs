//! The door of the simulator: runs seeds, prints what they looked like and what broke.

use crate::args::sim::SimArgs;
use crate::exit::Exit;
use crate::problem::{Problems, Wrong};
use crate::{show, sim_scenario};
use core::ops::Range;
use std::path::Path;
use tools::sim::{Film, Options, Outcome, Report, plots, run as run_seed, run_many};

/// Does what was asked.
pub(crate) fn run(args: &SimArgs) -> Exit {
    let mut problems = Problems::default();
    let seeds = match (&args.seeds, args.seed) {
        (Some(seeds), _) => seeds.take("seeds", &mut problems),
        (None, seed) => seed.map(|seed| seed..seed.saturating_add(1)),
    };
    let given = match &args.scenario {
        Some(file) => sim_scenario::read(file, &mut problems),
        None => Some(Default::default()),
    };
    let options = given.map(|given| Options { given, ..Options::default() });
    let (Some(seeds), Some(options)) = (seeds, options) else {
        problems.print("sim");
        return Exit::Usage;
    };
    // A promise of the code under test that does not hold is a panic there and a finding here.
    std::panic::set_hook(Box::new(|_| {}));
    match args.seed {
        Some(seed) => one(seed, args, &options),
        None => many(seeds, args, &options),
    }
}

fn one(seed: u64, args: &SimArgs, options: &Options) -> Exit {
    let outcome = run_seed(seed, &Options { films: true, ..options.clone() });
    let again = (!args.once).then(|| run_seed(seed, options));
    let film = outcome.film.clone().unwrap_or_default();
    show::text(&film.text());
    let differs = again.is_some_and(|again| again.hash != outcome.hash);
    show::text(&ending(&outcome, differs));
    if let Some(file) = &args.plot
        && let Err(wrong) = draw(seed, &film, file)
    {
        let mut problems = Problems::default();
        problems.add("--plot", &wrong);
        problems.print("sim");
        return Exit::Failed;
    }
    if outcome.violation.is_none() && !differs {
        return Exit::Done;
    }
    show::line(&again_by(seed, args.scenario.as_deref()));
    Exit::Different
}

/// What a run comes to, in lines.
fn ending(outcome: &Outcome, differs: bool) -> String {
    let met = outcome.hits.iter().map(|(name, count)| format!("{count:>9}  {name}\n")).collect::<String>();
    let Outcome { seed, exchanges, events, hash, .. } = outcome;
    let broken = outcome.violation.as_deref().and_then(|why| why.lines().next());
    let verdict = match broken {
        Some(why) => format!("broken: {why}\n"),
        None if differs => "broken: a second run of the seed was another run\n".to_owned(),
        None => "every promise was kept\n".to_owned(),
    };
    format!("\n{met}seed {seed}: {exchanges} exchanges, {events} events, trace {hash:016x}\n{verdict}")
}

fn draw(seed: u64, film: &Film, file: &Path) -> Result<(), Wrong> {
    let page = tools::plot::page(&plots(seed, film));
    let wrong = |error| Wrong::new(format!("cannot be written: {error}"), "give a file in a folder of yours");
    std::fs::write(file, page).map_err(wrong)
}

fn many(seeds: Range<u64>, args: &SimArgs, options: &Options) -> Exit {
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads = args.threads.map_or_else(cores, |threads| threads.get());
    let report = run_many(seeds, threads, !args.once, options);
    show::text(&report.text());
    broken(&report, args.scenario.as_deref())
}

fn broken(report: &Report, scenario: Option<&Path>) -> Exit {
    report.violations.iter().for_each(|(seed, _)| show::line(&again_by(*seed, scenario)));
    if report.violations.is_empty() { Exit::Done } else { Exit::Different }
}

/// The command that shows a seed again.
fn again_by(seed: u64, scenario: Option<&Path>) -> String {
    let scenario = scenario.map_or_else(String::new, |file| format!(" --scenario {}", file.display()));
    format!("again: longhaul sim --seed {seed}{scenario}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_has_its_own_status_and_a_command() {
        let mut report = Report::default();
        assert_eq!(broken(&report, None), Exit::Done);
        report.violations.push((7, "why".to_owned()));
        assert_eq!(broken(&report, None), Exit::Different);
        assert_eq!(again_by(7, None), "again: longhaul sim --seed 7");
        assert_eq!(again_by(7, Some(Path::new("a.toml"))), "again: longhaul sim --seed 7 --scenario a.toml");
    }
}
