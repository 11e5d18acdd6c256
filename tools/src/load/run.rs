//! One run: check the options, start the threads, add up what they found.

use crate::load::options::{LoadError, LoadOptions};
use crate::load::report::LoadReport;
use core::sync::atomic::AtomicBool;

/// Runs the load to its end and reports. Blocks; errors are the operator's (options, limits), never the peer's.
pub fn run(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    run_until(options, &AtomicBool::new(false))
}

/// The same, ending early (within 100 ms, then as soon as running requests are answered) once `stop` is set.
pub fn run_until(options: &LoadOptions, stop: &AtomicBool) -> Result<LoadReport, LoadError> {
    let _ = (options, stop);
    todo!()
}
