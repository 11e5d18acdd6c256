//! Sends a node's reports to every name server. UDP: what cannot be sent is lost, and the numbers show it.

use crate::report::sender::Sender;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use dataplane::reactor::clock;
use dataplane::time::Instant;
use std::io;
use std::net::UdpSocket;

/// A sender with its sockets.
#[derive(Debug)]
pub struct Outlet {
    /// What there is to say.
    pub sender: Sender,
    to: Vec<SocketAddr>,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    /// Datagrams that the kernel did not take.
    failed: u64,
}

impl Outlet {
    /// Opens a socket for each family that the name servers have.
    pub fn new(sender: Sender, to: Vec<SocketAddr>) -> io::Result<Self> {
        let open = |is_v4: bool, any: SocketAddr| {
            let is_wanted = to.iter().any(|address| address.is_ipv4() == is_v4);
            let socket = is_wanted.then(|| UdpSocket::bind(any)).transpose()?;
            socket.as_ref().map_or(Ok(()), |socket| socket.set_nonblocking(true))?;
            io::Result::Ok(socket)
        };
        let v4 = open(true, (Ipv4Addr::UNSPECIFIED, 0).into())?;
        let v6 = open(false, (Ipv6Addr::UNSPECIFIED, 0).into())?;
        Ok(Self { sender, to, v4, v6, failed: 0 })
    }

    /// Sends what is due.
    pub fn flush(&mut self, now: Instant) {
        while let Some(datagram) = self.sender.poll(now, clock::unix_us()) {
            for to in &self.to {
                let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
                let sent = socket.as_ref().map(|socket| socket.send_to(&datagram, to));
                // An error that belongs to an earlier datagram (ICMP) or a full buffer: the next one is soon.
                self.failed += u64::from(!matches!(sent, Some(Ok(_))));
            }
        }
    }

    /// Reports that were made, and datagrams that could not be sent.
    pub const fn counts(&self) -> (u64, u64) {
        (self.sender.sent(), self.failed)
    }

    /// Where they go.
    pub fn to(&self) -> &[SocketAddr] {
        &self.to
    }
}
