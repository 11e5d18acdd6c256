//! The UDP sockets of the worker: receives in a bounded number per turn, trains in the order in which the role
//! sent them, and what becomes of a train that the kernel does not take.
//!
//! A train that meets a full socket buffer waits and holds its buffer, so the role feels it by running out of
//! trains. Every other failure loses the rest of the train: datagrams get lost, and the tunnel knows how to live
//! with it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry};

use crate::port::{Input, Role, SocketId, Train};
use crate::reactor::datagram::{ReceiveHeader, Received, SEND_BYTES_MAX, SendHeader, receive, send};
use crate::reactor::epoll::source::Source;
use crate::reactor::epoll::stage::Stage;
use crate::reactor::errno::{DatagramFailure, datagram_failure};
use crate::reactor::options::{DriverOptions, GSO_SEGMENTS_MAX};

/// Receives per socket and turn; each may bring a coalesced train of 64 KiB.
const RECEIVES_PER_TURN: usize = 32;

/// Room kept for waiting trains per socket; a port with more trains makes it grow once.
const WAITING_TRAINS: usize = 256;

#[derive(Debug)]
struct Socket {
    socket: OwnedFd,
    readable: bool,
    writable: bool,
    /// Trains that wait, oldest first, and how far the oldest has left.
    waiting: VecDeque<Train>,
    left_bytes: usize,
    segments_max: usize,
    /// A train was refused in a way that a device without segmentation does; the next send is a single datagram,
    /// and its fate says whether that was the reason.
    suspect: bool,
    drops: u32,
}

/// What became of one send.
enum Fate {
    Done,
    Wait,
    Again,
    Lost,
}

#[derive(Debug)]
pub(crate) struct Datagrams {
    sockets: Vec<Socket>,
    buffer: Box<[u8]>,
    send_header: SendHeader,
    receive_header: ReceiveHeader,
}

impl Datagrams {
    pub(crate) fn new(
        sockets: Vec<OwnedFd>,
        options: &DriverOptions,
        registry: &Registry,
    ) -> io::Result<Self> {
        for (number, socket) in sockets.iter().enumerate() {
            let token = Source::Udp(number).to_token();
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut SourceFd(&socket.as_raw_fd()), token, interest)?;
        }
        let segments_max = options.gso_segments_max.clamp(1, GSO_SEGMENTS_MAX);
        Ok(Self {
            sockets: sockets.into_iter().map(|socket| Socket::new(socket, segments_max)).collect(),
            buffer: vec![0; options.datagrams.bytes].into_boxed_slice(),
            send_header: SendHeader::new(),
            receive_header: ReceiveHeader::new(),
        })
    }

    pub(crate) fn on_event(&mut self, number: usize, event: &Event) {
        let socket = &mut self.sockets[number];
        socket.readable |= event.is_readable() || event.is_error();
        socket.writable |= event.is_writable() || event.is_error();
    }

    /// Whether the last turn left something to receive.
    pub(crate) fn is_readable(&self) -> bool {
        self.sockets.iter().any(|socket| socket.readable)
    }

    pub(crate) fn receive<R: Role>(&mut self, stage: &mut Stage<'_, R>) {
        for (number, socket) in self.sockets.iter_mut().enumerate() {
            for _ in 0..RECEIVES_PER_TURN {
                if !socket.readable {
                    break;
                }
                let received = socket.receive(&mut self.receive_header, &mut self.buffer, stage);
                let Some(Received { from, bytes, segment_bytes, ecn, .. }) = received else { continue };
                stage.deliver(Input::Datagrams {
                    socket: SocketId(number as u16),
                    from,
                    ecn,
                    segment_bytes,
                    bytes: &mut self.buffer[..bytes],
                });
            }
        }
    }

    /// Takes the role's trains and sends what the kernel takes.
    pub(crate) fn send<R: Role>(&mut self, stage: &mut Stage<'_, R>) {
        while let Some(train) = stage.port.take_train() {
            self.sockets[usize::from(train.socket.0)].waiting.push_back(train);
        }
        for socket in &mut self.sockets {
            socket.send_waiting(&mut self.send_header, stage);
        }
    }
}

impl Socket {
    fn new(socket: OwnedFd, segments_max: usize) -> Self {
        Self {
            socket,
            readable: true,
            writable: true,
            waiting: VecDeque::with_capacity(WAITING_TRAINS),
            left_bytes: 0,
            segments_max,
            suspect: false,
            drops: 0,
        }
    }

    /// One receive; `None` where there is nothing to hand on.
    fn receive<R: Role>(
        &mut self,
        header: &mut ReceiveHeader,
        buffer: &mut [u8],
        stage: &Stage<'_, R>,
    ) -> Option<Received> {
        stage.counters.syscalls.bump();
        let received = match receive(self.socket.as_fd(), header, buffer) {
            Ok(received) => received?,
            Err(error) => {
                // An ICMP answer to an earlier send is no reason to stop; anything else waits for an event.
                self.readable = error.raw_os_error() == Some(libc::ECONNREFUSED);
                return None;
            }
        };
        self.count(&received, stage);
        (!received.truncated && received.bytes > 0).then_some(received)
    }

    fn count<R: Role>(&mut self, received: &Received, stage: &Stage<'_, R>) {
        let counters = stage.counters;
        counters.trains_in.bump();
        counters.datagrams_in.add(received.datagrams() as u64);
        counters.datagram_bytes_in.add(received.bytes as u64);
        if received.truncated {
            counters.datagrams_truncated.bump();
        }
        if let Some(drops) = received.drops {
            counters.datagram_drops.add(drops.wrapping_sub(self.drops).into());
            self.drops = drops;
        }
    }

    fn send_waiting<R: Role>(&mut self, header: &mut SendHeader, stage: &mut Stage<'_, R>) {
        while self.writable
            && let Some(train) = self.waiting.front().copied()
        {
            match self.send_some(&train, header, stage) {
                Fate::Done if self.left_bytes < train.bytes => {}
                Fate::Again => {}
                Fate::Wait => self.writable = false,
                Fate::Done | Fate::Lost => {
                    self.left_bytes = 0;
                    self.waiting.pop_front();
                    stage.port.release_train(train.buffer);
                }
            }
        }
    }

    /// Sends as much of the train as one call takes.
    fn send_some<R: Role>(&mut self, train: &Train, header: &mut SendHeader, stage: &Stage<'_, R>) -> Fate {
        let segments = if self.suspect { 1 } else { self.segments_max };
        let fitting = (SEND_BYTES_MAX / train.segment_bytes).clamp(1, segments);
        let rest = &stage.port.train_bytes(train)[self.left_bytes..];
        let bytes = &rest[..rest.len().min(fitting * train.segment_bytes)];
        stage.counters.syscalls.bump();
        match send(self.socket.as_fd(), header, train.to, bytes, train.segment_bytes, train.ecn) {
            Ok(()) => {
                self.left_bytes += bytes.len();
                self.sent(bytes.len(), train.segment_bytes, stage);
                Fate::Done
            }
            Err(error) => {
                let lost = rest.len().div_ceil(train.segment_bytes) as u64;
                let several = bytes.len() > train.segment_bytes;
                self.failed(datagram_failure(error.raw_os_error().unwrap_or(0)), lost, several, stage)
            }
        }
    }

    fn sent<R: Role>(&mut self, bytes: usize, segment_bytes: usize, stage: &Stage<'_, R>) {
        let counters = stage.counters;
        counters.trains_out.bump();
        counters.datagrams_out.add(bytes.div_ceil(segment_bytes) as u64);
        counters.datagram_bytes_out.add(bytes as u64);
        if self.suspect {
            // Alone it went: segmentation was the reason, and stays off for this socket.
            self.suspect = false;
            self.segments_max = 1;
            counters.gso_fallbacks.bump();
        }
    }

    fn failed<R: Role>(
        &mut self,
        failure: DatagramFailure,
        lost: u64,
        several: bool,
        stage: &Stage<'_, R>,
    ) -> Fate {
        let counters = stage.counters;
        match failure {
            DatagramFailure::Full => {
                counters.send_waits.bump();
                return Fate::Wait;
            }
            DatagramFailure::Again => return Fate::Again,
            // Kernels before 6.14 say EINVAL also to segments longer than the path takes.
            DatagramFailure::Segmentation if several => {
                self.suspect = true;
                return Fate::Again;
            }
            DatagramFailure::TooLarge => counters.datagrams_too_large.add(lost),
            DatagramFailure::Short => {
                counters.enobufs.bump();
                counters.datagrams_refused.add(lost);
            }
            DatagramFailure::Segmentation | DatagramFailure::Refused => {
                counters.datagrams_refused.add(lost);
            }
        }
        self.suspect = false;
        Fate::Lost
    }
}
