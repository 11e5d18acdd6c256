//! Fuzz target: the pieces of a stream in any order. The invariants stand in `dataplane::tmp::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::tmp::fuzz::fuzz_reassembly(bytes));
