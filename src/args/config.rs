//! The flags of `longhaul config`.

use crate::form::address::Address;
use crate::form::given::Given;
use crate::form::otherwise::{Off, Otherwise};
use crate::form::span::SpanOrOff;
use crate::form::word::Word;
use controlplane::logs::daemon::Level;
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul config check longhaul.toml                    every error at once: line, column, what, what instead
  longhaul config show longhaul.toml policy.web          effective values, and whether file or default says so
  longhaul config get longhaul.toml policy.web.ttl
  longhaul config set longhaul.toml policy.web.ttl 60s   keeps comments; refuses what would break the tree
  longhaul config diff old.toml new.toml                 what changes, and for whose clients
  longhaul config reference                              every key, as Markdown (docs/config.md)

  longhaul config serve longhaul.toml --listen 0.0.0.0:7355 --key holder.key --invitations invitations

Paths are dotted; names with dots are quoted: 'site.\"shop.example\".dns.policy'.
Exit statuses: 0 good (diff: the same), 2 wrong, 3 diff found differences.";

/// Checks, shows and edits the network's configuration tree, longhaul.toml
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) door: ConfigDoor,
}

/// What is done with the tree.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum ConfigDoor {
    /// Look for everything that is wrong, zone files included
    Check {
        /// The tree
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print effective values and where each comes from
    Show {
        /// The tree
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only this and what is below it
        #[arg(value_name = "PATH")]
        path: Option<String>,
    },
    /// Print one effective value
    Get {
        /// The tree
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which
        #[arg(value_name = "PATH")]
        path: String,
    },
    /// Change one value in the file and leave everything else as it is
    Set {
        /// The tree
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which
        #[arg(value_name = "PATH")]
        path: String,
        /// The new value, as TOML; a text needs no quotes
        #[arg(value_name = "VALUE")]
        value: String,
    },
    /// Tell in words what changes from one tree to another, and for whom
    Diff {
        /// The old tree
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The new tree
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    /// Let machines join that were invited (`longhaul key invite`, `longhaul join`)
    Serve(Box<ServeArgs>),
    /// Print every key with form, default and meaning, as Markdown
    Reference,
    /// Print the JSON Schema, for editors
    Schema,
}

/// How machines are let in.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// The tree
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where machines that join are heard, TCP; repeatable
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<Given<Address>>,
    /// The file with this machine's private key, by which guests know it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The folder with the invitations
    #[arg(long, value_name = "DIR")]
    pub(crate) invitations: PathBuf,
    /// The control socket of a process on this machine that reads the tree again when it has changed; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) reload: Vec<PathBuf>,
    /// How long the weight of a new node grows (`slow_start`), or `off`
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) slow_start: Given<SpanOrOff>,
    /// Serve /metrics, /status and /healthz here, read-only; meant for loopback or a management network
    #[arg(long, value_name = "ADDR", default_value = "off")]
    pub(crate) admin: Given<Otherwise<Off, Address>>,
    /// Another name that the admin server answers to, beside loopback names and its own address; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) admin_host: Vec<String>,
    /// How much it says on standard error: error, warning, notice, info, debug
    #[arg(long, value_name = "LEVEL", default_value_t = Given::of(Level::Info))]
    pub(crate) log_level: Given<Word<Level>>,
}
