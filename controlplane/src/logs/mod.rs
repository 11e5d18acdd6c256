//! What is written down: the access log of the exchanges, and the daemon's own messages.

pub mod daemon;
mod json;
mod line;
mod output;
mod records;
mod sink;
mod stats;
mod writer;

pub use records::Records;
pub use stats::RecordStats;
pub use writer::{LogOptions, LogTarget, LogWriter, Reopen};
