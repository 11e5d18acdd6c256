//! What must hold for any bytes read as an envelope, as a plain function that panics when it does not: a fuzzer
//! drives it for long, the committed corpus shortly. The invariants: a prefix never says more than "partial" of
//! what the whole takes, a refusal stays a refusal, and what we write again reads the same.

use crate::exchange::envelope::{OPENING_BYTES_MAX, OpeningEnvelope, Parsed, REPLY_BYTES, ReplyEnvelope};

/// Reads `bytes` as an opening and as a reply envelope, whole and in every prefix, and writes both again.
pub fn fuzz_envelope(bytes: &[u8]) {
    let shown = &bytes[..bytes.len().min(2 * OPENING_BYTES_MAX)];
    check_prefixes(shown, OpeningEnvelope::parse);
    check_prefixes(shown, ReplyEnvelope::parse);
    if let Parsed::Complete(opening, length) = OpeningEnvelope::parse(bytes) {
        let mut again = [0; OPENING_BYTES_MAX];
        assert_eq!(opening.encode(&mut again), length);
        assert_eq!(OpeningEnvelope::parse(&again[..length]), Parsed::Complete(opening, length));
    }
    if let Parsed::Complete(reply, length) = ReplyEnvelope::parse(bytes) {
        assert_eq!(length, REPLY_BYTES);
        assert_eq!(ReplyEnvelope::parse(&reply.encode()), Parsed::Complete(reply, REPLY_BYTES));
    }
}

/// Reads every prefix of `bytes` and holds it against the whole.
fn check_prefixes<'a, T>(bytes: &'a [u8], parse: impl Fn(&'a [u8]) -> Parsed<T>)
where
    T: PartialEq + core::fmt::Debug,
{
    let whole = parse(bytes);
    for cut in 0..bytes.len() {
        match (parse(&bytes[..cut]), &whole) {
            (Parsed::Partial, Parsed::Complete(_, length)) => assert!(cut < *length, "all of it is no part"),
            (Parsed::Partial, _) => {}
            (prefix, whole) => assert_eq!(&prefix, whole, "a prefix of {cut} bytes"),
        }
    }
}
