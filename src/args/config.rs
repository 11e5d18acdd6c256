//! The flags of `longhaul config`.

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
    /// Print every key with form, default and meaning, as Markdown
    Reference,
    /// Print the JSON Schema, for editors
    Schema,
}
