//! Socket addresses: `192.0.2.1:80`, `[2001:db8::1]:80`. Numbers only: a name could mean another machine tomorrow.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use core::net::{IpAddr, SocketAddr};

/// An address with its port.
pub(crate) struct Address;

impl Form for Address {
    type Value = SocketAddr;

    fn read(text: &str) -> Result<SocketAddr, Wrong> {
        text.parse().map_err(|_| Wrong::new("is no address", remedy(text)))
    }
}

fn remedy(text: &str) -> String {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return format!("add the port: {}", SocketAddr::new(ip, 8080));
    }
    if text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()) {
        return format!("say where: 0.0.0.0{text} for IPv4, [::]{text} for IPv6");
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return format!("write the number: 127.0.0.1:{port} or [::1]:{port}");
    }
    "write IP:PORT, IPv6 in brackets: 192.0.2.1:80 or [2001:db8::1]:80".to_owned()
}

impl Written for Address {
    fn write(value: &SocketAddr) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read_and_remedies_fit() {
        assert!(Address::read("127.0.0.1:80").is_ok() && Address::read("[::1]:80").is_ok());
        let remedies = [
            ("127.0.0.1", "127.0.0.1:8080"),
            ("::1", "[::1]:8080"),
            ("[::1]", "[::1]:8080"),
            (":80", "0.0.0.0:80"),
            ("localhost:80", "127.0.0.1:80"),
            ("shop.example:80", "write IP:PORT"),
            ("127.0.0.1:99999", "write IP:PORT"),
        ];
        for (text, remedy) in remedies {
            assert!(Address::read(text).unwrap_err().to_string().contains(remedy), "{text}");
        }
    }
}
