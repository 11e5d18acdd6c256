//! The host that a request is for: `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2). Not a site: which
//! names are served is the role's knowledge.

use core::net::Ipv6Addr;

use crate::http::refusal::Refusal;
use crate::http::token::{is_host_name, parse_decimal};

/// Bytes of the longest name: what DNS allows in text, trailing dot included.
pub const HOST_BYTES_MAX: usize = 254;

/// A valid host. Empty only in an HTTP/1.0 request that named none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host<'a> {
    /// As the client wrote it, port included.
    pub bytes: &'a [u8],
    /// The name, IPv4 address or bracketed IPv6 address, as written.
    pub name: &'a [u8],
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads a host; an empty one is refused, since it names no site (RFC 9110 §4.2.1).
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let name_bytes = if bytes.first() == Some(&b'[') {
            bytes.iter().position(|&byte| byte == b']').map_or(0, |last| last + 1)
        } else {
            bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len())
        };
        let (name, rest) = bytes.split_at(name_bytes);
        if !is_name(name) {
            return Err(Refusal::HostInvalid);
        }
        Ok(Self { bytes, name, port: parse_port(rest)? })
    }

    /// True if the client named no host.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The name in lower case, without port and without a trailing dot: what sites are looked up by.
    pub fn normalised<'b>(&self, buffer: &'b mut [u8; HOST_BYTES_MAX]) -> &'b [u8] {
        let name = self.name.strip_suffix(b".").unwrap_or(self.name);
        let lower = &mut buffer[..name.len()];
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        lower
    }
}

fn is_name(name: &[u8]) -> bool {
    if name.is_empty() || name.len() > HOST_BYTES_MAX {
        return false;
    }
    let Some(inner) = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")) else {
        // A name of dots only would normalise to nothing.
        return is_host_name(name) && name != b".";
    };
    // Zones and future address forms are refused with everything else that is no IPv6 address.
    core::str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Nothing, `:` alone (RFC 3986 allows an empty port) or `:` and a port.
fn parse_port(rest: &[u8]) -> Result<Option<u16>, Refusal> {
    match rest {
        b"" | b":" => Ok(None),
        [b':', digits @ ..] if digits.len() <= 5 => {
            let port = parse_decimal(digits).and_then(|port| u16::try_from(port).ok());
            port.filter(|&port| port > 0).map(Some).ok_or(Refusal::HostInvalid)
        }
        _ => Err(Refusal::HostInvalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_taken_apart() {
        let host = Host::parse(b"WWW.Example.COM.:8080").unwrap();
        assert_eq!((host.name, host.port), (&b"WWW.Example.COM."[..], Some(8080)));
        assert_eq!(host.normalised(&mut [0; HOST_BYTES_MAX]), b"www.example.com");
        let host = Host::parse(b"[2001:DB8::1]:443").unwrap();
        assert_eq!((host.name, host.port), (&b"[2001:DB8::1]"[..], Some(443)));
        assert_eq!(Host::parse(b"127.0.0.1:").unwrap().port, None);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = [b'a'; HOST_BYTES_MAX + 1];
        let wrong: [&[u8]; 17] = [
            b"",
            b".",
            b":80",
            b"a b",
            b"a,b",
            b"a/b",
            b"user@a",
            b"a:b",
            b"a:0",
            b"a:65536",
            b"a:000080",
            b"a:80:80",
            b"[::1",
            b"[::1]x",
            b"[fe80::1%25eth0]",
            b"a%2eb",
            &long,
        ];
        for bytes in wrong {
            assert_eq!(Host::parse(bytes), Err(Refusal::HostInvalid), "{}", bytes.escape_ascii());
        }
    }
}
