//! Datagrams with what stands beside them: trains (UDP_SEGMENT, UDP_GRO), ECN bits, drop counts.
//!
//! `SendHeader` and `ReceiveHeader` own what the kernel borrows of a sendmsg or recvmsg besides the payload:
//! address, control messages, the msghdr itself. An io_uring driver keeps them in a box that does not move until
//! the completion; `send` and `receive` are the plain system calls on the same structs.
//! Control messages are read and written as bytes (cmsg(3): length, level, type, data, each padded to 8 bytes),
//! because io_uring returns them as a slice.

#![allow(unsafe_code, reason = "sendmsg and recvmsg are foreign functions")]

use core::net::{IpAddr, SocketAddr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::port::Ecn;
use crate::reactor::address::{NAME_BYTES, Name};

/// Bytes of control messages that a receive may bring: four of 24 (GRO size, traffic class for either family,
/// drop count).
pub const CONTROL_BYTES: usize = 96;

/// Most bytes of one send: 65,535 less the UDP and IPv4 headers, which the kernel checks before it segments.
pub const SEND_BYTES_MAX: usize = 65_507;

const CONTROL_HEAD_BYTES: usize = 16;
const CONTROL_ALIGN_BYTES: usize = 8;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct ControlSpace([u8; CONTROL_BYTES]);

/// What a control block said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Bytes of each datagram but the last, if the kernel coalesced several.
    pub segment_bytes: Option<usize>,
    /// ECN bits.
    pub ecn: Ecn,
    /// Datagrams dropped at this socket since it was made, modulo 2³².
    pub drops: Option<u32>,
}

impl Control {
    /// Takes a control block apart; whatever it does not know it leaves out.
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut control = Self::default();
        while let Some((level, kind, data, rest)) = next_message(bytes) {
            control.take(level, kind, data);
            bytes = rest;
        }
        control
    }

    fn take(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                self.segment_bytes = number(data).and_then(|bytes| usize::try_from(bytes).ok());
            }
            // IP_TOS comes as one byte, IPV6_TCLASS as an int.
            (libc::IPPROTO_IP, libc::IP_TOS) => {
                self.ecn = Ecn::from_bits(data.first().copied().unwrap_or(0));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                self.ecn = Ecn::from_bits(number(data).unwrap_or(0) as u8);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => self.drops = number(data).map(|drops| drops as u32),
            _ => {}
        }
    }
}

fn number(data: &[u8]) -> Option<i32> {
    data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}

type Message<'a> = (i32, i32, &'a [u8], &'a [u8]);

fn next_message(bytes: &[u8]) -> Option<Message<'_>> {
    let length = usize::from_ne_bytes(*bytes.first_chunk()?);
    let level = number(bytes.get(8..)?)?;
    let kind = number(bytes.get(12..)?)?;
    let data = bytes.get(CONTROL_HEAD_BYTES..length)?;
    let next = length.next_multiple_of(CONTROL_ALIGN_BYTES).min(bytes.len());
    Some((level, kind, data, &bytes[next..]))
}

/// What the kernel borrows of a sendmsg besides the payload.
#[derive(Debug)]
pub struct SendHeader {
    message: libc::msghdr,
    vector: libc::iovec,
    name: Name,
    control: ControlSpace,
}

impl Default for SendHeader {
    fn default() -> Self {
        Self::new()
    }
}

impl SendHeader {
    /// A header for nothing yet.
    pub fn new() -> Self {
        Self {
            message: empty_message(),
            vector: libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 },
            name: Name::default(),
            control: ControlSpace([0; CONTROL_BYTES]),
        }
    }

    /// Describes one send of `bytes` to `to`, in datagrams of `segment_bytes` (the last may be shorter).
    ///
    /// The pointer is good for sendmsg while neither this struct nor `bytes` moves or changes.
    pub fn prepare(
        &mut self,
        to: SocketAddr,
        bytes: &[u8],
        segment_bytes: usize,
        ecn: Ecn,
    ) -> *const libc::msghdr {
        assert!(bytes.len() <= SEND_BYTES_MAX, "a send fits an IP packet before it is segmented");
        self.vector.iov_base = bytes.as_ptr().cast_mut().cast();
        self.vector.iov_len = bytes.len();
        self.message.msg_iov = &raw mut self.vector;
        self.message.msg_iovlen = 1;
        self.message.msg_namelen = self.name.set(to) as libc::socklen_t;
        self.message.msg_name = self.name.as_mut_ptr().cast();
        let used = self.write_control(to.ip(), (bytes.len() > segment_bytes).then_some(segment_bytes), ecn);
        self.message.msg_control =
            if used == 0 { core::ptr::null_mut() } else { self.control.0.as_mut_ptr().cast() };
        self.message.msg_controllen = used as _;
        &raw const self.message
    }

    fn write_control(&mut self, to: IpAddr, segment_bytes: Option<usize>, ecn: Ecn) -> usize {
        let mut used = 0;
        if let Some(bytes) = segment_bytes {
            used = self.push(used, libc::SOL_UDP, libc::UDP_SEGMENT, &(bytes as u16).to_ne_bytes());
        }
        if ecn != Ecn::NotCapable {
            let class = i32::from(ecn.to_bits()).to_ne_bytes();
            // An IPv4 address in IPv6's clothes leaves as IPv4, and IPv4's option counts.
            used = match to.to_canonical() {
                IpAddr::V4(_) => self.push(used, libc::IPPROTO_IP, libc::IP_TOS, &class),
                IpAddr::V6(_) => self.push(used, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &class),
            };
        }
        used
    }

    fn push(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let length = CONTROL_HEAD_BYTES + data.len();
        let end = at + length.next_multiple_of(CONTROL_ALIGN_BYTES);
        let place = &mut self.control.0[at..end];
        place.fill(0);
        place[..8].copy_from_slice(&length.to_ne_bytes());
        place[8..12].copy_from_slice(&level.to_ne_bytes());
        place[12..16].copy_from_slice(&kind.to_ne_bytes());
        place[CONTROL_HEAD_BYTES..length].copy_from_slice(data);
        end
    }
}

/// What a receive brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub from: SocketAddr,
    /// Bytes in all.
    pub bytes: usize,
    /// Bytes of each datagram but the last; equal to `bytes` for a single one.
    pub segment_bytes: usize,
    /// ECN bits.
    pub ecn: Ecn,
    /// Datagrams dropped at this socket since it was made, modulo 2³²; unknown before the first drop.
    pub drops: Option<u32>,
    /// The buffer was too small: the rest is lost, and what is there is not a datagram.
    pub truncated: bool,
}

impl Received {
    /// Puts together what the two drivers find in different places; `None` if the address is none.
    pub fn new(from: SocketAddr, bytes: usize, control: Control, truncated: bool) -> Self {
        // A coalesced train never announces zero; guard the division that readers will do.
        let segment_bytes = control.segment_bytes.filter(|each| *each > 0).unwrap_or(bytes).max(1);
        Self { from, bytes, segment_bytes, ecn: control.ecn, drops: control.drops, truncated }
    }

    /// How many datagrams it is.
    pub fn datagrams(&self) -> usize {
        self.bytes.div_ceil(self.segment_bytes).max(1)
    }
}

/// What the kernel borrows of a recvmsg besides the payload.
#[derive(Debug)]
pub struct ReceiveHeader {
    message: libc::msghdr,
    vector: libc::iovec,
    name: Name,
    control: ControlSpace,
}

impl Default for ReceiveHeader {
    fn default() -> Self {
        Self::new()
    }
}

impl ReceiveHeader {
    /// A header for nothing yet.
    pub fn new() -> Self {
        Self {
            message: empty_message(),
            vector: libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 },
            name: Name::default(),
            control: ControlSpace([0; CONTROL_BYTES]),
        }
    }

    fn prepare(&mut self, into: &mut [u8]) -> *mut libc::msghdr {
        self.vector.iov_base = into.as_mut_ptr().cast();
        self.vector.iov_len = into.len();
        self.message.msg_iov = &raw mut self.vector;
        self.message.msg_iovlen = 1;
        self.message.msg_name = self.name.as_mut_ptr().cast();
        self.message.msg_namelen = NAME_BYTES as libc::socklen_t;
        self.message.msg_control = self.control.0.as_mut_ptr().cast();
        self.message.msg_controllen = CONTROL_BYTES as _;
        &raw mut self.message
    }
}

/// Sends once. `header` is scratch space.
pub fn send(
    socket: BorrowedFd<'_>,
    header: &mut SendHeader,
    to: SocketAddr,
    bytes: &[u8],
    segment_bytes: usize,
    ecn: Ecn,
) -> io::Result<()> {
    let message = header.prepare(to, bytes, segment_bytes, ecn);
    // SAFETY: `message` points into `header`, whose pointers were just set to its own fields and to `bytes`; all
    // of them live and stay in place through the call, which only reads them.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives once. `header` is scratch space. `None` if the sender has no Internet address.
pub fn receive(
    socket: BorrowedFd<'_>,
    header: &mut ReceiveHeader,
    into: &mut [u8],
) -> io::Result<Option<Received>> {
    let message = header.prepare(into);
    // SAFETY: `message` points into `header`, whose pointers were just set to its own fields and to `into`, with
    // their true lengths; all of them live, stay in place and are ours alone through the call.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), message, 0) };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    let control_bytes = header.message.msg_controllen.min(CONTROL_BYTES);
    let control = Control::parse(&header.control.0[..control_bytes]);
    let truncated = header.message.msg_flags & libc::MSG_TRUNC != 0;
    let from = header.name.get(header.message.msg_namelen as usize);
    Ok(from.map(|from| Received::new(from, count as usize, control, truncated)))
}

fn empty_message() -> libc::msghdr {
    // SAFETY: msghdr is a plain C struct of numbers and pointers, for which all zeroes means "nothing".
    unsafe { core::mem::zeroed() }
}

#[cfg(test)]
mod tests;
