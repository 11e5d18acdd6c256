//! Where datagrams leave from: `192.0.2.1:0`, `%eth1`, `192.0.2.1:0%eth1`. A network device is named behind `%`.

use crate::form::address::Address;
use crate::form::given::Form;
use crate::problem::Wrong;
use core::fmt;
use core::net::SocketAddr;
use dataplane::node::TunnelSocket;

/// A place to leave from.
pub(crate) struct DepartureForm;

/// What it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// The address; `None`: any of the device's.
    address: Option<SocketAddr>,
    /// The device.
    device: Option<String>,
}

/// Bytes of a device's name (IFNAMSIZ without its end).
const DEVICE_BYTES_MAX: usize = 15;

impl Form for DepartureForm {
    type Value = Departure;

    fn read(text: &str) -> Result<Departure, Wrong> {
        let (address, device) = match text.split_once('%') {
            // A scope is part of an IPv6 address, and stands before its bracket.
            Some((address, device)) if !device.contains(']') => (address, Some(device_name(device)?)),
            Some(_) | None => (text, None),
        };
        let address = match (address, &device) {
            ("", Some(_)) => None,
            (address, _) => Some(Address::read(address)?),
        };
        Ok(Departure { address, device })
    }
}

fn device_name(text: &str) -> Result<String, Wrong> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
    if (1..=DEVICE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("names no network device", "write %NAME, such as %eth1; `ip link` lists them"))
}

impl Departure {
    /// Whether a second one like it could not be had.
    pub(crate) fn is_one_place(&self) -> bool {
        self.address.is_some_and(|address| address.port() > 0)
    }

    /// The socket of the family of `any`, if it leaves in that family.
    pub(crate) fn socket(&self, any: SocketAddr) -> Option<TunnelSocket> {
        let address = self.address.unwrap_or(any);
        (address.is_ipv4() == any.is_ipv4()).then(|| TunnelSocket { address, device: self.device.clone() })
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.iter().try_for_each(|address| write!(f, "{address}"))?;
        self.device.iter().try_for_each(|device| write!(f, "%{device}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_device_or_both_are_read() {
        let any = SocketAddr::from(([0; 4], 0));
        for (text, address, device) in [
            ("192.0.2.1:0", "192.0.2.1:0", None),
            ("%eth1", "0.0.0.0:0", Some("eth1")),
            ("192.0.2.1:7%wan0.7", "192.0.2.1:7", Some("wan0.7")),
        ] {
            let departure = DepartureForm::read(text).unwrap();
            assert_eq!(departure.to_string(), text);
            let socket = departure.socket(any).unwrap();
            assert_eq!((socket.address.to_string().as_str(), socket.device.as_deref()), (address, device));
        }
        assert_eq!(DepartureForm::read("[2001:db8::1]:0%eth1").unwrap().socket(any), None);
        assert!(DepartureForm::read("[fe80::1%2]:0").unwrap().device.is_none());
        for text in ["", "%", "eth1", "192.0.2.1%eth1", "%name-of-17-bytes", "%a b", "%a/b"] {
            assert!(DepartureForm::read(text).is_err(), "{text}");
        }
    }
}
