//! Fuzz target: a peer with the right key and an application, at one end of a tunnel under a null cipher. The invariants stand in `dataplane::tmp::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::tmp::fuzz::fuzz_tunnel(bytes));
