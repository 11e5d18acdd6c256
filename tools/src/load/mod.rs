//! The load generator: HTTP/1.1 requests in a closed loop or at a constant rate, and a close look at the answers.
//!
//! ```text
//! run ── worker (one per thread: poll, schedule, timers) ── connection (a socket) ── exchange (request, checks)
//!                                                                                       └─ answer (parser)
//! ```
//! In the open loop latency counts from when a request should have started, so a stalled server cannot hide its
//! stall by delaying the questions ("coordinated omission", Tene).

mod answer;
mod connection;
mod cpu;
mod exchange;
mod options;
mod report;
mod run;
mod schedule;
mod tally;
mod target;
mod worker;

pub use options::{LoadError, LoadOptions};
pub use report::{Cpu, Errors, Latency, LoadReport};
pub use run::{run, run_until};
