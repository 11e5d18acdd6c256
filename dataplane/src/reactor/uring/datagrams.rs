//! Datagrams: one multishot recvmsg per socket, and sends of whole trains, several in flight.
//!
//! ```text
//! receive buffer = lengths 16 | name 28 | control 96 | payload          (io_uring_recvmsg_out)
//! ```
//! A train that is longer than one send may carry goes out in pieces, one after the other. Where a device cannot
//! segment (EIO at send time, rule 13), its socket sends one datagram at a time from then on.

#![allow(unsafe_code, reason = "entries of a ring carry pointers")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::types::Fd;
use io_uring::{Submitter, opcode};

use crate::port::{Input, Port, Role, SocketId, Train};
use crate::reactor::address::{NAME_BYTES, decode};
use crate::reactor::buffers::BufferRing;
use crate::reactor::counters::DriverCounters;
use crate::reactor::datagram::{CONTROL_BYTES, Control, Received, SEND_BYTES_MAX, SendHeader};
use crate::reactor::errno::{DatagramFailure, datagram_failure};
use crate::reactor::operation::{Completion, Kind, Name};
use crate::reactor::options::BufferOptions;
use crate::reactor::ring::Ring;
use crate::reactor::uring::turn::{Turn, errno};
use crate::time::{Duration, Instant};

/// The group of the datagram buffers.
const GROUP: u16 = 2;

/// Bytes before the payload.
const HEAD_BYTES: usize = LENGTHS_BYTES + NAME_BYTES + CONTROL_BYTES;
const LENGTHS_BYTES: usize = 16;

/// How long a socket rests whose receive failed for a reason that may last.
const PAUSE: Duration = Duration::from_millis(10);

/// One UDP socket.
#[derive(Debug)]
struct Socket {
    socket: OwnedFd,
    /// Its multishot receive is in flight.
    armed: bool,
    /// Segments of one send; 1 once a device has refused to segment.
    segments_max: usize,
    /// Datagrams that the kernel said it had dropped.
    drops: u32,
}

/// A train on its way, at the place of its buffer.
struct Sending {
    header: SendHeader,
    train: Option<Train>,
    /// Bytes of the train that are done with.
    offset: usize,
    /// Bytes of the send in flight.
    piece: usize,
    /// The piece has been sent again once.
    again: bool,
}

/// The datagram side of a worker.
pub(crate) struct Datagrams {
    sockets: Box<[Socket]>,
    buffers: BufferRing,
    /// What the kernel reads when a receive is armed; boxed, so that it stays where it is.
    receive: Box<libc::msghdr>,
    sending: Box<[Sending]>,
    /// Nothing is armed before this.
    retry_at: Option<Instant>,
}

impl Datagrams {
    /// Takes the sockets over; `trains` is how many trains the port has.
    pub(crate) fn new(
        submitter: &Submitter<'_>,
        sockets: Vec<OwnedFd>,
        buffers: BufferOptions,
        trains: usize,
        segments_max: usize,
    ) -> io::Result<Self> {
        // Without sockets no buffers are needed, but one keeps the code free of exceptions.
        let count = if sockets.is_empty() { 1 } else { buffers.count };
        let bytes = (buffers.bytes + HEAD_BYTES).next_multiple_of(64);
        let socket = |socket| Socket { socket, armed: false, segments_max, drops: 0 };
        let sending =
            || Sending { header: SendHeader::new(), train: None, offset: 0, piece: 0, again: false };
        Ok(Self {
            sockets: sockets.into_iter().map(socket).collect(),
            buffers: BufferRing::new(submitter, GROUP, bytes, count)?,
            receive: Box::new(receive_template()),
            sending: (0..trains).map(|_| sending()).collect(),
            retry_at: None,
        })
    }

    /// When a socket that rests is to be armed again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Shows the kernel the buffers that were given back.
    pub(crate) fn publish(&mut self) {
        self.buffers.publish();
    }

    /// Arms the receives that are not.
    pub(crate) fn arm(
        &mut self,
        ring: &mut Ring<'_>,
        now: Instant,
        counters: &DriverCounters,
    ) -> io::Result<()> {
        if self.retry_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        self.retry_at = None;
        for (at, socket) in self.sockets.iter_mut().enumerate().filter(|(_, socket)| !socket.armed) {
            socket.armed = true;
            counters.rearms.bump();
            let entry =
                opcode::RecvMsgMulti::new(Fd(socket.socket.as_raw_fd()), &raw const *self.receive, GROUP)
                    .build();
            // SAFETY: the template is boxed, never written after `new`, and outlives the ring's operations.
            unsafe { ring.push(entry, Name::of_index(Kind::Datagrams, at))? };
        }
        Ok(())
    }

    /// A receive has brought datagrams or an end.
    pub(crate) fn on_receive<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        completion: Completion,
        counters: &DriverCounters,
    ) {
        let at = completion.name.slot as usize;
        self.sockets[at].armed &= completion.more;
        if let Some(buffer) = completion.buffer {
            self.buffers.take(buffer);
            self.deliver(turn, at, buffer, completion.result.max(0) as usize, counters);
            self.buffers.recycle(buffer);
        }
        match errno(completion.result) {
            ..=0 | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            libc::ENOBUFS => {
                counters.enobufs.bump();
                counters.read_starvations.bump();
            }
            _ => self.retry_at = Some(turn.now + PAUSE),
        }
    }

    fn deliver<R: Role>(
        &mut self,
        turn: &mut Turn<'_, R>,
        at: usize,
        buffer: u16,
        bytes: usize,
        counters: &DriverCounters,
    ) {
        let memory = self.buffers.bytes_mut(buffer, bytes);
        let Some((head, payload)) = memory.split_at_mut_checked(HEAD_BYTES) else { return };
        let Some(received) = parse(head, payload.len()) else { return };
        note_received(&received, &mut self.sockets[at], counters);
        if received.truncated || received.bytes == 0 {
            return;
        }
        turn.tell(Input::Datagrams {
            socket: SocketId(at as u16),
            from: received.from,
            ecn: received.ecn,
            segment_bytes: received.segment_bytes,
            bytes: &mut payload[..received.bytes],
        });
    }

    /// Sends the trains that are ready.
    pub(crate) fn start_trains(&mut self, ring: &mut Ring<'_>, port: &mut Port) -> io::Result<()> {
        while let Some(train) = port.take_train() {
            let sending = &mut self.sending[usize::from(train.buffer)];
            assert!(sending.train.is_none(), "a train's buffer is given away once its sends have ended");
            (sending.train, sending.offset, sending.again) = (Some(train), 0, false);
            self.send_piece(ring, port, usize::from(train.buffer))?;
        }
        Ok(())
    }

    /// Sends what one send may carry of a train, or gives its buffer back if nothing is left.
    fn send_piece(&mut self, ring: &mut Ring<'_>, port: &mut Port, at: usize) -> io::Result<()> {
        let sending = &mut self.sending[at];
        let Some(train) = sending.train else { return Ok(()) };
        if sending.offset >= train.bytes {
            sending.train = None;
            port.release_train(train.buffer);
            return Ok(());
        }
        let socket = &self.sockets[usize::from(train.socket.0)];
        sending.piece = piece_bytes(&train, sending.offset, socket.segments_max);
        let bytes = &port.train_bytes(&train)[sending.offset..sending.offset + sending.piece];
        let message = sending.header.prepare(train.to, bytes, train.segment_bytes, train.ecn);
        // The last piece goes at once, unless the socket was full before.
        let at_once = !sending.again && sending.offset + sending.piece == train.bytes;
        let flags = libc::MSG_NOSIGNAL | if at_once { libc::MSG_DONTWAIT | libc::MSG_WAITALL } else { 0 };
        let entry = opcode::SendMsg::new(Fd(socket.socket.as_raw_fd()), message).flags(flags as u32).build();
        // SAFETY: the header lies in a boxed slice and is not touched before the end of the send is known; the train's
        // bytes lie in the port's memory, which never moves, outlives the worker, and is given away again only by
        // `release_train` above.
        unsafe {
            if at_once {
                ring.push_at_once(entry, Name::of_index(Kind::TrainAtOnce, at), sending.piece)
            } else {
                ring.push(entry, Name::of_index(Kind::Train, at))
            }
        }
    }

    /// A send of a piece has ended with `result`: its bytes, or a negated errno.
    pub(crate) fn on_sent(
        &mut self,
        ring: &mut Ring<'_>,
        port: &mut Port,
        (name, result): (Name, i32),
        counters: &DriverCounters,
    ) -> io::Result<()> {
        let at = name.slot as usize;
        let sending = &mut self.sending[at];
        let Some(train) = sending.train else { return Ok(()) };
        if result >= 0 {
            counters.trains_out.bump();
            counters.datagrams_out.add(sending.piece.div_ceil(train.segment_bytes) as u64);
            counters.datagram_bytes_out.add(sending.piece as u64);
        }
        if result < 0 && self.may_repeat(at, &train, errno(result), counters) {
            return self.send_piece(ring, port, at);
        }
        let sending = &mut self.sending[at];
        sending.offset += sending.piece;
        sending.again = false;
        self.send_piece(ring, port, at)
    }

    /// Whether a piece that failed is to be sent again; otherwise its datagrams are gone, as on any network.
    fn may_repeat(&mut self, at: usize, train: &Train, errno: i32, counters: &DriverCounters) -> bool {
        let sending = &mut self.sending[at];
        let was_again = core::mem::replace(&mut sending.again, true);
        match datagram_failure(errno) {
            DatagramFailure::Segmentation if sending.piece > train.segment_bytes => {
                let socket = &mut self.sockets[usize::from(train.socket.0)];
                if socket.segments_max > 1 {
                    counters.gso_fallbacks.bump();
                    socket.segments_max = 1;
                }
                sending.again = false;
                true
            }
            DatagramFailure::Again | DatagramFailure::Full if !was_again => true,
            DatagramFailure::TooLarge => {
                counters.datagrams_too_large.bump();
                false
            }
            DatagramFailure::Short => {
                counters.enobufs.bump();
                false
            }
            DatagramFailure::Again
            | DatagramFailure::Full
            | DatagramFailure::Segmentation
            | DatagramFailure::Refused => {
                counters.datagrams_refused.bump();
                false
            }
        }
    }
}

/// Bytes of the next send of a train: whole datagrams, as many as one send may carry.
fn piece_bytes(train: &Train, offset: usize, segments_max: usize) -> usize {
    let fitting = (SEND_BYTES_MAX / train.segment_bytes).clamp(1, segments_max.max(1));
    (fitting * train.segment_bytes).min(train.bytes - offset)
}

/// What a multishot receive needs to know: how much room name and control messages take.
fn receive_template() -> libc::msghdr {
    // SAFETY: msghdr is a plain C struct of numbers and pointers, for which all zeroes means "nothing".
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_namelen = NAME_BYTES as libc::socklen_t;
    message.msg_controllen = CONTROL_BYTES as _;
    message
}

/// Takes the head of a receive buffer apart; `None` if the sender has no Internet address.
fn parse(head: &[u8], payload_bytes: usize) -> Option<Received> {
    let length = |at: usize| head.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    let (name_bytes, control_bytes, flags) = (length(0)? as usize, length(4)? as usize, length(12)?);
    let (name, control) = head.get(LENGTHS_BYTES..)?.split_at_checked(NAME_BYTES)?;
    let from = decode(&name[..name_bytes.min(NAME_BYTES)])?;
    let control = Control::parse(&control[..control_bytes.min(CONTROL_BYTES)]);
    Some(Received::new(from, payload_bytes, control, flags & libc::MSG_TRUNC as u32 != 0))
}

fn note_received(received: &Received, socket: &mut Socket, counters: &DriverCounters) {
    counters.trains_in.bump();
    counters.datagrams_in.add(received.datagrams() as u64);
    counters.datagram_bytes_in.add(received.bytes as u64);
    if received.truncated {
        counters.datagrams_truncated.bump();
    }
    if let Some(drops) = received.drops {
        counters.datagram_drops.add(u64::from(drops.wrapping_sub(socket.drops)));
        socket.drops = drops;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Ecn, PortOptions};
    use crate::reactor::ring::{Wait, create_for_test};
    use crate::reactor::socket::{UdpOptions, local_address, udp};
    use std::os::fd::AsFd;

    #[test]
    fn a_train_is_cut_into_sends_of_whole_datagrams() {
        let to = "192.0.2.1:9".parse().unwrap();
        let train = Train {
            buffer: 0,
            socket: SocketId(0),
            to,
            bytes: 1_050,
            segment_bytes: 100,
            ecn: Ecn::NotCapable,
        };
        assert_eq!(piece_bytes(&train, 0, 64), 1_050);
        assert_eq!(piece_bytes(&train, 0, 4), 400);
        assert_eq!(piece_bytes(&train, 800, 4), 250);
        assert_eq!(piece_bytes(&train, 0, 1), 100);
        let large = Train { bytes: 65_000, segment_bytes: 1_400, ..train };
        assert_eq!(piece_bytes(&large, 0, 64), 46 * 1_400);
    }

    #[test]
    fn a_head_that_is_cut_short_is_nobodys() {
        let mut head = [0; HEAD_BYTES];
        head[0] = 16;
        head[LENGTHS_BYTES] = libc::AF_INET as u8;
        assert_eq!(parse(&head, 9).unwrap().bytes, 9);
        assert!(parse(&head[..20], 9).is_none());
        head[LENGTHS_BYTES] = libc::AF_UNIX as u8;
        assert!(parse(&head, 9).is_none());
    }

    #[test]
    fn a_device_that_cannot_segment_gets_one_datagram_at_a_time() {
        let Some(mut io_uring) = create_for_test(8, 16) else { return };
        let mut ring = Ring::new(&mut io_uring);
        let here: core::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        let options = UdpOptions { gro: false, ..UdpOptions::default() };
        let (from, to) = (udp(here, &options).unwrap(), udp(here, &options).unwrap());
        let address = local_address(to.as_fd()).unwrap();
        let buffers = BufferOptions { bytes: 2_048, count: 1 };
        let mut side = Datagrams::new(ring.submitter(), vec![from], buffers, 1, 64).unwrap();
        ring.enable().unwrap();
        let counters = DriverCounters::default();
        let mut port = Port::new(&PortOptions { tcp_max: 1, block_bytes: 64, blocks: 1, trains: 1 });
        port.train().unwrap()[..250].fill(7);
        port.send_train(SocketId(0), address, 250, 100, Ecn::NotCapable);
        side.start_trains(&mut ring, &mut port).unwrap();
        let mut is_first = true;
        while port.train().is_none() {
            ring.enter(Wait::No).unwrap();
            let heard = ring.next_completion().map(|completion| (completion.name, completion.result));
            let (name, mut result) =
                heard.or_else(|| ring.taken_at_once().map(|(name, bytes)| (name, bytes as i32))).unwrap();
            if core::mem::take(&mut is_first) {
                // As if the device had refused; loopback has sent the train, which counts below.
                result = -libc::EIO;
            }
            side.on_sent(&mut ring, &mut port, (name, result), &counters).unwrap();
        }
        assert_eq!((counters.gso_fallbacks.get(), counters.datagrams_out.get()), (1, 3));
        let receiver = std::net::UdpSocket::from(to);
        let lengths: Vec<usize> = (0..6).map(|_| receiver.recv(&mut [0; 128]).unwrap()).collect();
        assert_eq!(lengths, [100, 100, 50, 100, 100, 50]);
    }
}
