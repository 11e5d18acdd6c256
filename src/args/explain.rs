//! The flags of `longhaul explain`.

use core::net::IpAddr;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul explain dns shop.example --client 198.51.100.7 --config longhaul.toml
  longhaul explain dns shop.example --client 2001:db8::7 --type AAAA --config longhaul.toml --figures new.json

  longhaul explain probe web/fra1 --control /run/longhaul-dns/ctl
  longhaul explain probe fra1 --config longhaul.toml --reports-state /var/lib/longhaul/reports.json

  longhaul explain route shop.example --control /run/longhaul-front/ctl

dns: every member of the policy with its score by parts, the age of each figure, and why it is or is not in the answer;
made by the code that answers. probe: what is believed of a target and why, what each prober says of it and since when,
who is outvoted, how well each is heard; as a name server that runs knows it, or from what it kept. route: every route of the site and every path of each, as a front-end that runs knows
them: why it is used or not, figures of now, what has changed of late.";

/// Tells why something goes where it goes
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    #[command(subcommand)]
    pub(crate) door: ExplainDoor,
}

/// What is explained.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum ExplainDoor {
    /// Where a client that asks for a name is sent, and why
    #[command(after_long_help = EXAMPLES)]
    Dns {
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        /// The client, or its resolver
        #[arg(long, value_name = "ADDR")]
        client: IpAddr,
        /// The tree
        #[arg(long, value_name = "FILE", default_value = "longhaul.toml")]
        config: PathBuf,
        /// What was measured, in place of the tree's own file
        #[arg(long, value_name = "FILE")]
        figures: Option<PathBuf>,
        /// What was ordered through `longhaul ctl override`, as `longhaul dns --overrides` keeps it
        #[arg(long, value_name = "FILE")]
        overrides: Option<PathBuf>,
        /// What nodes have reported, as `longhaul dns --reports-state` keeps it
        #[arg(long, value_name = "FILE")]
        reports_state: Option<PathBuf>,
        /// A or AAAA
        #[arg(long, value_name = "TYPE", default_value = "A")]
        r#type: String,
    },
    /// What is believed of a target, who says so, and who says otherwise
    #[command(after_long_help = EXAMPLES)]
    Probe {
        /// A target, or all of a probe, of a server, or that a node looks at
        #[arg(value_name = "NAME")]
        name: String,
        /// The control socket of a name server that runs; without it what was kept is explained
        #[arg(long, value_name = "PATH", visible_alias = "ctl", conflicts_with = "reports_state")]
        control: Option<PathBuf>,
        /// The tree
        #[arg(long, value_name = "FILE", default_value = "longhaul.toml")]
        config: PathBuf,
        /// What nodes have reported, as `longhaul dns --reports-state` keeps it
        #[arg(long, value_name = "FILE", required_unless_present = "control")]
        reports_state: Option<PathBuf>,
    },
    /// Which route a site's requests go over now, and why; asked of a front-end that runs
    #[command(after_long_help = EXAMPLES)]
    Route {
        /// The site
        #[arg(value_name = "SITE")]
        site: String,
        /// The control socket of the front-end
        #[arg(long, value_name = "PATH", visible_alias = "ctl")]
        control: PathBuf,
    },
}
