//! Files that operators write in TOML: read once, with everything that is wrong in them said at once, each with line,
//! column, what it is and what to write instead.
//!
//! A reader asks a [`Section`] for each of its keys; what it has the wrong type or value becomes a [`Fault`], and a key
//! that nobody asked for is one too, with the nearest known name. A file with any fault gives no value at all.

mod fault;
mod section;

pub use fault::Fault;
pub use section::{Section, Text, read};
