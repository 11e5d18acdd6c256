//! The path's two ends as UDP sockets: each client (source address) has a socket of its own towards the target, and gets
//! the target's answers back. No root. Carries payloads; TTL and ECN marks of the IP header stay behind.

use crate::wan::packet::Packet;
use crate::wan::run::{Ends, Take, WanError};
use crate::wan::way::Way;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io::{self, ErrorKind};

/// The largest payload, bytes.
const PAYLOAD_BYTES_MAX: usize = 65_536;
/// Clients at once. One more takes the place of the one that was silent longest.
const CLIENTS_MAX: usize = 1_024;
/// What is asked for as socket buffers, bytes: a burst of thousands of packets. The kernel caps it at net.core.rmem_max.
const BUFFER_BYTES: usize = 8 << 20;
/// Bytes of an IP and UDP header: what the path carries beside the payload.
const HEADER_BYTES_V4: usize = 28;
const HEADER_BYTES_V6: usize = 48;
/// The token of the socket that clients send to; clients' own sockets have their flow's number.
const LISTENER: Token = Token(0);

/// The relay.
pub struct UdpEnds {
    listener: UdpSocket,
    address: SocketAddr,
    target: SocketAddr,
    by_address: HashMap<SocketAddr, u32>,
    clients: HashMap<u32, Client>,
    flows: u32,
    packets: u64,
    readable: Vec<Token>,
    buffer: Box<[u8]>,
}

struct Client {
    address: SocketAddr,
    socket: UdpSocket,
    /// Which packet was its last, of all: who was silent longest has the smallest.
    last: u64,
}

impl UdpEnds {
    /// Listens; clients come later.
    pub fn bind(listen: SocketAddr, target: SocketAddr) -> Result<Self, WanError> {
        let bound = socket(listen).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, listener) = bound.map_err(|error| WanError::Listen(listen, error))?;
        Ok(Self {
            listener,
            address,
            target,
            by_address: HashMap::new(),
            clients: HashMap::new(),
            flows: 0,
            packets: 0,
            readable: Vec::new(),
            buffer: vec![0; PAYLOAD_BYTES_MAX].into(),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    fn header_bytes(&self) -> usize {
        if self.target.is_ipv4() { HEADER_BYTES_V4 } else { HEADER_BYTES_V6 }
    }

    /// The flow of a client, which may be new.
    fn flow(&mut self, from: SocketAddr, registry: &Registry) -> io::Result<u32> {
        self.packets += 1;
        if let Some(flow) = self.by_address.get(&from) {
            if let Some(client) = self.clients.get_mut(flow) {
                client.last = self.packets;
            }
            return Ok(*flow);
        }
        if self.clients.len() == CLIENTS_MAX {
            self.forget_the_most_silent();
        }
        let any: IpAddr = match self.target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut socket = socket(SocketAddr::new(any, 0))?;
        socket.connect(self.target)?;
        self.flows += 1;
        registry.register(&mut socket, Token(self.flows as usize), Interest::READABLE)?;
        self.by_address.insert(from, self.flows);
        self.clients.insert(self.flows, Client { address: from, socket, last: self.packets });
        Ok(self.flows)
    }

    fn forget_the_most_silent(&mut self) {
        let silent = self.clients.iter().min_by_key(|(_, client)| client.last).map(|(flow, _)| *flow);
        if let Some(client) = silent.and_then(|flow| self.clients.remove(&flow)) {
            self.by_address.remove(&client.address);
        }
    }

    fn read_listener(&mut self, take: &mut Take<'_>, registry: &Registry) -> io::Result<()> {
        let (len, from) = self.listener.recv_from(&mut self.buffer)?;
        let bytes = self.buffer[..len].to_vec();
        // A client without a socket (no descriptors left) is not served; the others are.
        if let Ok(flow) = self.flow(from, registry) {
            take(Way::Up, Packet { bytes, header_bytes: self.header_bytes(), flow });
        }
        Ok(())
    }

    fn read_client(&mut self, flow: u32, take: &mut Take<'_>) -> io::Result<()> {
        let header_bytes = self.header_bytes();
        let client = self.clients.get(&flow).ok_or(ErrorKind::WouldBlock)?;
        let len = client.socket.recv(&mut self.buffer)?;
        take(Way::Down, Packet { bytes: self.buffer[..len].to_vec(), header_bytes, flow });
        Ok(())
    }
}

fn socket(bind: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Smaller buffers work, with more loss in bursts.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&bind.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

impl Ends for UdpEnds {
    fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    fn note(&mut self, token: Token) {
        if !self.readable.contains(&token) {
            self.readable.push(token);
        }
    }

    fn read(&mut self, packets_max: usize, take: &mut Take<'_>, registry: &Registry) -> io::Result<bool> {
        let mut index = 0;
        while let Some(token) = self.readable.get(index).copied() {
            index += 1;
            for _ in 0..packets_max {
                let read = match token {
                    LISTENER => self.read_listener(take, registry),
                    Token(flow) => self.read_client(flow as u32, take),
                };
                match read {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        index -= 1;
                        self.readable.swap_remove(index);
                        break;
                    }
                    // A refused datagram of before (ICMP) is told here, once; the next read goes on.
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(!self.readable.is_empty())
    }

    fn write(&mut self, way: Way, packet: &Packet) -> bool {
        let Some(client) = self.clients.get(&packet.flow) else { return false };
        match way {
            Way::Up => client.socket.send(&packet.bytes).is_ok(),
            Way::Down => self.listener.send_to(&packet.bytes, client.address).is_ok(),
        }
    }
}
