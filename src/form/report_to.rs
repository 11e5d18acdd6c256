//! Who takes reports: `ADDR`, a name server; `KEY@ADDR`, a front-end by its public key.

use crate::form::address::Address;
use crate::form::given::{Form, Written};
use crate::form::key;
use crate::problem::Wrong;
use core::net::SocketAddr;
use dataplane::tmp::key::PublicKey;

/// A taker of reports.
pub(crate) struct ReportTo;

impl Form for ReportTo {
    type Value = (SocketAddr, Option<PublicKey>);

    fn read(text: &str) -> Result<Self::Value, Wrong> {
        let (key, address) = match text.split_once('@') {
            Some((key, address)) => (Some(key::read(key)?), address),
            None => (None, text),
        };
        Ok((Address::read(address)?, key))
    }
}

impl Written for ReportTo {
    fn write((address, key): &Self::Value) -> String {
        key.map_or_else(|| address.to_string(), |key| format!("{key}@{address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_makes_it_a_front_end() {
        let key = key::example(3);
        for text in ["192.0.2.1:7353".to_owned(), format!("{key}@[2001:db8::1]:7354")] {
            assert_eq!(ReportTo::write(&ReportTo::read(&text).unwrap()), text);
        }
        for text in ["", "@192.0.2.1:1", "x@192.0.2.1:1", "192.0.2.1"] {
            assert!(ReportTo::read(text).is_err(), "{text}");
        }
    }
}
