//! An HTTP/1.1 server that does what its path says (`route`), for tests, demonstrations and benchmarks; also a
//! plain TCP echo. Not a server for real sites: it serves nothing but seeded bytes.

mod buffer;
mod connection;
mod head;
mod options;
mod request;
mod server;
mod shared;
mod socket;
mod stage;
mod websocket;
mod worker;

pub use options::{Mode, OriginError, OriginOptions};
pub use server::{Origin, OriginThread, run, spawn};
pub use shared::{Counts, Stopper};
