//! Fuzz target: any bytes as an opening and as a reply envelope. The invariants stand in `dataplane::exchange::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::exchange::fuzz::fuzz_envelope(bytes));
