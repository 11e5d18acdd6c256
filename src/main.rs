//! The `longhaul` binary: one door per subcommand.

#![forbid(unsafe_code)]

mod config;
mod exit;
mod node;
mod secret;

fn main() {}
