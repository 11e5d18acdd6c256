//! The part that talks to clients: HTTP/1.1 as a server, plain TCP, and one exchange per request.
//!
//! ```text
//!   client ─► up.rs ─► begin.rs ─► ask     answer ─► down.rs ─► client
//! ```
//! Not here: where an exchange goes on from here (the tunnel, or an origin of this process).

mod begin;
mod client;
mod down;
mod draft;
mod end;
mod exchange;
mod redirect;
mod refuse;
mod reroute;
mod state;
mod up;

pub use state::{Clients, ClientsOptions, RecordSink};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_redirect;
