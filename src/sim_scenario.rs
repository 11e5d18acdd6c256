//! The scenario file of `longhaul sim`: TOML; everything that is wrong is said at once, each with line and column.

use crate::form::given::Form;
use crate::form::span::Span;
use crate::form::word::Word;
use crate::problem::Problems;
use controlplane::nearest::nearest;
use controlplane::toml_file::{self, Section, Text};
use dataplane::tmp::spread::Spread;
use std::path::Path;
use tools::sim::{Given, Incident, PathGiven, Topology, Trouble};

/// What a scenario may ask for at most: a typing error is likelier beyond it than a wish.
const EXCHANGES_MAX: i64 = 200;
const RATE_KBIT_MAX: i64 = 100_000_000;
const PPM_MAX: i64 = 1_000_000;
const BYTES_MAX: i64 = 65_535;
const PATHS_MAX: i64 = 3;

/// Reads the file, or notes what is wrong with it.
pub(crate) fn read(file: &Path, problems: &mut Problems) -> Option<Given> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            problems.note(format!("{} cannot be read: {error}; give a scenario's file", file.display()));
            return None;
        }
    };
    let taken = toml_file::read(&text, take);
    taken
        .map_err(|faults| {
            faults.iter().for_each(|fault| problems.note(format!("{}: {fault}", file.display())))
        })
        .ok()
}

fn take(file: &Section<'_>) -> Given {
    Given {
        topology: file.text("topology").and_then(|text| topology(file, &text)),
        exchanges: file.integer("exchanges", 1..=EXCHANGES_MAX).map(|count| count as usize),
        faults: file.list("faults").map(|names| names.iter().filter_map(|name| fault(file, name)).collect()),
        path: PathGiven {
            latency_us: span(file, "latency"),
            jitter_us: span(file, "jitter"),
            rate_kbit: file.integer("rate", 1..=RATE_KBIT_MAX).map(|rate| rate as u64),
            queue_us: span(file, "queue"),
            loss_ppm: file.integer("loss", 0..=PPM_MAX).map(|ppm| ppm as u32),
        },
        paths: file.integer("paths", 1..=PATHS_MAX).map(|paths| paths as usize),
        route_mode: file.text("route_mode").and_then(|text| route_mode(file, &text)),
        incidents: file.each("incident", incident),
    }
}

fn topology(file: &Section<'_>, text: &Text<'_>) -> Option<Topology> {
    match text.text {
        "alone" => Some(Topology::Alone),
        "pair" => Some(Topology::Pair(1)),
        "pair-two" => Some(Topology::Pair(2)),
        "twins" => Some(Topology::Twins(1)),
        "twins-two" => Some(Topology::Twins(2)),
        other => {
            let what = format!("topology is {other:?}");
            file.fault(text.place.clone(), what, "give one of alone, pair, pair-two, twins, twins-two");
            None
        }
    }
}

fn route_mode(file: &Section<'_>, text: &Text<'_>) -> Option<Spread> {
    let read = Word::<Spread>::read(text.text);
    read.map_err(|wrong| {
        let (what, instead) = wrong.halves();
        file.fault(text.place.clone(), format!("route_mode {:?} {what}", text.text), instead);
    })
    .ok()
}

fn fault(file: &Section<'_>, text: &Text<'_>) -> Option<&'static str> {
    let known = Given::fault_names().find(|name| *name == text.text);
    if known.is_none() {
        let instead = match nearest(text.text, Given::fault_names()) {
            Some(name) => format!("write {name}"),
            None => format!("give some of {}", Given::fault_names().collect::<Vec<_>>().join(", ")),
        };
        file.fault(text.place.clone(), format!("there is no fault {:?}", text.text), instead);
    }
    known
}

/// A span of time, in µs.
fn span(section: &Section<'_>, key: &'static str) -> Option<u64> {
    let text = section.text(key)?;
    match Span::read(text.text) {
        Ok(span) => Some(span.as_micros() as u64),
        Err(wrong) => {
            let (what, instead) = wrong.halves();
            section.fault(text.place, format!("{key} {:?} {what}", text.text), instead);
            None
        }
    }
}

fn incident(section: &Section<'_>) -> Option<Incident> {
    let needs = |key: &str| {
        section.fault(section.place(), format!("the incident has no {key}"), format!("give its {key}"));
    };
    let (at, what) = (span(section, "at"), section.text("what"));
    let (lasts, bytes) = (span(section, "lasts"), section.integer("bytes", 1..=BYTES_MAX));
    let path = section.integer("path", 0..=PATHS_MAX - 1);
    let Some(what) = what else {
        needs("what");
        return None;
    };
    let trouble = match what.text {
        "partition" => lasts.map(Trouble::Partition),
        "dark-path" => lasts.map(|span_us| Trouble::DarkPath(path.unwrap_or(0) as usize, span_us)),
        "kill-front" => lasts.map(Trouble::KillFront),
        "kill-back" => lasts.map(Trouble::KillBack),
        "shrink" => bytes.map(|bytes| Trouble::Shrink(bytes as usize)),
        "drain" => Some(Trouble::Drain),
        "reset" => Some(Trouble::Reset),
        other => {
            let known = "give one of partition, dark-path, kill-front, kill-back, shrink, drain, reset";
            section.fault(what.place, format!("what is {other:?}"), known);
            return None;
        }
    };
    if trouble.is_none() {
        needs(if what.text == "shrink" { "bytes" } else { "lasts" });
    }
    if at.is_none() && !section.has("at") {
        needs("at");
    }
    Some(Incident { at_us: at?, trouble: trouble? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        toml_file::read(text, take).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_scenario_is_read() {
        let text = "topology = 'pair-two'\nfaults = ['Loss']\nlatency = '50ms'\nrate = 8000\nexchanges = 5\n\
                    [[incident]]\nat = '1s'\nwhat = 'kill-back'\nlasts = '2s'\n";
        let given = toml_file::read(text, take).unwrap();
        assert_eq!(given.topology, Some(Topology::Pair(2)));
        assert_eq!((given.path.latency_us, given.path.rate_kbit), (Some(50_000), Some(8_000)));
        assert_eq!((given.faults, given.exchanges), (Some(vec!["Loss"]), Some(5)));
        assert_eq!(given.incidents[0].at_us, 1_000_000);
        assert_eq!(given.incidents[0].trouble, Trouble::KillBack(2_000_000));
        let text = "topology = 'twins'\npaths = 2\nroute_mode = 'bond'\n[[incident]]\nat = '1s'\nwhat = 'dark-path'\n\
                    path = 1\nlasts = '2s'\n";
        let given = toml_file::read(text, take).unwrap();
        assert_eq!((given.topology, given.paths), (Some(Topology::Twins(1)), Some(2)));
        assert_eq!(given.route_mode, Some(Spread::Bond));
        assert_eq!(given.incidents[0].trouble, Trouble::DarkPath(1, 2_000_000));
        assert_eq!(faults("paths = 4\nroute_mode = 'ring'\n").len(), 2);
    }

    #[test]
    fn everything_wrong_is_said_with_its_place() {
        let text = "topology = 'ring'\nfaults = ['Lost']\nlatency = '50'\nloss = 2000000\nlag = 1\n\
                    [[incident]]\nat = '1s'\nwhat = 'partition'\n[[incident]]\nwhat = 'flood'\n";
        let found = faults(text);
        for (sentence, start) in [
            ("line 1, column 12", "topology is \"ring\"; give one of alone"),
            ("line 2, column 11", "there is no fault \"Lost\"; write Loss"),
            ("line 3, column 11", "latency \"50\" is no span of time"),
            ("line 4, column 8", "loss is 2000000"),
            ("line 5, column 1", "lag is unknown here"),
            ("line 6, column 1", "the incident has no lasts"),
            ("line 10, column 8", "what is \"flood\""),
        ] {
            assert!(
                found.iter().any(|line| line.starts_with(sentence) && line.contains(start)),
                "{start}: {found:?}"
            );
        }
    }
}
