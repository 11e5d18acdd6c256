//! Domain names in wire form: a length and a label, again and again, then a zero (RFC 1035 §3.1).
//!
//! Our own and not `domain`'s, because a name here is lowered, hashed label by label from its end and cut at every label
//! on each question, on the stack, without a second walk. Text is `domain`'s business.

use crate::dns::limits::{LABEL_BYTES_MAX, LABELS_MAX, NAME_BYTES_MAX};
use core::fmt;
use core::hash::{Hash, Hasher};
use domain::base::name::Name as DomainName;

/// What is wrong with a name in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The message ends inside it.
    Short,
    /// A label that is none: a pointer where nothing could be pointed to, or a reserved kind.
    Label,
    /// More than 255 bytes.
    Long,
}

/// An absolute name in lower case.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
    /// Where each label begins, from the left; the root is not counted.
    starts: [u8; LABELS_MAX],
    labels: u8,
}

impl Name {
    /// The root.
    pub const ROOT: Self = Self { bytes: [0; NAME_BYTES_MAX], length: 1, starts: [0; LABELS_MAX], labels: 0 };

    /// Reads a name without compression at `at`; where it ends.
    pub fn read(message: &[u8], at: usize) -> Result<(Self, usize), NameError> {
        let mut name = Self::ROOT;
        let end = name.read_in_place(message, at)?;
        Ok((name, end))
    }

    /// The same into this name: one is too large to be handed on by value for every question. On an error it means nothing.
    pub fn read_in_place(&mut self, message: &[u8], at: usize) -> Result<usize, NameError> {
        let mut used = 0;
        self.labels = 0;
        loop {
            let length = usize::from(*message.get(at + used).ok_or(NameError::Short)?);
            if length == 0 {
                break;
            }
            if length > LABEL_BYTES_MAX {
                return Err(NameError::Label);
            }
            let end = used + 1 + length;
            if end >= NAME_BYTES_MAX {
                return Err(NameError::Long);
            }
            self.starts[usize::from(self.labels)] = used as u8;
            self.labels += 1;
            used = end;
        }
        let whole = message.get(at..=at + used).ok_or(NameError::Short)?;
        let place = &mut self.bytes[..=used];
        place.copy_from_slice(whole);
        // A length is below 64 and no letter, so that all may be lowered together.
        place.make_ascii_lowercase();
        self.length = (used + 1) as u8;
        Ok(at + used + 1)
    }

    /// A name from its wire form, which must be whole and nothing else.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let (name, end) = Self::read(wire, 0)?;
        if end == wire.len() { Ok(name) } else { Err(NameError::Long) }
    }

    /// A name as people write it; a missing last dot is added.
    pub fn from_text(text: &str) -> Option<Self> {
        let name: DomainName<Vec<u8>> = text.parse().ok()?;
        Self::from_wire(name.as_octets()).ok()
    }

    /// All of it.
    pub fn wire(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// How many labels it has, without the root.
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// The name without its first `labels` labels.
    pub fn suffix(&self, labels: usize) -> &[u8] {
        &self.wire()[self.start(labels)..]
    }

    /// Its first `labels` labels, without an end.
    pub fn prefix(&self, labels: usize) -> &[u8] {
        &self.wire()[..self.start(labels)]
    }

    /// Label number `at` from the left, without its length.
    pub fn label(&self, at: usize) -> &[u8] {
        &self.wire()[self.start(at) + 1..self.start(at + 1)]
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.labels() >= other.labels() && self.suffix(self.labels() - other.labels()) == other.wire()
    }

    fn start(&self, label: usize) -> usize {
        if label == self.labels() { self.wire().len() - 1 } else { usize::from(self.starts[label]) }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire().hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Text(self.wire()))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A name in wire form as text, with its last dot; bytes that are no letters of names are escaped (RFC 1035 §5.1).
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest.first().is_none_or(|length| *length == 0) {
            return f.write_str(".");
        }
        while let Some((length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, after) = after.split_at_checked(usize::from(*length)).ok_or(fmt::Error)?;
            for byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(*byte))?;
                    }
                    b'!'..=b'~' => write!(f, "{}", char::from(*byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
            rest = after;
        }
        Ok(())
    }
}

/// The hash of the root; [`hashed`] adds labels in front.
pub const ROOT_HASH: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of `label` in front of a name with this hash.
///
/// Not keyed: only an operator's own names are ever put into a table, and foreign names are looked up in it, which nobody
/// can make slow by choosing them.
pub fn hashed(hash: u64, label: &[u8]) -> u64 {
    const FACTOR: u64 = 0xff51_afd7_ed55_8ccd;
    let mut hash = hash.rotate_left(23) ^ label.len() as u64;
    let mut chunks = label.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
    }
    let mut last = [0; 8];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_cut_at_labels() {
        let (name, end) = Name::read(b"xx\x03WwW\x07eXample\x00yy", 2).unwrap();
        assert_eq!((name.labels(), end, name.to_string()), (2, 15, "www.example.".to_owned()));
        assert_eq!((name.suffix(1), name.prefix(1)), (&b"\x07example\x00"[..], &b"\x03www"[..]));
        assert_eq!((name.suffix(2), name.label(1)), (&b"\x00"[..], &b"example"[..]));
        let apex = Name::from_text("example").unwrap();
        assert!(name.is_within(&apex) && apex.is_within(&apex) && !apex.is_within(&name));
        assert!(name.is_within(&Name::ROOT) && !Name::from_text("anexample").unwrap().is_within(&apex));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(Name::read(b"\x03ww", 0), Err(NameError::Short));
        assert_eq!(Name::read(b"", 0), Err(NameError::Short));
        assert_eq!(Name::read(b"\xc0\x00", 0), Err(NameError::Label));
        assert_eq!(Name::read(b"\x40aaa\x00", 0), Err(NameError::Label));
        let long: Vec<u8> = b"\x01a".repeat(127).into_iter().chain([0]).collect();
        assert_eq!(Name::from_wire(&long).unwrap().labels(), 127);
        let longer: Vec<u8> = b"\x01a".repeat(128).into_iter().chain([0]).collect();
        assert_eq!(Name::from_wire(&longer), Err(NameError::Long));
        assert!(Name::from_text("a..b").is_none() && Name::from_text(&"a".repeat(64)).is_none());
    }

    #[test]
    fn odd_bytes_are_escaped_as_domain_reads_them() {
        let name = Name::from_wire(b"\x05a.\\\x07 \x00").unwrap();
        assert_eq!(name.to_string(), "a\\.\\\\\\007\\032.");
        assert_eq!(Name::from_text(&name.to_string()), Some(name));
        assert_eq!(Name::ROOT.to_string(), ".");
    }

    #[test]
    fn hashes_depend_on_every_label_and_its_place() {
        let of =
            |labels: &[&str]| labels.iter().fold(ROOT_HASH, |hash, label| hashed(hash, label.as_bytes()));
        let all = [
            of(&["a", "b"]),
            of(&["b", "a"]),
            of(&["ab"]),
            of(&["a"]),
            of(&["aaaaaaaa"]),
            of(&["aaaaaaaa", ""]),
        ];
        for (at, hash) in all.iter().enumerate() {
            assert!(!all[..at].contains(hash), "{at}");
        }
    }
}
