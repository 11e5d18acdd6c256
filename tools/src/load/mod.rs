//! The load generator: HTTP/1.1, plain TCP and DNS, in closed and open loops, and a close look at the answers.
//!
//! ```text
//! run ── plan (classes, crowds, templates)         collect ── hdr_log, picture, the live line
//!  └─ one thread each: drive ── role ── generator ── place ── exchange (request, checks) ── answer (parser), parts
//!                                  └─ start, receive, question
//! ```
//! The generator is a role on the data plane's drivers (`drive` says why). In the open loop latency counts from when
//! a request should have started, so a stalled server cannot hide its stall by delaying the questions ("coordinated
//! omission", Tene).

mod answer;
mod class;
mod collect;
mod cpu;
mod desk;
mod dns;
mod exchange;
mod generator;
mod hdr_log;
mod mix;
mod options;
mod parts;
mod picture;
mod place;
mod plan;
mod popularity;
mod question;
mod reach;
mod receive;
mod report;
mod role;
mod run;
mod schedule;
mod start;
mod tally;
mod target;
mod template;
mod url;

pub use class::ClassSpec;
pub use mix::read_mix;
pub use options::{DnsOptions, LoadError, LoadOptions};
pub use report::{ClassReport, Cpu, Errors, Latency, LoadReport};
pub use run::{run, run_until};
pub use schedule::Arrivals;
