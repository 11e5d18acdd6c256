//! What operators see of a node.

use crate::config::{AccessLog, Seeing};
use crate::form::address::Address;
use crate::form::given::Given;
use crate::form::otherwise::{Off, Otherwise};
use crate::form::word::Word;
use crate::problem::Problems;
use controlplane::logs::daemon::Level;
use std::path::PathBuf;

/// All of it is read-only.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Seeing it")]
pub(crate) struct SeeingArgs {
    /// Serve a page, /metrics, /status and /healthz here, read-only; meant for loopback or a management network
    #[arg(long, value_name = "ADDR", default_value = "off")]
    pub(crate) admin: Given<Otherwise<Off, Address>>,
    /// Another name that the admin server answers to, beside loopback names and its own address; repeatable
    #[arg(long, value_name = "NAME")]
    admin_host: Vec<String>,
    /// Access log as JSON lines: a file, reopened on SIGUSR1, or `stderr`, or `off`
    #[arg(long, value_name = "FILE", default_value = "off")]
    access_log: PathBuf,
    /// How much the node itself says on standard error: error, warning, notice, info, debug
    #[arg(long, value_name = "LEVEL", default_value_t = Given::of(Level::Info))]
    log_level: Given<Word<Level>>,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}

impl SeeingArgs {
    /// What the flags say.
    pub(crate) fn seeing(&self, problems: &mut Problems) -> Seeing {
        problems.require(
            !self.access_log.as_os_str().is_empty(),
            "--access-log",
            "names no file",
            "give a file, stderr or off",
        );
        Seeing {
            admin: self.admin.take_or("admin", problems, None),
            admin_hosts: self.admin_host.clone(),
            access_log: self.access_log(),
            log_level: self.log_level.take_or("log_level", problems, Level::Info),
        }
    }

    fn access_log(&self) -> Option<AccessLog> {
        match self.access_log.to_str() {
            Some("off") => None,
            Some("stderr") => Some(AccessLog::Stderr),
            Some(_) | None => Some(AccessLog::File(self.access_log.clone())),
        }
    }
}
