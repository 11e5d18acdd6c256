//! Fuzz target: any bytes as the plaintext of a packet, frame after frame. The invariants stand in
//! `dataplane::tmp::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::tmp::fuzz::fuzz_frames(bytes));
