//! Fuzz target: changed and signed handshake messages, and their parameters. The invariants stand in `dataplane::tmp::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::tmp::fuzz::fuzz_handshake(bytes));
