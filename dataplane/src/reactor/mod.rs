//! The shells around the roles: clocks, sockets, rings between cores, and the drivers that run a role on a thread.
//!
//! All unsafe code of the crate lives here. Nothing in here knows a protocol: what crosses is bytes, datagrams
//! and time, as `port` says.

pub mod address;
mod alarm;
mod at_once;
mod atomics;
pub mod batch;
mod buffers;
#[cfg(test)]
pub(crate) mod checks;
pub mod clock;
pub mod counters;
pub mod datagram;
#[cfg(test)]
pub(crate) mod echo;
pub mod epoll;
pub mod errno;
pub mod feature;
pub mod lanes;
pub mod machine;
mod operation;
pub mod options;
pub mod placement;
pub mod privileges;
pub mod readiness;
mod ring;
pub mod sleep;
mod slots;
pub mod socket;
pub mod spsc;
pub mod stream;
pub mod uring;
pub mod wake;
