//! The `longhaul` binary: one door per subcommand. A door reads its flags, says everything that is wrong with them
//! at once, and hands a whole configuration on.

#![forbid(unsafe_code)]

mod admin_page;
mod args;
mod assemble;
mod back;
mod config;
mod control;
mod ctl;
mod demo;
mod demo_dns;
mod demo_pops;
mod demo_sour;
mod demo_wan;
mod dns;
mod doctor;
mod doctor_back;
mod duty_check;
mod exit;
mod explain;
mod explain_probe;
mod explain_route;
mod figures_file;
mod form;
mod front;
mod guide;
mod holder;
mod join;
mod key;
mod key_file;
mod key_log;
mod load;
mod machine;
mod memory;
mod node;
mod node_files;
mod node_tree;
mod origin;
mod outfit;
mod pair;
mod plot;
mod print_config;
mod probe;
mod probe_once;
mod problem;
mod redirect_board;
mod redirector;
mod relay;
mod reports;
mod resolvers;
mod rule_door;
mod rule_source;
#[cfg(test)]
mod scratch;
mod serve;
mod serve_dns;
mod serve_probe;
mod settings;
mod show;
mod sim;
mod sim_scenario;
mod startup;
mod tell;
mod tmp_dump;
mod tree;
mod tunnel_from;
mod tunnel_log;
mod wan;
mod watch;
mod watch_compression;
mod watch_endpoint;
mod watch_page;
mod watch_paths;
mod watch_rings;

use crate::args::demo::DemoConfig;
use crate::args::door::{Cli, Door};
use crate::args::probe::ProbeDoor;
use crate::config::NodeConfig;
use crate::exit::Exit;
use crate::node_tree::FromTree;
use crate::print_config::Effective;
use crate::probe::ProbeConfig;
use crate::problem::Problems;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use std::process::ExitCode;

fn main() -> ExitCode {
    let whole = Cli::command();
    let given = whole.clone().get_matches();
    let (name, command, matches) = chosen(&whole, &given);
    let from_tree = match node_tree::read(name, command, matches).unwrap_or_else(|| Ok(FromTree::default())) {
        Ok(from_tree) => from_tree,
        Err(lines) => {
            let mut problems = Problems::default();
            problems.extend(lines);
            problems.print(name);
            return Exit::Usage.into();
        }
    };
    let given = whole.clone().get_matches_from(from_tree.words(std::env::args_os()));
    let cli = Cli::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
    let (name, command, matches) = chosen(&whole, &given);
    enter(&cli.door, &Entrance { name, command, matches, from_tree: &from_tree }).into()
}

/// The subcommand that was given.
fn chosen<'a>(whole: &'a Command, given: &'a ArgMatches) -> (&'a str, &'a Command, &'a ArgMatches) {
    let Some((name, matches)) = given.subcommand() else { panic!("clap insists on a subcommand") };
    let Some(command) = whole.find_subcommand(name) else { panic!("clap knows its subcommands") };
    (name, command, matches)
}

/// What clap knows about the flags of a door.
struct Entrance<'a> {
    name: &'a str,
    command: &'a Command,
    matches: &'a ArgMatches,
    /// What came from the tree in place of flags.
    from_tree: &'a FromTree,
}

impl Entrance<'_> {
    /// Goes on with the configuration: prints it if that is all that is wanted, else runs; or says what is wrong.
    fn pass<C>(
        &self,
        configured: Result<C, Problems>,
        print_only: bool,
        effective: impl FnOnce(&C) -> Effective,
        run: impl FnOnce(&C) -> Exit,
    ) -> Exit {
        match configured {
            Err(problems) => {
                problems.print(self.name);
                if !self.from_tree.flags.is_empty() {
                    eprintln!("(what no flag says comes from {})", self.from_tree.place);
                }
                Exit::Usage
            }
            Ok(config) if print_only => {
                let effective = effective(&config);
                let is_from_tree = |flag: &str| self.from_tree.has(flag);
                show::text(&print_config::text(self.command, self.matches, &effective, is_from_tree));
                Exit::Done
            }
            Ok(config) => run(&config),
        }
    }

    fn pass_node(&self, configured: Result<NodeConfig, Problems>, print_only: bool) -> Exit {
        let run = |config: &NodeConfig| serve::run(config, self.from_tree.source.as_ref());
        self.pass(configured, print_only, assemble::effective, run)
    }
}

fn enter(door: &Door, entrance: &Entrance<'_>) -> Exit {
    match door {
        Door::Front(args) => entrance.pass_node(front::configure(args), args.node.seeing.print_config),
        Door::Back(args) => entrance.pass_node(back::configure(args), args.node.seeing.print_config),
        Door::Dns(args) => {
            entrance.pass(dns::configure(args), args.print_config, dns::effective, serve_dns::run)
        }
        Door::Probe(args) => match &args.door {
            Some(ProbeDoor::Once(args)) => probe_once::run(args),
            None => {
                let effective = |_: &ProbeConfig| Effective::new();
                entrance.pass(probe::configure(args), args.print_config, effective, serve_probe::run)
            }
        },
        Door::Demo(args) => {
            let run = |config: &DemoConfig| match &config.wan {
                Some(wan) if config.check => demo_sour::run(config, wan),
                Some(wan) => demo_wan::run(config, wan),
                None => demo::run(config),
            };
            entrance.pass(args.configure(), args.print_config, |_| Effective::new(), run)
        }
        Door::Origin(args) => {
            entrance.pass(origin::configure(args), args.print_config, |_| Effective::new(), origin::run)
        }
        Door::Load(args) => {
            let run = |options: &_| load::run(options, args);
            entrance.pass(load::configure(args), args.print_config, |_| Effective::new(), run)
        }
        Door::Wan(args) => match &args.door {
            Some(door) => wan::enter(door),
            None => entrance.pass(wan::configure(args), args.print_config, |_| Effective::new(), wan::run),
        },
        Door::Sim(args) => sim::run(args),
        Door::Plot(args) => plot::run(args),
        Door::Key(args) => key::run(args),
        Door::Join(args) => join::run(args),
        Door::Tmp(args) => tmp_dump::run(args),
        Door::Rules(args) => rule_door::run(args),
        Door::Config(args) => tree::run(args, holder::enter),
        Door::Explain(args) => explain::run(args),
        Door::Ctl(args) => ctl::run(args),
        Door::Doctor(args) if args.back.is_some() => doctor_back::run(args),
        Door::Doctor(_) => doctor::run(),
    }
}
