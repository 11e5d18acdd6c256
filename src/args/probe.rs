//! The flags of `longhaul probe`.

use crate::args::reporting::ReportArgs;
use crate::form::address::Address;
use crate::form::count::Count;
use crate::form::given::Given;
use crate::form::otherwise::{Off, Otherwise};
use crate::form::span::Span;
use crate::form::word::Word;
use clap::{Args, Command, FromArgMatches};
use controlplane::logs::daemon::Level;
use core::time::Duration;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  By hand, once, with the time of each phase:
    longhaul probe once https://shop.example/ tcp://192.0.2.1:25 dns://192.0.2.53/shop.example
  What is up and right, for a script:
    longhaul probe once --body ok --status 200 http://127.0.0.1:8080/health && echo good
  All the time, from the network's tree, as its node fra1 (docs/probe.md):
    longhaul probe --config longhaul.toml --node fra1 --admin 127.0.0.1:8054

Kinds: http, https (certificate and its end), tcp, dns (dns://SERVER/NAME?type=AAAA), tmp (tmp://PUBLIC_KEY@HOST:PORT: a
back-end answers), ftp (a whole retrieval in passive mode).
SIGHUP reads the tree again, whole or not at all. SIGTERM and SIGINT end it.
Exit statuses: 0 done, 1 failed (`once`: a target did not answer as it should), 2 wrong flags or files, 75 try again.";

/// Probes servers: up, how fast, how busy, with the right content; all the time, or once by hand
#[derive(clap::Args, Clone, Debug)]
#[command(
    long_about = "Looks at the targets that the tree has for this node, each at its interval: http, https, tcp, dns, tmp, \
                  ftp, with the time of each phase, the load that they say, and their content against its digest or \
                  another's. Times take us, ms, s, m and h.",
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    next_help_heading = "What is probed"
)]
pub(crate) struct ProbeArgs {
    #[command(subcommand)]
    pub(crate) door: Option<ProbeDoor>,
    /// The network's tree (`longhaul config reference` has every key), with targets in [probe.NAME]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which node of the tree this machine is; without it the only one with the role probe
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// The private key with which back-ends are knocked at; without it what the tree says
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The secret beside that key, if pairs have one; without it what the tree says
    #[arg(long, value_name = "FILE")]
    pub(crate) psk: Option<PathBuf>,
    /// Ask this name server, in place of those of resolv.conf; repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) name_server: Vec<Given<Address>>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    /// Serve a page, /metrics, /status and /healthz here, read-only; meant for loopback or a management network
    #[arg(long, value_name = "ADDR", default_value = "off", help_heading = "Seeing it")]
    pub(crate) admin: Given<Otherwise<Off, Address>>,
    /// Another name that the admin server answers to, beside loopback names and its own address; repeatable
    #[arg(long, value_name = "NAME", help_heading = "Seeing it")]
    pub(crate) admin_host: Vec<String>,
    /// How much the prober itself says on standard error: error, warning, notice, info, debug
    #[arg(long, value_name = "LEVEL", default_value_t = Given::of(Level::Info), help_heading = "Seeing it")]
    pub(crate) log_level: Given<Word<Level>>,
    /// Print every effective value, one per line with where it comes from, and stop
    #[arg(long, help_heading = "Seeing it")]
    pub(crate) print_config: bool,
}

impl ProbeArgs {
    /// The same from a list of flags; for the demonstration. The error is clap's sentence.
    pub(crate) fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let command = Self::augment_args(Command::new("probe").no_binary_name(true));
        let matches = command.try_get_matches_from(flags).map_err(|error| error.to_string())?;
        Self::from_arg_matches(&matches).map_err(|error| error.to_string())
    }
}

/// By hand.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum ProbeDoor {
    /// Probe each URL once, print the phases as a table, exit 0 if all is as expected and 1 if not
    #[command(after_long_help = EXAMPLES)]
    Once(Box<OnceArgs>),
}

/// What is asked once.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct OnceArgs {
    /// What is asked of whom
    #[arg(value_name = "URL", required = true)]
    pub(crate) url: Vec<String>,
    /// How long each may take
    #[arg(long, value_name = "TIME", default_value_t = Given::of(Duration::from_secs(3)))]
    pub(crate) timeout: Given<Span>,
    /// Statuses that are good: numbers and ranges
    #[arg(long, value_name = "LIST", default_value = "200-299")]
    pub(crate) status: String,
    /// A text that must be in the answer's first 64 KiB
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// The SHA-256 that the content must have
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// The name in the Host field and in the certificate, where it is not the URL's
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Redirects that are followed
    #[arg(long, value_name = "COUNT", default_value_t = Given::of(0))]
    pub(crate) redirects: Given<Count<u8>>,
    /// Where the load is read: off, json, status, orca, or a field's name
    #[arg(long, value_name = "WORD", default_value = "off")]
    pub(crate) load: String,
    /// Authorities of certificates, as PEM, in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Take any certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The private key with which back-ends are knocked at
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The secret beside that key, if pairs have one
    #[arg(long, value_name = "FILE")]
    pub(crate) psk: Option<PathBuf>,
    /// Ask this name server, in place of those of resolv.conf; repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) name_server: Vec<Given<Address>>,
}
