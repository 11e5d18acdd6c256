//! The name of a rule, small enough to be copied into every exchange that met it: the log still knows the rule when
//! the table is another one by then.

use core::fmt;

/// Longest name of a rule, in bytes.
pub const LABEL_BYTES_MAX: usize = 31;

/// A name of at most [`LABEL_BYTES_MAX`] bytes; empty for no rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label {
    bytes: [u8; LABEL_BYTES_MAX],
    length: u8,
}

impl Label {
    /// No rule.
    pub const NONE: Self = Self { bytes: [0; LABEL_BYTES_MAX], length: 0 };

    /// The name; `None` if it is too long or empty.
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; LABEL_BYTES_MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        (!name.is_empty()).then_some(Self { bytes, length: name.len() as u8 })
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Label {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(core::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?}", core::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_or_are_refused() {
        assert_eq!(Label::new("checkout").unwrap().to_string(), "checkout");
        assert_eq!(Label::new(&"x".repeat(31)).unwrap().as_bytes().len(), 31);
        assert!(Label::new(&"x".repeat(32)).is_none() && Label::new("").is_none());
        assert!(Label::NONE.as_bytes().is_empty());
    }
}
