//! The workspace's Rust files, as tokens: what the tests about the code itself read.

pub(crate) mod files;
pub(crate) mod token;
