//! The keys that an operator handles: private, public and preshared, 32 bytes each, and their text form. [TMP-5]
//!
//! Text: 52 characters of RFC 4648 base32 in lower case without padding, then two check characters (10 bits
//! of a hash over kind and bytes), so that a typing error or a key of the wrong kind is found before it
//! makes a handshake fail silently. Reading and writing texts takes the same time for all keys. Secret keys
//! are wiped when dropped and do not print. Not here: key files and their access rights.

use crate::tmp::mac::{equal, hash};
use crate::tmp::random::Random;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::Dh;
use zeroize::Zeroizing;

/// Bytes in every key.
pub const KEY_BYTES: usize = 32;

/// Characters of a key's text.
pub const KEY_TEXT_CHARS: usize = BODY_CHARS + CHECK_CHARS;

const BODY_CHARS: usize = 52;
const CHECK_CHARS: usize = 2;

/// What a key is for; part of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Known to one machine only.
    Private,
    /// Given to the others.
    Public,
    /// Known to both ends of one pair.
    Preshared,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Private, Self::Public, Self::Preshared];

    const fn label(self) -> &'static str {
        match self {
            Self::Private => "longhaul private key",
            Self::Public => "longhaul public key",
            Self::Preshared => "longhaul preshared key",
        }
    }
}

/// Why a text is not the key that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It has not `KEY_TEXT_CHARS` characters.
    Length {
        /// How many it has.
        chars: usize,
    },
    /// A character is neither a letter nor one of 2 to 7.
    Character,
    /// The check characters do not fit: a typing error.
    Check,
    /// It is a good key of another kind.
    OtherKind(KeyKind),
}

impl core::fmt::Display for KeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { chars } => write!(f, "a key has {KEY_TEXT_CHARS} characters, this has {chars}"),
            Self::Character => f.write_str("a key consists of the letters a to z and the digits 2 to 7"),
            Self::Check => f.write_str("the key is mistyped: its last two characters do not fit the others"),
            Self::OtherKind(KeyKind::Private) => f.write_str("this is a private key"),
            Self::OtherKind(KeyKind::Public) => f.write_str("this is a public key"),
            Self::OtherKind(KeyKind::Preshared) => f.write_str("this is a preshared key"),
        }
    }
}

impl core::error::Error for KeyError {}

/// A machine's X25519 private key.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<[u8; KEY_BYTES]>);

impl PrivateKey {
    /// A new key.
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random.fill(&mut *bytes);
        Self(bytes)
    }

    /// Reads the text form; white space around it is ignored.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        parse(text, KeyKind::Private).map(Self)
    }

    /// The text form, wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        format_key(&self.0, KeyKind::Private)
    }

    /// The public key that belongs to this one.
    pub fn public(&self) -> PublicKey {
        let mut public = [0; KEY_BYTES];
        public.copy_from_slice(self.exchange().pubkey());
        PublicKey(public)
    }

    /// The static-static secret with `peer`; `None` if `peer` is no proper public key (a point of small order).
    pub(in crate::tmp) fn shared(&self, peer: &PublicKey) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        self.exchange().dh(&peer.0, &mut *secret).ok()?;
        (!equal(&secret, &[0; KEY_BYTES])).then_some(secret)
    }

    /// Whether keys can be agreed with `peer`: it is a proper public key.
    pub fn agrees_with(&self, peer: &PublicKey) -> bool {
        self.shared(peer).is_some()
    }

    /// A secret that only this machine and `peer` can make, for the use that `label` names; `None` as for [`Self::agrees_with`].
    /// The same at both ends; nothing of it can be learnt from the tunnels' own keys, nor these from it.
    pub fn pair_secret(&self, peer: &PublicKey, label: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let shared = self.shared(peer)?;
        let own = self.public();
        let (first, second) = if own.0 < peer.0 { (own.0, peer.0) } else { (peer.0, own.0) };
        Some(Zeroizing::new(hash(label, &[&*shared, &first, &second])))
    }

    pub(in crate::tmp) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn exchange(&self) -> Box<dyn Dh> {
        let exchange = DefaultResolver.resolve_dh(&DHChoice::Curve25519);
        let mut exchange = exchange.expect("X25519 is compiled in");
        exchange.set(&*self.0);
        exchange
    }
}

impl core::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PrivateKey(of {})", self.public())
    }
}

/// A machine's X25519 public key: its name towards the others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Reads the text form; white space around it is ignored.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        parse(text, KeyKind::Public).map(|bytes| Self(*bytes))
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        String::clone(&format_key(&self.0, KeyKind::Public))
    }

    pub(in crate::tmp) const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    pub(in crate::tmp) const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl core::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&format_key(&self.0, KeyKind::Public))
    }
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A secret that both ends of one pair were given beforehand; guards the pair should X25519 be broken.
#[derive(Clone)]
pub struct PresharedKey(Zeroizing<[u8; KEY_BYTES]>);

impl PresharedKey {
    /// A new key.
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random.fill(&mut *bytes);
        Self(bytes)
    }

    /// The key of a pair that was given none: all zero, as in WireGuard.
    pub fn none() -> Self {
        Self(Zeroizing::new([0; KEY_BYTES]))
    }

    /// Reads the text form; white space around it is ignored.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        parse(text, KeyKind::Preshared).map(Self)
    }

    /// The text form, wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        format_key(&self.0, KeyKind::Preshared)
    }

    pub(in crate::tmp) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl core::fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PresharedKey(..)")
    }
}

fn check(bytes: &[u8; KEY_BYTES], kind: KeyKind) -> [u8; CHECK_CHARS] {
    let sum = hash(kind.label(), &[bytes]);
    [sum[0] & 31, sum[1] & 31]
}

fn format_key(bytes: &[u8; KEY_BYTES], kind: KeyKind) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(KEY_TEXT_CHARS));
    for index in 0..BODY_CHARS {
        text.push(char::from(character(five_bits(bytes, index))));
    }
    for value in check(bytes, kind) {
        text.push(char::from(character(value)));
    }
    text
}

fn parse(text: &str, kind: KeyKind) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    let text = text.trim_ascii().as_bytes();
    if text.len() != KEY_TEXT_CHARS {
        return Err(KeyError::Length { chars: text.len() });
    }
    let (mut bytes, mut values, mut bad) = (Zeroizing::new([0; KEY_BYTES]), Zeroizing::new([0; 54]), 0);
    for (value, character) in values.iter_mut().zip(text) {
        let (read, is_bad) = value_of(*character);
        *value = read;
        bad |= is_bad;
    }
    if bad != 0 {
        return Err(KeyError::Character);
    }
    for bit in 0..KEY_BYTES * 8 {
        bytes[bit / 8] |= (values[bit / 5] >> (4 - bit % 5) & 1) << (7 - bit % 8);
    }
    // The last of 52 characters has one bit of the key; RFC 4648 §3.5 lets a reader insist on zero in the rest.
    let given = [values[BODY_CHARS], values[BODY_CHARS + 1]];
    if values[BODY_CHARS - 1] & 0xf != 0 {
        return Err(KeyError::Check);
    }
    judge(&bytes, given, kind).map(|()| bytes)
}

fn judge(bytes: &[u8; KEY_BYTES], given: [u8; CHECK_CHARS], kind: KeyKind) -> Result<(), KeyError> {
    if equal(&check(bytes, kind), &given) {
        return Ok(());
    }
    let other = KeyKind::ALL.into_iter().find(|other| equal(&check(bytes, *other), &given));
    Err(other.map_or(KeyError::Check, KeyError::OtherKind))
}

/// The five bits of character `index`; beyond the end there are zeroes.
fn five_bits(bytes: &[u8; KEY_BYTES], index: usize) -> u8 {
    let bit = index * 5;
    let low = bytes.get(bit / 8 + 1).copied().unwrap_or(0);
    let pair = u16::from_be_bytes([bytes[bit / 8], low]);
    (pair >> (11 - bit % 8) & 31) as u8
}

/// `a`–`z` for 0–25, `2`–`7` for 26–31, without a branch or a table that the value would index.
const fn character(value: u8) -> u8 {
    let is_digit = 25u8.wrapping_sub(value) >> 7;
    (value + b'a').wrapping_sub(is_digit * (b'a' + 26 - b'2'))
}

/// The inverse of `character`, for either case, and 1 if there is none.
const fn value_of(character: u8) -> (u8, u8) {
    let letter = (character | 0x20).wrapping_sub(b'a');
    let digit = character.wrapping_sub(b'2');
    let is_letter = below(letter, 26) & below(b'@', character);
    let is_digit = below(digit, 6);
    let value = is_letter.wrapping_neg() & letter | is_digit.wrapping_neg() & digit.wrapping_add(26);
    (value, (is_letter | is_digit) ^ 1)
}

/// 1 if `a < b`, else 0.
const fn below(a: u8, b: u8) -> u8 {
    ((a as u16).wrapping_sub(b as u16) >> 15) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::random::PredictableRandom;
    use proptest::prelude::{any, proptest};

    fn private(seed: u64) -> PrivateKey {
        PrivateKey::generate(&mut PredictableRandom::new(seed))
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        let mut bytes = [0; 32];
        bytes[..6].copy_from_slice(b"foobar");
        assert!(PublicKey(bytes).to_text().starts_with("mzxw6ytboiaaaa"));
        assert_eq!(
            (0..32).map(|v| char::from(character(v))).collect::<String>(),
            "abcdefghijklmnopqrstuvwxyz234567"
        );
        let good = (0..=255u8).filter(|c| value_of(*c).1 == 0).map(char::from).collect::<String>();
        assert_eq!(good, "234567ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    }

    #[test]
    fn the_public_key_and_the_secret_are_those_of_rfc_7748() {
        let a = PrivateKey(Zeroizing::new([
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
            0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
        ]));
        assert_eq!(a.public().0[..4], [0x85, 0x20, 0xf0, 0x09]);
        let b = private(1);
        assert_eq!(a.shared(&b.public()).unwrap(), b.shared(&a.public()).unwrap());
        assert!(a.shared(&PublicKey([0; 32])).is_none());
    }

    /// [TMP-5.1]
    #[test]
    fn a_key_of_the_wrong_kind_is_called_by_its_name() {
        let key = private(2);
        assert_eq!(PublicKey::from_text(&key.to_text()), Err(KeyError::OtherKind(KeyKind::Private)));
        assert_eq!(PublicKey::from_text("abc"), Err(KeyError::Length { chars: 3 }));
        assert!(!format!("{key:?}").contains(&key.to_text()[..20]));
    }

    proptest! {
        #[test]
        fn texts_round_trip_in_either_case(bytes in any::<[u8; 32]>()) {
            let key = PublicKey(bytes);
            assert_eq!(PublicKey::from_text(&key.to_text()), Ok(key));
            assert_eq!(PublicKey::from_text(&format!(" {}\n", key.to_text().to_uppercase())), Ok(key));
        }
    }

    /// [TMP-5.1]
    #[test]
    fn a_wrong_character_is_nearly_always_found() {
        let mut missed = 0;
        for seed in 0..20 {
            let text = private(seed).public().to_text().into_bytes();
            for at in 0..KEY_TEXT_CHARS {
                let mut text = text.clone();
                text[at] = if text[at] == b'q' { b'r' } else { b'q' };
                missed += u32::from(PublicKey::from_text(core::str::from_utf8(&text).unwrap()).is_ok());
            }
        }
        assert!(missed <= 4, "{missed} of 1080 where one in 1024 is expected");
    }
}
