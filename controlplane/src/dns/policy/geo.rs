//! Where a client is, by the operator's MMDB file (MaxMind's form, as GeoLite2 and others have it): country and continent,
//! nothing finer.

use core::fmt;
use core::net::IpAddr;
use maxminddb::{PathElement, Reader};

/// The file, in memory.
pub struct Locations {
    reader: Reader<Vec<u8>>,
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locations")
    }
}

/// A place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166 code of the country.
    pub country: Option<[u8; 2]>,
    /// Code of the continent.
    pub continent: Option<[u8; 2]>,
    /// Bits of the client's address that it depends on.
    pub bits: u8,
}

impl Locations {
    /// Takes a file's bytes, after looking through all of them: a broken file must not be found out by a client.
    pub fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|error| format!("is no MMDB file: {error}"))?;
        reader.verify().map_err(|error| format!("is a broken MMDB file: {error}"))?;
        Ok(Self { reader })
    }

    /// Where `client` is.
    pub fn place(&self, client: IpAddr) -> Place {
        let Ok(found) = self.reader.lookup(client) else { return Place::default() };
        let code = |of: &'static str, code: &'static str| {
            let path = [PathElement::Key(of), PathElement::Key(code)];
            let text: Option<&str> = found.decode_path(&path).ok().flatten();
            text.and_then(|text| text.as_bytes().try_into().ok())
        };
        let network = found.network().map_or(0, |network| network.prefix());
        // A file for both families may tell an IPv4 network by its length in IPv6.
        let bits = if client.is_ipv4() && network > 32 { network.saturating_sub(96) } else { network };
        Place { country: code("country", "iso_code"), continent: code("continent", "code"), bits }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&[0x40 | text.len() as u8][..], text.as_bytes()].concat()
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0xe0 | pairs.len() as u8];
        pairs.iter().for_each(|(key, value)| bytes.extend([text(key), value.clone()].concat()));
        bytes
    }

    fn number(kind: u8, value: u32) -> Vec<u8> {
        let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        [&[kind << 5 | bytes.len() as u8][..], &bytes].concat()
    }

    /// A made-up file (MaxMind DB format 2.0, IPv4, records of 24 bits): each network with its country and continent.
    pub(crate) fn file(networks: &[([u8; 4], u8, &str, &str)]) -> Vec<u8> {
        // Nodes of a binary tree; `None` is "not found", `Err` a place in the data.
        let mut nodes: Vec<[Option<Result<usize, usize>>; 2]> = vec![[None; 2]];
        let mut data = Vec::new();
        for (address, bits, country, continent) in networks {
            let mut at = 0;
            for bit in 0..*bits {
                let side = usize::from(address[usize::from(bit / 8)] >> (7 - bit % 8) & 1);
                if bit + 1 == *bits {
                    nodes[at][side] = Some(Err(data.len()));
                } else {
                    at = match nodes[at][side] {
                        Some(Ok(next)) => next,
                        _ => {
                            nodes.push([None; 2]);
                            nodes[at][side] = Some(Ok(nodes.len() - 1));
                            nodes.len() - 1
                        }
                    };
                }
            }
            data.extend(map(&[
                ("country", map(&[("iso_code", text(country))])),
                ("continent", map(&[("code", text(continent))])),
            ]));
        }
        let count = nodes.len();
        let mut bytes = Vec::new();
        for record in nodes.iter().flatten() {
            let value = match record {
                None => count,
                Some(Ok(node)) => *node,
                Some(Err(place)) => count + 16 + place,
            };
            bytes.extend(&(value as u32).to_be_bytes()[1..]);
        }
        bytes.extend([0; 16]);
        bytes.extend(data);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("binary_format_major_version", number(5, 2)),
            ("binary_format_minor_version", number(5, 0)),
            ("build_epoch", vec![0x01, 0x02, 1]),
            ("database_type", text("Made-Up")),
            ("description", map(&[("en", text("made up"))])),
            ("ip_version", number(5, 4)),
            ("languages", [&[0x01, 0x04][..], &text("en")].concat()),
            ("node_count", number(6, count as u32)),
            ("record_size", number(5, 24)),
        ]));
        bytes
    }

    #[test]
    fn places_are_found_with_their_networks() {
        let bytes = file(&[([192, 0, 2, 0], 24, "DE", "EU"), ([198, 51, 0, 0], 16, "US", "NA")]);
        let locations = Locations::read(bytes).unwrap();
        let place = |text: &str| locations.place(text.parse().unwrap());
        assert_eq!(place("192.0.2.77"), Place { country: Some(*b"DE"), continent: Some(*b"EU"), bits: 24 });
        assert_eq!(place("198.51.100.1"), Place { country: Some(*b"US"), continent: Some(*b"NA"), bits: 16 });
        assert_eq!(place("203.0.113.1").country, None);
        assert_eq!(place("2001:db8::1").country, None);
    }

    #[test]
    fn broken_files_are_found_out_at_once() {
        let good = file(&[([192, 0, 2, 0], 24, "DE", "EU")]);
        assert!(Locations::read(Vec::new()).is_err());
        assert!(Locations::read(b"no such thing".to_vec()).is_err());
        assert!(Locations::read(good[..good.len() / 2].to_vec()).is_err());
        // No changed byte makes it panic, at the start or later.
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0xff;
            if let Ok(locations) = Locations::read(changed) {
                locations.place("192.0.2.77".parse().unwrap());
            }
        }
    }
}
