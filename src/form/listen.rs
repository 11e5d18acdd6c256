//! Listening addresses with options: `ADDR[,proxy]`.

use crate::form::address::Address;
use crate::form::given::Form;
use crate::problem::Wrong;
use core::net::SocketAddr;

/// A listening address.
pub(crate) struct Listen;

/// What it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    /// Where; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// Whether every connection starts with a PROXY protocol header.
    pub(crate) proxy: bool,
}

impl Form for Listen {
    type Value = ListenAddress;

    fn read(text: &str) -> Result<ListenAddress, Wrong> {
        let (address, option) = text.split_once(',').map_or((text, None), |(a, o)| (a, Some(o)));
        let proxy = match option {
            None => false,
            Some("proxy") => true,
            Some(_) => return Err(Wrong::new("has an unknown option", "only `,proxy` may follow")),
        };
        Address::read(address).map(|address| ListenAddress { address, proxy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_proxy_or_nothing() {
        let address = "[::1]:80".parse().unwrap();
        assert_eq!(Listen::read("[::1]:80"), Ok(ListenAddress { address, proxy: false }));
        assert_eq!(Listen::read("[::1]:80,proxy"), Ok(ListenAddress { address, proxy: true }));
        for text in ["[::1]:80,", "[::1]:80,proxy,proxy", "[::1]:80,tls", "80", ""] {
            assert!(Listen::read(text).is_err(), "{text}");
        }
    }
}
