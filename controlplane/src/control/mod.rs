//! The control door: how an operator changes a process that runs. Commands come over a Unix socket that only its owner
//! may use and those whom it invites, and are heard by the same thread that hears signals, one after the other, so that nothing needs a lock.
//!
//! One line of JSON each way. A command is the list of its words, an answer has the exit status that `longhaul ctl` ends
//! with and the lines that it prints:
//!
//! ```text
//! ["set","weights","16,8,4,2,1"]
//! {"status":0,"lines":["weights = 16,8,4,2,1"]}
//! ```
//! Not here: what a command means; that is the process's own.

mod answer;
mod caller;
mod door;
mod guests;
mod inbox;
mod path;

pub use answer::{Answer, ask};
pub use door::Door;
pub use guests::Guests;
pub use inbox::{Inbox, Order, Word};
pub use path::BindError;
