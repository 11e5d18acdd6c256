//! Socket addresses in the kernel's form (`sockaddr_in`, `sockaddr_in6`), as plain bytes in a place of their own.
//!
//! Not for Unix sockets. Written by hand and without unsafe, because io_uring hands addresses back as byte slices
//! in the middle of a buffer, where no struct could be laid over them.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of the longer of the two forms, `sockaddr_in6`.
pub const NAME_BYTES: usize = 28;

const V4_BYTES: usize = 16;

/// An address that the kernel may read or write; does not move while it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Name {
    bytes: [u8; NAME_BYTES],
}

impl Name {
    /// Puts `address` in; how many bytes it takes.
    pub fn set(&mut self, address: SocketAddr) -> usize {
        self.bytes = [0; NAME_BYTES];
        self.bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                self.bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                self.bytes[4..8].copy_from_slice(&v4.ip().octets());
                V4_BYTES
            }
            SocketAddr::V6(v6) => {
                self.bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                self.bytes[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                self.bytes[8..24].copy_from_slice(&v6.ip().octets());
                self.bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                NAME_BYTES
            }
        }
    }

    /// The address of which the kernel wrote `bytes` bytes.
    pub fn get(&self, bytes: usize) -> Option<SocketAddr> {
        decode(&self.bytes[..bytes.min(NAME_BYTES)])
    }

    /// Where it lies.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }
}

/// An address from the kernel's form; `None` for other families and short input.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(array(bytes, 0)?));
    let port = u16::from_be_bytes(array(bytes, 2)?);
    match family {
        libc::AF_INET => Some(SocketAddrV4::new(Ipv4Addr::from(array::<4>(bytes, 4)?), port).into()),
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(array::<16>(bytes, 8)?);
            let flow = u32::from_ne_bytes(array(bytes, 4)?);
            let scope = u32::from_ne_bytes(array(bytes, 24)?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

fn array<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<[u8; BYTES]> {
    bytes.get(at..at + BYTES)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive_the_trip() {
        for text in ["192.0.2.7:53", "[2001:db8::9]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut name = Name::default();
            let bytes = name.set(address);
            assert_eq!(name.get(bytes), Some(address));
            assert_eq!(name.get(bytes - 13), None);
        }
        let scoped = SocketAddr::from(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 2, 3));
        let mut name = Name::default();
        let bytes = name.set(scoped);
        assert_eq!(name.get(bytes), Some(scoped));
    }

    #[test]
    fn the_form_is_the_system_librarys() {
        let mut name = Name::default();
        let bytes = name.set("192.0.2.7:53".parse().unwrap());
        assert_eq!(bytes, size_of::<libc::sockaddr_in>());
        assert_eq!(NAME_BYTES, size_of::<libc::sockaddr_in6>());
        assert_eq!(name.bytes[2..8], [0, 53, 192, 0, 2, 7]);
    }
}
