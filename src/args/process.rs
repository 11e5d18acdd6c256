//! What the process is, apart from what it does.

use crate::form::given::Given;
use crate::form::user::User;
use crate::problem::Problems;
use dataplane::reactor::privileges::{self, Identity};
use std::path::PathBuf;

/// Who it is, and who may change it.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessArgs {
    /// Become this user once everything is bound and every key is read; needs to be started as root. The access log's
    /// folder must let that user make files, or it cannot be opened again
    #[arg(long, value_name = "NAME[:GROUP]")]
    pub(crate) user: Option<Given<User>>,
    /// Take commands of `longhaul ctl` on this Unix socket, which only the process's user and root may use
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
}

impl ProcessArgs {
    /// Whom to become, if anybody.
    pub(crate) fn identity(&self, problems: &mut Problems) -> Option<Identity> {
        let given = self.user.as_ref()?;
        problems.require(
            privileges::is_root(),
            format_args!("--user {given}"),
            "is given, and only root can become another user",
            "start as root, or leave --user out",
        );
        given.take("user", problems)
    }
}
