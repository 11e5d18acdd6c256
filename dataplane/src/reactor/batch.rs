//! Many small datagrams in one system call, each answered to where it came from: recvmmsg(2) and sendmmsg(2).
//!
//! For servers that answer one datagram with one, such as a name server; the tunnels' trains are `datagram`'s business.
//! An answer leaves from the address that was asked, also where the socket listens on all of the machine's (IP_PKTINFO):
//! what the kernel said about a request goes back with its answer. Nothing here blocks or allocates after `new`.

#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and some options are foreign functions")]

use core::net::SocketAddr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::reactor::address::{NAME_BYTES, Name};
use crate::reactor::socket::set_option;

/// Bytes of the one control message that is asked for: a header of 16 and in6_pktinfo, padded.
const INFO_BYTES: usize = 40;
/// Bytes of the one that says how long the answers of a train are (UDP_SEGMENT): a header of 16 and two bytes, padded.
const SEGMENT_BYTES: usize = 24;
/// Room for both.
const CONTROL_BYTES: usize = INFO_BYTES + SEGMENT_BYTES;
/// Where the data of a control message begins.
const CONTROL_HEAD_BYTES: usize = 16;
/// Answers of one train at most (UDP_MAX_SEGMENTS of older kernels).
const TRAIN_ANSWERS_MAX: usize = 64;
/// Bytes of one train at most: what one datagram may have, with IPv6's header, too.
const TRAIN_BYTES_MAX: usize = 65_487;
/// Between the rooms of two requests: with sizes that are powers of two the beginnings of all would share a few lines of
/// the first cache.
const GAP_BYTES: usize = 64;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct ControlSpace([u8; CONTROL_BYTES]);

/// Requests that were received together, and their answers.
///
/// Contract: [`receive`](Self::receive), then [`exchange`](Self::exchange) and perhaps [`answer`](Self::answer) for each
/// of the datagrams that it counted, then [`send`](Self::send).
#[derive(Debug)]
pub struct Batch {
    slots: Vec<Slot>,
    messages: Vec<libc::mmsghdr>,
    /// Where the answers lie, those of a train one behind the other; used by `send` alone.
    vectors: Vec<libc::iovec>,
    trains: Vec<Train>,
    /// The kernel has taken every train so far.
    joins: bool,
    requests: Vec<u8>,
    answers: Vec<u8>,
    request_bytes: usize,
    answer_bytes: usize,
    /// Slots and messages below this are not as `receive` wants them: `new` and the last batch have left them so.
    used: usize,
}

// SAFETY: the raw pointers in `messages`, `vectors` and `slots` point into this struct's own heap memory, are set anew before
// every system call, and are never read by anything else; no thread but the owner's can reach them.
unsafe impl Send for Batch {}

#[derive(Debug)]
struct Slot {
    name: Name,
    name_bytes: libc::socklen_t,
    vector: libc::iovec,
    control: ControlSpace,
    control_bytes: usize,
    /// Bytes of the request, and of the answer; no answer if zero.
    request: usize,
    answer: usize,
    is_cut: bool,
}

/// Answers to one client that leave with one message: all as long as the first but for the last, which may be shorter.
#[derive(Clone, Copy, Debug)]
struct Train {
    /// The slot of its first answer, whose name and control message all share.
    head: usize,
    /// Its first vector.
    first: usize,
    answers: usize,
    /// Bytes of its first answer.
    each: usize,
    bytes: usize,
    /// A shorter one was its last.
    is_closed: bool,
}

/// What became of the answers of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Taken by the kernel.
    pub sent: usize,
    /// Not taken: a full socket buffer, an address that cannot be reached.
    pub failed: usize,
}

impl Batch {
    /// Room for `slots` datagrams.
    pub fn new(slots: usize, request_bytes: usize, answer_bytes: usize) -> Self {
        let slot = || Slot {
            name: Name::default(),
            name_bytes: 0,
            vector: libc::iovec { iov_base: core::ptr::null_mut(), iov_len: 0 },
            control: ControlSpace([0; CONTROL_BYTES]),
            control_bytes: 0,
            request: 0,
            answer: 0,
            is_cut: false,
        };
        // SAFETY: mmsghdr is a plain C struct of numbers and pointers, for which all zeroes means "nothing".
        let message = || unsafe { core::mem::zeroed::<libc::mmsghdr>() };
        Self {
            slots: (0..slots).map(|_| slot()).collect(),
            messages: (0..slots).map(|_| message()).collect(),
            vectors: Vec::with_capacity(slots),
            trains: Vec::with_capacity(slots),
            joins: true,
            requests: vec![0; slots * (request_bytes + GAP_BYTES)],
            answers: vec![0; slots * answer_bytes],
            request_bytes,
            answer_bytes,
            used: slots,
        }
    }

    /// How many datagrams fit.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Receives what is there, without waiting; how many datagrams. An error of the socket that belongs to an earlier
    /// answer (ICMP) is none of a receiver's and is passed over.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let requests = self.requests.chunks_exact_mut(self.request_bytes + GAP_BYTES);
        let slots = self.slots.iter_mut().zip(&mut self.messages).zip(requests);
        for ((slot, message), request) in slots.take(self.used) {
            slot.vector.iov_base = request.as_mut_ptr().cast();
            slot.vector.iov_len = self.request_bytes;
            let header = &mut message.msg_hdr;
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = NAME_BYTES as libc::socklen_t;
            header.msg_iov = &raw mut slot.vector;
            header.msg_iovlen = 1;
            header.msg_control = slot.control.0.as_mut_ptr().cast();
            header.msg_controllen = INFO_BYTES as _;
        }
        self.used = 0;
        // SAFETY: `messages` has this many entries, each pointing at a name, a vector, a control block and a request
        // buffer of this struct with their true lengths; all live, stay in place and are ours alone through the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                self.messages.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
                core::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) };
        };
        self.used = count;
        for (slot, message) in self.slots.iter_mut().zip(&self.messages).take(count) {
            slot.request = message.msg_len as usize;
            slot.answer = 0;
            slot.name_bytes = message.msg_hdr.msg_namelen;
            slot.control_bytes = message.msg_hdr.msg_controllen.min(INFO_BYTES);
            slot.is_cut = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        Ok(count)
    }

    /// Who sent datagram `at`, its bytes, and the room for the answer. `None` if it was longer than its room, or came from
    /// nowhere on the Internet.
    pub fn exchange(&mut self, at: usize) -> Option<(SocketAddr, &[u8], &mut [u8])> {
        let slot = &self.slots[at];
        let from = slot.name.get(slot.name_bytes as usize).filter(|_| !slot.is_cut)?;
        let request = &self.requests[at * (self.request_bytes + GAP_BYTES)..][..slot.request];
        let answer = &mut self.answers[at * self.answer_bytes..][..self.answer_bytes];
        Some((from, request, answer))
    }

    /// Answers datagram `at` with the first `bytes` bytes of its room.
    pub fn answer(&mut self, at: usize, bytes: usize) {
        assert!(bytes <= self.answer_bytes, "an answer fits its room");
        self.slots[at].answer = bytes;
    }

    /// Sends the answers of the first `count` datagrams, without waiting. Answers that follow each other to the same client
    /// leave as a train, for which the kernel looks up the way once: a resolver or a balancer that asks much from one port
    /// costs less than as many clients.
    pub fn send(&mut self, socket: BorrowedFd<'_>, count: usize) -> Sent {
        self.couple(count);
        let Self { slots, messages, vectors, trains, .. } = self;
        for (train, message) in trains.iter().zip(messages.iter_mut()) {
            let slot = &mut slots[train.head];
            let mut control_bytes = slot.control_bytes;
            if train.answers > 1 {
                write_segment(&mut slot.control.0[control_bytes..], train.each as u16);
                control_bytes += SEGMENT_BYTES;
            }
            let header = &mut message.msg_hdr;
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = slot.name_bytes;
            header.msg_iov = vectors[train.first..].as_mut_ptr();
            header.msg_iovlen = train.answers as _;
            header.msg_control = match control_bytes {
                0 => core::ptr::null_mut(),
                _ => slot.control.0.as_mut_ptr().cast(),
            };
            header.msg_controllen = control_bytes as _;
            header.msg_flags = 0;
        }
        self.push_out(socket)
    }

    /// Makes the trains of the answers.
    fn couple(&mut self, count: usize) {
        let Self { slots, vectors, trains, joins, answers, answer_bytes, .. } = self;
        vectors.clear();
        trains.clear();
        let rooms = answers.chunks_exact_mut(*answer_bytes);
        for (at, room) in rooms.enumerate().take(count) {
            let slot = &mut slots[at];
            let bytes = slot.answer;
            if bytes == 0 {
                continue;
            }
            turn_round(&mut slot.control.0[..slot.control_bytes]);
            vectors.push(libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: bytes });
            let last = trains.last_mut().filter(|_| *joins);
            match last.filter(|train| train.has_room(bytes) && slots[train.head].is_towards(&slots[at])) {
                Some(train) => train.add(bytes),
                None => trains.push(Train::new(at, vectors.len() - 1, bytes)),
            }
        }
    }

    /// sendmmsg stops at the first that fails; that one is passed over.
    fn push_out(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let mut done = Sent::default();
        let mut next = 0;
        while next < self.trains.len() {
            let rest = &mut self.messages[next..self.trains.len()];
            // SAFETY: each of these entries was just filled with pointers at a name, vectors, a control block and
            // answers of this struct with their true lengths; all live and stay in place through the call.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            if let Some(sent) = usize::try_from(sent).ok().filter(|sent| *sent > 0) {
                done.sent += self.trains[next..next + sent].iter().map(|train| train.answers).sum::<usize>();
                next += sent;
                continue;
            }
            let error = io::Error::last_os_error();
            // A full buffer: the rest is lost, as datagrams may be, and clients ask again.
            if error.kind() == io::ErrorKind::WouldBlock {
                done.failed += self.trains[next..].iter().map(|train| train.answers).sum::<usize>();
                return done;
            }
            let answers = self.trains[next].answers;
            // No trains on this way: a device that cannot take sums (EIO), or whose packets are shorter (EINVAL, EMSGSIZE).
            let is_train = answers > 1
                && matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE));
            let sent = if is_train { self.send_apart(socket, next) } else { 0 };
            done.sent += sent;
            done.failed += answers - sent;
            next += 1;
        }
        done
    }

    /// Sends the answers of a train that the kernel refuses one by one, and makes no more trains; how many it took.
    fn send_apart(&mut self, socket: BorrowedFd<'_>, at: usize) -> usize {
        self.joins = false;
        let Train { head, first, answers, .. } = self.trains[at];
        let slot = &self.slots[head];
        let mut header = self.messages[at].msg_hdr;
        header.msg_iovlen = 1;
        header.msg_controllen = slot.control_bytes as _;
        if slot.control_bytes == 0 {
            header.msg_control = core::ptr::null_mut();
        }
        let vectors = &mut self.vectors[first..first + answers];
        let mut sent = 0;
        for vector in vectors {
            header.msg_iov = vector;
            // SAFETY: a name, one vector, perhaps a control block and an answer of this struct with their true lengths;
            // all live and stay in place through the call.
            let done = unsafe {
                libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            };
            sent += usize::from(done >= 0);
        }
        sent
    }
}

impl Train {
    fn new(head: usize, first: usize, bytes: usize) -> Self {
        Self { head, first, answers: 1, each: bytes, bytes, is_closed: false }
    }

    fn has_room(&self, bytes: usize) -> bool {
        !self.is_closed
            && bytes <= self.each
            && self.answers < TRAIN_ANSWERS_MAX
            && self.bytes + bytes <= TRAIN_BYTES_MAX
    }

    fn add(&mut self, bytes: usize) {
        self.answers += 1;
        self.bytes += bytes;
        self.is_closed = bytes < self.each;
    }
}

impl Slot {
    /// Whether both answers go to the same client, from the same address of ours.
    fn is_towards(&self, other: &Self) -> bool {
        self.name_bytes == other.name_bytes
            && self.name == other.name
            && self.control.0[..self.control_bytes] == other.control.0[..other.control_bytes]
    }
}

/// Says that the kernel is to cut what it gets into datagrams of so many bytes.
fn write_segment(control: &mut [u8], bytes: u16) {
    const DATA_BYTES: usize = 2;
    control[..8].copy_from_slice(&(CONTROL_HEAD_BYTES + DATA_BYTES).to_ne_bytes());
    control[8..12].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    control[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    control[CONTROL_HEAD_BYTES..][..DATA_BYTES].copy_from_slice(&bytes.to_ne_bytes());
}

/// Makes of "it came to this address, over this interface" the order "send it from this address". The way back is the
/// routing table's to choose, except on a link whose addresses mean nothing elsewhere.
fn turn_round(control: &mut [u8]) {
    let kind =
        |control: &[u8], at: usize| control.get(at..at + 4).and_then(|bytes| bytes.first_chunk().copied());
    let (Some(level), Some(number)) = (kind(control, 8), kind(control, 12)) else { return };
    let data = &mut control[CONTROL_HEAD_BYTES..];
    match (i32::from_ne_bytes(level), i32::from_ne_bytes(number)) {
        // struct in_pktinfo: interface, our address, the packet's destination.
        (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= 12 => data[..4].fill(0),
        // struct in6_pktinfo: our address, interface.
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= 20 => {
            let is_link_local = data[0] == 0xfe && data[1] & 0xc0 == 0x80;
            if !is_link_local {
                data[16..20].fill(0);
            }
        }
        _ => {}
    }
}

/// A UDP socket on `address` for answers: one of a SO_REUSEPORT group, with these buffer sizes as far as the machine
/// grants them. On an unspecified address it tells where each datagram went.
///
/// Path MTU discovery is left out (IP_PMTUDISC_OMIT): answers are small, and a forged "packet too big" must not cut them
/// into fragments that can be forged in turn.
pub fn answering_socket(address: SocketAddr, buffer_bytes: usize) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // As in `socket::udp`: a free port is one that nobody has, so a socket that looks for one shares it afterwards.
    socket.set_reuse_port(address.port() != 0)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Larger than net.core.rmem_max needs a privilege; what is granted is good enough.
    let _ = socket.set_recv_buffer_size(buffer_bytes);
    let _ = socket.set_send_buffer_size(buffer_bytes);
    let (level, discover, omit, info) = if address.is_ipv6() {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT, libc::IPV6_RECVPKTINFO)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT, libc::IP_PKTINFO)
    };
    set_option(socket.as_fd(), level, discover, omit)?;
    if address.ip().is_unspecified() {
        set_option(socket.as_fd(), level, info, 1)?;
    }
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::socket::local_address;
    use std::net::UdpSocket;
    use std::time::Duration;

    fn client(text: &str) -> UdpSocket {
        let client = UdpSocket::bind(text).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    /// Receives until `wanted` datagrams are there; a datagram over loopback may be a moment late.
    fn serve(batch: &mut Batch, socket: &OwnedFd, wanted: usize) {
        let mut seen = 0;
        while seen < wanted {
            let count = batch.receive(socket.as_fd()).unwrap();
            for at in 0..count {
                let Some((_, request, answer)) = batch.exchange(at) else { continue };
                let bytes = request.len();
                answer[..bytes].copy_from_slice(request);
                answer[..bytes].reverse();
                batch.answer(at, bytes);
            }
            let sent = batch.send(socket.as_fd(), count);
            assert_eq!(sent.failed, 0);
            seen += count;
            std::thread::yield_now();
        }
    }

    #[test]
    fn each_gets_its_own_answer() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = answering_socket(address.parse().unwrap(), 1 << 16).unwrap();
            let to = local_address(socket.as_fd()).unwrap();
            let clients: Vec<_> = (0..5).map(|_| client(address)).collect();
            for (at, client) in clients.iter().enumerate() {
                client.send_to(&[at as u8, 7], to).unwrap();
            }
            serve(&mut Batch::new(3, 16, 16), &socket, clients.len());
            for (at, client) in clients.iter().enumerate() {
                let mut answer = [0; 16];
                let (bytes, from) = client.recv_from(&mut answer).unwrap();
                assert_eq!((&answer[..bytes], from), (&[7, at as u8][..], to));
            }
        }
    }

    /// Without the turn the kernel would answer from its favourite address, and the client would not take it.
    #[test]
    fn an_answer_comes_from_the_address_that_was_asked() {
        let socket = answering_socket("0.0.0.0:0".parse().unwrap(), 1 << 16).unwrap();
        let port = local_address(socket.as_fd()).unwrap().port();
        let client = client("127.0.0.1:0");
        client.connect(("127.0.0.9", port)).unwrap();
        client.send(b"ab").unwrap();
        serve(&mut Batch::new(4, 16, 16), &socket, 1);
        let mut answer = [0; 16];
        assert_eq!(client.recv(&mut answer).unwrap(), 2);
    }

    /// Runs of equal length, a shorter one behind them, a longer one, another client between: whatever leaves together
    /// comes apart as it was meant, from an unspecified address, too.
    #[test]
    fn answers_that_leave_together_arrive_apart() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let socket = answering_socket(address.parse().unwrap(), 1 << 20).unwrap();
            let port = local_address(socket.as_fd()).unwrap().port();
            let loopback = if address.starts_with('[') { "[::1]" } else { "127.0.0.1" };
            let clients = [0, 1].map(|_| client(&format!("{loopback}:0")));
            clients.iter().for_each(|client| client.connect(format!("{loopback}:{port}")).unwrap());
            let sizes = [9, 9, 9, 5, 9, 12, 12, 3];
            let mut sent: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
            for (number, size) in sizes.iter().cycle().take(80).enumerate() {
                let who = usize::from(number % 11 == 10);
                let question: Vec<u8> = (0..*size).map(|at| (number + at) as u8).collect();
                clients[who].send(&question).unwrap();
                sent[who].push(question);
            }
            let mut batch = Batch::new(80, 16, 16);
            serve(&mut batch, &socket, 80);
            assert!(batch.trains.len() < 80, "nothing left together");
            for (client, sent) in clients.iter().zip(&sent) {
                for question in sent {
                    let mut answer = [0; 32];
                    let bytes = client.recv(&mut answer).unwrap();
                    answer[..bytes].reverse();
                    assert_eq!(&answer[..bytes], question, "{address}");
                }
            }
        }
    }

    /// A train that is refused leaves as single answers, and there are no more trains.
    #[test]
    fn a_train_that_is_refused_leaves_apart() {
        let socket = answering_socket("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap();
        // Without sums the kernel makes no trains.
        set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        let to = local_address(socket.as_fd()).unwrap();
        let client = client("127.0.0.1:0");
        let mut batch = Batch::new(4, 16, 16);
        for _ in 0..2 {
            (0..3).for_each(|_| assert_eq!(client.send_to(b"ab", to).unwrap(), 2));
            serve(&mut batch, &socket, 3);
            for _ in 0..3 {
                let mut answer = [0; 16];
                assert_eq!(client.recv(&mut answer).unwrap(), 2);
                assert_eq!(&answer[..2], b"ba");
            }
        }
        assert!(!batch.joins);
    }

    #[test]
    fn what_is_too_long_is_not_shown_and_others_are_not_disturbed() {
        let socket = answering_socket("127.0.0.1:0".parse().unwrap(), 1 << 16).unwrap();
        let to = local_address(socket.as_fd()).unwrap();
        let client = client("127.0.0.1:0");
        client.send_to(&[1; 17], to).unwrap();
        client.send_to(b"cd", to).unwrap();
        serve(&mut Batch::new(4, 16, 16), &socket, 2);
        let mut answer = [0; 32];
        assert_eq!(client.recv(&mut answer).unwrap(), 2);
        assert_eq!(&answer[..2], b"dc");
        assert_eq!(Batch::new(4, 16, 16).receive(socket.as_fd()).unwrap(), 0);
    }
}
