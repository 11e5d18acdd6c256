//! Where a relay stands: `LISTEN=TARGET`, two socket addresses.

use crate::form::address::Address;
use crate::form::given::Form;
use crate::problem::Wrong;
use core::net::SocketAddr;

/// Where to listen, and to whom what arrives there goes on.
pub(crate) struct Between;

impl Form for Between {
    type Value = (SocketAddr, SocketAddr);

    fn read(text: &str) -> Result<Self::Value, Wrong> {
        let Some((listen, target)) = text.split_once('=') else {
            return Err(Wrong::new("has no =", "write LISTEN=TARGET, such as 127.0.0.1:7001=127.0.0.1:7000"));
        };
        let (listen, target) = (Address::read(listen)?, Address::read(target)?);
        if target.port() == 0 {
            return Err(Wrong::new("has port 0 as target", "give the port on which the target listens"));
        }
        Ok((listen, target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_are_read() {
        let read = Between::read("127.0.0.1:0=[::1]:7000").unwrap();
        assert_eq!((read.0.port(), read.1.port()), (0, 7000));
        for text in ["127.0.0.1:1", "127.0.0.1:1=", "=127.0.0.1:1", "127.0.0.1:1=127.0.0.1:0", "a=b"] {
            assert!(Between::read(text).is_err(), "{text}");
        }
    }
}
