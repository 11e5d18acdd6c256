//! The shells around the roles: clocks, sockets, and the drivers that run a role on a thread.
//!
//! All unsafe code of the crate lives here. Nothing in here knows a protocol: what crosses is bytes, datagrams
//! and time, as `port` says.

pub mod address;
mod buffers;
pub mod clock;
pub mod counters;
pub mod datagram;
pub mod epoll;
pub mod errno;
pub mod feature;
mod operation;
pub mod options;
mod ring;
pub mod socket;
pub mod stream;
pub mod uring;
pub mod wake;
