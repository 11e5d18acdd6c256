//! What must hold for any bytes read as a PROXY header, as a plain function that panics when it does not: a fuzzer
//! drives it for long, the committed corpus shortly. The invariants: a prefix never says more than "partial" of what
//! the whole takes, a refusal stays a refusal, waiting is bounded, and what we write again names the same client.

use core::net::{IpAddr, SocketAddr};

use crate::role::plan::ProxyVersion;
use crate::role::proxy_protocol::{HEADER_BYTES_MAX, Header, emit, parse};

/// Reads `bytes` as a PROXY header, whole and in every prefix, and writes what it says in both versions.
pub fn fuzz_proxy_protocol(bytes: &[u8]) {
    let whole = parse(bytes);
    for cut in 0..bytes.len().min(HEADER_BYTES_MAX + 1) {
        match (parse(&bytes[..cut]), whole) {
            (Header::Partial, Header::Complete(_, length)) => assert!(cut < length, "all of it is no part"),
            (Header::Partial, _) => assert!(cut < HEADER_BYTES_MAX, "it waits for no more than a header"),
            (prefix, whole) => assert_eq!(prefix, whole, "a prefix of {cut} bytes"),
        }
    }
    if let Header::Complete(client, length) = whole {
        assert!(length <= bytes.len().min(HEADER_BYTES_MAX));
        if let Some(client) = client {
            check_round_trip(client);
        }
    }
}

/// The client as we write it on; an address changes its form at most (IPv4 may travel mapped into IPv6).
fn check_round_trip(client: SocketAddr) {
    for to in ["192.0.2.1:80", "[2001:db8::1]:443"] {
        let Ok(to) = to.parse() else { panic!("an address") };
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let header = emit(version, client, to);
            let Header::Complete(Some(again), length) = parse(header.bytes()) else {
                panic!("what we write we read: {}", header.bytes().escape_ascii());
            };
            assert_eq!(length, header.bytes().len());
            assert_eq!(plain(again), plain(client));
        }
    }
}

fn plain(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}
