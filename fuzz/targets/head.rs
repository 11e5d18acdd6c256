//! Fuzz target: any bytes as a request head and as a response head. The invariants stand in `dataplane::http::fuzz`.
#![no_main]

use dataplane::http::fuzz::{fuzz_head, fuzz_response_head};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz_head(bytes);
    fuzz_response_head(bytes);
});
