//! Networks: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use crate::form::given::Form;
use crate::problem::Wrong;
use dataplane::stdx::network::{Network as Prefix, NetworkError};

/// An address prefix.
pub(crate) struct Network;

impl Form for Network {
    type Value = Prefix;

    fn read(text: &str) -> Result<Prefix, Wrong> {
        text.parse().map_err(|error| match error {
            NetworkError::Malformed => {
                Wrong::new("is no network", "write ADDRESS/BITS: 10.0.0.0/8 or 2001:db8::/32")
            }
            NetworkError::TooLong => {
                Wrong::new("has more bits than the address", "end with at most /32 (IPv4) or /128 (IPv6)")
            }
            NetworkError::HostBits(meant) => {
                Wrong::new("has bits set behind its prefix", format!("write {meant}, or the address alone"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_said() {
        assert!(Network::read("10.0.0.0/8").is_ok());
        assert!(Network::read("10.1.0.0/8").unwrap_err().to_string().contains("10.0.0.0/8"));
        assert!(Network::read("10.0.0.0/40").unwrap_err().to_string().contains("/32"));
    }
}
