//! What is written down: the access log of the exchanges, and the daemon's own messages.

pub mod daemon;
pub(crate) mod json;
mod line;
pub(crate) mod output;
mod records;
pub(crate) mod sink;
mod stats;
mod writer;

pub use records::Records;
pub use stats::RecordStats;
pub use writer::{LogOptions, LogTarget, LogWriter, Reopen};
