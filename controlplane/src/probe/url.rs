//! What is probed, as an operator writes it: `http://HOST[:PORT]/PATH`, `https://…`, `tcp://HOST:PORT`,
//! `dns://SERVER[:PORT]/NAME[?type=AAAA]`, `tmp://PUBLIC_KEY@HOST:PORT`, `ftp://[USER:PASSWORD@]HOST[:PORT]/FILE`.
//!
//! Not a general reader of URLs: no fragments, no escapes are undone, what has blanks or control characters is refused.

use core::fmt;
use core::net::IpAddr;

/// What is spoken with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// A TCP connection that is taken.
    Tcp,
    /// A question over UDP.
    Dns,
    /// An INIT that is answered.
    Tmp,
    /// A file fetched in passive mode.
    Ftp,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Http, Self::Https, Self::Tcp, Self::Dns, Self::Tmp, Self::Ftp];

    /// Its scheme.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Dns => "dns",
            Self::Tmp => "tmp",
            Self::Ftp => "ftp",
        }
    }

    /// Its port if none is written.
    const fn port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Dns => Some(53),
            Self::Ftp => Some(21),
            Self::Tcp | Self::Tmp => None,
        }
    }
}

/// A target's address and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// What is spoken.
    pub kind: Kind,
    /// What stands before the `@`, if anything.
    pub user: Option<String>,
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What follows, with its slash; `/` if nothing does.
    pub path: String,
}

impl Url {
    /// Reads it; else a sentence with what is wrong and what would be right.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{what}; write it as http://HOST[:PORT]/PATH"));
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'#') {
            return wrong("has blanks, control characters or #");
        }
        let Some((scheme, rest)) = text.split_once("://") else { return wrong("has no scheme") };
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(scheme)) else {
            return Err(format!("{scheme:?} is no kind of probe; http, https, tcp, dns, tmp and ftp are"));
        };
        let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_at);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let Some(port) = port.or_else(|| kind.port()) else {
            return Err(format!("has no port; write it as {}://HOST:PORT", kind.name()));
        };
        let path = match path.strip_prefix('?') {
            Some(query) => format!("/?{query}"),
            None if path.is_empty() => "/".to_owned(),
            None => path.to_owned(),
        };
        Self { kind, user, host, port, path }.checked()
    }

    fn checked(self) -> Result<Self, String> {
        match self.kind {
            Kind::Tmp if self.user.as_ref().is_none_or(String::is_empty) => {
                Err("has no key; write it as tmp://PUBLIC_KEY@HOST:PORT (`longhaul key show` prints it)"
                    .into())
            }
            Kind::Http | Kind::Https | Kind::Tcp | Kind::Dns if self.user.is_some() => {
                Err("has a user, which this kind of probe does not know; leave it out".into())
            }
            Kind::Tcp | Kind::Tmp if self.path != "/" => {
                Err(format!("has a path, which {} does not know; leave it out", self.kind.name()))
            }
            Kind::Dns | Kind::Ftp if self.path == "/" => {
                let example = if self.kind == Kind::Dns { "dns://SERVER/NAME" } else { "ftp://HOST/FILE" };
                Err(format!("asks for nothing; write it as {example}"))
            }
            _ => Ok(self),
        }
    }

    /// Its host, if it is an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port as they stand in an URL and in a Host field; without the port where it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.kind.port() == Some(self.port) { host } else { format!("{host}:{}", self.port) }
    }

    /// Where a Location field leads from here. A sentence if it leads to what is not HTTP.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        if location.contains("://") {
            let url = Self::read(location)?;
            return match url.kind {
                Kind::Http | Kind::Https => Ok(url),
                _ => Err(format!("leads to {}", url.kind.name())),
            };
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::read(&format!("{}://{rest}", self.kind.name()));
        }
        let path = match location {
            path if path.starts_with('/') => path.to_owned(),
            query if query.starts_with('?') => {
                format!("{}{query}", self.path.split('?').next().unwrap_or_default())
            }
            relative => {
                let own = self.path.split('?').next().unwrap_or_default();
                format!("{}{relative}", &own[..=own.rfind('/').unwrap_or(0)])
            }
        };
        // Checked as a whole: a Location with blanks is refused like any other text.
        Self::read(&format!("{}://{}{path}", self.kind.name(), self.authority()))
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or_default())),
            None => return Err("has an opening bracket without its closing one".into()),
        },
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("has no host; write it as http://HOST[:PORT]/PATH".into());
    }
    let port = port.map(|port| {
        let number = port.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| format!("{port:?} is no port; give 1 to 65535"))
    });
    Ok((host.to_owned(), port.transpose()?))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords are nobody's business but the server's.
        let user = self.user.as_ref().map(|user| user.split(':').next().unwrap_or_default());
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        let path = if matches!(self.kind, Kind::Tcp | Kind::Tmp) { "" } else { &self.path };
        write!(f, "{}://{user}{}{path}", self.kind.name(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown() {
        for (text, shown) in [
            ("http://a.test", "http://a.test/"),
            ("HTTP://a.test:80/x?y", "http://a.test/x?y"),
            ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443/"),
            ("tcp://192.0.2.1:25", "tcp://192.0.2.1:25"),
            ("dns://192.0.2.53/shop.test?type=AAAA", "dns://192.0.2.53/shop.test?type=AAAA"),
            ("tmp://key@192.0.2.1:7000", "tmp://key@192.0.2.1:7000"),
            ("ftp://joe:secret@a.test/pub/f", "ftp://joe@a.test/pub/f"),
            ("http://a.test?x", "http://a.test/?x"),
        ] {
            assert_eq!(Url::read(text).map(|url| url.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_would_be_right() {
        for (text, word) in [
            ("a.test", "no scheme"),
            ("gopher://a.test/", "no kind of probe"),
            ("http://", "no host"),
            ("http://a.test:0/", "no port"),
            ("http://a.test:http/", "no port"),
            ("http://[::1/", "closing"),
            ("http://a test/", "blanks"),
            ("tcp://a.test", "no port; write it as tcp://"),
            ("tmp://a.test:7000", "no key"),
            ("dns://a.test", "asks for nothing"),
            ("ftp://a.test/", "asks for nothing"),
            ("http://u@a.test/", "has a user"),
            ("tcp://a.test:1/x", "has a path"),
        ] {
            let wrong = Url::read(text).unwrap_err();
            assert!(wrong.contains(word), "{text}: {wrong}");
        }
    }

    #[test]
    fn locations_are_joined() {
        let url = Url::read("http://a.test:8080/x/y?z").unwrap();
        for (location, leads) in [
            ("/q", "http://a.test:8080/q"),
            ("q", "http://a.test:8080/x/q"),
            ("?q", "http://a.test:8080/x/y?q"),
            ("//b.test/q", "http://b.test/q"),
            ("https://b.test", "https://b.test/"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), leads);
        }
        assert!(url.join("ftp://b.test/x").is_err() && url.join("a b").is_err());
    }
}
