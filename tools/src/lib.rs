//! Tools that stand around the pair: the origin behind it, the load in front of it, the path between its ends, and
//! the simulator.
//!
//! Tiers, lowest first: `clock, alarm, descriptors, content` · `http1, route` · `origin`, `load`, `wan`. The programs
//! know nothing of each other; what they must agree on (the bytes of an object, the meaning of a path) lies below them.
//! Unsafe code stands in `wan/kernel.rs` only.

#[forbid(unsafe_code)]
mod alarm;
#[forbid(unsafe_code)]
pub mod clock;
#[forbid(unsafe_code)]
pub mod content;
#[forbid(unsafe_code)]
pub mod descriptors;
#[forbid(unsafe_code)]
pub mod http1;
#[forbid(unsafe_code)]
pub mod load;
#[forbid(unsafe_code)]
pub mod origin;
#[forbid(unsafe_code)]
pub mod route;
#[forbid(unsafe_code)]
pub mod sim;
pub mod wan;

#[cfg(test)]
mod loopback;
