//! Tunnels over TCP, for networks that let no UDP through: the same datagrams, each behind its length. [TMP-170]
//!
//! To the tunnel such a connection is one more socket: a datagram goes to the place whose address the connection leads to,
//! and what finds no room in its queue is dropped, as a router would. Nothing of a datagram is trusted because it came
//! over TCP. A connection that ends is made again when something is to be sent over it. Lengths are bytes.

use core::net::SocketAddr;

use crate::port::{Port, Reading, TcpId};
use crate::role::token::{self, Part};
use crate::stdx::slab::{Handle, Slab};
use crate::time::{Duration, Instant};
use crate::tmp::limits::DATAGRAM_BYTES_MAX;

/// The socket of all places that are reached over TCP.
pub const CARRIER_SOCKET: u8 = u8::MAX;
/// Connections of one worker at most.
pub const CARRIERS_MAX: usize = 64;
/// In front of each datagram: its length.
const LENGTH_BYTES: usize = 2;
/// What may wait for the kernel: a fifth of a second at 10 Mbit/s, so that the tunnel feels a full path soon.
const QUEUE_BYTES_MAX: usize = 256 << 10;
/// Pause between two attempts to connect.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One connection.
#[derive(Debug)]
struct Connection {
    tcp: TcpId,
    address: SocketAddr,
    is_open: bool,
    /// When anything last came.
    heard_at: Instant,
    /// A datagram that has not come whole yet, with its length.
    held: Vec<u8>,
}

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Carriers {
    connections: Slab<Connection>,
    /// Where we connect to, and when again at the earliest.
    targets: Vec<(SocketAddr, Instant)>,
    /// A datagram behind its length.
    frame: Vec<u8>,
}

impl Carriers {
    pub(crate) fn new() -> Self {
        Self { connections: Slab::new(CARRIERS_MAX), targets: Vec::new(), frame: Vec::new() }
    }

    /// An address that is connected to when something is to be sent there.
    pub(crate) fn add_target(&mut self, address: SocketAddr) {
        if !self.targets.iter().any(|(known, _)| *known == address) {
            self.targets.push((address, Instant::ORIGIN));
        }
    }

    /// A connection came in. Where there are too many, it takes the place of the one that has been silent longest:
    /// whoever opens some and says nothing holds up nobody.
    pub(crate) fn accept(&mut self, now: Instant, port: &mut Port, tcp: TcpId, address: SocketAddr) {
        if self.connections.is_full() {
            self.end_most_silent(port);
        }
        let connection = Connection { tcp, address, is_open: true, heard_at: now, held: Vec::new() };
        match self.connections.insert(connection) {
            Ok(handle) => {
                port.set_token(tcp, token::pack(Part::Carrier, handle));
                port.read(tcp, Reading::Large);
            }
            Err(_) => port.abort(tcp),
        }
    }

    /// One of ours stands.
    pub(crate) fn connected(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        if let Some(connection) = self.connections.get_mut(handle) {
            (connection.is_open, connection.heard_at) = (true, now);
            port.read(connection.tcp, Reading::Large);
        }
    }

    /// A connection has ended, or was never made.
    pub(crate) fn gone(&mut self, now: Instant, handle: Handle) {
        let Some(connection) = self.connections.remove(handle) else { return };
        if let Some((_, retry_at)) = self.targets.iter_mut().find(|(known, _)| *known == connection.address) {
            *retry_at = now + RETRY_AFTER;
        }
    }

    /// The peer sends no more: neither do we.
    pub(crate) fn read_ended(&mut self, now: Instant, port: &mut Port, handle: Handle) {
        if let Some(connection) = self.connections.get(handle) {
            port.close(connection.tcp);
        }
        self.gone(now, handle);
    }

    /// Bytes came: hands every whole datagram over. What cannot be a datagram ends the connection.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        port: &mut Port,
        handle: Handle,
        bytes: &[u8],
        mut take: impl FnMut(SocketAddr, &mut [u8]),
    ) {
        let Some(connection) = self.connections.get_mut(handle) else { return };
        connection.heard_at = now;
        connection.held.extend_from_slice(bytes);
        let (mut held, address) = (core::mem::take(&mut connection.held), connection.address);
        let mut at = 0;
        while let Some(length) = held.get(at..at + LENGTH_BYTES) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if length == 0 || length > DATAGRAM_BYTES_MAX {
                port.abort(connection.tcp);
                self.gone(now, handle);
                return;
            }
            let begin = at + LENGTH_BYTES;
            let Some(datagram) = held.get_mut(begin..begin + length) else { break };
            take(address, datagram);
            at = begin + length;
        }
        held.drain(..at);
        connection.held = held;
    }

    /// Sends datagrams of `segment_bytes`, the last may be shorter; false if they were dropped.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        port: &mut Port,
        to: SocketAddr,
        (bytes, segment_bytes): (&[u8], usize),
    ) -> bool {
        let Some((tcp, is_open)) = self.connection_to(to) else {
            self.connect(now, port, to);
            return false;
        };
        is_open
            && bytes.chunks(segment_bytes).all(|datagram| {
                let room = QUEUE_BYTES_MAX.saturating_sub(port.queued_bytes(tcp));
                self.frame.clear();
                self.frame.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
                self.frame.extend_from_slice(datagram);
                self.frame.len() <= room && port.write(tcp, &self.frame)
            })
    }

    fn connection_to(&self, to: SocketAddr) -> Option<(TcpId, bool)> {
        let mut connections = self.connections.handles().filter_map(|handle| self.connections.get(handle));
        let found = connections.find(|connection| connection.address == to)?;
        Some((found.tcp, found.is_open))
    }

    fn end_most_silent(&mut self, port: &mut Port) {
        let silent = self.connections.handles().filter_map(|handle| {
            let connection = self.connections.get(handle)?;
            Some((connection.heard_at, handle, connection.tcp))
        });
        if let Some((_, handle, tcp)) = silent.min_by_key(|(heard_at, ..)| *heard_at) {
            port.abort(tcp);
            self.connections.remove(handle);
        }
    }

    fn connect(&mut self, now: Instant, port: &mut Port, to: SocketAddr) {
        let Some((_, retry_at)) = self.targets.iter_mut().find(|(known, _)| *known == to) else { return };
        if now < *retry_at || self.connections.is_full() {
            return;
        }
        *retry_at = now + RETRY_AFTER;
        let Some(tcp) = port.connect(to, token::NONE) else { return };
        let connection = Connection { tcp, address: to, is_open: false, heard_at: now, held: Vec::new() };
        if let Ok(handle) = self.connections.insert(connection) {
            port.set_token(tcp, token::pack(Part::Carrier, handle));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PortOptions;

    const NOW: Instant = Instant::from_us(5_000_000);

    fn port() -> Port {
        Port::new(&PortOptions { tcp_max: 4, block_bytes: 4_096, blocks: 256, trains: 1 })
    }

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 7_000))
    }

    fn accepted(port: &mut Port) -> (Carriers, Handle) {
        let mut carriers = Carriers::new();
        let tcp = port.insert(token::NONE).unwrap();
        carriers.accept(NOW, port, tcp, address());
        let (part, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        assert_eq!(part, Part::Carrier);
        (carriers, handle)
    }

    /// [TMP-170]
    #[test]
    fn datagrams_come_out_whole_however_they_were_cut() {
        let mut port = port();
        let stream: Vec<u8> = [&b"\0\x05hello"[..], b"\0\x01x", b"\x01\x00", &[7; 256]].concat();
        for cut in 1..stream.len() {
            let (mut carriers, handle) = accepted(&mut port);
            let mut came = Vec::new();
            for piece in stream.chunks(cut) {
                carriers.read(NOW, &mut port, handle, piece, |_, datagram| came.push(datagram.to_vec()));
            }
            assert_eq!(came, [b"hello".to_vec(), b"x".to_vec(), vec![7; 256]]);
            let tcp = carriers.connections.get(handle).unwrap().tcp;
            port.release(tcp);
        }
    }

    #[test]
    fn a_length_of_nothing_ends_the_connection() {
        let mut port = port();
        let (mut carriers, handle) = accepted(&mut port);
        carriers.read(NOW, &mut port, handle, b"\0\0hello", |_, _| panic!("nothing is handed over"));
        assert!(carriers.connections.get(handle).is_none());
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_connections_are_made_once_a_second() {
        let mut port = port();
        let mut carriers = Carriers::new();
        assert!(!carriers.send(NOW, &mut port, address(), (b"x", 1)), "nobody said where to connect to");
        assert!(port.take_connect().is_none());
        carriers.add_target(address());
        assert!(!carriers.send(NOW, &mut port, address(), (b"x", 1)));
        let (tcp, to) = port.take_connect().unwrap();
        let (_, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        assert_eq!(to, address());
        carriers.gone(NOW, handle);
        carriers.send(NOW + Duration::from_millis(900), &mut port, address(), (b"x", 1));
        assert!(port.take_connect().is_none());
        carriers.send(NOW + Duration::from_secs(1), &mut port, address(), (b"x", 1));
        let (tcp, _) = port.take_connect().unwrap();
        let (_, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        carriers.connected(NOW, &mut port, handle);
        let sent =
            (0..1_000).take_while(|_| carriers.send(NOW, &mut port, address(), (&[1; 1_400], 1_400))).count();
        assert_eq!(sent, QUEUE_BYTES_MAX / 1_402);
    }
}
