//! Tools that stand around the pair: the origin behind it, the load in front of it, the path between its ends, and
//! the simulator.
//!
//! Tiers, lowest first: `clock, alarm, descriptors, content, drive, plot, spread` · `http1, route` · `origin`, `load`,
//! `page`, `wan`, `capture` and `dump` (the tunnel protocol as a capture shows it). The programs know nothing of each other; what they must agree on (the bytes of an object, the meaning
//! of a path) lies below them. The workspace denies unsafe code; `wan/kernel.rs` alone allows it.

mod alarm;
pub mod capture;
pub mod clock;
pub mod content;
pub mod descriptors;
pub mod drive;
pub mod dump;
pub mod http1;
pub mod load;
pub mod origin;
pub mod page;
pub mod plot;
pub mod route;
pub mod sim;
pub mod spread;
pub mod wan;

#[cfg(test)]
mod instrument;
#[cfg(test)]
mod loopback;
