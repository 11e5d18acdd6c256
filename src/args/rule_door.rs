//! The flags of `longhaul rules`.

use crate::form::given::Given;
use crate::form::ip::Ip;
use core::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Examples at the foot of the help.
const EXAMPLES: &str = "\
Examples:
  longhaul rules check rules.toml
  longhaul rules test rules.toml http://shop.example/checkout/pay 'POST http://shop.example/cart'
  longhaul rules test rules.toml --header 'Cookie: cart=full' --client 10.1.2.3 http://shop.example/

A request is [METHOD ]URL. The answer names the rule that it meets, and for each rule before that the condition that
does not hold. docs/rules.md explains the file.

Exit statuses: 0 done, 2 the file or a request is wrong.";

/// Tries rules files: whether they are right, and which rule a request meets and why
#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RuleDoorArgs {
    #[command(subcommand)]
    pub(crate) door: RuleDoor,
}

/// What is done with rules.
#[derive(clap::Subcommand, Clone, Debug)]
pub(crate) enum RuleDoor {
    /// Say everything that is wrong with a rules file
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Say which rule each request meets, and why
    Test {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What a client might ask for
        #[arg(value_name = "[METHOD ]URL", required = true)]
        request: Vec<String>,
        /// A field of every request; repeatable
        #[arg(long, short = 'H', value_name = "NAME: VALUE")]
        header: Vec<String>,
        /// Who asks
        #[arg(long, value_name = "IP", default_value_t = Given::of(IpAddr::V4(Ipv4Addr::LOCALHOST)))]
        client: Given<Ip>,
        /// The port that the client came to; without it the URL's
        #[arg(long, value_name = "PORT")]
        port: Option<u16>,
    },
}
