//! Tunnels over TCP, for networks that let no UDP through: the same datagrams, each behind its length. [TMP-170]
//!
//! To the tunnel such a connection is one more socket: a datagram goes to the place whose address the connection leads to.
//! TCP controls the rate: while a connection's queue is full the tunnel's packets wait, and only what does not wait
//! (acknowledgements, handshakes) is dropped once there is no room at all. Nothing of a datagram is trusted because it came
//! over TCP. A connection that ends is made again when something is to be sent over it. Lengths are bytes.

use core::net::SocketAddr;

use crate::port::{Port, Reading, TcpId};
use crate::role::token::{self, Part};
use crate::stdx::slab::{Handle, Slab};
use crate::time::{Duration, Instant};
use crate::tmp::limits::DATAGRAM_BYTES_MAX;

/// Connections of one worker at most.
pub const CARRIERS_MAX: usize = 64;
/// In front of each datagram: its length.
const LENGTH_BYTES: usize = 2;
/// What may wait for the kernel before packets wait in the tunnel, where the urgent ones can still pass the others; a train
/// may go beyond. And when they go on, so that the kernel is never without.
const QUEUE_BYTES: usize = 64 << 10;
const QUEUE_BYTES_LOW: usize = 32 << 10;
/// What may wait in any case.
const QUEUE_BYTES_MAX: usize = 256 << 10;
/// Pause between two attempts to connect; and after a connection that had been made: it may have come to the wrong worker.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_SOON: Duration = Duration::from_millis(200);

/// What became of datagrams that were to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They wait for the kernel.
    Queued,
    /// The same, and no more should follow before `wrote`.
    Full,
    /// Some found no room, or no connection.
    Dropped,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    tcp: TcpId,
    address: SocketAddr,
    is_open: bool,
    /// Its queue is full, and the tunnel knows.
    is_full: bool,
    /// When anything last came.
    heard_at: Instant,
    /// A datagram that has not come whole yet, with its length.
    held: Vec<u8>,
}

impl Connection {
    const fn new(now: Instant, tcp: TcpId, address: SocketAddr, is_open: bool) -> Self {
        Self { tcp, address, is_open, is_full: false, heard_at: now, held: Vec::new() }
    }
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
        let connection = Connection::new(now, tcp, address, true);
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

    /// The kernel took what was queued: the address whose packets need wait no longer.
    pub(crate) fn wrote(&mut self, handle: Handle) -> Option<SocketAddr> {
        let connection = self.connections.get_mut(handle)?;
        core::mem::take(&mut connection.is_full).then_some(connection.address)
    }

    /// A connection has ended, or was never made; where it led to.
    pub(crate) fn gone(&mut self, now: Instant, handle: Handle) -> Option<SocketAddr> {
        let connection = self.connections.remove(handle)?;
        if let Some((_, retry_at)) = self.targets.iter_mut().find(|(known, _)| *known == connection.address) {
            *retry_at = now + if connection.is_open { RETRY_SOON } else { RETRY_AFTER };
        }
        Some(connection.address)
    }

    /// The peer sends no more: neither do we; where the connection led to.
    pub(crate) fn read_ended(&mut self, now: Instant, port: &mut Port, handle: Handle) -> Option<SocketAddr> {
        port.close(self.connections.get(handle)?.tcp);
        self.gone(now, handle)
    }

    /// Bytes came: hands every whole datagram over. What cannot be a datagram ends the connection, and what is not taken as
    /// it is for another worker: the peer comes again, in time to that one. Where it led to then.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        port: &mut Port,
        handle: Handle,
        bytes: &[u8],
        mut take: impl FnMut(SocketAddr, &mut [u8]) -> bool,
    ) -> Option<SocketAddr> {
        let connection = self.connections.get_mut(handle)?;
        connection.heard_at = now;
        connection.held.extend_from_slice(bytes);
        let (mut held, address) = (core::mem::take(&mut connection.held), connection.address);
        let mut at = 0;
        while let Some(length) = held.get(at..at + LENGTH_BYTES) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if length == 0 || length > DATAGRAM_BYTES_MAX {
                port.abort(connection.tcp);
                return self.gone(now, handle);
            }
            let begin = at + LENGTH_BYTES;
            let Some(datagram) = held.get_mut(begin..begin + length) else { break };
            if !take(address, datagram) {
                port.close(connection.tcp);
                return self.gone(now, handle);
            }
            at = begin + length;
        }
        held.drain(..at);
        connection.held = held;
        None
    }

    /// Sends datagrams of `segment_bytes`, the last may be shorter.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        port: &mut Port,
        to: SocketAddr,
        (bytes, segment_bytes): (&[u8], usize),
    ) -> Outcome {
        let Some(connection) = self.connection_to(to).and_then(|handle| self.connections.get_mut(handle))
        else {
            self.connect(now, port, to);
            return Outcome::Dropped;
        };
        let tcp = connection.tcp;
        let is_queued = connection.is_open
            && bytes.chunks(segment_bytes).all(|datagram| {
                let room = QUEUE_BYTES_MAX.saturating_sub(port.queued_bytes(tcp));
                self.frame.clear();
                self.frame.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
                self.frame.extend_from_slice(datagram);
                self.frame.len() <= room && port.write(tcp, &self.frame)
            });
        if !is_queued {
            return Outcome::Dropped;
        }
        if connection.is_full || port.queued_bytes(tcp) < QUEUE_BYTES {
            return Outcome::Queued;
        }
        connection.is_full = true;
        port.notify_at(tcp, QUEUE_BYTES_LOW);
        Outcome::Full
    }

    fn connection_to(&self, to: SocketAddr) -> Option<Handle> {
        self.connections
            .handles()
            .find(|handle| self.connections.get(*handle).is_some_and(|connection| connection.address == to))
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
        let connection = Connection::new(now, tcp, to, false);
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
                carriers.read(NOW, &mut port, handle, piece, |_, datagram| {
                    came.push(datagram.to_vec());
                    true
                });
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
    fn what_is_for_another_worker_ends_the_connection() {
        let mut port = port();
        let (mut carriers, handle) = accepted(&mut port);
        let mut count = 0;
        let free = carriers.read(NOW, &mut port, handle, b"\0\x01x\0\x01y", |_, _| {
            count += 1;
            false
        });
        assert_eq!((free, count), (Some(address()), 1));
        assert!(carriers.connections.get(handle).is_none());
    }

    #[test]
    fn a_full_queue_is_told_and_connections_are_made_once_a_second() {
        let mut port = port();
        let mut carriers = Carriers::new();
        let send = |carriers: &mut Carriers, port: &mut Port, now, bytes: &[u8]| {
            carriers.send(now, port, address(), (bytes, bytes.len()))
        };
        let sent = send(&mut carriers, &mut port, NOW, b"x");
        assert_eq!(sent, Outcome::Dropped, "nobody said where to connect to");
        assert!(port.take_connect().is_none());
        carriers.add_target(address());
        assert_eq!(send(&mut carriers, &mut port, NOW, b"x"), Outcome::Dropped);
        let (tcp, to) = port.take_connect().unwrap();
        let (_, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        assert_eq!(to, address());
        carriers.gone(NOW, handle);
        send(&mut carriers, &mut port, NOW + Duration::from_millis(900), b"x");
        assert!(port.take_connect().is_none());
        send(&mut carriers, &mut port, NOW + Duration::from_secs(1), b"x");
        let (tcp, _) = port.take_connect().unwrap();
        let (_, handle) = token::unpack(port.token(tcp).unwrap()).unwrap();
        carriers.connected(NOW, &mut port, handle);
        let outcomes: Vec<_> = (0..1_000).map(|_| send(&mut carriers, &mut port, NOW, &[1; 1_400])).collect();
        let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
        assert_eq!(outcomes.iter().position(|it| *it == Outcome::Full), Some(QUEUE_BYTES / 1_402));
        assert_eq!((count(Outcome::Full), 1_000 - count(Outcome::Dropped)), (1, QUEUE_BYTES_MAX / 1_402));
        assert_eq!((carriers.wrote(handle), carriers.wrote(handle)), (Some(address()), None));
    }
}
