//! Names of origins to addresses: a stub resolver on a thread of its own, which keeps what it knows.

pub(crate) mod answer;
mod exchange;
#[cfg(test)]
mod fake_server;
pub(crate) mod files;
mod name;
mod options;
pub(crate) mod question;
mod resolver;
mod stats;

pub use options::ResolveOptions;
pub use resolver::{OnChange, Resolver};
pub use stats::ResolveStats;
