//! EDNS(0): the OPT record of a request and its options (RFC 6891, 7871 subnet, 7873 cookies, 7828 keep-alive, 5001 NSID,
//! 8914 extended errors).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Option codes.
pub(crate) mod option {
    pub(crate) const NSID: u16 = 3;
    pub(crate) const SUBNET: u16 = 8;
    pub(crate) const COOKIE: u16 = 10;
    pub(crate) const KEEPALIVE: u16 = 11;
    pub(crate) const ERROR: u16 = 15;
}

/// What an OPT record asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edns<'m> {
    /// Bytes that the client takes over UDP.
    pub udp_bytes: u16,
    /// The version; we speak 0.
    pub version: u8,
    /// The client takes DNSSEC records; only echoed here.
    pub dnssec_ok: bool,
    /// A cookie: eight bytes of the client's, perhaps followed by the server's.
    pub cookie: Option<&'m [u8]>,
    /// Where the client of the asking resolver is.
    pub subnet: Option<Subnet>,
    /// Who we are is wanted.
    pub wants_nsid: bool,
    /// How long a TCP connection may be idle is wanted.
    pub wants_keepalive: bool,
    /// Words about the answer are wanted: an extended error stood in the request.
    pub wants_words: bool,
}

/// A client subnet (RFC 7871 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The address, zero behind `bits`.
    pub address: IpAddr,
    /// SOURCE PREFIX-LENGTH.
    pub bits: u8,
}

/// The OPT record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOption;

impl<'m> Edns<'m> {
    /// Reads the fields of an OPT record: its class, its TTL and its data.
    pub fn read(class: u16, ttl: [u8; 4], data: &'m [u8]) -> Result<Self, BadOption> {
        let [_, version, flags, _] = ttl;
        let mut edns = Self { udp_bytes: class, version, dnssec_ok: flags & 0x80 != 0, ..Self::default() };
        // Another version may have other options; its answer is BADVERS, whatever they are.
        let mut rest = if version == 0 { data } else { &[] };
        while !rest.is_empty() {
            let [c0, c1, l0, l1, after @ ..] = rest else { return Err(BadOption) };
            let (code, length) =
                (u16::from_be_bytes([*c0, *c1]), usize::from(u16::from_be_bytes([*l0, *l1])));
            let (value, after) = after.split_at_checked(length).ok_or(BadOption)?;
            edns.take(code, value)?;
            rest = after;
        }
        Ok(edns)
    }

    /// Unknown options are left alone (RFC 6891 §6.1.2).
    fn take(&mut self, code: u16, value: &'m [u8]) -> Result<(), BadOption> {
        match code {
            option::NSID => self.wants_nsid = true,
            option::SUBNET => self.subnet = Some(Subnet::read(value)?),
            // RFC 7873 §5.2: eight bytes, or eight and 8 to 32 of the server's.
            option::COOKIE if self.cookie.is_none() => match value.len() {
                8 | 16..=40 => self.cookie = Some(value),
                _ => return Err(BadOption),
            },
            option::KEEPALIVE => self.wants_keepalive = true,
            option::ERROR => self.wants_words = true,
            _ => {}
        }
        Ok(())
    }
}

impl Subnet {
    fn read(value: &[u8]) -> Result<Self, BadOption> {
        let [f0, f1, bits, scope, bytes @ ..] = value else { return Err(BadOption) };
        let (family, bits) = (u16::from_be_bytes([*f0, *f1]), *bits);
        let bits_max = match family {
            1 => 32,
            2 => 128,
            // RFC 7871 §6: family 0 with nothing behind it says "do not use an address".
            0 if bits == 0 && bytes.is_empty() => 0,
            _ => return Err(BadOption),
        };
        if *scope != 0 || bits > bits_max || bytes.len() != usize::from(bits.div_ceil(8)) {
            return Err(BadOption);
        }
        let spare_bits = (8 - bits % 8) % 8;
        if bytes.last().is_some_and(|last| last & ((1 << spare_bits) - 1) != 0) {
            return Err(BadOption);
        }
        let mut whole = [0; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        let [a, b, c, d, ..] = whole;
        let address =
            if family == 2 { Ipv6Addr::from(whole).into() } else { Ipv4Addr::new(a, b, c, d).into() };
        Ok(Self { address, bits })
    }

    /// As it stands in an answer, with the prefix length that the answer is good for.
    pub(crate) fn written(&self, scope: u8, into: &mut [u8; 20]) -> usize {
        let (family, octets) = match self.address {
            IpAddr::V4(address) => (1, address.to_ipv6_compatible().octets()),
            IpAddr::V6(address) => (2, address.octets()),
        };
        let octets = if family == 1 { &octets[12..] } else { &octets[..] };
        let bytes = usize::from(self.bits.div_ceil(8));
        into[..4].copy_from_slice(&[0, family, self.bits, scope]);
        into[4..4 + bytes].copy_from_slice(&octets[..bytes]);
        4 + bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read_strictly_and_written_back() {
        let read = |value: &[u8]| Subnet::read(value);
        let v4 = read(&[0, 1, 20, 0, 192, 0, 0x20]).unwrap();
        assert_eq!(v4, Subnet { address: "192.0.32.0".parse().unwrap(), bits: 20 });
        let v6 = read(&[0, 2, 33, 0, 0x20, 1, 0xd, 0xb8, 0x80]).unwrap();
        assert_eq!(v6.address.to_string(), "2001:db8:8000::");
        let mut place = [0; 20];
        let bytes = v4.written(24, &mut place);
        assert_eq!(place[..bytes], [0, 1, 20, 24, 192, 0, 0x20]);
        let bytes = v6.written(0, &mut place);
        assert_eq!(place[..bytes], [0, 2, 33, 0, 0x20, 1, 0xd, 0xb8, 0x80]);
        assert_eq!(read(&[0, 1, 0, 0]).unwrap().bits, 0);
        let bad: [&[u8]; 9] = [
            &[],
            &[0, 1, 24],
            &[0, 3, 8, 0, 1],
            &[0, 1, 33, 0, 1, 2, 3, 4, 5],
            &[0, 1, 24, 24, 1, 2, 3],
            &[0, 1, 24, 0, 1, 2],
            &[0, 1, 24, 0, 1, 2, 3, 4],
            &[0, 1, 20, 0, 192, 0, 0x21],
            &[0, 2, 129, 0],
        ];
        for value in bad {
            assert_eq!(read(value), Err(BadOption), "{value:?}");
        }
    }

    #[test]
    fn options_are_cut_where_their_lengths_say() {
        let read = |data| Edns::read(1_400, [0, 0, 0x80, 0], data);
        let edns = read(b"\x00\x03\x00\x00\xff\x00\x00\x01x\x00\x0a\x00\x08abcdefgh").unwrap();
        assert!(
            edns.wants_nsid && edns.dnssec_ok && edns.cookie == Some(b"abcdefgh") && edns.udp_bytes == 1_400
        );
        for data in [
            &b"\x00"[..],
            b"\x00\x03\x00",
            b"\x00\x03\x00\x01",
            b"\x00\x0a\x00\x07abcdefg",
            b"\x00\x0a\x00\x09abcdefghi",
        ] {
            assert!(read(data).is_err(), "{data:?}");
        }
        assert!(Edns::read(512, [0, 1, 0, 0], b"\x00").unwrap().version == 1);
    }
}
