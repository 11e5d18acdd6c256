//! The simulator: the production roles in memory, under virtual time, seeds and faults.
//!
//! ```text
//!   clients ═ pipes ═ driver+node ═ network ═ driver+node ═ pipes ═ origins          book: who saw what
//! ```
//! Everything but the roles is simulated; the roles are the ones that io_uring and epoll run. One seed is one
//! small world: some thirty exchanges, some faults, then peace, in which everything must end and be let go.
//! Not here: the tunnel protocol's own tests, which stand beside it.

mod audit;
mod chart;
mod check;
mod client;
mod content;
mod driver;
mod fault;
mod film;
mod given;
mod many;
mod message;
mod network;
mod origin;
mod pipe;
mod reader;
mod run;
mod scenario;
mod shape;
mod speech;
mod stage;
mod timetable;
mod turns;
mod world;

pub use chart::plots;
pub use film::{Fate, Film, Note, Sight};
pub use given::{Given, Incident, PathGiven, Topology, Trouble};
pub use many::{Report, run_many};
pub use run::{Options, Outcome, run};

#[cfg(test)]
mod tests;
