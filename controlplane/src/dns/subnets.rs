//! A few networks, as prefixes: who is meant by a list of them.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// The network of `address` with `bits` bits; more bits than the family has are all of them.
    pub fn of(address: IpAddr, bits: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { address: IpAddr::V4((v4.to_bits() & mask).into()), bits }
            }
            IpAddr::V6(v6) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { address: IpAddr::V6((v6.to_bits() & mask).into()), bits }
            }
        }
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::of(address, self.bits) == *self
    }
}

impl FromStr for Prefix {
    type Err = ();

    /// `192.0.2.0/24`, or an address alone; bits behind the prefix must be zero, so that a typing error is seen.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(bits_max), |bits| bits.parse().map_err(|_| ()))?;
        let prefix = Self::of(address, bits);
        if bits <= bits_max && prefix.address == address { Ok(prefix) } else { Err(()) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnets(pub Vec<Prefix>);

impl Subnets {
    /// Whether one of them has `address`.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|prefix| prefix.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_what_they_say() {
        let prefix: Prefix = "192.0.2.0/23".parse().unwrap();
        let has = |text: &str| prefix.contains(text.parse().unwrap());
        assert!(has("192.0.3.255") && has("::ffff:192.0.2.1") && !has("192.0.4.0") && !has("::1"));
        assert!("::/0".parse::<Prefix>().unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Prefix>().unwrap().contains("255.0.0.1".parse().unwrap()));
        assert_eq!("2001:db8::/32".parse::<Prefix>().unwrap().to_string(), "2001:db8::/32");
        assert_eq!("192.0.2.1".parse::<Prefix>().unwrap().bits(), 32);
        for text in ["", "192.0.2.1/24", "192.0.2.0/33", "::/129", "a/8", "192.0.2.0/", "192.0.2.0/-1"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
