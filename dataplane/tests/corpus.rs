//! The fuzzers' committed corpus, and a few thousand seeded changes of it, keep every invariant.
//!
//! What `fuzz/run` does for minutes with coverage as its guide, this does for a second without it, so that a broken
//! invariant near a known input is found by `cargo test`.

use std::path::Path;

use dataplane::compression::fuzz::fuzz_blocks;
use dataplane::exchange::fuzz::fuzz_envelope;
use dataplane::http::fuzz::{fuzz_chunked, fuzz_head, fuzz_response_head};
use dataplane::role::fuzz::fuzz_proxy_protocol;
use dataplane::stdx::prng::Prng;

/// Changed inputs per target.
const CHANGED: usize = 4000;

/// The committed inputs of a target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder is read to its end").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has lost its inputs", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("an input can be read")).collect()
}

/// Runs every input as it is, then changed ones.
fn smoke(target: &str, check: impl Fn(&[u8])) {
    let inputs = corpus(target);
    for input in &inputs {
        check(input);
    }
    let mut prng = Prng::new(0x6675_7a7a);
    for round in 0..CHANGED {
        let mut input = inputs[round % inputs.len()].clone();
        let other = &inputs[prng.below(inputs.len() as u64) as usize];
        change(&mut input, other, &mut prng);
        check(&input);
    }
}

/// Flips, cuts, doubles, or crosses the input with another.
fn change(input: &mut Vec<u8>, other: &[u8], prng: &mut Prng) {
    let at = prng.below(input.len() as u64 + 1) as usize;
    let end = (at + prng.below(8) as usize).min(input.len());
    match prng.below(4) {
        0 => drop(input.drain(at..end)),
        1 => input.extend_from_within(at..end),
        2 if at < input.len() => input[at] = prng.below(256) as u8,
        _ => {
            input.truncate(at);
            input.extend_from_slice(&other[other.len().min(at)..]);
        }
    }
}

#[test]
fn heads() {
    smoke("head", |bytes| {
        fuzz_head(bytes);
        fuzz_response_head(bytes);
    });
}

#[test]
fn chunked_bodies() {
    smoke("chunked", fuzz_chunked);
}

#[test]
fn proxy_headers() {
    smoke("proxy_protocol", fuzz_proxy_protocol);
}

#[test]
fn envelopes() {
    smoke("envelope", fuzz_envelope);
}

#[test]
fn blocks() {
    smoke("blocks", fuzz_blocks);
}
