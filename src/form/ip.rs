//! IP addresses without a port.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use core::net::IpAddr;

/// An address.
pub(crate) struct Ip;

impl Form for Ip {
    type Value = IpAddr;

    fn read(text: &str) -> Result<IpAddr, Wrong> {
        text.parse()
            .map_err(|_| Wrong::new("is no address", "write 192.0.2.1 or 2001:db8::1, without a port"))
    }
}

impl Written for Ip {
    fn write(value: &IpAddr) -> String {
        value.to_string()
    }
}
