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

/// In the order of the help.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct NodeArgs {
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
