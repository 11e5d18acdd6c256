//! Lists of networks: `127.0.0.0/8,::1`, or `none`.

use crate::form::given::{Form, Written};
use crate::form::network::Network;
use crate::problem::Wrong;
use controlplane::dns::subnets::Subnets;

/// A list of networks.
pub(crate) struct Networks;

impl Form for Networks {
    type Value = Subnets;

    fn read(text: &str) -> Result<Subnets, Wrong> {
        if text == "none" {
            return Ok(Subnets::default());
        }
        text.split(',').map(Network::read).collect::<Result<_, _>>().map(Subnets)
    }
}

impl Written for Networks {
    fn write(value: &Subnets) -> String {
        if value.0.is_empty() {
            return "none".to_owned();
        }
        value.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_the_same() {
        for text in ["none", "127.0.0.0/8,::1/128", "192.0.2.0/24"] {
            assert_eq!(Networks::write(&Networks::read(text).unwrap()), text);
        }
        for text in ["", "127.0.0.1/8", "a", "127.0.0.0/8,"] {
            assert!(Networks::read(text).is_err(), "{text}");
        }
    }
}
