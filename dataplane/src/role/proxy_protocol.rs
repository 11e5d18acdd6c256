//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`, 2020-03-05): who the client is, said at the
//! start of a TCP connection by whoever accepted it.
//!
//! Version 1 is one line of at most 107 bytes, version 2 a binary header of 16 bytes plus addresses and extensions,
//! which are skipped. A listener that expects the header takes no connection without one: guessing would let any
//! client claim any address.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::role::plan::ProxyVersion;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_BYTES_MAX: usize = 107;
/// Version 2: 16 bytes and what the length field says; more than this is refused.
const V2_BYTES_MAX: usize = 16 + 512;
/// The longest header that `parse` takes, in bytes.
pub const HEADER_BYTES_MAX: usize = V2_BYTES_MAX;

/// What stands at the start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The client's address (`None`: the proxy speaks for itself, or does not know), and the header's length.
    Complete(Option<SocketAddr>, usize),
    /// More bytes are needed.
    Partial,
    /// This is no PROXY header.
    Invalid,
}

/// Reads a header of either version.
pub fn parse(bytes: &[u8]) -> Header {
    let shown = bytes.len().min(SIGNATURE.len());
    if bytes[..shown] == SIGNATURE[..shown] {
        return parse_v2(bytes);
    }
    parse_v1(bytes)
}

/// A header ready to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Emitted {
    bytes: [u8; V1_BYTES_MAX],
    length: usize,
}

impl Emitted {
    /// The header's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

impl core::fmt::Write for Emitted {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Writes the header for a connection that `client` opened and that goes on to `to`.
pub fn emit(version: ProxyVersion, client: SocketAddr, to: SocketAddr) -> Emitted {
    let mut out = Emitted { bytes: [0; V1_BYTES_MAX], length: 0 };
    let (from_ip, to_ip) = same_family(client.ip(), to.ip());
    match version {
        ProxyVersion::V1 => emit_v1(&mut out, (from_ip, client.port()), (to_ip, to.port())),
        ProxyVersion::V2 => emit_v2(&mut out, (from_ip, client.port()), (to_ip, to.port())),
    }
    out
}

fn emit_v1(out: &mut Emitted, from: (IpAddr, u16), to: (IpAddr, u16)) {
    use core::fmt::Write as _;
    let family = if from.0.is_ipv4() { "TCP4" } else { "TCP6" };
    // 107 bytes hold the longest line there is, as the specification counts it.
    let written = write!(out, "PROXY {family} {} {} {} {}\r\n", from.0, to.0, from.1, to.1);
    assert!(written.is_ok(), "a line of addresses fits");
}

fn emit_v2(out: &mut Emitted, from: (IpAddr, u16), to: (IpAddr, u16)) {
    out.push(SIGNATURE);
    match (from.0, to.0) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            out.push(&[0x21, 0x11, 0, 12]);
            out.push(&a.octets());
            out.push(&b.octets());
        }
        (a, b) => {
            out.push(&[0x21, 0x21, 0, 36]);
            out.push(&mapped(a).octets());
            out.push(&mapped(b).octets());
        }
    }
    out.push(&from.1.to_be_bytes());
    out.push(&to.1.to_be_bytes());
}

fn parse_v1(bytes: &[u8]) -> Header {
    let shown = bytes.len().min(6);
    if bytes[..shown] != b"PROXY "[..shown] {
        return Header::Invalid;
    }
    let line = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() >= V1_BYTES_MAX { Header::Invalid } else { Header::Partial };
    };
    let Ok(text) = core::str::from_utf8(&line[6..end]) else { return Header::Invalid };
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Header::Complete(None, end + 2);
    }
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or("");
    let (family, from, to, from_port, to_port) = (word(), word(), word(), word(), word());
    let pair = match family {
        "TCP4" => {
            from.parse::<Ipv4Addr>().ok().map(IpAddr::V4).zip(to.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
        }
        "TCP6" => {
            from.parse::<Ipv6Addr>().ok().map(IpAddr::V6).zip(to.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
        }
        _ => None,
    };
    match (pair, port(from_port), port(to_port), words.next()) {
        (Some((ip, _)), Some(from_port), Some(_), None) => {
            Header::Complete(Some(SocketAddr::new(ip, from_port)), end + 2)
        }
        _ => Header::Invalid,
    }
}

fn parse_v2(bytes: &[u8]) -> Header {
    let Some(fixed) = bytes.get(..16) else { return Header::Partial };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let total = 16 + length;
    if fixed[12] >> 4 != 2 || fixed[12] & 15 > 1 || total > V2_BYTES_MAX {
        return Header::Invalid;
    }
    let Some(addresses) = bytes.get(16..total) else { return Header::Partial };
    if fixed[12] & 15 == 0 {
        // LOCAL: a health check of the proxy itself.
        return Header::Complete(None, total);
    }
    let client = match fixed[13] {
        0x11 if length >= 12 => {
            let ip = Ipv4Addr::new(addresses[0], addresses[1], addresses[2], addresses[3]);
            Some(SocketAddr::new(ip.into(), u16::from_be_bytes([addresses[8], addresses[9]])))
        }
        0x21 if length >= 36 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&addresses[..16]);
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Some(SocketAddr::new(Ipv6Addr::from(octets).into(), port))
        }
        0x11 | 0x21 => return Header::Invalid,
        // UNSPEC, UNIX sockets, datagrams: the connection is fine, its client is not known.
        _ => None,
    };
    Header::Complete(client, total)
}

/// A port in decimal digits without sign or leading zero.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn same_family(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.into(), b.into()),
        (a, b) => (mapped(a).into(), mapped(b).into()),
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], expect: Header) {
        assert_eq!(parse(bytes), expect, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn version_one() {
        let client = Some("192.0.2.1:56324".parse().unwrap());
        check(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET", Header::Complete(client, 42));
        check(b"PROXY UNKNOWN\r\n", Header::Complete(None, 15));
        check(b"PROXY UNKNOWN whatever it says\r\n", Header::Complete(None, 32));
        check(b"PRO", Header::Partial);
        for wrong in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 056 443\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +56 443\r\n",
            b"PROXY TCP6 192.0.2.1 192.0.2.2 1 443\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443 9\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 443\r\n",
            &[b'P'; 107],
        ] {
            check(wrong, Header::Invalid);
        }
    }

    #[test]
    fn both_versions_return_and_every_prefix_is_partial() {
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            for client in ["192.0.2.1:56324", "[2001:db8::7]:1"] {
                let client: SocketAddr = client.parse().unwrap();
                let to = if client.is_ipv4() { "10.0.0.1:80" } else { "[::1]:80" };
                let header = emit(version, client, to.parse().unwrap());
                check(header.bytes(), Header::Complete(Some(client), header.bytes().len()));
                for cut in 0..header.bytes().len() {
                    check(&header.bytes()[..cut], Header::Partial);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..600), v2 in any::<bool>()) {
            let mut all = if v2 { SIGNATURE.to_vec() } else { b"PROXY ".to_vec() };
            all.extend(bytes);
            let _ = parse(&all);
        }
    }
}
