//! The world as a role sees it: TCP bytes, datagrams and time come in as `Input`; what the role wants goes into
//! the `Port`, which a driver reads after every batch of inputs.
//!
//! ```text
//!   driver ── Input ──► Role::handle ──► Port (wishes, write queues, datagram trains) ──► driver
//! ```
//! The port holds *wishes*, not commands: what each connection should be doing now. A driver compares the wish
//! with what its kernel objects do and closes the gap, so nothing has to be undone in a queue. Three drivers
//! speak this contract (io_uring, epoll, simulation); the port knows no file descriptor, the roles know no
//! driver.
//!
//! Contract. After every batch of `handle` calls the driver calls `Role::flush`, then drains `take_dirty`,
//! `take_connects`, `take_train` and `take_wakes`. A role that called `close` or `abort`, or was told `Failed`, never
//! names that `TcpId` again, and the driver delivers nothing more for it.

use core::net::SocketAddr;
use std::collections::VecDeque;

use crate::stdx::chain::{Blocks, Chain};
use crate::stdx::slab::{Handle, Slab};
use crate::time::Instant;

/// One TCP connection, for as long as the role keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpId(pub Handle);

/// One listening TCP address, numbered in the order in which the node was given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u16);

/// One UDP socket of this worker, numbered in the order in which the node was given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u16);

/// What the role remembers a connection by; comes back with every input about it. Opaque to drivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token(pub u64);

/// The two ECN bits of a datagram's IP header (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// Not ECN-capable.
    #[default]
    NotCapable,
    /// ECT(1).
    Capable1,
    /// ECT(0).
    Capable0,
    /// Congestion experienced.
    Congested,
}

impl Ecn {
    /// From the low two bits of the traffic class.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::Congested,
        }
    }

    /// The low two bits of the traffic class.
    pub const fn to_bits(self) -> u8 {
        self as u8
    }
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpFailure {
    /// Nothing listens there (ECONNREFUSED).
    Refused,
    /// No way there (ENETUNREACH, EHOSTUNREACH and their like).
    Unreachable,
    /// The kernel gave up waiting (ETIMEDOUT).
    TimedOut,
    /// The peer sent a reset, or no longer takes what we send (ECONNRESET, EPIPE).
    Reset,
    /// The kernel is short of something (EMFILE, ENOBUFS, EADDRNOTAVAIL).
    Exhausted,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A client connected. Reading is off until the role asks for it.
    Accepted {
        /// The new connection; its token is `Token::default()` until the role sets one.
        tcp: TcpId,
        /// Where it came in.
        listener: ListenerId,
        /// Who it is.
        peer: SocketAddr,
    },
    /// A connection asked for with `Port::connect` stands.
    Connected {
        /// Which.
        tcp: TcpId,
        /// The role's name for it.
        token: Token,
    },
    /// Bytes from the peer. They are the role's for the length of the call.
    Read {
        /// Which.
        tcp: TcpId,
        /// The role's name for it.
        token: Token,
        /// The bytes; never empty.
        bytes: &'a [u8],
    },
    /// The peer has sent its last byte (FIN); writing goes on.
    ReadEnd {
        /// Which.
        tcp: TcpId,
        /// The role's name for it.
        token: Token,
    },
    /// The write queue has fallen to the mark that the role asked to hear of.
    Wrote {
        /// Which.
        tcp: TcpId,
        /// The role's name for it.
        token: Token,
    },
    /// The connection is gone, or never came to be. Its id is dead.
    Failed {
        /// Which.
        tcp: TcpId,
        /// The role's name for it.
        token: Token,
        /// Why.
        failure: TcpFailure,
    },
    /// One or several datagrams of one sender, all `segment_bytes` long but the last, which may be shorter.
    Datagrams {
        /// Where they came in.
        socket: SocketId,
        /// Who sent them.
        from: SocketAddr,
        /// Their ECN bits.
        ecn: Ecn,
        /// How long each is.
        segment_bytes: usize,
        /// All of them, end to end; the role may decrypt in place.
        bytes: &'a mut [u8],
    },
    /// A deadline of the role has come, or another worker or the control thread woke this one.
    Tick,
}

/// What a driver runs.
pub trait Role {
    /// Takes one input in.
    fn handle(&mut self, now: Instant, input: Input<'_>, port: &mut Port);

    /// After a batch of inputs: sends what the batch made ready.
    fn flush(&mut self, now: Instant, port: &mut Port);

    /// When the role next wants a `Tick`, if ever.
    fn deadline(&self) -> Option<Instant>;

    /// How long, in µs, a driver that sleeps may let inputs gather before it wakes, if it can; it wakes for the first
    /// one that comes later. 0: it wakes for each.
    fn patience_us(&self) -> u32 {
        0
    }

    /// Announces that the driver is about to sleep; false if work from other threads has come meanwhile.
    fn may_sleep(&mut self) -> bool;

    /// Takes the announcement back.
    fn awake(&mut self);

    /// Whether all is drained and the worker may end.
    fn is_finished(&self) -> bool;
}

/// Which receive buffers a connection reads into, if it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Not at all: the peer feels it.
    #[default]
    Off,
    /// Into the small buffers: heads, idle connections.
    Small,
    /// Into the large ones: bodies.
    Large,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order: the kernel sends FIN.
    Close,
    /// At once: the peer sees a reset, so that what was cut does not look complete.
    Abort,
}

/// What the role wants of one connection.
#[derive(Debug)]
pub struct Tcp {
    /// Bytes to send, oldest first. The driver advances it as the kernel takes them.
    out: Chain,
    token: Token,
    reading: Reading,
    finish: bool,
    ending: Option<Ending>,
    /// Tell the role when at most this many bytes are queued.
    mark: Option<u32>,
    dirty: bool,
}

/// A train of datagrams that waits to leave: equal segments, the last may be shorter (UDP_SEGMENT).
#[derive(Clone, Copy, Debug)]
pub struct Train {
    /// Names the buffer; give it back with `release_train`.
    pub buffer: u16,
    /// The socket to use.
    pub socket: SocketId,
    /// Whom to send to.
    pub to: SocketAddr,
    /// Bytes in all.
    pub bytes: usize,
    /// Bytes of each datagram but the last.
    pub segment_bytes: usize,
    /// ECN bits to set.
    pub ecn: Ecn,
}

/// Sizes of a port. Memory is reserved at once and touched as it is used.
#[derive(Clone, Copy, Debug)]
pub struct PortOptions {
    /// TCP connections at once, accepted and made together.
    pub tcp_max: usize,
    /// Bytes of a block of a write queue.
    pub block_bytes: usize,
    /// Blocks of all write queues together.
    pub blocks: usize,
    /// Datagram trains at once.
    pub trains: usize,
}

/// Bytes of a train: what UDP_SEGMENT takes at once (65,535 less IP and UDP headers, rounded down).
pub const TRAIN_BYTES: usize = 65_000;

/// The wishes of one worker's role.
#[derive(Debug)]
pub struct Port {
    blocks: Blocks,
    tcp: Slab<Tcp>,
    dirty: Vec<TcpId>,
    connects: Vec<(TcpId, SocketAddr)>,
    train_memory: Box<[u8]>,
    train_free: Vec<u16>,
    train_ready: VecDeque<Train>,
    wakes: u64,
    accepting: bool,
    /// Listeners are to be closed; the driver has not done it yet.
    stops_listening: bool,
}

impl Port {
    /// A port with nothing in it.
    pub fn new(options: &PortOptions) -> Self {
        Self {
            blocks: Blocks::new(options.block_bytes, options.blocks),
            tcp: Slab::new(options.tcp_max),
            dirty: Vec::with_capacity(options.tcp_max),
            connects: Vec::with_capacity(options.tcp_max.min(4_096)),
            train_memory: vec![0; options.trains * TRAIN_BYTES].into_boxed_slice(),
            train_free: (0..options.trains as u16).rev().collect(),
            train_ready: VecDeque::with_capacity(options.trains),
            wakes: 0,
            accepting: true,
            stops_listening: false,
        }
    }

    // ---- the role's side

    /// Asks for a connection; `None` when the table is full. Bytes may be written before it stands.
    pub fn connect(&mut self, to: SocketAddr, token: Token) -> Option<TcpId> {
        let tcp = self.insert(token)?;
        self.connects.push((tcp, to));
        Some(tcp)
    }

    /// Names the connection for the role.
    pub fn set_token(&mut self, tcp: TcpId, token: Token) {
        self.of(tcp).token = token;
    }

    /// Queues `bytes`; false when the pool has no room for all of them, and then nothing was queued.
    ///
    /// The queue itself has no bound here: the role writes no more than the credit it gave for this connection.
    #[must_use]
    pub fn write(&mut self, tcp: TcpId, bytes: &[u8]) -> bool {
        // One block may be half used at the tail; asking for a whole spare one keeps the test exact enough.
        if self.blocks.free_bytes() < bytes.len() + self.blocks.block_bytes() {
            return false;
        }
        let Some(entry) = self.tcp.get_mut(tcp.0) else {
            panic!("a role writes only to connections that it keeps");
        };
        assert!(entry.ending.is_none() && !entry.finish, "nothing is written after the end");
        let taken = self.blocks.append(&mut entry.out, bytes);
        assert_eq!(taken, bytes.len(), "the pool had room");
        self.touch(tcp);
        true
    }

    /// Bytes queued and not yet taken by the kernel.
    pub fn queued_bytes(&self, tcp: TcpId) -> usize {
        self.tcp.get(tcp.0).map_or(0, |entry| entry.out.len())
    }

    /// Sends `Input::Wrote` once, as soon as at most `mark` bytes are queued (at the next batch if they are now).
    pub fn notify_at(&mut self, tcp: TcpId, mark: usize) {
        self.of(tcp).mark = Some(mark as u32);
        self.touch(tcp);
    }

    /// Sets whether and how the connection is read.
    pub fn read(&mut self, tcp: TcpId, reading: Reading) {
        let entry = self.of(tcp);
        if entry.reading != reading {
            entry.reading = reading;
            self.touch(tcp);
        }
    }

    /// Sends FIN after what is queued; reading goes on.
    pub fn finish(&mut self, tcp: TcpId) {
        self.of(tcp).finish = true;
        self.touch(tcp);
    }

    /// Ends the connection in order; what is still queued is dropped, so wait for `Wrote` at mark 0 first.
    pub fn close(&mut self, tcp: TcpId) {
        self.end(tcp, Ending::Close);
    }

    /// Ends the connection at once with a reset.
    pub fn abort(&mut self, tcp: TcpId) {
        self.end(tcp, Ending::Abort);
    }

    /// Whether new clients are wanted; the driver stops accepting while they are not.
    pub fn accept(&mut self, accepting: bool) {
        self.accepting = accepting;
    }

    /// Closes the listeners for good: whoever connects from now on is refused at once instead of waiting in vain.
    pub fn stop_listening(&mut self) {
        self.stops_listening = true;
    }

    /// Memory for the next train, if one is free.
    pub fn train(&mut self) -> Option<&mut [u8]> {
        let buffer = *self.train_free.last()?;
        let at = usize::from(buffer) * TRAIN_BYTES;
        Some(&mut self.train_memory[at..at + TRAIN_BYTES])
    }

    /// Sends what was put into the memory that `train` gave last.
    pub fn send_train(
        &mut self,
        socket: SocketId,
        to: SocketAddr,
        bytes: usize,
        segment_bytes: usize,
        ecn: Ecn,
    ) {
        let Some(buffer) = self.train_free.pop() else {
            panic!("send_train follows train");
        };
        assert!(bytes > 0 && bytes <= TRAIN_BYTES && segment_bytes > 0, "a train has cars");
        self.train_ready.push_back(Train { buffer, socket, to, bytes, segment_bytes, ecn });
    }

    /// Wakes another worker of this process (0..64) after this batch.
    pub fn wake(&mut self, worker: u8) {
        assert!(worker < 64, "workers are numbered below 64");
        self.wakes |= 1 << worker;
    }

    /// TCP connections in the table.
    pub fn tcp_count(&self) -> usize {
        self.tcp.len()
    }

    /// The most TCP connections the table takes; slots of `TcpId`s are below it.
    pub fn tcp_max(&self) -> usize {
        self.tcp.capacity()
    }

    /// Whether `connect` and `insert` would give `None`.
    pub fn is_full(&self) -> bool {
        self.tcp.is_full()
    }

    /// Trains that can be on their way at once; their buffers are numbered below this.
    pub fn train_count(&self) -> usize {
        self.train_memory.len() / TRAIN_BYTES
    }

    /// The pool of the write queues, for counters.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    // ---- the driver's side

    /// A place for a connection that the driver accepted; `None` when the table is full.
    pub fn insert(&mut self, token: Token) -> Option<TcpId> {
        let entry = Tcp {
            out: Chain::new(),
            token,
            reading: Reading::Off,
            finish: false,
            ending: None,
            mark: None,
            dirty: false,
        };
        self.tcp.insert(entry).ok().map(TcpId)
    }

    /// Whether the role still wants to hear of this connection, and how it calls it.
    pub fn token(&self, tcp: TcpId) -> Option<Token> {
        self.tcp.get(tcp.0).filter(|entry| entry.ending.is_none()).map(|entry| entry.token)
    }

    /// Next connection whose wish has changed since it was last taken.
    pub fn take_dirty(&mut self) -> Option<TcpId> {
        while let Some(tcp) = self.dirty.pop() {
            if let Some(entry) = self.tcp.get_mut(tcp.0) {
                entry.dirty = false;
                return Some(tcp);
            }
        }
        None
    }

    /// Next connection to make.
    pub fn take_connect(&mut self) -> Option<(TcpId, SocketAddr)> {
        self.connects.pop()
    }

    /// The wish about reading.
    pub fn reading(&self, tcp: TcpId) -> Reading {
        self.tcp.get(tcp.0).map_or(Reading::Off, |entry| entry.reading)
    }

    /// Whether FIN is to follow what is queued.
    pub fn is_finishing(&self, tcp: TcpId) -> bool {
        self.tcp.get(tcp.0).is_some_and(|entry| entry.finish)
    }

    /// How it is to end, if it is.
    pub fn ending(&self, tcp: TcpId) -> Option<Ending> {
        self.tcp.get(tcp.0).and_then(|entry| entry.ending)
    }

    /// Whether somebody waits for queued bytes to be taken: the role for its mark, or FIN for its turn.
    pub fn awaits_sent(&self, tcp: TcpId) -> bool {
        self.tcp.get(tcp.0).is_some_and(|entry| entry.finish || entry.mark.is_some())
    }

    /// Whether every train is on its way, so that `train` gives `None`.
    pub fn is_out_of_trains(&self) -> bool {
        self.train_free.is_empty()
    }

    /// What waits to be sent, as slices in order. They do not move or change until `sent` drops them.
    pub fn outgoing(&self, tcp: TcpId) -> impl Iterator<Item = &[u8]> {
        self.tcp.get(tcp.0).into_iter().flat_map(|entry| self.blocks.slices(&entry.out))
    }

    /// The kernel took `bytes`; true if the role asked to hear of it (then deliver `Input::Wrote`).
    pub fn sent(&mut self, tcp: TcpId, bytes: usize) -> bool {
        let Some(entry) = self.tcp.get_mut(tcp.0) else { return false };
        self.blocks.advance(&mut entry.out, bytes);
        self.take_mark(tcp)
    }

    /// True once if the mark that the role set has been reached; ask for every dirty connection.
    pub fn take_mark(&mut self, tcp: TcpId) -> bool {
        let Some(entry) = self.tcp.get_mut(tcp.0) else { return false };
        let reached =
            entry.ending.is_none() && entry.mark.is_some_and(|mark| entry.out.len() <= mark as usize);
        if reached {
            entry.mark = None;
        }
        reached
    }

    /// The driver has let go of everything of this connection: its place is free. Its blocks go back to the pool,
    /// so no send may be in flight.
    pub fn release(&mut self, tcp: TcpId) {
        if let Some(mut entry) = self.tcp.remove(tcp.0) {
            self.blocks.clear(&mut entry.out);
        }
    }

    /// Next train to send.
    pub fn take_train(&mut self) -> Option<Train> {
        self.train_ready.pop_front()
    }

    /// A train's bytes.
    pub fn train_bytes(&self, train: &Train) -> &[u8] {
        let at = usize::from(train.buffer) * TRAIN_BYTES;
        &self.train_memory[at..at + train.bytes]
    }

    /// Gives a train's buffer back once the kernel has copied it.
    pub fn release_train(&mut self, buffer: u16) {
        debug_assert!(!self.train_free.contains(&buffer), "a train is released once");
        self.train_free.push(buffer);
    }

    /// Bits of the workers to wake.
    pub fn take_wakes(&mut self) -> u64 {
        core::mem::take(&mut self.wakes)
    }

    /// Whether the listeners are to be closed now; true once.
    pub fn take_stop_listening(&mut self) -> bool {
        core::mem::take(&mut self.stops_listening)
    }

    /// Whether new clients are wanted.
    pub fn is_accepting(&self) -> bool {
        self.accepting
    }

    fn end(&mut self, tcp: TcpId, ending: Ending) {
        let entry = self.of(tcp);
        assert!(entry.ending.is_none(), "a connection ends once");
        entry.ending = Some(ending);
        entry.reading = Reading::Off;
        entry.mark = None;
        self.touch(tcp);
    }

    fn of(&mut self, tcp: TcpId) -> &mut Tcp {
        let Some(entry) = self.tcp.get_mut(tcp.0) else {
            panic!("a role names only connections that it keeps");
        };
        entry
    }

    fn touch(&mut self, tcp: TcpId) {
        let entry = self.of(tcp);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(tcp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        Port::new(&PortOptions { tcp_max: 2, block_bytes: 8, blocks: 4, trains: 1 })
    }

    #[test]
    fn a_wish_is_taken_once_and_the_mark_fires_once() {
        let mut port = port();
        let tcp = port.insert(Token(1)).unwrap();
        assert!(port.write(tcp, b"0123456789"));
        port.notify_at(tcp, 4);
        assert_eq!((port.take_dirty(), port.take_dirty()), (Some(tcp), None));
        assert!(!port.sent(tcp, 5) && port.sent(tcp, 1) && !port.sent(tcp, 1));
        assert_eq!(port.outgoing(tcp).flatten().copied().collect::<Vec<u8>>(), b"789");
    }

    #[test]
    fn an_ended_connection_is_silent_and_its_blocks_return() {
        let mut port = port();
        let tcp = port.insert(Token(1)).unwrap();
        assert!(port.write(tcp, b"0123456789"));
        port.abort(tcp);
        assert_eq!((port.token(tcp), port.ending(tcp)), (None, Some(Ending::Abort)));
        port.release(tcp);
        assert_eq!((port.blocks().used(), port.tcp_count()), (0, 0));
    }

    #[test]
    fn a_full_pool_takes_nothing() {
        let mut port = port();
        let tcp = port.insert(Token(1)).unwrap();
        assert!(!port.write(tcp, &[0; 25]) && port.write(tcp, &[0; 24]) && !port.write(tcp, &[0; 1]));
    }
}
