//! Fuzz target: the ranges of an ACK, and the numbers of packets that came. The invariants stand in `dataplane::tmp::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::tmp::fuzz::fuzz_ack_ranges(bytes));
