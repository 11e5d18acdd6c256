//! The part that talks to origin servers: connections, their pool, and one fetch per exchange.
//!
//! ```text
//!   ask ─► up.rs ─► connection ─► origin server ─► down.rs ─► answer
//! ```
//! Not here: who asked (a stream of the tunnel, or a client of this process) and which origin a site has.

mod connection;
mod down;
mod end;
mod fetch;
mod state;
mod up;

pub use state::Origins;

#[cfg(test)]
mod tests;
