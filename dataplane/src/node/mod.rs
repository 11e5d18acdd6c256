//! One process: its sockets, its workers, what they share, and how they end. The only place where roles and drivers
//! meet.
//!
//! Not here: flags, signals, names, logs, pages; those are the binary's and the control plane's.

mod options;
mod running;
mod start;
mod worker;

pub use options::{Io, NodeOptions, TunnelSetup, TunnelSocket, WorkerPlace};
pub use running::{Running, WorkerView};
pub use start::{StartError, start};
