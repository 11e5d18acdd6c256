//! `--print-config`: every effective value as `name = value  # default|tree|flag`, one per line; a flag that repeats has
//! a line for each of its values, one that was not given and has no default is `(none)`.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use std::fmt::Write;

/// A value that is not what was written on the command line but what became of it (`all` → `0-3`), or what the
/// configuration tree says in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The flag.
    pub(crate) flag: &'static str,
    /// Its values.
    pub(crate) values: Vec<String>,
    /// The tree gave it.
    pub(crate) is_from_tree: bool,
}

impl Effect {
    /// What became of a flag or of its default.
    pub(crate) fn of(flag: &'static str, value: String) -> Self {
        Self { flag, values: vec![value], is_from_tree: false }
    }
}

/// All of them.
pub(crate) type Effective = Vec<Effect>;

/// The whole text.
pub(crate) fn text(
    command: &Command,
    matches: &ArgMatches,
    effective: &Effective,
    is_from_tree: impl Fn(&str) -> bool,
) -> String {
    let mut text = String::new();
    for arg in command.get_arguments().filter(|arg| is_shown(arg)) {
        let name = name(arg);
        let found = effective.iter().find(|effect| effect.flag == name);
        let from = match matches.value_source(arg.get_id().as_str()) {
            Some(ValueSource::CommandLine) if is_from_tree(&name) => "tree",
            Some(ValueSource::CommandLine) => "flag",
            Some(_) | None if found.is_some_and(|effect| effect.is_from_tree) => "tree",
            Some(_) | None => "default",
        };
        let found = found.map(|effect| effect.values.clone());
        for value in found.unwrap_or_else(|| raw_values(arg, matches)) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} = {value}  # {from}");
        }
    }
    text
}

fn is_shown(arg: &Arg) -> bool {
    !matches!(arg.get_id().as_str(), "help" | "version" | "print_config")
}

fn name(arg: &Arg) -> String {
    arg.get_long().map_or_else(|| arg.get_id().to_string(), str::to_owned)
}

fn raw_values(arg: &Arg, matches: &ArgMatches) -> Vec<String> {
    if !arg.get_action().takes_values() {
        return vec![matches.get_flag(arg.get_id().as_str()).to_string()];
    }
    let values = matches.get_raw(arg.get_id().as_str());
    values.map_or_else(
        || vec!["(none)".to_owned()],
        |values| values.map(|value| value.to_string_lossy().into_owned()).collect(),
    )
}
