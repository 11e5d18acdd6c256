//! An HTTP/1.1 server that does what its path says (`route`), for tests, demonstrations and benchmarks; also a
//! plain TCP echo. Not a server for real sites: it serves nothing but seeded bytes.

mod options;
mod server;

pub use options::{Mode, OriginError, OriginOptions};
pub use server::{Counts, Origin, OriginThread, Stopper, run, spawn};
