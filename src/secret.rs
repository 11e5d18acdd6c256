//! A private key or shared secret as text, wiped when dropped and never printed.

use zeroize::Zeroizing;

/// The text. It shows itself only to `reveal`.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text itself, for the tunnel's key types.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::new(Zeroizing::new("hush".to_owned()));
        assert!(!format!("{secret:?}").contains("hush"));
        assert_eq!(secret.reveal(), "hush");
    }
}
