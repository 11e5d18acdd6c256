//! To whom a node tells what it sees.

use crate::form::given::{Given, take_all};
use crate::form::report_to::ReportTo;
use crate::key_file;
use crate::problem::{Problems, Wrong};
use controlplane::report::key::ReportKey;
use core::net::SocketAddr;
use dataplane::tmp::key::PrivateKey;
use std::path::PathBuf;

/// Where reports go, and under which key.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Reports")]
pub(crate) struct ReportArgs {
    /// Report what is seen to this name server, UDP, or to this front-end, by its public key; repeatable; without it to
    /// those of the tree
    #[arg(long, value_name = "[KEY@]ADDR")]
    pub(crate) report_to: Vec<Given<ReportTo>>,
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
    /// To which name servers.
    pub(crate) to: Vec<SocketAddr>,
    /// To which front-ends, each under a key of the pair.
    pub(crate) to_fronts: Vec<(SocketAddr, ReportKey)>,
}

impl ReportArgs {
    /// Whether some go to front-ends: a private key is needed then.
    pub(crate) fn has_fronts(&self, problems: &mut Problems) -> bool {
        take_all(&self.report_to, "report_to", problems).iter().any(|(_, (_, key))| key.is_some())
    }

    /// What the flags say of reports of `node`, if any are to be made. `own` is its private key. One that runs keeps the key
    /// that it has: it may not be able to read the file any more.
    pub(crate) fn config(
        &self,
        node: &str,
        own: Option<&PrivateKey>,
        running: Option<&ReportConfig>,
        problems: &mut Problems,
    ) -> Option<ReportConfig> {
        let given = take_all(&self.report_to, "report_to", problems);
        let has_key = self.report_key.is_some() || given.is_empty();
        let instead = "give the key that signs them: --report-key FILE (`longhaul key report`)";
        problems.require(
            has_key,
            "--report-to",
            "is given, and nobody takes reports that are not signed",
            instead,
        );
        let file = self.report_key.as_ref()?;
        let key = match running {
            Some(running) => Ok(running.key.clone()),
            None => key_file::report_key(file, node),
        };
        let key = key.map_err(|wrong| problems.add("--report-key", &wrong)).ok()?;
        let (mut to, mut to_fronts) = (Vec::new(), Vec::new());
        for (text, (address, public)) in given {
            match public.map(|public| own.and_then(|own| ReportKey::of_pair(own, &public))) {
                None => to.push(address),
                Some(Some(key)) => to_fronts.push((address, key)),
                Some(None) => {
                    let wrong = Wrong::new("needs this node's own private key", "give --key FILE");
                    problems.add(format_args!("--report-to {text}"), &wrong);
                }
            }
        }
        let config = ReportConfig { node: node.to_owned(), key, to, to_fronts };
        (!config.to.is_empty() || !config.to_fronts.is_empty()).then_some(config)
    }
}
