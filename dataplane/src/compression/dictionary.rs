//! What every block begins with, at both ends: words of heads, of markup and of JSON. [EXC-33]
//!
//! `dictionary.txt` is the dictionary, byte for byte, and its own source: it was put together by hand from the names and
//! values that requests and answers have (the fields of RFC 9110, 9111 and 9112, what browsers send, what our own heads add),
//! and from the commonest tags, attributes and keys. What is likeliest stands last, where offsets are shortest. Nothing in
//! it is anybody's secret. Whoever changes it makes another dictionary, with another id: an end that has this one and an
//! end that has the other compress nothing for each other.

/// The dictionary.
pub const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");

/// Its name in the handshake: FNV-1a, 32 bits, of its bytes. It tells versions apart and protects against nothing.
pub const DICTIONARY_ID: u32 = fnv_1a(DICTIONARY);

const fn fnv_1a(bytes: &[u8]) -> u32 {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [EXC-33] Whoever changes the file by accident breaks compression with every machine that has it.
    #[test]
    fn the_dictionary_is_the_one_that_the_specification_names() {
        assert_eq!(fnv_1a(b"foobar"), 0xbf9c_f968, "a published test vector");
        let text = include_str!("../exchange/SPEC.md");
        assert!(text.contains(&format!("{DICTIONARY_ID:08x}")), "the id is now {DICTIONARY_ID:08x}");
        assert!(text.contains(&format!("{} bytes", DICTIONARY.len())), "{} bytes", DICTIONARY.len());
    }
}
