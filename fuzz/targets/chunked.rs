//! Fuzz target: any bytes as a chunked body with trailers. The invariants stand in `dataplane::http::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dataplane::http::fuzz::fuzz_chunked(bytes));
