//! Patterns of texts: literal but for `*`, which stands for any run of bytes, slashes and emptiness included.

use core::fmt;

/// A pattern. A question mark is itself: in targets it begins the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
}

impl Pattern {
    /// The pattern of a text.
    pub fn new(text: &str) -> Self {
        Self { text: text.as_bytes().into() }
    }

    /// Whether the whole of `text` fits. Linear in the text for one `*`, and never worse than length by length.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.fits(text, |pattern, byte| pattern == byte)
    }

    /// The same without regard to ASCII case.
    pub fn matches_in_any_case(&self, text: &[u8]) -> bool {
        self.fits(text, |pattern, byte| pattern.eq_ignore_ascii_case(&byte))
    }

    /// Goes along both; after a `*` it remembers where to go on when what follows does not fit. Only the last `*` has
    /// to be remembered: whatever an earlier one could take the later one can take too.
    fn fits(&self, text: &[u8], equal: impl Fn(u8, u8) -> bool) -> bool {
        let pattern = &*self.text;
        let (mut at, mut of) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match pattern.get(of) {
                Some(b'*') => {
                    of += 1;
                    star = Some((of, at));
                }
                Some(&byte) if equal(byte, text[at]) => (at, of) = (at + 1, of + 1),
                _ => {
                    let Some((after, from)) = star else { return false };
                    star = Some((after, from + 1));
                    (of, at) = (after, from + 1);
                }
            }
        }
        pattern[of..].iter().all(|&byte| byte == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(core::str::from_utf8(&self.text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_take_any_run() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("/checkout/*", "/checkout/", true),
            ("/checkout/*", "/checkout/a/b", true),
            ("/checkout/*", "/checkout", false),
            ("*.css", "/a/b.css", true),
            ("*.css", "/a/b.css.map", false),
            ("/a*c*e", "/abcde", true),
            ("/a*c*e", "/abde", false),
            ("*aab", "aaab", true),
            ("/a?", "/ab", false),
            ("**", "x", true),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(Pattern::new(pattern).matches(text.as_bytes()), fits, "{pattern} and {text}");
        }
        assert!(Pattern::new("text/*").matches_in_any_case(b"TEXT/HTML"));
        assert!(!Pattern::new("text/*").matches(b"TEXT/HTML"));
    }

    /// The definition, by recursion.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((byte, rest)) => text.first() == Some(byte) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(text.as_bytes()), naive(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
