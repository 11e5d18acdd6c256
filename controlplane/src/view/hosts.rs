//! Which Host values the admin server answers to.
//!
//! A browser that was led to a name whose address changed to ours (DNS rebinding) sends that name as Host; refusing
//! names that are not ours keeps its page from reading ours. An address typed as such cannot be rebound, but it
//! still has to be one of ours. The port is not compared: it does not take part in rebinding.

use std::net::IpAddr;

/// The names the server answers to.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// Adds a name; case and a final dot do not matter.
    pub(crate) fn allow(&mut self, name: &str) {
        self.names.push(plain(name));
    }

    /// Whether a request with Host `host`, on a connection that was made to `local`, is for us: a loopback name or
    /// address, the address of the connection itself, or a name that was allowed.
    pub(crate) fn answers_to(&self, host: &str, local: IpAddr) -> bool {
        let Some(name) = without_port(host) else { return false };
        match name.parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address.to_canonical() == local.to_canonical(),
            Err(_) => name == "localhost" || self.names.contains(&name),
        }
    }
}

fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The host of `host[:port]`, brackets taken off; `None` when it is malformed.
fn without_port(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, tail) = rest.split_once(']')?;
            (address, if tail.is_empty() { "" } else { tail.strip_prefix(':')? })
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let well_formed = !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let mut hosts = Hosts::default();
        hosts.allow("Admin.Example.Org.");
        let local = IpAddr::from([192, 0, 2, 7]);
        let ours = [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:9",
            "[::1]:9",
            "[::1]",
            "192.0.2.7:1",
            "admin.example.org.:3",
        ];
        for host in ours {
            assert!(hosts.answers_to(host, local), "{host}");
        }
        for host in
            ["", "evil.example", "192.0.2.8", "localhost.evil.example", "[::1", "[::1]x", "a:b", "::1", ":80"]
        {
            assert!(!hosts.answers_to(host, local), "{host}");
        }
    }
}
