//! Fuzz target: any bytes as a datagram from a stranger. The invariants stand in `dataplane::tmp::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::tmp::fuzz::fuzz_datagram(bytes));
