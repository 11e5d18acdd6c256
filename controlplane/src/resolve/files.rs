//! The two files every resolver reads: hosts(5) and resolv.conf(5).
//!
//! Of resolv.conf only `nameserver` counts. `search` and `domain` are ignored: origins are given by their full names,
//! and a search list would ask for names that nobody wrote down. `options` are ignored too: ours are flags.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

/// Read of either file at most, in bytes; some hosts files are block lists of that size.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Name servers used at most, as in resolv.conf(5).
const SERVERS_MAX: usize = 3;
const DNS_PORT: u16 = 53;

/// The addresses that the hosts file has for `host`. `localhost` needs no file (RFC 6761 §6.3).
pub(crate) fn hosts_addresses(path: &Path, host: &str) -> Vec<IpAddr> {
    let addresses = addresses_in(&read(path), host);
    match addresses.is_empty() && host.eq_ignore_ascii_case("localhost") {
        true => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        false => addresses,
    }
}

/// The name servers; the one of this machine if the file names none, as resolv.conf(5) has it.
pub(crate) fn name_servers(path: &Path) -> Vec<SocketAddr> {
    let servers = servers_in(&read(path));
    if servers.is_empty() { vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT))] } else { servers }
}

/// A file that is not there or not text is empty: names are still resolved as far as the other one goes.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn addresses_in(hosts: &str, host: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else { continue };
        if words.any(|name| name.eq_ignore_ascii_case(host)) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn servers_in(resolv_conf: &str) -> Vec<SocketAddr> {
    let servers = resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next().and_then(server)).flatten()
    });
    servers.take(SERVERS_MAX).collect()
}

/// An address, a link-local one perhaps with its interface: by number, for names would need the system's table.
fn server(word: &str) -> Option<SocketAddr> {
    match word.split_once('%') {
        None => Some(SocketAddr::new(word.parse().ok()?, DNS_PORT)),
        Some((address, scope)) => {
            Some(SocketAddrV6::new(address.parse().ok()?, DNS_PORT, 0, scope.parse().ok()?).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_any_case_and_column() {
        let hosts = "# comment\n192.0.2.1 a.example b.example # c.example\n\nnonsense b.example\n\
                     2001:db8::1\tB.Example\n192.0.2.1 b.example\n";
        let b: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(addresses_in(hosts, "b.example"), b);
        assert!(addresses_in(hosts, "c.example").is_empty());
        assert!(addresses_in(hosts, "192.0.2.1").is_empty());
    }

    #[test]
    fn localhost_needs_no_file() {
        assert_eq!(hosts_addresses(Path::new("/nonexistent"), "LocalHost").len(), 2);
        assert!(hosts_addresses(Path::new("/nonexistent"), "a.example").is_empty());
    }

    #[test]
    fn name_servers_are_read_and_the_rest_ignored() {
        let conf = "search a.example\n; comment\nnameserver 192.0.2.1\nnameserver\nnameserver x\n\
                    nameserver fe80::1%2\noptions timeout:1\nnameserver ::1\nnameserver 192.0.2.9\n";
        let servers: Vec<String> = servers_in(conf).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[fe80::1%2]:53", "[::1]:53"]);
        assert_eq!(name_servers(Path::new("/nonexistent")), [SocketAddr::from(([127, 0, 0, 1], 53))]);
    }
}
