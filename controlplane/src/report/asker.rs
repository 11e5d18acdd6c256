//! Asks probers for the round trips of resolvers: one datagram has many, each prober gets its own under its own key. No answer
//! is waited for: results come as reports. The only file of requests with sockets.

use crate::report::expected::ExpectedNode;
use crate::report::key::ReportKey;
use crate::report::wire::{Entry, Head, ReportWriter, Speaker};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;

/// The asker of one name server.
#[derive(Debug)]
pub struct Asker {
    node: String,
    boot_us: u64,
    /// The next number, by prober.
    sequences: HashMap<String, u64>,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Asker {
    /// The asker of `node`, whose process began at `boot_us`.
    pub fn new(node: &str, boot_us: u64) -> Self {
        Self { node: node.to_owned(), boot_us, sequences: HashMap::new(), v4: None, v6: None }
    }

    /// Asks every prober that takes requests; datagrams that could not be sent are counted.
    pub fn ask(&mut self, nodes: &[ExpectedNode], addresses: &[IpAddr], now_us: u64) -> u64 {
        let mut failed = 0;
        for (node, key, to) in
            nodes.iter().filter_map(|node| Some((node, node.key.as_ref()?, node.asked_at?)))
        {
            for datagram in self.datagrams((node, key), addresses, now_us) {
                let sent = self.socket(to.is_ipv4()).and_then(|socket| socket.send_to(&datagram, to));
                failed += u64::from(sent.is_err());
            }
        }
        failed
    }

    fn datagrams(
        &mut self,
        (to, key): (&ExpectedNode, &ReportKey),
        addresses: &[IpAddr],
        now_us: u64,
    ) -> Vec<Vec<u8>> {
        let sequence = self.sequences.entry(to.name.clone()).or_default();
        let mut datagrams = Vec::new();
        let mut left = addresses;
        while !left.is_empty() {
            let (speaker, boot_us) = (Speaker::NameServer, self.boot_us);
            let head = Head { speaker, node: &self.node, boot_us, sequence: *sequence, at_us: now_us };
            let mut writer = ReportWriter::new(&head);
            let fitting = left.iter().take_while(|address| writer.put(&Entry::Ask(**address))).count();
            left = &left[fitting..];
            *sequence += 1;
            datagrams.push(writer.finish(key));
        }
        datagrams
    }

    fn socket(&mut self, is_v4: bool) -> io::Result<&UdpSocket> {
        let place = if is_v4 { &mut self.v4 } else { &mut self.v6 };
        let socket = match place.take() {
            Some(socket) => socket,
            None if is_v4 => open((Ipv4Addr::UNSPECIFIED, 0).into())?,
            None => open((Ipv6Addr::UNSPECIFIED, 0).into())?,
        };
        Ok(place.insert(socket))
    }
}

fn open(any: core::net::SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::asked::Asked;
    use crate::report::key::Secret;

    #[test]
    fn each_prober_is_asked_under_its_own_key_for_all() {
        let secret = Secret::new([1; 32]);
        let ear = UdpSocket::bind("127.0.0.1:0").unwrap();
        let node = |name: &str, asked_at| ExpectedNode {
            name: name.into(),
            key: Some(secret.of_node(name)),
            is_front: false,
            server: None,
            asked_at,
        };
        let nodes = [node("p1", Some(ear.local_addr().unwrap())), node("p2", None)];
        let addresses: Vec<IpAddr> = (0..300u32).map(|at| Ipv4Addr::from(0x0909_0909 + at).into()).collect();
        let mut asker = Asker::new("ns1", 5);
        assert_eq!(asker.ask(&nodes, &addresses, 9), 0);
        let mut asked = Asked::new(secret.of_node("p1"), 0, ["ns1".to_owned()]);
        let (mut heard, mut buffer) = (Vec::new(), [0; 2_000]);
        while heard.len() < addresses.len() {
            let bytes = ear.recv(&mut buffer).unwrap();
            heard.extend(asked.take(&buffer[..bytes], 10).unwrap());
        }
        assert_eq!(heard, addresses);
        let (datagrams, _) = asked.counts();
        assert!((2..=4).contains(&datagrams), "{datagrams}: many requests in one");
    }
}
