//! The roles: what a worker does with its connections and tunnels, without any I/O of its own.

pub mod clients;
mod compressible;
pub mod control;
pub mod counters;
pub mod crossing;
pub mod fuzz;
pub mod limits;
pub mod named;
pub mod node;
pub mod origins;
pub mod plan;
pub mod proxy_protocol;
pub mod redirects;
pub mod settings;
pub mod status;
pub mod succession;
pub mod token;
pub mod trunk;
pub mod waits;
