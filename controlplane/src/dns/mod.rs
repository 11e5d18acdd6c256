//! The authoritative name server: zones, the answers from them, and the threads that send them.
//!
//! Lowest first: `limits`, `code`, `name`, `subnets` · `edns`, `query`, `cookie`, `rate`, `writer` · `catalog`, `build`,
//! `zone_file` · `recall` · `answer` · `engine`, which joins them and is still without I/O · the drivers.

pub mod answer;
pub mod build;
pub mod catalog;
pub mod code;
pub mod cookie;
pub mod counters;
pub mod edns;
pub mod engine;
pub mod fuzz;
pub mod limits;
pub mod load;
pub mod name;
pub mod policy;
pub mod query;
pub mod rate;
pub mod recall;
pub mod server;
pub mod subnets;
pub mod writer;
pub mod zone_file;
