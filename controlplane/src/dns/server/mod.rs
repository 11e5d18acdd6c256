//! The name server's threads: sockets, connections, publication of zones, the query log, figures for the page.

mod connection;
pub mod foretell;
pub mod options;
mod queries;
pub mod query_log;
pub mod start;
pub mod watch;
mod worker;
pub mod world;
