//! An HTTP/1.1 server that does what its path says (`route`), for tests, demonstrations and benchmarks; also plain TCP
//! echo and discard. Not a server for real sites: it serves nothing but seeded bytes.
//!
//! ```text
//! server (bind, run, stop) ── one thread each: drive ── role ── connection ── request, select, fields (what is asked)
//!                                                                  └─ respond, send (what is answered)
//! ```

mod buffer;
mod busy;
mod connection;
mod fields;
mod head;
mod options;
mod request;
mod respond;
mod role;
mod select;
mod send;
mod server;
mod shared;
mod stage;
mod websocket;

pub use options::{Habits, LoadIndex, Mode, OriginError, OriginOptions};
pub use server::{Origin, OriginThread, run, spawn};
pub use shared::{Counts, Stopper};
