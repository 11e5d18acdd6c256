//! What stands at the start of a stream, before the message: what the far end needs to know of the exchange.
//!
//! ```text
//! opening  version 1 · kind 1 · decision 8 · client ip 16 · client port 2 · site length 1 · site
//! reply    version 1 · flags 1 · attempts 1 · origin ip 16 · origin port 2 · first byte after (µs) 4
//! ```
//! Integers are big-endian; an IPv4 address is mapped into ::ffff:0:0/96; port 0 means "not known". The site is
//! the lower-case name of `--site`, at most 255 bytes. The opening envelope comes first on the asker's half, the
//! reply envelope first on the server's half. The normative text is `SPEC.md`. [EXC-3]

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::exchange::link::Kind;

/// The version that this build writes and reads.
const VERSION: u8 = 1;
const OPENING_FIXED: usize = 29;
/// The longest opening envelope, in bytes.
pub const OPENING_BYTES_MAX: usize = OPENING_FIXED + 255;
/// Every reply envelope, in bytes.
pub const REPLY_BYTES: usize = 25;

/// What the asker says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningEnvelope<'a> {
    /// What the stream carries. [EXC-1]
    pub kind: Kind,
    /// The id under which both ends log the exchange. [EXC-5]
    pub decision: u64,
    /// The client's address as the front-end sees it (or was told by a PROXY header).
    pub client: SocketAddr,
    /// The site's name, lower case. [EXC-6]
    pub site: &'a [u8],
}

/// A parse that may lack bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The envelope, and how many bytes it took.
    Complete(T, usize),
    /// More bytes are needed.
    Partial,
    /// No version of this protocol writes such a thing.
    Invalid,
}

impl<'a> OpeningEnvelope<'a> {
    /// Writes the envelope; how many bytes it took.
    pub fn encode(&self, into: &mut [u8; OPENING_BYTES_MAX]) -> usize {
        assert!(self.site.len() <= 255, "a site's name fits one length byte");
        into[0] = VERSION;
        into[1] = self.kind.to_u8();
        into[2..10].copy_from_slice(&self.decision.to_be_bytes());
        put_address(&mut into[10..28], self.client);
        into[28] = self.site.len() as u8;
        into[OPENING_FIXED..OPENING_FIXED + self.site.len()].copy_from_slice(self.site);
        OPENING_FIXED + self.site.len()
    }

    /// Reads an envelope from the start of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Parsed<Self> {
        if bytes.first().is_some_and(|version| *version != VERSION) {
            return Parsed::Invalid;
        }
        let Some((fixed, rest)) = bytes.split_at_checked(OPENING_FIXED) else { return Parsed::Partial };
        let Some(kind) = Kind::from_u8(fixed[1]) else { return Parsed::Invalid };
        let length = usize::from(fixed[28]);
        let Some(site) = rest.get(..length) else { return Parsed::Partial };
        let decision = u64::from_be_bytes(array(&fixed[2..10]));
        let client = take_address(&fixed[10..28]);
        Parsed::Complete(Self { kind, decision, client, site }, OPENING_FIXED + length)
    }
}

/// What the server says first. [EXC-7]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyEnvelope {
    /// Whether a pooled connection to the origin was used.
    pub reused: bool,
    /// How many connections were tried.
    pub attempts: u8,
    /// The origin that answered.
    pub origin: Option<SocketAddr>,
    /// From the exchange's opening at the server's end to the origin's first byte, µs (saturating).
    pub first_byte_us: u32,
}

impl ReplyEnvelope {
    /// Writes the envelope.
    pub fn encode(&self) -> [u8; REPLY_BYTES] {
        let mut bytes = [0; REPLY_BYTES];
        bytes[0] = VERSION;
        bytes[1] = u8::from(self.reused);
        bytes[2] = self.attempts;
        if let Some(origin) = self.origin {
            put_address(&mut bytes[3..21], origin);
        }
        bytes[21..25].copy_from_slice(&self.first_byte_us.to_be_bytes());
        bytes
    }

    /// Reads an envelope from the start of `bytes`.
    pub fn parse(bytes: &[u8]) -> Parsed<Self> {
        if bytes.first().is_some_and(|version| *version != VERSION) {
            return Parsed::Invalid;
        }
        let Some(bytes) = bytes.get(..REPLY_BYTES) else { return Parsed::Partial };
        let origin = take_address(&bytes[3..21]);
        let reply = Self {
            reused: bytes[1] & 1 != 0,
            attempts: bytes[2],
            origin: (origin.port() != 0).then_some(origin),
            first_byte_us: u32::from_be_bytes(array(&bytes[21..25])),
        };
        Parsed::Complete(reply, REPLY_BYTES)
    }
}

/// [EXC-4]
fn put_address(into: &mut [u8], address: SocketAddr) {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    into[..16].copy_from_slice(&ip.octets());
    into[16..18].copy_from_slice(&address.port().to_be_bytes());
}

fn take_address(bytes: &[u8]) -> SocketAddr {
    let ip = Ipv6Addr::from(array::<16>(&bytes[..16]));
    let port = u16::from_be_bytes(array(&bytes[16..18]));
    SocketAddr::new(IpAddr::V6(ip).to_canonical(), port)
}

/// The first `N` bytes; the caller has checked that they are there.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_opening_returns_and_every_prefix_is_partial(
            tcp in any::<bool>(), decision in any::<u64>(), v6 in any::<u128>(), v4 in any::<Option<u32>>(),
            port in any::<u16>(), site in proptest::collection::vec(any::<u8>(), 0..256),
        ) {
            let ip = v4.map_or_else(|| IpAddr::V6(v6.into()), |v4| IpAddr::V4(v4.into())).to_canonical();
            let kind = if tcp { Kind::Tcp } else { Kind::Http };
            let opening = OpeningEnvelope { kind, decision, client: SocketAddr::new(ip, port), site: &site };
            let mut bytes = [0; OPENING_BYTES_MAX];
            let length = opening.encode(&mut bytes);
            prop_assert_eq!(OpeningEnvelope::parse(&bytes), Parsed::Complete(opening, length));
            for cut in 0..length {
                prop_assert_eq!(OpeningEnvelope::parse(&bytes[..cut]), Parsed::Partial);
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = OpeningEnvelope::parse(&bytes);
            let _ = ReplyEnvelope::parse(&bytes);
        }
    }

    #[test]
    fn a_reply_returns() {
        let origin = Some("[2001:db8::1]:80".parse().unwrap());
        for origin in [origin, None, Some("10.0.0.1:9000".parse().unwrap())] {
            let reply = ReplyEnvelope { reused: true, attempts: 2, origin, first_byte_us: 1_234 };
            assert_eq!(ReplyEnvelope::parse(&reply.encode()), Parsed::Complete(reply, REPLY_BYTES));
        }
    }
}
