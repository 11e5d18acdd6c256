//! Fuzz target: any bytes as a report. The invariants stand in `controlplane::report::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controlplane::report::fuzz::fuzz_report(bytes));
