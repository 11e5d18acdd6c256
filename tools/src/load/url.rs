//! URLs of the load generator, taken apart: what is spoken, where, and what is asked for (RFC 3986, as far as needed).
//!
//! ```text
//! http://host[:80]/path?query      tcp://host:port/echo/N      dns://host[:53][/name[/type]]
//!                                  tcp://host:port/bulk/N
//! ```

use core::net::SocketAddr;
use std::net::ToSocketAddrs;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP/1.1.
    Http,
    /// Plain TCP.
    Tcp,
    /// DNS over UDP, and over TCP where UDP is too small for the answer.
    Dns,
}

/// A URL in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// What is spoken.
    pub(crate) scheme: Scheme,
    /// Host and port as written.
    pub(crate) authority: String,
    /// Path and query, beginning with a slash.
    pub(crate) path: String,
}

impl Url {
    /// Takes `text` apart; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let scheme = match scheme {
            "http" => Scheme::Http,
            "tcp" => Scheme::Tcp,
            "dns" => Scheme::Dns,
            _ => return Err("it must begin with http://, tcp:// or dns://".into()),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        if rest.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("it has spaces or control characters; escape them with %".into());
        }
        let slash = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        if authority.is_empty() {
            return Err("it names no host".into());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, authority: authority.to_owned(), path })
    }

    /// Where to connect.
    pub(crate) fn resolve(&self) -> Result<SocketAddr, String> {
        let authority = &self.authority;
        let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
            !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']'))
        });
        let with_port = match (has_port, self.scheme) {
            (true, _) => authority.clone(),
            (false, Scheme::Http) => format!("{authority}:80"),
            (false, Scheme::Dns) => format!("{authority}:53"),
            (false, Scheme::Tcp) => return Err("it names no port".into()),
        };
        let mut addresses = with_port
            .to_socket_addrs()
            .map_err(|error| format!("the name {authority:?} cannot be resolved: {error}"))?;
        addresses.next().ok_or_else(|| "the name has no address".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let url = Url::parse("http://127.0.0.1/b128?x=1#y").unwrap();
        assert_eq!((url.scheme, url.path.as_str()), (Scheme::Http, "/b128?x=1"));
        assert_eq!(url.resolve(), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        let resolve = |text: &str| Url::parse(text).and_then(|url| url.resolve()).map(|at| at.to_string());
        assert_eq!(resolve("http://[::1]:8080"), Ok("[::1]:8080".into()));
        assert_eq!(resolve("dns://[::1]/example.org"), Ok("[::1]:53".into()));
        assert_eq!(resolve("tcp://127.0.0.1:9/echo/1"), Ok("127.0.0.1:9".into()));
        assert_eq!(Url::parse("http://a?b").unwrap().path, "/?b");
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for url in ["https://a/", "http://", "http://127.0.0.1/a b", "ftp://x", "x"] {
            assert!(Url::parse(url).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:99999/", "tcp://127.0.0.1/echo/1", "http://no.such.name.invalid/"] {
            assert!(Url::parse(url).unwrap().resolve().is_err(), "{url}");
        }
    }
}
