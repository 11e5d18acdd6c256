//! The door of the configuration tree, and how other doors open one.

use crate::args::config::{ConfigArgs, ConfigDoor, ServeArgs};
use crate::args::door::Cli;
use crate::duty_check;
use crate::exit::Exit;
use crate::show;
use clap::{Arg, Command, CommandFactory};
use controlplane::dns::load::Loaded;
use controlplane::dns::policy::figures::Figures;
use controlplane::dns::policy::steering::Steering;
use controlplane::nearest::nearest;
use controlplane::tree::duties::{self, Duty, Flag};
use controlplane::tree::network::Network;
use controlplane::tree::path::Path as TreePath;
use controlplane::tree::read::{Problem, Tree};
use controlplane::tree::{differ, edit, reference, show as shown};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Does what was asked; `serve` lets machines join.
pub(crate) fn run(args: &ConfigArgs, serve: impl FnOnce(&ServeArgs) -> Exit) -> Exit {
    let done = match &args.door {
        ConfigDoor::Check { file } => check(file),
        ConfigDoor::Show { file, path } => show_values(file, path.as_deref()),
        ConfigDoor::Get { file, path } => get(file, path),
        ConfigDoor::Set { file, path, value } => set(file, path, value),
        ConfigDoor::Diff { old, new } => diff(old, new),
        ConfigDoor::Serve(args) => Ok(serve(args)),
        ConfigDoor::Reference => {
            show::text(&reference::page());
            Ok(Exit::Done)
        }
        ConfigDoor::Schema => {
            show::line(&format_args!("{:#}", reference::schema()));
            Ok(Exit::Done)
        }
    };
    done.unwrap_or_else(|problems| {
        let things = if problems.len() == 1 { "thing is" } else { "things are" };
        eprintln!("longhaul config: {} {things} wrong", problems.len());
        for line in &problems {
            eprintln!("  {line}");
        }
        Exit::Usage
    })
}

/// Flags that speak of the command line itself.
const NOT_OF_NODES: [&str; 6] = ["config", "node", "last-good", "print-config", "help", "version"];

/// What is wrong, one line each.
type Lines = Vec<String>;

/// A tree that was opened and checked by itself, without what it names.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) text: String,
    pub(crate) network: Network,
    pub(crate) tree: Tree,
}

impl Opened {
    /// The flags of a node under a duty.
    pub(crate) fn duty(&self, file: &Path, node: &str, duty: Duty) -> Result<Vec<Flag>, Lines> {
        duties::flags(&self.tree, folder(file), node, duty).map_err(|problems| lines(file, &problems))
    }
}

fn lines(file: &Path, problems: &[Problem]) -> Lines {
    problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect()
}

/// Opens and checks a tree.
pub(crate) fn open(file: &Path) -> Result<Opened, Lines> {
    let text = fs::read_to_string(file).map_err(|error| {
        vec![format!("{}: cannot be read: {error}; give the tree's file", file.display())]
    })?;
    of_text(file, text)
}

fn of_text(file: &Path, text: String) -> Result<Opened, Lines> {
    let tree = Tree::read(&text).map_err(|problems| lines(file, &problems))?;
    let network = Network::of(&tree, folder(file)).map_err(|problems| lines(file, &problems))?;
    Ok(Opened { text, network, tree })
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new(""))
}

/// Opens the tree of `kept` as if it stood in `file`: what it names lies beside that.
pub(crate) fn open_in_place_of(kept: &Path, file: &Path) -> Result<Opened, Lines> {
    let text = fs::read_to_string(kept)
        .map_err(|error| vec![format!("{}: cannot be read: {error}", kept.display())])?;
    of_text(file, text)
}

/// Everything that a tree names, loaded: zones, places, figures.
pub(crate) fn load(network: &Network) -> Result<(Loaded, Steering), Lines> {
    let (loaded, steering) = network.load()?;
    match &network.figures {
        None => Ok((loaded, steering)),
        // At the first start nobody has measured anything yet.
        Some(path) if !path.exists() => Ok((loaded, steering)),
        Some(path) => {
            let figures = figures(path, &steering)?;
            Ok((loaded, steering.with_figures(figures)))
        }
    }
}

/// Reads what was measured.
pub(crate) fn figures(path: &Path, steering: &Steering) -> Result<Figures, Lines> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let text = fs::read_to_string(path).map_err(|error| vec![wrong(format!("cannot be read: {error}"))])?;
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let written_s =
        written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |span| span.as_secs());
    let names: Vec<&str> = steering.servers().iter().map(|server| server.name.as_str()).collect();
    Figures::read(&text, &names, written_s).map_err(|problems| problems.into_iter().map(wrong).collect())
}

/// Looks for everything that is wrong with a text that is to stand in `file`, and with what it names.
pub(crate) fn check_text(file: &Path, text: String) -> Result<(Loaded, Steering), Lines> {
    let opened = of_text(file, text)?;
    check_duties(file, &opened)?;
    load(&opened.network)
}

fn check(file: &Path) -> Result<Exit, Lines> {
    let opened = open(file)?;
    let (loaded, steering) = check_text(file, opened.text)?;
    for line in &loaded.warnings {
        eprintln!("  {line}");
    }
    let (zones, records) = (loaded.catalog.zones().len(), loaded.catalog.record_count());
    show::line(&format_args!(
        "{}: good: {zones} zones, {records} records, {} servers, {} policies",
        file.display(),
        steering.servers().len(),
        steering.policies().len()
    ));
    Ok(Exit::Done)
}

/// What front-ends and back-ends would find wrong, each thing once.
fn check_duties(file: &Path, opened: &Opened) -> Result<(), Lines> {
    let mut wrong = Lines::new();
    for duty in Duty::ALL {
        let whole = Cli::command();
        let Some(command) = whole.find_subcommand(duty.name()) else { continue };
        for node in duties::of_duty(&opened.tree, duty) {
            match opened.duty(file, node, duty) {
                Ok(flags) => {
                    let before = wrong.len();
                    wrong.extend(flags.iter().filter_map(|(flag, _)| no_flag(flag, node, duty, command)));
                    // Flags that are none cannot be read with the others.
                    if wrong.len() == before {
                        let said = |line| format!("{}: node {node}: {line}", file.display());
                        wrong.extend(duty_check::wrong_values(duty, &flags).into_iter().map(said));
                    }
                }
                Err(lines) => wrong.extend(lines),
            }
        }
    }
    wrong.sort_unstable();
    wrong.dedup();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What is wrong with the name of a flag.
pub(crate) fn no_flag(flag: &str, node: &str, duty: Duty, command: &Command) -> Option<String> {
    let known =
        || command.get_arguments().filter_map(Arg::get_long).filter(|name| !NOT_OF_NODES.contains(name));
    if known().any(|name| name == flag) {
        return None;
    }
    let near = nearest(flag, known())
        .map(|near| format!("{near} is near"))
        .unwrap_or_else(|| "it lists them all".into());
    Some(format!("node.{node}.flags.{flag} is no flag of `longhaul {} --help`; {near}", duty.name()))
}

fn path_of(text: &str) -> Result<TreePath, Lines> {
    let wrong =
        || vec![format!("{text} is no path; write it as policy.web.ttl or site.\"shop.example\".dns.policy")];
    TreePath::parse(text).ok_or_else(wrong)
}

fn show_values(file: &Path, path: Option<&str>) -> Result<Exit, Lines> {
    let path = path.map_or_else(|| Ok(TreePath::default()), path_of)?;
    let lines = shown::show(&open(file)?.tree, &path);
    if lines.is_empty() {
        return Err(vec![format!(
            "{path}: there is nothing of this name; `longhaul config reference` lists all keys"
        )]);
    }
    lines.iter().for_each(|line| show::line(line));
    Ok(Exit::Done)
}

fn get(file: &Path, path: &str) -> Result<Exit, Lines> {
    let path = path_of(path)?;
    let found = shown::show(&open(file)?.tree, &path);
    match &found[..] {
        [one] if one.path == path => {
            match &one.value {
                Some(controlplane::tree::form::Taken::Text(text)) => show::line(text),
                Some(value) => show::line(value),
                None => show::line(&""),
            }
            Ok(Exit::Done)
        }
        [] => Err(vec![format!("{path}: there is nothing of this name")]),
        _ => Err(vec![format!("{path}: is a table; `longhaul config show` prints all of it")]),
    }
}

/// Writes the whole new file beside the old one and exchanges them, so that nobody ever reads half of it.
fn set(file: &Path, path: &str, value: &str) -> Result<Exit, Lines> {
    let path = path_of(path)?;
    let old = fs::read_to_string(file)
        .map_err(|error| vec![format!("{}: cannot be read: {error}", file.display())])?;
    let text = edit::set(&old, &path, value).map_err(|wrong| vec![wrong])?;
    let opened = of_text(file, text)?;
    replace(file, &opened.text)?;
    Ok(Exit::Done)
}

/// Replaces a file's content whole.
pub(crate) fn replace(file: &Path, text: &str) -> Result<(), Lines> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let keep_mode = fs::metadata(file).map(|metadata| metadata.permissions());
    let written = fs::write(&beside, text)
        .and_then(|()| keep_mode.map_or(Ok(()), |mode| fs::set_permissions(&beside, mode)))
        .and_then(|()| fs::File::open(&beside)?.sync_all())
        .and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        vec![format!("{}: cannot be written: {error}", file.display())]
    })
}

fn diff(old: &Path, new: &Path) -> Result<Exit, Lines> {
    let lines = differ::differences(&open(old)?.tree, &open(new)?.tree);
    lines.iter().for_each(|line| show::line(line));
    Ok(if lines.is_empty() { Exit::Done } else { Exit::Different })
}
