//! Tools that stand around the pair: the origin behind it, the load in front of it, and later the simulator.
//!
//! Tiers, lowest first: `clock, descriptors, content, drive, plot, spread` · `http1, route` · `origin`, `load`. The two programs know
//! nothing of each other; what both must agree on (the bytes of an object, the meaning of a path) lies below both.

#![forbid(unsafe_code)]

pub mod clock;
pub mod content;
pub mod descriptors;
pub mod drive;
pub mod http1;
pub mod load;
pub mod origin;
pub mod plot;
pub mod route;
pub mod sim;
pub mod spread;

#[cfg(test)]
mod loopback;
