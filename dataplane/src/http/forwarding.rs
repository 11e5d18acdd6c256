//! The fields that tell the next hop where a request came from: Via (RFC 9110 §7.6.3), Forwarded (RFC 7239) and the
//! X-Forwarded family. What a client claims about itself is replaced; only a proxy that the operator trusts is
//! believed, and then we append to what it says.

use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::http::known::Known;
use crate::http::request::RequestHead;
use crate::http::token::{push_decimal, trim_blanks};

/// How the client spoke to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The peer of the connection. An IPv4 address mapped into IPv6 is written as IPv4.
    pub address: IpAddr,
    /// How it spoke to us.
    pub scheme: Scheme,
}

/// What to say about the way of a request.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// Whom to name as the client; `None` adds nothing (the hop behind the one that did).
    pub client: Option<Client>,
    /// True if the sender's own forwarding fields are to be believed: kept and appended to.
    pub trusted: bool,
    /// Our name in Via: a token, or a host with an optional port. `None` adds no Via.
    pub via: Option<&'a [u8]>,
}

impl Forwarding<'static> {
    /// Passes on what the machine before wrote: for the hop from our back-end to the origin.
    pub const UNCHANGED: Self = Self { client: None, trusted: true, via: None };
}

/// Whom the trusted proxies name as the client: the last address of X-Forwarded-For that is no trusted proxy itself, or
/// the first of the list if all are. `None` where the field is missing or its last element is no address.
///
/// Read from the end, because every proxy appends: what stands before the first stranger is that stranger's claim.
pub fn client_behind(head: &RequestHead<'_>, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut found = None;
    // Few lines, and nearly always one: their order is turned by taking the last of ever fewer.
    for line in (0..head.fields.tagged(Known::XForwardedFor).count()).rev() {
        let value = head.fields.tagged(Known::XForwardedFor).nth(line)?;
        for element in value.rsplit(|&byte| byte == b',').map(trim_blanks).filter(|text| !text.is_empty()) {
            let Some(address) = parse_address(element) else { return found };
            found = Some(address);
            if !is_trusted(address) {
                return found;
            }
        }
    }
    found
}

/// An address as proxies write it: bare, in brackets, and perhaps with a port.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// True if a field of this tag is written by [`push_forwarding`] or dropped, so that it must not be copied.
pub(crate) fn replaces(known: Known, forwarding: &Forwarding<'_>) -> bool {
    match known {
        Known::Forwarded | Known::XForwardedFor => forwarding.client.is_some() || !forwarding.trusted,
        Known::XForwardedProto | Known::XForwardedHost | Known::ForwardingClaim => !forwarding.trusted,
        _ => false,
    }
}

/// Appends the forwarding fields. `head` is as it came; its host is the one that the client asked for.
pub(crate) fn push_forwarding(head: &RequestHead<'_>, forwarding: &Forwarding<'_>, out: &mut Vec<u8>) {
    if let Some(pseudonym) = forwarding.via {
        push_via(head.version.number(), pseudonym, out);
    }
    let Some(client) = forwarding.client else { return };
    let address = client.address.to_canonical();
    push_joined(head, Known::XForwardedFor, b"X-Forwarded-For: ", forwarding.trusted, out);
    push_address(address, out);
    out.extend_from_slice(b"\r\n");
    if !is_believed(head, Known::XForwardedProto, forwarding) {
        out.extend_from_slice(b"X-Forwarded-Proto: ");
        out.extend_from_slice(scheme_name(client.scheme));
        out.extend_from_slice(b"\r\n");
    }
    if !head.host.is_empty() && !is_believed(head, Known::XForwardedHost, forwarding) {
        out.extend_from_slice(b"X-Forwarded-Host: ");
        out.extend_from_slice(head.host.bytes);
        out.extend_from_slice(b"\r\n");
    }
    push_joined(head, Known::Forwarded, b"Forwarded: ", forwarding.trusted, out);
    push_forwarded_element(head, address, client.scheme, out);
}

/// Appends a Via line. A line of its own after those that were there reads the same as a longer list.
pub(crate) fn push_via(version: &[u8], pseudonym: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Via: ");
    out.extend_from_slice(version);
    out.push(b' ');
    out.extend_from_slice(pseudonym);
    out.extend_from_slice(b"\r\n");
}

fn is_believed(head: &RequestHead<'_>, known: Known, forwarding: &Forwarding<'_>) -> bool {
    forwarding.trusted && head.fields.tagged(known).next().is_some()
}

/// Appends the name and, if they are believed, the values that were there, so that one line holds the whole list:
/// many readers look at one line only.
fn push_joined(head: &RequestHead<'_>, known: Known, name: &[u8], trusted: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    if !trusted {
        return;
    }
    for value in head.fields.tagged(known).filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}

/// RFC 7239 §4: what has a colon or bracket in it is quoted.
fn push_forwarded_element(head: &RequestHead<'_>, address: IpAddr, scheme: Scheme, out: &mut Vec<u8>) {
    let (open, close): (&[u8], &[u8]) =
        if address.is_ipv6() { (b"for=\"[", b"]\";proto=") } else { (b"for=", b";proto=") };
    out.extend_from_slice(open);
    push_address(address, out);
    out.extend_from_slice(close);
    out.extend_from_slice(scheme_name(scheme));
    if !head.host.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(head.host.bytes);
        out.push(b'"');
    }
    out.extend_from_slice(b"\r\n");
}

fn scheme_name(scheme: Scheme) -> &'static [u8] {
    match scheme {
        Scheme::Http => b"http",
        Scheme::Https => b"https",
    }
}

fn push_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => push_ipv4(address, out),
        // By the formatter, because shortening has rules (RFC 5952); appending cannot fail.
        IpAddr::V6(address) => write!(Appended(out), "{address}").unwrap_or_default(),
    }
}

/// Lets the formatter write behind what is in a scratch.
struct Appended<'a>(&'a mut Vec<u8>);

impl Write for Appended<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// By hand, as the formatter takes as long as all the rest of a head.
fn push_ipv4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        push_decimal(u64::from(octet), out);
    }
}
