//! Fuzz target: any bytes as a DNS request. The invariants stand in `controlplane::dns::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controlplane::dns::fuzz::fuzz_request(bytes));
