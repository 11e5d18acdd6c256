//! To whom a node tells what it sees.

use crate::form::address::Address;
use crate::form::given::{Given, take_all};
use crate::key_file;
use crate::problem::Problems;
use controlplane::report::key::ReportKey;
use core::net::SocketAddr;
use std::path::PathBuf;

/// Where reports go, and under which key.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Reports")]
pub(crate) struct ReportArgs {
    /// Report what is seen to this name server, UDP; repeatable; without it to those of the tree
    #[arg(long, value_name = "ADDR")]
    pub(crate) report_to: Vec<Given<Address>>,
    /// The key that reports are signed with, or the secret that makes it (`longhaul key report`)
    #[arg(long, value_name = "FILE")]
    pub(crate) report_key: Option<PathBuf>,
}

/// What reports need.
#[derive(Clone, Debug)]
pub(crate) struct ReportConfig {
    /// In whose name.
    pub(crate) node: String,
    /// Under which key.
    pub(crate) key: ReportKey,
    /// To whom.
    pub(crate) to: Vec<SocketAddr>,
}

impl ReportArgs {
    /// What the flags say of reports of `node`, if any are to be made.
    pub(crate) fn config(&self, node: &str, problems: &mut Problems) -> Option<ReportConfig> {
        let to: Vec<_> =
            take_all(&self.report_to, "report_to", problems).into_iter().map(|(_, at)| at).collect();
        let has_key = self.report_key.is_some() || self.report_to.is_empty();
        let instead = "give the key that signs them: --report-key FILE (`longhaul key report`)";
        problems.require(
            has_key,
            "--report-to",
            "is given, and nobody takes reports that are not signed",
            instead,
        );
        let file = self.report_key.as_ref()?;
        let key =
            key_file::report_key(file, node).map_err(|wrong| problems.add("--report-key", &wrong)).ok()?;
        (!to.is_empty()).then(|| ReportConfig { node: node.to_owned(), key, to })
    }
}
