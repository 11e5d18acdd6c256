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
