//! Origins and the sites that they serve: `SITE=http://HOST[:PORT][,proxy=v1|v2]`, `SITE=tcp://HOST:PORT[,…]`.

use crate::config::OriginAddress;
use crate::form::given::Form;
use crate::problem::Wrong;
use core::net::{Ipv4Addr, Ipv6Addr};
use dataplane::exchange::link::Kind;
use dataplane::role::plan::ProxyVersion;

/// An origin of a back-end.
pub(crate) struct Origin;

/// A site and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteOrigin {
    /// The site's name in lower case, or `*`.
    pub(crate) site: String,
    /// Where it is served.
    pub(crate) target: OriginTarget,
}

/// Where and how an origin is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginTarget {
    /// HTTP or plain TCP.
    pub(crate) kind: Kind,
    /// Where.
    pub(crate) address: OriginAddress,
    /// Whether each connection starts with a PROXY protocol header.
    pub(crate) proxy: Option<ProxyVersion>,
    /// As the operator wrote it, without options.
    pub(crate) label: String,
}

/// Bytes of the longest name of a host (RFC 1035 §2.3.4, in text).
const NAME_BYTES_MAX: usize = 253;

impl Form for Origin {
    type Value = SiteOrigin;

    fn read(text: &str) -> Result<SiteOrigin, Wrong> {
        let (site, way) = text.split_once('=').ok_or_else(|| {
            Wrong::new("has no `=`", "write SITE=http://HOST:PORT, such as shop.example=http://192.0.2.7:80")
        })?;
        Ok(SiteOrigin { site: site_name(site)?, target: target(way)? })
    }
}

/// A site's name: what a Host field may say without its port, or `*`.
pub(crate) fn site_name(text: &str) -> Result<String, Wrong> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_literal = literal.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    if name == "*" || is_literal || is_name(&name) {
        return Ok(name);
    }
    Err(Wrong::new(
        format!("has no site's name in `{text}`"),
        "write the name that browsers ask for, without port and path, or * for all others",
    ))
}

/// `http://HOST[:PORT]` or `tcp://HOST:PORT`, and options.
pub(crate) fn target(text: &str) -> Result<OriginTarget, Wrong> {
    let (url, options) = text.split_once(',').map_or((text, None), |(url, options)| (url, Some(options)));
    let (kind, authority) = scheme(url)?;
    let authority =
        if kind == Kind::Http { authority.strip_suffix('/').unwrap_or(authority) } else { authority };
    let address = host_port(authority, kind)?;
    let proxy = options.map(proxy_version).transpose()?;
    Ok(OriginTarget { kind, address, proxy, label: url.to_owned() })
}

fn scheme(url: &str) -> Result<(Kind, &str), Wrong> {
    if let Some(authority) = url.strip_prefix("http://") {
        return Ok((Kind::Http, authority));
    }
    if let Some(authority) = url.strip_prefix("tcp://") {
        return Ok((Kind::Tcp, authority));
    }
    if url.starts_with("https://") {
        return Err(Wrong::new("asks for TLS to the origin", "give http:// (or tcp:// to pass TLS through)"));
    }
    Err(Wrong::new("has no scheme that is known", "begin with http:// or tcp://"))
}

fn host_port(authority: &str, kind: Kind) -> Result<OriginAddress, Wrong> {
    let (host, port) = split_port(authority);
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string()),
        None if is_name(host) || host.parse::<Ipv4Addr>().is_ok() => Some(host.to_ascii_lowercase()),
        None => None,
    };
    let Some(host) = host else {
        let instead = "write a name or an address, IPv6 in brackets, and no path after it";
        return Err(Wrong::new(format!("has no host in `{authority}`"), instead));
    };
    let port = match (port, kind) {
        (None, Kind::Http) => Some(80),
        (None, Kind::Tcp) => return Err(Wrong::new("has no port", "plain TCP has no usual one: add :PORT")),
        (Some(text), Kind::Http | Kind::Tcp) => text.parse().ok().filter(|port: &u16| *port > 0),
    };
    let port = port.ok_or_else(|| Wrong::new("has a port that is none", "give 1 to 65535"))?;
    Ok(OriginAddress { host, port })
}

/// Cuts the port off, if there is one; colons inside brackets are the address's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => (&authority[..at], Some(&authority[at + 1..])),
        Some(_) | None => (authority, None),
    }
}

fn proxy_version(option: &str) -> Result<ProxyVersion, Wrong> {
    match option {
        "proxy=v1" => Ok(ProxyVersion::V1),
        "proxy=v2" => Ok(ProxyVersion::V2),
        _ => Err(Wrong::new("has an unknown option", "only `,proxy=v1` or `,proxy=v2` may follow")),
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(is_allowed)
        && name.split('.').all(|label| !label.is_empty() && label.len() <= 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read() {
        let read = |text| {
            let origin = Origin::read(text).unwrap();
            let OriginTarget { kind, address, proxy, .. } = origin.target;
            (origin.site, kind, address.host, address.port, proxy)
        };
        assert_eq!(
            read("Shop.Example=http://192.0.2.7"),
            ("shop.example".into(), Kind::Http, "192.0.2.7".into(), 80, None)
        );
        assert_eq!(
            read("*=http://[2001:db8::7]:8080/,proxy=v2"),
            ("*".into(), Kind::Http, "2001:db8::7".into(), 8080, Some(ProxyVersion::V2))
        );
        assert_eq!(
            read("mail=tcp://mx.example:25,proxy=v1"),
            ("mail".into(), Kind::Tcp, "mx.example".into(), 25, Some(ProxyVersion::V1))
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        let bad = [
            "shop.example",
            "=http://h",
            "a b=http://h",
            "shop:80=http://h",
            "s=https://h",
            "s=h:80",
            "s=http://",
            "s=http://h:0",
            "s=http://h:x",
            "s=http://h/path",
            "s=http://::1",
            "s=http://user@h",
            "s=tcp://h",
            "s=http://h,proxy",
            "s=http://h,proxy=v3",
            "s..t=http://h",
        ];
        for text in bad {
            assert!(Origin::read(text).is_err(), "{text}");
        }
    }
}
