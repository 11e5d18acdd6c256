//! UDP datagrams out of a capture file, pcap or pcapng (by `pcap-parser`), below Ethernet, Linux cooked or raw IP (by
//! `etherparse`). Not a dissector: whatever is no UDP, or a fragment, is stepped over. Times in µs since 1970.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use std::io::Read;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// Room for the longest block: a packet of 64 KiB and its options.
const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Bytes of a "cooked" header of the second version.
const SLL2_BYTES: usize = 20;
/// Bytes of the address family in front of packets of BSD loopbacks.
const NULL_BYTES: usize = 4;
const SLL2: Linktype = Linktype(276);

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// When it was captured, µs since 1970 (0 where the file does not say).
    pub at_us: u64,
    /// From whom.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Its content, as far as it was captured.
    pub payload: &'a [u8],
}

/// Why a capture cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// An interface of the capture: how its packets begin and what its time stamps count.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Linktype,
    per_second: u64,
    offset_s: i64,
}

/// Reads a file to its end and shows each datagram to `see`.
pub fn read(file: impl Read + Send, mut see: impl FnMut(Datagram<'_>)) -> Result<(), Unreadable> {
    let mut reader = create_reader(BLOCK_BYTES_MAX, file).map_err(|error| unreadable(&error))?;
    let mut interfaces = Vec::new();
    loop {
        match reader.next() {
            Ok((bytes, block)) => {
                take(&block, &mut interfaces, &mut see);
                reader.consume(bytes);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|error| unreadable(&error))?,
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &PcapError<&[u8]>) -> Unreadable {
    Unreadable(match error {
        PcapError::HeaderNotRecognized => "it is neither pcap nor pcapng".to_owned(),
        PcapError::Eof => "it is empty".to_owned(),
        PcapError::UnexpectedEof => "it ends inside a packet".to_owned(),
        PcapError::BufferTooSmall => "a block of it is larger than 1 MiB".to_owned(),
        other => format!("it is damaged ({other:?})"),
    })
}

fn take(block: &PcapBlockOwned<'_>, interfaces: &mut Vec<Interface>, see: &mut impl FnMut(Datagram<'_>)) {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let per_second = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            interfaces.push(Interface { link: header.network, per_second, offset_s: 0 });
        }
        PcapBlockOwned::Legacy(packet) => {
            let Some(interface) = interfaces.first() else { return };
            let part_us = u64::from(packet.ts_usec) * 1_000_000 / interface.per_second;
            show(interface.link, u64::from(packet.ts_sec) * 1_000_000 + part_us, packet.data, see);
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => interfaces.push(Interface {
            link: description.linktype,
            per_second: description.ts_resolution().unwrap_or(1_000_000),
            offset_s: description.ts_offset(),
        }),
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let Some(interface) = interfaces.get(packet.if_id as usize) else { return };
            let ticks = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
            let at_us = ticks * 1_000_000 / u128::from(interface.per_second.max(1));
            let at_us = (at_us as u64).saturating_add_signed(interface.offset_s.saturating_mul(1_000_000));
            let data = packet.data.get(..packet.caplen as usize).unwrap_or(packet.data);
            show(interface.link, at_us, data, see);
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            let Some(interface) = interfaces.first() else { return };
            show(interface.link, 0, packet.data, see);
        }
        PcapBlockOwned::NG(_) => {}
    }
}

fn show(link: Linktype, at_us: u64, packet: &[u8], see: &mut impl FnMut(Datagram<'_>)) {
    let sliced = match link {
        Linktype::ETHERNET => SlicedPacket::from_ethernet(packet),
        Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(packet),
        SLL2 => SlicedPacket::from_ip(packet.get(SLL2_BYTES..).unwrap_or(&[])),
        Linktype::NULL | Linktype::LOOP => SlicedPacket::from_ip(packet.get(NULL_BYTES..).unwrap_or(&[])),
        _ => SlicedPacket::from_ip(packet),
    };
    let Ok(SlicedPacket { net: Some(net), transport: Some(TransportSlice::Udp(udp)), .. }) = sliced else {
        return;
    };
    let (from, to) = match &net {
        NetSlice::Ipv4(ip) => {
            (IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr()))
        }
        NetSlice::Ipv6(ip) => {
            (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr()))
        }
        NetSlice::Arp(_) => return,
    };
    see(Datagram {
        at_us,
        from: SocketAddr::new(from, udp.source_port()),
        to: SocketAddr::new(to, udp.destination_port()),
        payload: udp.payload(),
    });
}
