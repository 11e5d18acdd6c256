//! How far users are, as the kernel sees it in the connections that they have open with this machine anyway: nobody is pinged.
//! The kernel is asked over netlink (sock_diag(7), what `ss -ti` asks) for the smallest round trip of each connection on our own
//! ports; of each client network (/24, /56) the middle of these is told. No worker takes part.
//!
//! Source: include/uapi/linux/inet_diag.h, tcp.h (`struct tcp_info`), netlink.h of Linux 6; integers in the machine's own order.

use crate::report::wire::LatencyEntry;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use dataplane::stdx::network::Network;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

/// Client networks that are told of at once; a front-end's users come from some thousands.
const NETWORKS_MAX: usize = 2_000;
/// Connections of one network whose round trips are kept: the middle of so many moves no more.
const SAMPLES_MAX: usize = 64;
/// Bits of an address that are one client network.
const BITS: (u8, u8) = (24, 56);
/// Room for what the kernel says at once; it fills 32 KiB at most.
const BUFFER_BYTES: usize = 64 << 10;
/// The kernel answers at once; this keeps a broken one from holding us up.
const PATIENCE: Duration = Duration::from_secs(2);

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
const INET_DIAG_INFO: u16 = 2;
const ESTABLISHED: u32 = 1 << 1;
/// Bytes of the header of a netlink message, and of what stands before the attributes of a connection.
const HEADER_BYTES: usize = 16;
const CONNECTION_BYTES: usize = 72;
/// Where `tcpi_rtt` and `tcpi_min_rtt` stand, µs.
const RTT_AT: usize = 68;
const RTT_MIN_AT: usize = 148;

/// The question to the kernel.
#[derive(Debug)]
pub struct ClientRtt {
    socket: Socket,
    buffer: Vec<u8>,
}

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Connection {
    port: u16,
    peer: IpAddr,
    rtt_us: u32,
}

impl ClientRtt {
    /// Opens the way to the kernel.
    pub fn open() -> io::Result<Self> {
        let socket =
            Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES] })
    }

    /// The client networks with connections on these ports of ours, each with the middle of its round trips.
    pub fn look(&mut self, ports: &[u16]) -> io::Result<Vec<LatencyEntry>> {
        let mut networks: HashMap<Network, Vec<u32>> = HashMap::new();
        for family in [AF_INET, AF_INET6] {
            self.dump(family, |connection| {
                if ports.contains(&connection.port) {
                    note(&mut networks, connection);
                }
            })?;
        }
        let entry = |(network, mut rtts): (Network, Vec<u32>)| {
            rtts.sort_unstable();
            let count = u16::try_from(rtts.len()).unwrap_or(u16::MAX);
            LatencyEntry { network, rtt_us: rtts[rtts.len() / 2], count }
        };
        Ok(networks.into_iter().map(entry).collect())
    }

    /// All established connections of a family.
    fn dump(&mut self, family: u8, mut take: impl FnMut(Connection)) -> io::Result<()> {
        self.socket.write_all(&question(family))?;
        loop {
            let bytes = match self.socket.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read_messages(&self.buffer[..bytes], &mut take)? {
                return Ok(());
            }
        }
    }
}

fn note(networks: &mut HashMap<Network, Vec<u32>>, connection: Connection) {
    let peer = connection.peer.to_canonical();
    let network = Network::of(peer, if peer.is_ipv4() { BITS.0 } else { BITS.1 });
    if networks.len() >= NETWORKS_MAX && !networks.contains_key(&network) {
        return;
    }
    let rtts = networks.entry(network).or_default();
    if rtts.len() < SAMPLES_MAX {
        rtts.push(connection.rtt_us);
    }
}

fn question(family: u8) -> Vec<u8> {
    const BYTES: usize = HEADER_BYTES + 56;
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend((BYTES as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    bytes.extend(ESTABLISHED.to_ne_bytes());
    bytes.resize(BYTES, 0);
    bytes
}

/// Reads what the kernel says; whether that was all.
fn read_messages(mut bytes: &[u8], take: &mut impl FnMut(Connection)) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = length as usize;
        let Some(body) = bytes.get(HEADER_BYTES..length) else { break };
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(body, 0).map_or(0, |code| (code as i32).saturating_neg());
                return Err(io::Error::from_raw_os_error(code));
            }
            SOCK_DIAG_BY_FAMILY => connection(body).into_iter().for_each(&mut *take),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// A connection, if the kernel says how far its peer is.
fn connection(body: &[u8]) -> Option<Connection> {
    let port = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    let peer: [u8; 16] = body.get(24..40)?.try_into().ok()?;
    let peer = match *body.first()? {
        AF_INET => IpAddr::V4(Ipv4Addr::new(peer[0], peer[1], peer[2], peer[3])),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(peer)),
        _ => return None,
    };
    let mut attributes = body.get(CONNECTION_BYTES..)?;
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let value = attributes.get(4..length)?;
        if u16_at(attributes, 2)? == INET_DIAG_INFO {
            let rtt_us = u32_at(value, RTT_AT).filter(|rtt_us| *rtt_us > 0)?;
            // Older kernels have no smallest one; one that was never seen is the largest number.
            let rtt_min_us = u32_at(value, RTT_MIN_AT).filter(|rtt_us| (1..u32::MAX).contains(rtt_us));
            return Some(Connection { port, peer, rtt_us: rtt_min_us.unwrap_or(rtt_us) });
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// The kernel's own word about connections of ours.
    #[test]
    fn the_kernel_says_how_far_clients_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pairs: Vec<(TcpStream, TcpStream)> = (0..5)
            .map(|_| {
                let mut client = TcpStream::connect(address).unwrap();
                let (mut server, _) = listener.accept().unwrap();
                // A round trip is measured once something was said.
                server.write_all(b"x").unwrap();
                client.read_exact(&mut [0]).unwrap();
                client.write_all(b"y").unwrap();
                server.read_exact(&mut [0]).unwrap();
                (client, server)
            })
            .collect();
        let mut kernel = ClientRtt::open().unwrap();
        let seen = kernel.look(&[address.port()]).unwrap();
        let [only] = seen[..] else { panic!("{seen:?}") };
        assert_eq!((only.network, only.count), ("127.0.0.0/24".parse().unwrap(), 5));
        assert!((1..1_000_000).contains(&only.rtt_us), "{only:?}");
        drop(pairs);
        assert_eq!(kernel.look(&[1]).unwrap(), [], "other ports are not ours");
    }

    #[test]
    fn what_the_kernel_cuts_is_passed_over() {
        let mut body = vec![0; CONNECTION_BYTES];
        body[0] = AF_INET;
        body[4..6].copy_from_slice(&80u16.to_be_bytes());
        body[24..28].copy_from_slice(&[192, 0, 2, 9]);
        body.extend(160u16.to_ne_bytes());
        body.extend(INET_DIAG_INFO.to_ne_bytes());
        let mut info = vec![0; 156];
        info[RTT_AT..RTT_AT + 4].copy_from_slice(&9_000u32.to_ne_bytes());
        info[RTT_MIN_AT..RTT_MIN_AT + 4].copy_from_slice(&8_000u32.to_ne_bytes());
        body.extend(info);
        let whole = Connection { port: 80, peer: [192, 0, 2, 9].into(), rtt_us: 8_000 };
        assert_eq!(connection(&body), Some(whole));
        for cut in 0..body.len() {
            assert_eq!(connection(&body[..cut]), None);
        }
        let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        let mut seen = Vec::new();
        for cut in 0..=message.len() {
            assert!(!read_messages(&message[..cut], &mut |connection| seen.push(connection)).unwrap());
        }
        assert_eq!(seen, [whole]);
    }

    #[test]
    fn networks_and_samples_are_bounded() {
        let mut networks = HashMap::new();
        for at in 0..NETWORKS_MAX as u32 + 100 {
            let peer = IpAddr::V4(Ipv4Addr::from(at << 8));
            for _ in 0..if at == 0 { 500 } else { 1 } {
                note(&mut networks, Connection { port: 80, peer, rtt_us: 5 });
            }
        }
        assert_eq!(networks.len(), NETWORKS_MAX);
        assert!(networks.values().all(|rtts| rtts.len() <= SAMPLES_MAX));
    }
}
