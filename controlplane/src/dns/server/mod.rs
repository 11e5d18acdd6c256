//! The name server's threads: sockets, connections, publication of zones, the query log, figures for the page.

mod connection;
pub mod decisions;
pub mod foretell;
pub mod options;
mod queries;
pub mod query_log;
pub mod start;
pub mod tables;
pub mod watch;
mod worker;
pub mod world;
