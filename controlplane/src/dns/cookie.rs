//! Server cookies: proof that who asks has heard us before, without keeping anything about him (RFC 7873, RFC 9018).
//!
//! The form is RFC 9018's version 1, so that servers of a group that share a secret take each other's cookies, ours or not.
//! Times are Unix seconds, compared as serial numbers (RFC 1982): a clock that jumps makes cookies look old, and a fresh one
//! is given.

use crate::dns::limits::{COOKIE_AGE_S_MAX, COOKIE_AHEAD_S_MAX};
use core::fmt;
use core::hash::Hasher;
use core::net::IpAddr;
use siphasher::sip::SipHasher24;

/// Bytes of the client's part.
pub const CLIENT_COOKIE_BYTES: usize = 8;
/// Bytes of both parts.
pub const COOKIE_BYTES: usize = 24;

/// Version 1 and three reserved bytes.
const VERSION: [u8; 4] = [1, 0, 0, 0];

/// A secret of 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What cookies are made and checked with.
#[derive(Clone, Copy, Debug)]
pub struct Secrets {
    /// For making, and for checking.
    pub current: Secret,
    /// For checking only: the one before, or the one to come.
    pub other: Option<Secret>,
}

impl Secrets {
    /// The whole cookie for a client.
    pub fn make(&self, client: &[u8; CLIENT_COOKIE_BYTES], from: IpAddr, unix_s: u32) -> [u8; COOKIE_BYTES] {
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..8].copy_from_slice(client);
        cookie[8..12].copy_from_slice(&VERSION);
        cookie[12..16].copy_from_slice(&unix_s.to_be_bytes());
        let hash = self.current.hash(&cookie, from);
        cookie[16..].copy_from_slice(&hash);
        cookie
    }

    /// Whether `cookie` was made for this client not long ago.
    pub fn is_good(&self, cookie: &[u8], from: IpAddr, unix_s: u32) -> bool {
        let Ok(cookie) = <&[u8; COOKIE_BYTES]>::try_from(cookie) else { return false };
        let [.., t0, t1, t2, t3, _, _, _, _, _, _, _, _] = *cookie;
        let age_s = unix_s.wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3])).cast_signed();
        let is_timely = age_s <= COOKIE_AGE_S_MAX.cast_signed() && age_s >= -COOKIE_AHEAD_S_MAX.cast_signed();
        // Not in constant time: what a guesser learns are bytes of a hash that is good for his own address only.
        let fits = |secret: Secret| secret.hash(cookie, from) == cookie[16..];
        is_timely && cookie[8] == VERSION[0] && (fits(self.current) || self.other.is_some_and(fits))
    }
}

impl Secret {
    fn hash(&self, cookie: &[u8; COOKIE_BYTES], from: IpAddr) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&cookie[..16]);
        match from {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        hasher.finish().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// RFC 9018, appendix A.1 and A.2.
    #[test]
    fn cookies_are_those_of_the_specification() {
        let secrets = Secrets { current: Secret(bytes("e5e973e5a6b2a43f48e7dc849e37bfcf")), other: None };
        let from = "198.51.100.100".parse().unwrap();
        let made = secrets.make(&bytes("2464c4abcf10c957"), from, 1_559_731_985);
        assert_eq!(made, bytes::<24>("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
        assert!(secrets.is_good(&made, from, 1_559_731_985));
    }

    /// RFC 9018, appendix A.4: IPv6, and a secret that was replaced.
    #[test]
    fn an_old_secret_is_still_taken() {
        let old = Secret(bytes("dd3bdf9344b678b185a6f5cb60fca715"));
        let secrets =
            Secrets { current: Secret(bytes("445536bcd2513298075a5d379663c962")), other: Some(old) };
        let from = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let cookie: [u8; 24] = bytes("22681ab97d52c298010000005cf7c57926556bd0934c72f8");
        assert!(secrets.is_good(&cookie, from, 1_559_741_961));
        let fresh = secrets.make(&bytes("22681ab97d52c298"), from, 1_559_741_961);
        assert_eq!(fresh, bytes::<24>("22681ab97d52c298010000005cf7c609a6bb79d16625507a"));
    }

    #[test]
    fn what_is_old_or_foreign_or_changed_is_not_taken() {
        let secrets = Secrets { current: Secret([7; 16]), other: None };
        let (from, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let cookie = secrets.make(b"abcdefgh", from, 5_000);
        assert!(secrets.is_good(&cookie, from, 5_000 + COOKIE_AGE_S_MAX));
        assert!(secrets.is_good(&cookie, from, 5_000 - COOKIE_AHEAD_S_MAX));
        assert!(!secrets.is_good(&cookie, from, 5_001 + COOKIE_AGE_S_MAX));
        assert!(!secrets.is_good(&cookie, from, 4_999 - COOKIE_AHEAD_S_MAX));
        assert!(!secrets.is_good(&cookie, other, 5_000));
        assert!(!secrets.is_good(&cookie[..23], from, 5_000));
        for at in 0..COOKIE_BYTES {
            let mut changed = cookie;
            changed[at] ^= 1;
            assert!(!secrets.is_good(&changed, from, 5_000), "{at}");
        }
    }
}
