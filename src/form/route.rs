//! Routes: `NAME=KEY@ADDR[,ADDR…]`: a back-end by its public key, and where it listens.

use crate::config::RouteConfig;
use crate::form::address::Address;
use crate::form::given::Form;
use crate::form::key;
use crate::problem::Wrong;
use dataplane::tmp::limits::PATHS_MAX;
use dataplane::tmp::spread::Spread;

/// A route.
pub(crate) struct Route;

/// Bytes of a route's name; it stands in every line of the access log.
const NAME_BYTES_MAX: usize = 32;

impl Form for Route {
    type Value = RouteConfig;

    fn read(text: &str) -> Result<RouteConfig, Wrong> {
        let form = || {
            Wrong::new(
                "is no route",
                "write NAME=KEY@ADDR[,ADDR…], such as east=BACK_PUBLIC_KEY@192.0.2.9:7000",
            )
        };
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let (key, addresses) = rest.split_once('@').ok_or_else(form)?;
        let addresses: Vec<_> = addresses.split(',').map(Address::read).collect::<Result<_, _>>()?;
        let is_usable =
            |address: &core::net::SocketAddr| address.port() > 0 && !address.ip().is_unspecified();
        if !addresses.iter().all(is_usable) {
            return Err(Wrong::new("has an address that nobody can send to", "give the back-end's own"));
        }
        if addresses.len() > PATHS_MAX {
            return Err(Wrong::new(format!("has more than {PATHS_MAX} addresses"), "give fewer"));
        }
        if (1..addresses.len()).any(|index| addresses[..index].contains(&addresses[index])) {
            return Err(Wrong::new("has an address twice", "give each once: a path leads to each"));
        }
        let spread = Spread::default();
        Ok(RouteConfig { name: route_name(name)?, public_key: key::read(key)?, addresses, spread })
    }
}

/// A route's name: letters, digits, `-`, `_` and `.`.
pub(crate) fn route_name(text: &str) -> Result<String, Wrong> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("has no route's name in `{text}`"),
        "use up to 32 letters, digits, - _ and . (an origin begins with http:// or tcp://)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_a_key_and_addresses() {
        let key = key::example(1);
        let route = Route::read(&format!("east={key}@127.0.0.1:7000,[::1]:7000")).unwrap();
        assert_eq!((route.name.as_str(), route.addresses.len()), ("east", 2));
        for text in [
            "east".to_owned(),
            format!("east={key}"),
            format!("={key}@127.0.0.1:7000"),
            format!("ea/st={key}@127.0.0.1:7000"),
            "east=key@127.0.0.1:7000".to_owned(),
            format!("east={key}@127.0.0.1"),
            format!("east={key}@127.0.0.1:0"),
            format!("east={key}@0.0.0.0:7000"),
            format!("east={key}@"),
            format!("east={key}@127.0.0.1:1,127.0.0.1:1"),
            format!("east={key}@127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5"),
        ] {
            assert!(Route::read(&text).is_err(), "{text}");
        }
    }
}
