//! Front-ends and back-ends that run from the tree: what it says of the node becomes flags, which stand before those of the
//! command line; of a flag that is given there the tree says nothing.

use crate::tree::{self, Opened};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use controlplane::tree::duties::{self, Duty, Flag};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the tree gave.
#[derive(Debug, Default)]
pub(crate) struct FromTree {
    /// Where it is, and which node this is.
    pub(crate) place: String,
    /// The flags that came from it.
    pub(crate) flags: Vec<Flag>,
}

impl FromTree {
    /// Whether it gave the flag of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| flag == name)
    }

    /// The whole command line: `words` as they were given, program and subcommand first, with the tree's flags between.
    pub(crate) fn words(&self, words: impl Iterator<Item = OsString>) -> Vec<OsString> {
        let mut words: Vec<OsString> = words.collect();
        let flags = self.flags.iter().map(|(flag, value)| format!("--{flag}={value}").into());
        words.splice(2..2, flags);
        words
    }
}

/// What the tree that a front-end or back-end was given says of it; `None` if there is none to read.
pub(crate) fn read(
    door: &str,
    command: &Command,
    matches: &ArgMatches,
) -> Option<Result<FromTree, Vec<String>>> {
    let duty = Duty::ALL.into_iter().find(|duty| duty.name() == door)?;
    let file = matches.get_one::<PathBuf>("config")?;
    let node = matches.get_one::<String>("node").map(String::as_str);
    Some(of_file(file, node, duty, command).map(|mut from| {
        let is_given = |flag: &str| {
            let id = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).map(Arg::get_id);
            id.is_some_and(|id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine))
        };
        from.flags.retain(|(flag, _)| !is_given(flag));
        from
    }))
}

fn of_file(file: &Path, node: Option<&str>, duty: Duty, command: &Command) -> Result<FromTree, Vec<String>> {
    let opened = tree::open(file)?;
    let node = match node {
        Some(node) => node,
        None => only(&opened, duty).map_err(|wrong| vec![wrong])?,
    };
    let flags = opened.duty(file, node, duty)?;
    let unknown: Vec<String> =
        flags.iter().filter_map(|(flag, _)| tree::no_flag(flag, node, duty, command)).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    Ok(FromTree { place: format!("{}, node {node}", file.display()), flags })
}

/// The only node that it can be.
fn only(opened: &Opened, duty: Duty) -> Result<&str, String> {
    match duties::of_duty(&opened.tree, duty)[..] {
        [only] => Ok(only),
        [] => Err(format!(
            "no node of the tree has the role {}; give one roles = [{:?}]",
            duty.name(),
            duty.name()
        )),
        ref several => Err(format!("--node is missing; name one of {}", several.join(", "))),
    }
}
