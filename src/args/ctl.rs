//! The flags of `longhaul ctl`, and the commands that cross to a process that runs: the same definition reads them on
//! both sides.

use crate::form::given::Given;
use crate::form::span::Span;
use core::net::IpAddr;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul ctl --control /run/longhaul-front/ctl show
  longhaul ctl --control /run/longhaul-front/ctl set weights 32,8,4,2,1
  longhaul ctl --control /run/longhaul-front/ctl reload
  longhaul ctl --control /run/longhaul-dns/ctl override drain fra1 --reason 'new disks' --for 1h
  longhaul ctl --control /run/longhaul-dns/ctl explain shop.example --client 198.51.100.7
  longhaul ctl --control /run/longhaul-front/ctl explain-route shop.example

The process must run with --control PATH. The socket is its owner's and root's. docs/ctl.md has the protocol.
What is set holds until the process ends; flags and files say what holds at the next start.

Exit statuses: 0 done, 1 not allowed or broken off, 2 refused, and nothing was changed; 75 nobody answers there.";

/// Changes a front-end, back-end or name server that runs
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CtlArgs {
    /// The control socket of the process
    #[arg(long, value_name = "PATH")]
    pub(crate) control: PathBuf,
    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

/// A command as it crosses.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "ctl", no_binary_name = true, disable_help_subcommand = true)]
pub(crate) struct CtlLine {
    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

/// What can be asked of a process.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum CtlCommand {
    /// Show what can be set: its value now, and who set it
    Show,
    /// Set a value: weights, sub-packet, packet-bytes, compress, shed-at (front, back), log-level; written as its flag takes it
    Set {
        /// Which
        #[arg(value_name = "SETTING")]
        setting: String,
        /// To what
        #[arg(value_name = "VALUE")]
        value: String,
    },
    /// Read the files again as SIGHUP does, whole or not at all, and say how it went
    Reload,
    /// Open the log again as SIGUSR1 does
    Reopen,
    /// End as SIGTERM does: nothing new is taken, what is under way is finished
    Drain,
    /// Print what /status shows
    Status,
    /// Order what counts more than what was measured about a server (dns)
    Override {
        #[command(subcommand)]
        order: OverrideCommand,
    },
    /// Replace the table of what was measured (dns)
    Figures {
        /// The table, as docs/dns.md says; read on this side
        #[arg(value_name = "FILE")]
        table: String,
    },
    /// Tell where a client is sent now, and why (dns)
    Explain {
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        /// The client, or its resolver
        #[arg(long, value_name = "ADDR")]
        client: IpAddr,
        /// A or AAAA
        #[arg(long, value_name = "TYPE", default_value = "A")]
        r#type: String,
    },
    /// Tell what is believed of a target that is probed, who says so, and who says otherwise (dns)
    ExplainProbe {
        /// A target, or all of a probe, of a server, or that a node looks at
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Tell which route a site's requests go over now, why, and what has changed of late (front)
    ExplainRoute {
        /// The site
        #[arg(value_name = "SITE")]
        site: String,
    },
}

/// Orders about servers.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum OverrideCommand {
    /// Send nobody new there
    Drain(OrderArgs),
    /// It is up, whatever was measured
    Up(OrderArgs),
    /// It is down, whatever was measured
    Down(OrderArgs),
    /// Take an order back
    Clear {
        /// The node or server
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Show the orders that were given through ctl
    List,
}

/// About which server, why, how long.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct OrderArgs {
    /// The node or server
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Why, for the next one who looks
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// For how long; without it until it is taken back
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) span: Option<Given<Span>>,
}

impl CtlCommand {
    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Set { .. } => "set",
            Self::Reload => "reload",
            Self::Reopen => "reopen",
            Self::Drain => "drain",
            Self::Status => "status",
            Self::Override { .. } => "override",
            Self::Figures { .. } => "figures",
            // Who may hear why one thing is so may hear it of the other.
            Self::Explain { .. } | Self::ExplainProbe { .. } | Self::ExplainRoute { .. } => "explain",
        }
    }

    /// The words that read as this command.
    pub(crate) fn words(&self) -> Vec<String> {
        let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Show => all(&["show"]),
            Self::Set { setting, value } => all(&["set", "--", setting, value]),
            Self::Reload => all(&["reload"]),
            Self::Reopen => all(&["reopen"]),
            Self::Drain => all(&["drain"]),
            Self::Status => all(&["status"]),
            Self::Override { order } => order.words(),
            Self::Figures { table } => all(&["figures", "--", table]),
            Self::ExplainProbe { name } => all(&["explain-probe", "--", name]),
            Self::ExplainRoute { site } => all(&["explain-route", "--", site]),
            Self::Explain { name, client, r#type } => {
                let (client, qtype) = (format!("--client={client}"), format!("--type={type}"));
                all(&["explain", &client, &qtype, "--", name])
            }
        }
    }
}

impl OverrideCommand {
    fn words(&self) -> Vec<String> {
        let (action, args) = match self {
            Self::Drain(args) => ("drain", args),
            Self::Up(args) => ("up", args),
            Self::Down(args) => ("down", args),
            Self::Clear { name } => {
                return vec!["override".into(), "clear".into(), "--".into(), name.clone()];
            }
            Self::List => return vec!["override".into(), "list".into()],
        };
        let mut words = vec!["override".to_owned(), action.to_owned(), format!("--reason={}", args.reason)];
        words.extend(args.span.iter().map(|span| format!("--for={span}")));
        words.extend(["--".to_owned(), args.name.clone()]);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn words_read_as_the_command_that_wrote_them() {
        for words in [
            &["show"][..],
            &["set", "weights", "1,1,1,1,1"],
            &["set", "weights", "-1"],
            &["override", "drain", "fra1", "--reason", "--a b", "--for", "1h"],
            &["override", "up", "fra1", "--reason", "x"],
            &["override", "clear", "fra1"],
            &["override", "list"],
            &["figures", "{}"],
            &["explain", "shop.example", "--client", "::1", "--type", "AAAA"],
        ] {
            let Ok(line) = CtlLine::try_parse_from(words.iter().filter(|word| **word != "-1")) else {
                // A value that begins with a hyphen crosses behind `--` only.
                continue;
            };
            let again = CtlLine::try_parse_from(line.command.words()).unwrap();
            assert_eq!(format!("{:?}", again.command), format!("{:?}", line.command));
        }
    }
}
