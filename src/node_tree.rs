//! Front-ends and back-ends that run from the tree: what it says of the node becomes flags, which stand before those of the
//! command line; of a flag that is given there the tree says nothing. It can be read again while the node runs.

use crate::args::door::{Cli, Door};
use crate::config::NodeConfig;
use crate::tree::{self, Opened};
use crate::{back, front};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};
use controlplane::tree::duties::{self, Duty, Flag};
use controlplane::tree::network::Network;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is wrong, one line each.
type Lines = Vec<String>;

/// What the tree gave.
#[derive(Debug, Default)]
pub(crate) struct FromTree {
    /// Where it is, and which node this is.
    pub(crate) place: String,
    /// The flags that came from it.
    pub(crate) flags: Vec<Flag>,
    /// How it is read again; `None` for what does not run from a tree.
    pub(crate) source: Option<TreeSource>,
}

/// The tree that a node runs from.
#[derive(Clone, Debug)]
pub(crate) struct TreeSource {
    file: PathBuf,
    node: Option<String>,
    duty: Duty,
    /// Where the last tree that worked is kept.
    last_good: Option<PathBuf>,
    /// The command line, program and subcommand first.
    words: Vec<OsString>,
    /// The flags that stand there, by their long names.
    given: Vec<String>,
    /// What the tree said at the start.
    pub(crate) flags: Vec<Flag>,
    /// Its text, to be kept once it has worked.
    pub(crate) text: String,
    /// Users of the machines, and the commands that they may give.
    pub(crate) users: Vec<(String, Vec<String>)>,
    /// The network, if clients of it are sent from one front-end to another.
    pub(crate) network: Option<Network>,
    /// The tree is broken, and the last good one serves: what is wrong.
    pub(crate) broken: Lines,
}

/// What a tree says of a node.
#[derive(Debug)]
pub(crate) struct Read {
    place: String,
    pub(crate) flags: Vec<Flag>,
    pub(crate) text: String,
    pub(crate) users: Vec<(String, Vec<String>)>,
    pub(crate) network: Option<Network>,
}

impl FromTree {
    /// Whether it gave the flag of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| flag == name)
    }

    /// The whole command line: `words` as they were given, program and subcommand first, with the tree's flags between.
    pub(crate) fn words(&self, words: impl Iterator<Item = OsString>) -> Vec<OsString> {
        with_flags(words, &self.flags)
    }
}

fn with_flags(words: impl Iterator<Item = OsString>, flags: &[Flag]) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let flags = flags.iter().map(|(flag, value)| format!("--{flag}={value}").into());
    words.splice(2..2, flags);
    words
}

/// What the tree that a front-end or back-end was given says of it, or in its place the last one that worked; `None` if
/// there is none to read.
pub(crate) fn read(door: &str, command: &Command, matches: &ArgMatches) -> Option<Result<FromTree, Lines>> {
    let duty = Duty::ALL.into_iter().find(|duty| duty.name() == door)?;
    let file = matches.get_one::<PathBuf>("config")?;
    let is_given = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let given = command.get_arguments().filter(is_given).filter_map(Arg::get_long);
    let mut source = TreeSource {
        file: file.clone(),
        node: matches.get_one::<String>("node").cloned(),
        duty,
        last_good: matches.get_one::<PathBuf>("last_good").cloned(),
        words: std::env::args_os().collect(),
        given: given.map(str::to_owned).collect(),
        flags: Vec::new(),
        text: String::new(),
        users: Vec::new(),
        network: None,
        broken: Lines::new(),
    };
    let read = source.read_first();
    Some(read.map(|Read { place, flags, text, users, network }| {
        (source.flags, source.text, source.users, source.network) = (flags.clone(), text, users, network);
        FromTree { place, flags, source: Some(source) }
    }))
}

impl TreeSource {
    /// The tree as it is now, and what it comes to for a node that runs already with `running`.
    pub(crate) fn read_again(&self, running: &NodeConfig) -> Result<(Read, NodeConfig), Lines> {
        let read = self.read_file(tree::open)?;
        let config = self.configure(&read, Some(running))?;
        Ok((read, config))
    }

    /// Keeps the text of a tree that has worked.
    pub(crate) fn keep(&self, text: &str) -> Result<(), Lines> {
        self.last_good.as_ref().map_or(Ok(()), |kept| tree::replace(kept, text))
    }

    /// A tree that would not start is as broken as one that cannot be read: then the last good one serves, if it would
    /// start. What is wrong with the command line is wrong with both, and said of the tree that was given.
    fn read_first(&mut self) -> Result<Read, Lines> {
        let read = self.read_file(tree::open);
        let Some(kept) = self.last_good.clone().filter(|kept| kept.exists()) else { return read };
        let lines = match read.and_then(|read| self.configure(&read, None).map(|_| read)) {
            Ok(read) => return Ok(read),
            Err(lines) => lines,
        };
        let read = self.read_file(|file| tree::open_in_place_of(&kept, file));
        match read.and_then(|read| self.configure(&read, None).map(|_| read)) {
            Ok(read) => {
                self.broken = lines;
                Ok(read)
            }
            Err(_) => Err(lines),
        }
    }

    fn read_file(&self, open: impl FnOnce(&Path) -> Result<Opened, Lines>) -> Result<Read, Lines> {
        let opened = open(&self.file)?;
        let node = match &self.node {
            Some(node) => node,
            None => only(&opened, self.duty).map_err(|wrong| vec![wrong])?,
        };
        let mut flags = opened.duty(&self.file, node, self.duty)?;
        let whole = Cli::command();
        let command = whole.find_subcommand(self.duty.name());
        let is_unknown = |(flag, _): &Flag| tree::no_flag(flag, node, self.duty, command?);
        let unknown: Lines = flags.iter().filter_map(is_unknown).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        flags.retain(|(flag, _)| !self.given.contains(flag));
        Ok(Read {
            place: format!("{}, node {node}", self.file.display()),
            flags,
            text: opened.text,
            users: opened.network.users.clone(),
            network: Some(opened.network).filter(|network| !network.redirects.is_empty()),
        })
    }

    fn configure(&self, read: &Read, running: Option<&NodeConfig>) -> Result<NodeConfig, Lines> {
        let words = with_flags(self.words.iter().cloned(), &read.flags);
        let matches = Cli::command().try_get_matches_from(words);
        let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
            let text = error.to_string();
            text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Lines>()
        })?;
        let configured = match &cli.door {
            Door::Front(args) => front::configure_again(args, running),
            Door::Back(args) => back::configure_again(args, running),
            _ => return Err(vec!["only front-ends and back-ends run from the tree in this way".to_owned()]),
        };
        configured.map_err(|problems| problems.lines().to_vec())
    }
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
