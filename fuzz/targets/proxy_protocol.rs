//! Fuzz target: any bytes as a PROXY header of either version. The invariants stand in `dataplane::role::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::role::fuzz::fuzz_proxy_protocol(bytes));
