//! The flags that both ends of a tunnel have.

use crate::args::blender::BlenderArgs;
use crate::args::bounds::BoundArgs;
use crate::args::cores::CoreArgs;
use crate::args::process::ProcessArgs;
use crate::args::rules::RuleArgs;
use crate::args::seeing::SeeingArgs;
use crate::args::stopping::StoppingArgs;
use crate::args::timeouts::TimeoutArgs;
use crate::args::tunnel::TunnelArgs;
use std::path::PathBuf;

/// The tree that says what the flags do not.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "The network's tree")]
pub(crate) struct TreeArgs {
    /// Take from the network's tree, longhaul.toml, what it says of this node; flags win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which node of the tree this machine is; needed where several have this role
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) node: Option<String>,
    /// Keep the last tree that worked here, and start from it, loudly, when the tree is broken
    #[arg(long, value_name = "FILE", requires = "config")]
    pub(crate) last_good: Option<PathBuf>,
}

/// In the order of the help.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    #[command(flatten)]
    pub(crate) tunnel: TunnelArgs,
    #[command(flatten)]
    pub(crate) blender: BlenderArgs,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) cores: CoreArgs,
    #[command(flatten)]
    pub(crate) bounds: BoundArgs,
    #[command(flatten)]
    pub(crate) timeouts: TimeoutArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    pub(crate) seeing: SeeingArgs,
    #[command(flatten)]
    pub(crate) stopping: StoppingArgs,
}
