//! Secrets of sessions for whoever must read a capture: opt-in, and whoever has them reads every byte of these tunnels.
//!
//! A line holds one direction of one epoch, as SSLKEYLOGFILE does for TLS: `TMP_SECRET ID CIPHER SECRET`, the receiver id of
//! the packets, `aes-256-gcm` or `chacha20-poly1305`, and the secret of the Noise split [TMP-23.1], in hexadecimal.

use crate::tmp::id::ReceiverId;
use crate::tmp::seal::Cipher;
use core::fmt::{Debug, Write};
use zeroize::Zeroizing;

const LABEL: &str = "TMP_SECRET";
const CIPHERS: [(Cipher, &str); 2] =
    [(Cipher::Aes256Gcm, "aes-256-gcm"), (Cipher::ChaCha20Poly1305, "chacha20-poly1305")];

/// Where the lines go. Called by the worker that makes the keys, once per direction and handshake.
pub trait KeyLog: Send + Sync + Debug {
    /// Takes a line, without its end.
    fn put(&self, line: &str);
}

/// What opens the packets of one direction of one epoch.
#[derive(Clone)]
pub struct LoggedSecret {
    /// The id that the packets name.
    pub receiver: ReceiverId,
    /// How they are sealed.
    pub cipher: Cipher,
    /// What the key is made from.
    pub secret: Zeroizing<[u8; 32]>,
}

impl LoggedSecret {
    /// As a line.
    pub fn to_line(&self) -> Zeroizing<String> {
        let name = CIPHERS.iter().find(|(cipher, _)| *cipher == self.cipher).map_or("", |(_, name)| name);
        let mut line = Zeroizing::new(String::with_capacity(128));
        // A string takes every write.
        let _ = write!(line, "{LABEL} {:08x} {name} ", self.receiver.0);
        self.secret.iter().for_each(|byte| _ = write!(line, "{byte:02x}"));
        line
    }

    /// The inverse; `None` for lines of another kind.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next();
        if word()? != LABEL {
            return None;
        }
        let receiver = ReceiverId(u32::from_str_radix(word()?, 16).ok()?);
        let name = word()?;
        let cipher = CIPHERS.iter().find(|(_, known)| *known == name)?.0;
        let text = word()?;
        let mut secret = Zeroizing::new([0; 32]);
        for (at, byte) in secret.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        (text.len() == 64 && word().is_none()).then_some(Self { receiver, cipher, secret })
    }
}

impl Debug for LoggedSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LoggedSecret({:?}, {:?})", self.receiver, self.cipher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_return_and_other_lines_are_none() {
        let secret = Zeroizing::new(core::array::from_fn(|at| at as u8));
        for (cipher, _) in CIPHERS {
            let logged = LoggedSecret { receiver: ReceiverId(0x00ab_cdef), cipher, secret: secret.clone() };
            let read = LoggedSecret::from_line(&logged.to_line()).unwrap();
            assert_eq!((read.receiver, read.cipher, *read.secret), (logged.receiver, cipher, *secret));
        }
        for line in ["", "# a note", "TMP_SECRET 1 aes-256-gcm 00", "CLIENT_RANDOM 00 00", "TMP_SECRET x y z"]
        {
            assert!(LoggedSecret::from_line(line).is_none(), "{line}");
        }
    }
}
