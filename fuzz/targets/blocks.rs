//! Fuzz target: any bytes as a half of a stream in blocks, and as what is packed. The invariants stand in `dataplane::compression::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::compression::fuzz::fuzz_blocks(bytes));
