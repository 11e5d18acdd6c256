//! Questions about UDP: trains in both directions, and steering by owner.

use core::net::{Ipv4Addr, SocketAddr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use socket2::SockRef;

use crate::port::Ecn;
use crate::reactor::datagram::{ReceiveHeader, Received, SendHeader, receive, send};
use crate::reactor::feature::report::Row;
use crate::reactor::socket::{Steering, UdpOptions, local_address, udp, udp_group};
use crate::time::Duration;

/// No check waits longer than this for a datagram.
const PATIENCE: Duration = Duration::from_millis(200);

const ANY_PORT: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// All questions about UDP.
pub(crate) fn rows() -> Vec<Row> {
    vec![trains(), steering(), buffers()]
}

fn trains() -> Row {
    const NAME: &str = "UDP trains (GSO, GRO)";
    match round_trip() {
        Ok(Some(received)) if received.segment_bytes == 100 && received.bytes == 300 => {
            Row::ok(NAME, "a train of three went out and came in as one")
        }
        Ok(Some(_)) => Row::warn(
            NAME,
            "trains go out but come in one by one",
            "runs, at several times the cost per received datagram; Linux 5.0 has UDP_GRO",
        ),
        Ok(None) => {
            Row::fail(NAME, "a train sent over loopback did not arrive", "look for a packet filter on lo")
        }
        Err(error) => Row::warn(
            NAME,
            format!("failed: {error}"),
            "runs with one datagram per send, at several times the cost; Linux 4.18 has UDP_SEGMENT",
        ),
    }
}

fn round_trip() -> io::Result<Option<Received>> {
    let (from, to) = (udp(ANY_PORT, &small())?, udp(ANY_PORT, &small())?);
    send(from.as_fd(), &mut SendHeader::new(), local_address(to.as_fd())?, &[7; 300], 100, Ecn::Capable0)?;
    receive_soon(&to, &mut [0; 2_048])
}

fn steering() -> Row {
    const NAME: &str = "UDP steering (cBPF)";
    const ADVICE: &str = "start with one worker per tunnel address; Linux 4.5 has SO_ATTACH_REUSEPORT_CBPF";
    match steers() {
        Ok(true) => Row::ok(NAME, "datagrams reach the socket of their owner"),
        Ok(false) => Row::fail(NAME, "datagrams reach another socket than their owner's", ADVICE),
        Err(error) => Row::fail(NAME, format!("failed: {error}"), ADVICE),
    }
}

fn steers() -> io::Result<bool> {
    let group = udp_group(ANY_PORT, 2, &small(), &Steering::TUNNEL)?;
    let to = local_address(group[0].as_fd())?;
    let sender = udp(ANY_PORT, &small())?;
    for owner in [1_u8, 0, 1, 1, 0] {
        let datagram = [0x40, owner, 0, 0, 0, 0, 0, 0];
        send(sender.as_fd(), &mut SendHeader::new(), to, &datagram, datagram.len(), Ecn::NotCapable)?;
        if receive_soon(&group[usize::from(owner)], &mut [0; 64])?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the kernel grants of the buffers that a tunnel socket asks for.
fn buffers() -> Row {
    const NAME: &str = "UDP receive buffer";
    let asked = UdpOptions::default().receive_buffer_bytes;
    let granted =
        udp(ANY_PORT, &UdpOptions::default()).and_then(|socket| SockRef::from(&socket).recv_buffer_size());
    match granted {
        // The kernel doubles what is asked, for its own bookkeeping.
        Ok(bytes) if bytes / 2 >= asked => Row::ok(NAME, format!("{} KiB", bytes / 2 / 1_024)),
        Ok(bytes) => Row::warn(
            NAME,
            format!("{} KiB instead of {} KiB", bytes / 2 / 1_024, asked / 1_024),
            format!("bursts will be dropped: `sysctl net.core.rmem_max={asked}`, or give CAP_NET_ADMIN"),
        ),
        Err(error) => {
            Row::fail(NAME, format!("failed: {error}"), "look for a limit on sockets or descriptors")
        }
    }
}

/// Small buffers, and no group: these sockets live for a moment.
fn small() -> UdpOptions {
    UdpOptions { receive_buffer_bytes: 65_536, send_buffer_bytes: 65_536, ..UdpOptions::default() }
}

fn receive_soon(socket: &OwnedFd, into: &mut [u8]) -> io::Result<Option<Received>> {
    SockRef::from(socket).set_nonblocking(false)?;
    SockRef::from(socket).set_read_timeout(Some(PATIENCE))?;
    match receive(socket.as_fd(), &mut ReceiveHeader::new(), into) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result,
    }
}
