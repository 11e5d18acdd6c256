//! The access record: what a worker says about one finished exchange, as bytes that cross a ring.
//!
//! The worker fills an [`AccessRecord`] and encodes it into a slot of the ring to the log thread; the log thread
//! decodes it and writes a line. It is not a log format: that one is the control plane's.
//!
//! There is no field for header values, so that no Cookie or Authorization can ever reach a log.

mod layout;
mod outcome;
mod record;

pub use layout::{
    METHOD_BYTES_MAX, NAME_BYTES_MAX, NODE_BYTES_MAX, RULE_BYTES_MAX, SITE_BYTES_MAX, SLOT_BYTES,
    TARGET_BYTES_MIN,
};
pub use outcome::{Ended, Kind, Refusal, Rule, Version, Wait};
pub use record::{AccessRecord, Decision, Timings};
