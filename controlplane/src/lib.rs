//! The control plane: what runs beside the workers and is never waited for by them.
//!
//! Its threads block, allocate and talk to files and name servers as they please. Imports from the data plane are
//! what both planes share and nothing else (`tests/arrows.rs` has the list). Unsafe code stands in `signal` only.

#[forbid(unsafe_code)]
pub mod control;
#[forbid(unsafe_code)]
pub mod dns;
#[forbid(unsafe_code)]
pub mod join;
#[forbid(unsafe_code)]
pub mod logs;
#[forbid(unsafe_code)]
pub mod nearest;
#[forbid(unsafe_code)]
pub mod notify;
#[forbid(unsafe_code)]
pub mod probe;
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod resolve;
#[forbid(unsafe_code)]
pub mod rule_file;
pub mod signal;
#[forbid(unsafe_code)]
pub mod size;
#[forbid(unsafe_code)]
pub mod toml_file;
#[forbid(unsafe_code)]
pub mod tree;
#[forbid(unsafe_code)]
pub mod view;
