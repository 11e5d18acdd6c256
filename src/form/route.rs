//! Routes: `NAME=[tcp+]KEY@ADDR[,ADDR…]`: a back-end by its public key, and where it listens; `tcp+` before an address, or
//! before the key for all of them, is where it takes tunnels over TCP.

use crate::config::RouteConfig;
use crate::form::address::Address;
use crate::form::given::Form;
use crate::form::key;
use crate::problem::Wrong;
use dataplane::tmp::limits::PATHS_MAX;
use dataplane::tmp::spread::PathUse;

/// A route.
pub(crate) struct Route;

/// Before what is reached over TCP.
const OVER_TCP: &str = "tcp+";

// The tree says too many where it can name the key.
const _: () = assert!(PATHS_MAX == controlplane::tree::duties::PATHS_MAX);

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
        let (key, texts) = rest.split_once('@').ok_or_else(form)?;
        let (key, all_over_tcp) = key.strip_prefix(OVER_TCP).map_or((key, false), |key| (key, true));
        let (mut addresses, mut carriers) = (Vec::new(), Vec::new());
        for text in texts.split(',') {
            let (text, over_tcp) = text.strip_prefix(OVER_TCP).map_or((text, false), |text| (text, true));
            let kind = if all_over_tcp || over_tcp { &mut carriers } else { &mut addresses };
            kind.push(Address::read(text)?);
        }
        let is_usable =
            |address: &core::net::SocketAddr| address.port() > 0 && !address.ip().is_unspecified();
        if !addresses.iter().chain(&carriers).all(is_usable) {
            return Err(Wrong::new("has an address that nobody can send to", "give the back-end's own"));
        }
        if addresses.len() + carriers.len() > PATHS_MAX {
            return Err(Wrong::new(format!("has more than {PATHS_MAX} addresses"), "give fewer"));
        }
        let is_twice = |all: &[_]| (1..all.len()).any(|index| all[..index].contains(&all[index]));
        if is_twice(&addresses) || is_twice(&carriers) {
            return Err(Wrong::new("has an address twice", "give each once: a path leads to each"));
        }
        let chosen = PathUse::default();
        let (name, public_key) = (route_name(name)?, key::read(key)?);
        Ok(RouteConfig { name, public_key, addresses, carriers, chosen })
    }
}

/// A back-end as a route names it, its name left out.
pub(crate) struct Back;

impl Form for Back {
    type Value = RouteConfig;

    fn read(text: &str) -> Result<RouteConfig, Wrong> {
        let has_name = text.split_once('@').is_some_and(|(before, _)| before.contains('='));
        if has_name { Route::read(text) } else { Route::read(&format!("back={text}")) }
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
        let route = Route::read(&format!("east={key}@127.0.0.1:7000,tcp+127.0.0.1:7000")).unwrap();
        assert_eq!((route.addresses.len(), route.carriers.len()), (1, 1));
        let route = Route::read(&format!("east=tcp+{key}@127.0.0.1:7000,127.0.0.2:7000")).unwrap();
        assert_eq!((route.addresses.len(), route.carriers.len()), (0, 2));
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
