//! A body as it comes: counted, its first bytes kept, its digest taken if somebody wants to know. Holds no more than
//! [`BODY_KEPT_BYTES`], whatever comes.

use crate::probe::limits::{BODY_BYTES_MAX, BODY_KEPT_BYTES};
use crate::probe::outcome::{Cause, Digest, Failure};
use ring::digest::{Context, SHA256};

/// The body so far.
#[derive(Clone)]
pub struct Content {
    bytes: u64,
    kept: Vec<u8>,
    keeps: bool,
    digest: Option<Context>,
}

impl Content {
    /// An empty body.
    pub fn new(keeps: bool, is_digested: bool) -> Self {
        Self { bytes: 0, kept: Vec::new(), keeps, digest: is_digested.then(|| Context::new(&SHA256)) }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        if self.bytes > BODY_BYTES_MAX {
            return Err(Failure::new(
                Cause::TooLong,
                format!("the answer is longer than {BODY_BYTES_MAX} bytes"),
            ));
        }
        if self.keeps {
            let room = BODY_KEPT_BYTES - self.kept.len();
            self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        Ok(())
    }

    /// How many came.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first ones, if they are kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The digest of all of them.
    pub fn digest(&self) -> Option<Digest> {
        self.digest.clone()?.finish().as_ref().try_into().ok()
    }
}

impl core::fmt::Debug for Content {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Content({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::outcome::hex;

    #[test]
    fn digests_are_those_of_fips_180() {
        let mut content = Content::new(true, true);
        content.take(b"a").unwrap();
        content.take(b"bc").unwrap();
        assert_eq!((content.bytes(), content.kept()), (3, &b"abc"[..]));
        assert_eq!(&hex(&content.digest().unwrap())[..16], "ba7816bf8f01cfea");
    }

    #[test]
    fn what_never_ends_is_bounded() {
        let mut content = Content::new(true, false);
        let mut taken = 0;
        while content.take(&[0; 1 << 20]).is_ok() {
            taken += 1;
        }
        assert_eq!((taken, content.kept().len()), (BODY_BYTES_MAX >> 20, BODY_KEPT_BYTES));
    }
}
