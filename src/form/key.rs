//! Public keys in text form (`dataplane::tmp::key` defines it).

use crate::problem::Wrong;
use dataplane::tmp::key::{KeyError, KeyKind, PublicKey};

/// Reads a public key; other keys are named as what they are, but never repeated in a message.
pub(crate) fn read(text: &str) -> Result<PublicKey, Wrong> {
    PublicKey::from_text(text).map_err(|error| {
        let wrong = Wrong::new(format!("has no public key: {error}"), remedy(error));
        // Right but for its kind, or for one character: it may be somebody's secret.
        if matches!(error, KeyError::Length { .. } | KeyError::Character) {
            wrong
        } else {
            wrong.about_secret()
        }
    })
}

const fn remedy(error: KeyError) -> &'static str {
    match error {
        KeyError::OtherKind(KeyKind::Private | KeyKind::Preshared) => {
            "it is compromised now that it stood in a command line: make a new one, and give the public key that \
             `longhaul key show FILE` prints"
        }
        KeyError::OtherKind(KeyKind::Public)
        | KeyError::Length { .. }
        | KeyError::Character
        | KeyError::Check => "copy what `longhaul key show FILE` prints on the other machine",
    }
}

/// Keys that hold, for tests: their texts carry check characters, so they cannot be written by hand.
#[cfg(test)]
pub(crate) fn example(seed: u64) -> String {
    use dataplane::tmp::key::PrivateKey;
    use dataplane::tmp::random::PredictableRandom;
    PrivateKey::generate(&mut PredictableRandom::new(seed)).public().to_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::tmp::key::PrivateKey;
    use dataplane::tmp::random::PredictableRandom;

    #[test]
    fn only_a_public_key_is_taken() {
        assert!(read(&example(1)).is_ok());
        let private = PrivateKey::generate(&mut PredictableRandom::new(1)).to_text();
        let wrong = read(&private).unwrap_err().to_string();
        assert!(
            wrong.contains("private key") && wrong.contains("compromised") && !wrong.contains(&**private)
        );
        for text in ["", "abc", &"a1".repeat(27), &"a".repeat(54)] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
