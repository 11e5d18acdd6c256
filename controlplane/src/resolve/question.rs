//! One question on the wire: the addresses of a name in one family.
//!
//! No EDNS: addresses fit into 512 bytes but for rare cases, those come over TCP, and middle boxes that choke on
//! EDNS do not matter then. Source: RFC 1035 §4.1.

use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name};
use std::str::FromStr;

/// The family of the addresses that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4, record type A.
    V4,
    /// IPv6, record type AAAA.
    V6,
}

impl Family {
    /// The record type.
    pub(crate) const fn rtype(self) -> Rtype {
        match self {
            Self::V4 => Rtype::A,
            Self::V6 => Rtype::AAAA,
        }
    }
}

/// A question as a whole message.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    family: Family,
    message: Message<Vec<u8>>,
}

impl Question {
    /// The question for the addresses of `host`; `None` when that is no name. A final dot changes nothing.
    pub(crate) fn new(host: &str, family: Family, id: u16) -> Option<Self> {
        let name = Name::<Vec<u8>>::from_str(host).ok().filter(|name| !name.is_root())?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push((name, family.rtype())).ok()?;
        Some(Self { family, message: builder.into_message() })
    }

    /// The family it asks for.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// The message that it is.
    pub(crate) fn message(&self) -> &Message<Vec<u8>> {
        &self.message
    }

    /// The bytes to send.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.message.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_asks_for_one_name_and_wants_recursion() {
        let question = Question::new("www.Example.org", Family::V6, 0x1234).unwrap();
        let mut want = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        want.extend_from_slice(b"\x03www\x07Example\x03org\0\0\x1c\0\x01");
        assert_eq!(question.bytes(), want);
    }

    #[test]
    fn what_is_no_name_is_not_asked() {
        for host in ["", ".", "a..b", &"a".repeat(64), &"a.".repeat(140)] {
            assert!(Question::new(host, Family::V4, 0).is_none(), "{host}");
        }
    }
}
