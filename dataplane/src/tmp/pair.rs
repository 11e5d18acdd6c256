//! Two tunnels over a simulated path in virtual time, for tests: applications that write and check bytes at both
//! ends, a plain round robin in place of the blender, and a hash of everything that was sent.

use crate::time::{Duration, Instant};
use crate::tmp::carrier::{Carrier, Fill, Filled, Handled};
use crate::tmp::event::Event;
use crate::tmp::id::{PathId, Side, StreamId};
use crate::tmp::limits::DATA_OVERHEAD_BYTES;
use crate::tmp::options::TunnelOptions;
use crate::tmp::pair_link::{Link, LinkOptions, Packet};
use crate::tmp::place::Bearer;
use crate::tmp::spread::PathUse;
use crate::tmp::tunnel::Tunnel;
use std::collections::{BTreeMap, VecDeque};

/// Small tables, so that a test can make hundreds of them.
pub(in crate::tmp) fn small_options() -> TunnelOptions {
    TunnelOptions {
        streams_max: 2_048,
        send_budget_bytes: 16 << 20,
        receive_budget_bytes: 32 << 20,
        receive_window_bytes_max: 2 << 20,
        packets_in_flight_max: 8_192,
        keep_alive: Duration::ZERO,
        ..TunnelOptions::default()
    }
}

/// Round robin over streams in pieces of 512 bytes.
#[derive(Debug, Default)]
pub(in crate::tmp) struct RoundRobin {
    waiting: BTreeMap<StreamId, usize>,
    order: VecDeque<StreamId>,
}

impl RoundRobin {
    pub(in crate::tmp) fn set(&mut self, stream: StreamId, bytes: usize, at_head: bool) {
        let before = self.waiting.insert(stream, bytes).unwrap_or(0);
        if before == 0 && at_head {
            self.order.push_front(stream);
        } else if before == 0 {
            self.order.push_back(stream);
        }
    }
}

impl Fill for RoundRobin {
    fn next(&mut self, room: usize) -> Option<(StreamId, usize)> {
        while let Some(stream) = self.order.pop_front() {
            let Some(waiting) = self.waiting.get_mut(&stream).filter(|waiting| **waiting > 0) else {
                continue;
            };
            let bytes = room.min(512).min(*waiting);
            *waiting -= bytes;
            if *waiting > 0 {
                self.order.push_back(stream);
            }
            return Some((stream, bytes));
        }
        None
    }
}

/// What the application at one end does with one stream, and how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tmp) struct Flow {
    pub(in crate::tmp) to_write: usize,
    pub(in crate::tmp) written: usize,
    pub(in crate::tmp) read: usize,
    /// The application does not read for the time being.
    pub(in crate::tmp) is_stuck: bool,
    pub(in crate::tmp) read_to_end: bool,
    pub(in crate::tmp) reset: Option<u16>,
    pub(in crate::tmp) stopped: Option<u16>,
    pub(in crate::tmp) closed: bool,
    /// When the last byte was read.
    pub(in crate::tmp) read_at: Instant,
    /// `finish` is not called after the last byte.
    pub(in crate::tmp) stays_open: bool,
}

/// One end.
#[derive(Debug)]
pub(in crate::tmp) struct End {
    pub(in crate::tmp) tunnel: Tunnel,
    blender: RoundRobin,
    pub(in crate::tmp) flows: BTreeMap<StreamId, Flow>,
    pub(in crate::tmp) news: Vec<Event>,
    /// Streams that may be able to write.
    writers: VecDeque<StreamId>,
    side: Side,
    now: Instant,
    /// Bytes read, all streams together.
    pub(in crate::tmp) read_bytes: u64,
}

/// The pair: end 0 is the initiator, link 0 leads from it.
#[derive(Debug)]
pub(in crate::tmp) struct Pair {
    pub(in crate::tmp) now: Instant,
    pub(in crate::tmp) ends: [End; 2],
    pub(in crate::tmp) links: [Link; 2],
    /// Bytes that the acceptor answers with, by class of the stream.
    pub(in crate::tmp) answers: [usize; 4],
    pub(in crate::tmp) acceptor_is_stuck: bool,
    pub(in crate::tmp) trace: u64,
}

const TEXT_PERIOD: usize = 65_521;

/// What is written on all streams: periodic with a prime, so that nothing misplaced goes unnoticed.
fn text() -> &'static [u8] {
    static TEXT: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut bytes = vec![0; TEXT_PERIOD * 2];
        crate::stdx::prng::Prng::new(1).fill(&mut bytes[..TEXT_PERIOD]);
        bytes.copy_within(..TEXT_PERIOD, TEXT_PERIOD);
        bytes
    });
    &TEXT
}

fn phase(stream: StreamId, side: Side) -> usize {
    usize::from(stream.slot) * 7
        + usize::from(stream.generation) * 1_009
        + (side == Side::Acceptor) as usize * 31
}

impl End {
    pub(in crate::tmp) fn new(options: &TunnelOptions, side: Side) -> Self {
        let mut tunnel = Tunnel::new(options, side, Instant::ORIGIN);
        tunnel.on_connected(Instant::ORIGIN, (PathId(0), Bearer::Datagrams), PathUse::default());
        Self {
            tunnel,
            blender: RoundRobin::default(),
            flows: BTreeMap::new(),
            news: Vec::new(),
            writers: VecDeque::new(),
            side,
            now: Instant::ORIGIN,
            read_bytes: 0,
        }
    }

    /// Opens a stream on which so many bytes will be written.
    pub(in crate::tmp) fn open(&mut self, class: u8, to_write: usize) -> StreamId {
        let stream = self.tunnel.open(class, 0).expect("there is room");
        let before = self.flows.insert(stream, Flow { to_write, ..Flow::default() });
        assert!(before.is_none_or(|flow| flow.closed), "an id comes back after it was closed");
        self.writers.push_back(stream);
        stream
    }

    /// Takes the time, what has to be done at it, and what has come of what was received.
    pub(in crate::tmp) fn advance(&mut self, now: Instant, answers: [usize; 4], is_stuck: bool) {
        self.now = now;
        if self.tunnel.deadline().is_some_and(|at| at <= now) {
            self.tunnel.tick(now);
        }
        self.handle_events(answers, is_stuck);
        self.tell_blender();
    }

    /// The next packet, if one may leave.
    pub(in crate::tmp) fn fill(&mut self, payload: &mut [u8]) -> Option<Filled> {
        let room = self.tunnel.payload_bytes_next(self.now, PathId(0));
        self.tunnel.fill_packet(self.now, PathId(0), &mut payload[..room], &mut self.blender)
    }

    fn write(&mut self, stream: StreamId) {
        let Some(flow) = self.flows.get_mut(&stream).filter(|flow| !flow.closed) else { return };
        while flow.written < flow.to_write {
            let from = (flow.written + phase(stream, self.side)) % TEXT_PERIOD;
            let bytes = (flow.to_write - flow.written).min(TEXT_PERIOD);
            let taken = self.tunnel.write(stream, &text()[from..from + bytes]);
            flow.written += taken;
            if taken < bytes {
                return;
            }
        }
        if !flow.stays_open {
            self.tunnel.finish(stream);
        }
    }

    pub(in crate::tmp) fn read(&mut self, stream: StreamId) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let other = if self.side == Side::Initiator { Side::Acceptor } else { Side::Initiator };
        while !flow.is_stuck {
            let bytes = self.tunnel.read(stream);
            if bytes.is_empty() {
                break;
            }
            let from = (flow.read + phase(stream, other)) % TEXT_PERIOD;
            assert!(bytes == &text()[from..from + bytes.len()], "{stream:?} at {}", flow.read);
            flow.read += bytes.len();
            flow.read_at = self.now;
            self.read_bytes += bytes.len() as u64;
            let count = bytes.len();
            self.tunnel.consumed(stream, count);
        }
        flow.read_to_end |= self.tunnel.is_read_finished(stream);
    }

    fn handle_events(&mut self, answers: [usize; 4], is_stuck: bool) {
        while let Some(event) = self.tunnel.poll_event() {
            match event {
                Event::Opened { stream, class, .. } => {
                    let to_write = answers[usize::from(class)];
                    let before = self.flows.insert(stream, Flow { to_write, is_stuck, ..Flow::default() });
                    assert!(before.is_none_or(|flow| flow.closed || flow.reset.is_some()));
                    self.writers.push_back(stream);
                }
                Event::Readable(stream) => self.read(stream),
                Event::Writable(stream) => self.writers.push_back(stream),
                Event::Reset { stream, code } => self.note(stream, |flow| flow.reset = Some(code)),
                Event::Stopped { stream, code } => self.note(stream, |flow| flow.stopped = Some(code)),
                Event::Closed(stream) => {
                    self.note(stream, |flow| flow.closed = true);
                    self.blender.waiting.remove(&stream);
                    self.blender.order.retain(|waiting| *waiting != stream);
                }
                Event::PathLost | Event::PathFound | Event::PeerClosed { .. } => {}
            }
            self.news.push(event);
        }
        while let Some(stream) = self.writers.pop_front() {
            self.write(stream);
        }
    }

    fn note(&mut self, stream: StreamId, change: impl FnOnce(&mut Flow)) {
        change(self.flows.get_mut(&stream).expect("events are for streams that were told of"));
    }

    fn tell_blender(&mut self) {
        while let Some(sendable) = self.tunnel.poll_sendable() {
            self.blender.set(sendable.stream, sendable.bytes, sendable.lost);
        }
    }
}

impl Pair {
    /// Two connected tunnels.
    pub(in crate::tmp) fn new(seed: u64, options: &TunnelOptions, links: [LinkOptions; 2]) -> Self {
        Self {
            now: Instant::ORIGIN,
            ends: [Side::Initiator, Side::Acceptor].map(|side| End::new(options, side)),
            links: [Link::new(links[0], seed * 2), Link::new(links[1], seed * 2 + 1)],
            answers: [0; 4],
            acceptor_is_stuck: false,
            trace: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// The same link both ways.
    pub(in crate::tmp) fn over(seed: u64, link: LinkOptions) -> Self {
        Self::new(seed, &small_options(), [link, link])
    }

    /// Opens a stream on which the initiator writes so many bytes.
    pub(in crate::tmp) fn open(&mut self, class: u8, to_write: usize) -> StreamId {
        self.ends[0].open(class, to_write)
    }

    /// An application ceases to read for the time being.
    pub(in crate::tmp) fn stick(&mut self, which: usize, stream: StreamId) {
        if let Some(flow) = self.ends[which].flows.get_mut(&stream) {
            flow.is_stuck = true;
        }
    }

    /// The acceptor's view of a stream.
    pub(in crate::tmp) fn accepted(&self, stream: StreamId) -> Flow {
        self.ends[1].flows.get(&stream).copied().unwrap_or_default()
    }

    /// Lets time pass until the condition holds, nothing happens any more, or `span` is over; whether it holds.
    pub(in crate::tmp) fn run(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + span;
        let mut still = 0;
        self.work();
        while !done(self) {
            let Some(next) = self.next_at() else { return done(self) };
            if next > until {
                self.now = until;
                return done(self);
            }
            still = if next <= self.now { still + 1 } else { 0 };
            assert!(still < 1_000, "time stands still at {:?}: {self:?}", self.now);
            self.now = self.now.max(next);
            self.work();
        }
        true
    }

    /// Lets everything come to an end; then nothing may be left.
    pub(in crate::tmp) fn settle(&mut self) {
        self.run(Duration::from_secs(3_600), |_| false);
        for end in &self.ends {
            let snapshot = end.tunnel.snapshot();
            assert_eq!(end.tunnel.deadline(), None, "all timers are quiet");
            assert_eq!((snapshot.streams_open, snapshot.in_flight_bytes), (0, 0), "{:?}", end.flows);
            assert_eq!((snapshot.send_buffered_bytes, snapshot.receive_buffered_bytes), (0, 0));
            assert!(end.flows.values().all(|flow| flow.closed));
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let links = self.links.iter().filter_map(Link::next_at);
        let tunnels = self.ends.iter().filter_map(|end| end.tunnel.deadline());
        links.chain(tunnels).min()
    }

    /// Everything that is due now, at both ends.
    pub(in crate::tmp) fn work(&mut self) {
        for to in [0, 1] {
            let mut any = false;
            while let Some(packet) = self.links[1 - to].arrived(self.now) {
                let Packet { number, ecn, payload, .. } = packet;
                let handled =
                    self.ends[to].tunnel.handle_packet(self.now, (PathId(0), number), ecn, &payload);
                assert!(matches!(handled, Handled::New | Handled::Duplicate | Handled::Closed { .. }));
                any = true;
            }
            let end = &mut self.ends[to];
            if any {
                end.tunnel.handle_batch_end(self.now);
            }
            end.advance(self.now, self.answers, to == 1 && self.acceptor_is_stuck);
            self.transmit(to);
        }
    }

    fn transmit(&mut self, from: usize) {
        let mut payload = [0; 2_000];
        while let Some(filled) = self.ends[from].fill(&mut payload) {
            let bytes = filled.len_bytes + DATA_OVERHEAD_BYTES;
            for word in [self.now.as_us(), from as u64, filled.number, bytes as u64] {
                self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01b3);
            }
            let Filled { number, ecn, .. } = filled;
            let payload = payload[..filled.len_bytes].to_vec();
            self.links[from].send(self.now, bytes, Packet { flow: 0, extra_us: 0, number, ecn, payload });
        }
    }
}
