//! A network: an address and how many of its leading bits count, as `192.0.2.0/24` (RFC 4632) or `2001:db8::/32`
//! (RFC 4291 §2.3).

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// An address prefix of one family. IPv4 addresses mapped into IPv6 count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// Neither an address nor an address with a length.
    Malformed,
    /// The length is beyond the address's own: 32 or 128 bits.
    TooLong,
    /// Bits after the prefix are set; the network that was probably meant is carried along.
    HostBits(Network),
}

impl Network {
    /// The network of `address` with `bits` bits; more bits than the family has are all of them.
    pub fn of(address: IpAddr, bits: u8) -> Self {
        let address = address.to_canonical();
        let bits = bits.min(width(address));
        let start = masked(address, bits);
        let base = match address {
            IpAddr::V4(_) => IpAddr::from(((start >> 96) as u32).to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(start.to_be_bytes()),
        };
        Self { base, bits }
    }

    /// Its first address.
    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// How many leading bits count.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && masked(address, self.bits) == bits_of(self.base)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `ADDRESS/BITS`, or a bare address as the network of it alone.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Malformed)?;
        let address = address.to_canonical();
        let bits = match bits {
            None => width(address),
            Some(bits) => bits.parse().map_err(|_| NetworkError::Malformed)?,
        };
        if bits > width(address) {
            return Err(NetworkError::TooLong);
        }
        // Bits behind the prefix are seen: they are a typing error more often than a wish.
        let meant = Self::of(address, bits);
        if meant.base == address { Ok(meant) } else { Err(NetworkError::HostBits(meant)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.base, self.bits)
    }
}

/// How many bits addresses of this family have.
const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address's bits, first bit highest.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, bits: u8) -> u128 {
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    bits_of(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_lie_in_it_or_not() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ];
        for (of, address, is_in) in cases {
            assert_eq!(network(of).contains(address.parse().unwrap()), is_in, "{address} in {of}");
        }
    }

    #[test]
    fn texts_are_read_or_refused_for_a_reason() {
        assert_eq!(network("10.0.0.0/8").to_string(), "10.0.0.0/8");
        assert_eq!(network("2001:db8::1").to_string(), "2001:db8::1/128");
        for text in ["", "10", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "name", "10.0.0.0/x"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Malformed), "{text}");
        }
        assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NetworkError::TooLong));
        assert_eq!("10.0.0.1/8".parse::<Network>(), Err(NetworkError::HostBits(network("10.0.0.0/8"))));
        let meant = network("2001:db8::/32");
        assert_eq!("2001:db8::1/32".parse::<Network>(), Err(NetworkError::HostBits(meant)));
    }
}
