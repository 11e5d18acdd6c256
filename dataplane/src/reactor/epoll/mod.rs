//! The epoll driver: runs a role on plain non-blocking system calls and mio's poll.
//!
//! For machines on which io_uring is forbidden, and the other arm of every comparison. It registers each
//! descriptor once, edge-triggered, for everything, and remembers in a few flags what the kernel said: a wish of
//! the role costs no epoll_ctl, a connection costs one in its life.
//!
//! ```text
//!   run ──► connections   slots, reads, writes, ends            each works on the `Stage`:
//!       ──► listeners     accepts, descriptor shortage          the role, its port, its counters, now
//!       ──► datagrams     receives, trains
//! ```

mod connections;
mod datagrams;
mod listeners;
mod run;
mod source;
mod stage;

pub use run::run;

#[cfg(test)]
mod tests;
