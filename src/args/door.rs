//! The doors of the binary.

use crate::args::back::BackArgs;
use crate::args::config::ConfigArgs;
use crate::args::ctl::CtlArgs;
use crate::args::demo::DemoArgs;
use crate::args::dns::DnsArgs;
use crate::args::doctor::DoctorArgs;
use crate::args::explain::ExplainArgs;
use crate::args::front::FrontArgs;
use crate::args::join::JoinArgs;
use crate::args::key::KeyArgs;
use crate::args::load::LoadArgs;
use crate::args::origin::OriginArgs;
use crate::args::plot::PlotArgs;
use crate::args::probe::ProbeArgs;
use crate::args::rule_door::RuleDoorArgs;
use crate::args::sim::SimArgs;
use crate::args::tmp::TmpArgs;
use crate::args::wan::WanArgs;
use crate::exit;

/// What stands at the foot of the first page.
fn foot() -> String {
    let start = "\
A first look:
  longhaul demo                 the pair on loopback, one command
  longhaul doctor               whether this machine will do, and what to do about it
  longhaul front --help         every flag with its unit and default";
    format!("{start}\n\n{}", exit::help())
}

/// The command line.
#[derive(clap::Parser, Debug)]
#[command(
    name = "longhaul",
    version,
    about = "Two machines and an encrypted UDP tunnel between your users and your web servers",
    after_help = foot(),
    max_term_width = 110,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Which door.
    #[command(subcommand)]
    pub(crate) door: Door,
}

/// One per subcommand; each is described where its flags are.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Door {
    Demo(Box<DemoArgs>),
    Front(Box<FrontArgs>),
    Back(Box<BackArgs>),
    Dns(Box<DnsArgs>),
    Probe(Box<ProbeArgs>),
    Config(ConfigArgs),
    Explain(ExplainArgs),
    Ctl(CtlArgs),
    Key(KeyArgs),
    Join(Box<JoinArgs>),
    Tmp(TmpArgs),
    Rules(RuleDoorArgs),
    Doctor(DoctorArgs),
    Origin(Box<OriginArgs>),
    Load(Box<LoadArgs>),
    Wan(Box<WanArgs>),
    Sim(SimArgs),
    Plot(PlotArgs),
}
