//! Sends a node's reports to every name server, and signed anew to each front-end that takes them. UDP: what cannot be sent is lost, and the numbers show it.

use crate::report::key::ReportKey;
use crate::report::sender::Sender;
use crate::report::wire::signed_anew;
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
    to_fronts: Vec<(SocketAddr, ReportKey)>,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    /// Datagrams that the kernel did not take.
    failed: u64,
}

impl Outlet {
    /// Opens a socket for each family that they have.
    pub fn new(
        sender: Sender,
        to: Vec<SocketAddr>,
        to_fronts: Vec<(SocketAddr, ReportKey)>,
    ) -> io::Result<Self> {
        let mut outlet = Self { sender, to, to_fronts, v4: None, v6: None, failed: 0 };
        (outlet.v4, outlet.v6) = (outlet.open(true)?, outlet.open(false)?);
        Ok(outlet)
    }

    /// Sends to these from now on.
    pub fn retarget(
        &mut self,
        to: Vec<SocketAddr>,
        to_fronts: Vec<(SocketAddr, ReportKey)>,
    ) -> io::Result<()> {
        (self.to, self.to_fronts) = (to, to_fronts);
        (self.v4, self.v6) = (self.open(true)?, self.open(false)?);
        Ok(())
    }

    fn open(&self, is_v4: bool) -> io::Result<Option<UdpSocket>> {
        let mut all = self.to.iter().chain(self.to_fronts.iter().map(|(address, _)| address));
        if !all.any(|address| address.is_ipv4() == is_v4) {
            return Ok(None);
        }
        let any = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Some(socket))
    }

    /// Sends what is due.
    pub fn flush(&mut self, now: Instant) {
        while let Some(datagram) = self.sender.poll(now, clock::unix_us()) {
            for to in &self.to {
                self.failed += u64::from(!self.send(&datagram, to));
            }
            for (to, key) in &self.to_fronts {
                self.failed += u64::from(!self.send(&signed_anew(&datagram, key), to));
            }
        }
    }

    /// False for an error that belongs to an earlier datagram (ICMP), or a full buffer: the next one is soon.
    fn send(&self, datagram: &[u8], to: &SocketAddr) -> bool {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        socket.as_ref().is_some_and(|socket| socket.send_to(datagram, to).is_ok())
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
