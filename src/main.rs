//! The `longhaul` binary: one door per subcommand.
fn main() {}
