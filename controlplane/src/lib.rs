//! The control plane: what runs beside the workers and is never waited for by them.
//!
//! Its threads block, allocate and talk to files and name servers as they please. Imports from the data plane are
//! what both planes share and nothing else: `time`, `stdx`, `http`, `access`.

#![forbid(unsafe_code)]

pub mod logs;
pub mod notify;
pub mod resolve;
pub mod view;
