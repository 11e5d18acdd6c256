//! Public keys in text form: base32 (RFC 4648, lower case). Only the alphabet and the length are looked at here;
//! whether it is a key is for the tunnel to say.

use crate::problem::Wrong;
use core::ops::RangeInclusive;

/// Characters of a key: 32 bytes take 52, a check against typing errors may follow.
const CHARACTERS: RangeInclusive<usize> = 52..=56;

/// The key in lower case.
pub(crate) fn read(text: &str) -> Result<String, Wrong> {
    let lower = text.to_ascii_lowercase();
    let is_alphabet = lower.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
    if is_alphabet && CHARACTERS.contains(&lower.len()) {
        return Ok(lower);
    }
    Err(Wrong::new("has no public key in it", "`longhaul key show FILE` prints the one that belongs to FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_base32_of_the_right_length_is_taken() {
        assert_eq!(read(&"A7".repeat(26)), Ok("a7".repeat(26)));
        for text in ["", "abc", &"a1".repeat(26), &"a".repeat(51), &"a".repeat(57)] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
