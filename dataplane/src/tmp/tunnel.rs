//! The transport state machine of one tunnel: streams over numbered packets, plaintext in and out. Assembly
//! and control flow only; each part has a file of its own. No cryptography, no addresses, no classes.
//!
//! Contract. Inputs are the stream calls and the methods of `Carrier`; after any input drain `poll_event`,
//! then `poll_sendable` into the blender, then let the endpoint transmit, then ask `deadline`.
//! `poll_sendable` must be drained before packets are filled: a grant of more than was last told is a bug
//! and panics. `Closed` ends a stream: the blender must forget it. A stream call with the id of a stream that is
//! gone does nothing.

use crate::time::{Duration, Instant};
use crate::tmp::carrier::{Carrier, Ecn, Fill, Filled, Handled};
use crate::tmp::event::{Event, Full, Sendable};
use crate::tmp::frame::Quality;
use crate::tmp::fullness::Fullness;
use crate::tmp::health::Suspicion;
use crate::tmp::id::{PathId, Side, StreamId};
use crate::tmp::learned::{Learned, LearnedPaths};
use crate::tmp::limits::PATHS_MAX;
use crate::tmp::options::TunnelOptions;
use crate::tmp::packet_in::Sink;
use crate::tmp::packet_out::Source;
use crate::tmp::path::{Leave, Path};
use crate::tmp::paths::Paths;
use crate::tmp::place::Bearer;
use crate::tmp::signals::Signals;
use crate::tmp::spread::PathUse;
use crate::tmp::stats::{PathSnapshot, Snapshot, TunnelCounters};
use crate::tmp::streams::Streams;

/// Ranges in the pool per record in flight: a record becomes at most one lost and one acknowledged range, and
/// probes send ranges twice.
const RANGES_PER_RECORD: usize = 4;

/// Where there are several paths, and streams, a path on which nothing was sent for so long is asked.
const KEEP_ALIVE_OF_SEVERAL: Duration = Duration::from_secs(1);

/// News of the tunnel as a whole that wait to be polled.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    path_lost: bool,
    path_found: bool,
    peer_closed: Option<u16>,
}

/// One tunnel.
#[derive(Debug)]
pub struct Tunnel {
    paths: Paths,
    streams: Streams,
    signals: Signals,
    news: News,
    options: TunnelOptions,
    now: Instant,
    is_connected: bool,
    fullness: Fullness,
}

impl Tunnel {
    /// Opens a stream; only the initiator may. Nothing is sent until something is written or finished.
    pub fn open(&mut self, class: u8, kind: u8) -> Result<StreamId, Full> {
        self.streams.open(class, kind)
    }

    /// Copies as much of `bytes` as the stream has room for; how much. `Writable` follows a short write.
    pub fn write(&mut self, stream: StreamId, bytes: &[u8]) -> usize {
        self.streams.write(stream, bytes)
    }

    /// How much `write` would take now.
    pub fn writable_bytes(&self, stream: StreamId) -> usize {
        self.streams.writable_bytes(stream)
    }

    /// Bytes written and never sent.
    pub fn unsent_bytes(&self, stream: StreamId) -> usize {
        self.streams.unsent_bytes(stream)
    }

    /// No more will be written.
    pub fn finish(&mut self, stream: StreamId) {
        self.streams.finish(stream);
    }

    /// Gives up the sending half; what was not acknowledged is dropped.
    pub fn reset(&mut self, stream: StreamId, code: u16) {
        self.streams.reset(stream, code);
    }

    /// Asks the peer to cease; what is there and what arrives is dropped.
    pub fn stop(&mut self, stream: StreamId, code: u16) {
        self.streams.stop(stream, code);
    }

    /// `reset` and `stop`.
    pub fn abort(&mut self, stream: StreamId, code: u16) {
        self.reset(stream, code);
        self.stop(stream, code);
    }

    /// The next bytes in order that lie together; empty if there are none now, or none any more.
    pub fn read(&self, stream: StreamId) -> &[u8] {
        self.streams.read(stream)
    }

    /// Copies the next bytes in order, wherever they lie, into `into`; how many there were.
    pub fn peek(&self, stream: StreamId, into: &mut [u8]) -> usize {
        self.streams.peek(stream, into)
    }

    /// How many bytes are left to be read, come or not, if the peer has said where the stream ends.
    pub fn left_bytes(&self, stream: StreamId) -> Option<u64> {
        self.streams.left_bytes(stream)
    }

    /// Drops the first `bytes` of what `read` or `peek` shows, and so grants credit.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize) {
        self.streams.consumed(stream, bytes);
    }

    /// Whether the peer finished the stream and all of it was consumed. Ask before `Closed` is polled.
    pub fn is_read_finished(&self, stream: StreamId) -> bool {
        self.streams.is_read_finished(stream)
    }

    /// Whether the peer finished the stream and nothing will come behind what can be read now.
    pub fn is_read_last(&self, stream: StreamId) -> bool {
        self.streams.is_read_last(stream)
    }

    /// Changes the class here and at the peer.
    pub fn set_class(&mut self, stream: StreamId, class: u8) {
        self.streams.set_class(stream, class);
    }

    /// Another bound on the size of datagrams, from now on.
    pub fn set_datagram_bytes_max(&mut self, bytes: u16) {
        self.options.datagram_bytes_max = bytes;
        self.paths.iter_mut().for_each(|path| path.mtu.set_bytes_max(bytes));
    }

    /// The class as last set by either end.
    pub fn class(&self, stream: StreamId) -> Option<u8> {
        self.streams.get(stream).map(|stream| stream.class)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.news.path_lost) {
            return Some(Event::PathLost);
        }
        if core::mem::take(&mut self.news.path_found) {
            return Some(Event::PathFound);
        }
        if let Some(event) = self.streams.poll_event() {
            return Some(event);
        }
        self.news.peer_closed.take().map(|code| Event::PeerClosed { code })
    }

    /// The next stream whose sendable bytes are no longer what the blender knows.
    pub fn poll_sendable(&mut self) -> Option<Sendable> {
        self.streams.poll_sendable()
    }

    /// Whether all paths are lost at the moment.
    pub fn is_path_lost(&self) -> bool {
        self.paths.is_lost()
    }

    /// What the pacer of the path that carries data lets out.
    pub fn pace_bytes_per_s(&self) -> u64 {
        self.paths.active().pacer.rate_bytes_per_s()
    }

    /// The least rtt of the path that carries data, once any was measured.
    pub fn rtt_us_min(&self) -> Option<u64> {
        let path = self.paths.active();
        (path.rtt.samples() > 0).then(|| path.rtt.min_us())
    }

    /// What the peer last said of its side of the path that carries data.
    pub fn peer_quality(&self) -> Option<&Quality> {
        self.paths.active().quality.peer()
    }

    /// The numbers.
    pub fn snapshot(&self) -> Snapshot {
        let path = self.paths.active();
        let streams = &self.streams;
        let block_bytes = self.options.block_bytes as u64;
        let mut counters = TunnelCounters {
            retransmitted_bytes: streams.retransmitted_bytes,
            streams_opened: streams.opened,
            late_frames: streams.late_frames,
            ..TunnelCounters::default()
        };
        let mut paths = [None; PATHS_MAX];
        for each in self.paths.iter() {
            counters += each.counters;
            paths[each.id.index()] = Some(snapshot_of(each, each.id == path.id));
        }
        Snapshot {
            srtt_us: path.rtt.smoothed_us(),
            min_rtt_us: path.rtt.min_us(),
            rttvar_us: path.rtt.variance_us(),
            window_bytes: path.controller.window_bytes(),
            in_flight_bytes: path.sent.in_flight_bytes(),
            mtu_bytes: path.packet_bytes(),
            pacing_bytes_per_s: path.pacer.rate_bytes_per_s(),
            delivery_bytes_per_s: path.controller.rate_bytes_per_s(),
            queue_us: path.quality.queue_us(),
            flows: path.controller.flows(),
            mode: path.controller.mode().0,
            reason: path.controller.mode().1,
            reductions: path.controller.reactions(),
            peer: path.quality.peer().copied(),
            loss_ppm: path.quality.loss_ppm(),
            spread: self.paths.spread(),
            paths,
            streams_open: streams.table.len() as u64,
            send_buffered_bytes: streams.send.blocks.used() as u64 * block_bytes,
            receive_buffered_bytes: streams.receive.blocks.used() as u64 * block_bytes,
            counters,
        }
    }

    /// Takes the time, and lets the streams know how the paths are.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let rtt_us = self.paths.active().rtt.smoothed_us();
        let paths = &self.paths;
        self.streams.set_path(self.now, rtt_us, paths.window_bytes(), paths.peer_flight_bytes());
        let hosted = self.streams.table.len() as u32;
        self.paths.deal(hosted, self.streams.activity.count());
        let limit_us = u64::from(self.paths.chosen().limits.wait_us);
        if limit_us > 0 {
            self.fullness.look(self.now, self.paths.wait_us(self.streams.told_bytes), limit_us);
            self.streams.is_full = self.fullness.is_full();
        }
    }

    /// Other routes are to be preferred for what is new: this one is beyond a limit, or full at either end. [TMP-164.1]
    pub fn is_strained(&self) -> bool {
        let path = self.paths.active();
        path.health.suspicion().is_some_and(Suspicion::is_limit)
            || self.fullness.is_full()
            || path.quality.peer_is_full(self.now)
    }

    /// When a PING keeps a path known, if ever. Where there are several, one that may be needed soon is asked more often.
    fn keep_alive_at(&self, path: &Path) -> Option<Instant> {
        let is_used = !self.streams.table.is_empty();
        let wanted = self.options.keep_alive_idle || is_used;
        let has_others = self.paths.iter().nth(1).is_some();
        let pause = match self.options.keep_alive {
            pause if has_others && is_used => pause.min(KEEP_ALIVE_OF_SEVERAL),
            pause => pause,
        };
        (wanted && !pause.is_zero()).then(|| path.last_sent + pause)
    }

    /// Both ends learn the rtt, and may search the mtu, before there is anything to carry.
    fn begin_path(&mut self, now: Instant, id: PathId) {
        if let Some(path) = self.paths.get_mut(id) {
            path.signals.ping = true;
            path.last_sent = now;
        }
    }

    fn tick_path(&mut self, now: Instant, id: PathId) {
        let keep_alive_at = self.paths.get(id).and_then(|path| self.keep_alive_at(path));
        let has_better = self.paths.has_better_than(id);
        let was_lost = self.paths.is_lost();
        let Some(path) = self.paths.get_mut(id) else { return };
        if path.lost_at.is_some_and(|at| at <= now) {
            path.detect_losses(now, &mut self.streams);
            path.set_pace(now);
        } else if path.probe_deadline().is_some_and(|at| at <= now) {
            path.probe_timeout(now);
            path.make_room(now, &mut self.streams);
            if !has_better {
                path.repeat_oldest(&mut self.streams);
            }
        }
        let keeps_alive = self.is_connected && keep_alive_at.is_some_and(|at| at <= now);
        if keeps_alive {
            // The next one is due after this one, sent or not.
            path.last_sent = now;
        }
        path.signals.ping |= keeps_alive || path.health.asks(now);
        self.news.path_lost |= !was_lost && self.paths.is_lost();
    }
}

fn snapshot_of(path: &Path, is_active: bool) -> PathSnapshot {
    PathSnapshot {
        is_active,
        suspicion: path.health.suspicion(),
        suspected: path.health.suspected(),
        srtt_us: path.rtt.smoothed_us(),
        min_rtt_us: path.rtt.min_us(),
        window_bytes: path.controller.window_bytes(),
        in_flight_bytes: path.sent.in_flight_bytes(),
        delivery_bytes_per_s: path.controller.rate_bytes_per_s(),
        queue_us: path.quality.queue_us(),
        loss_ppm: path.quality.loss_ppm(),
        sent_bytes: path.counters.sent_bytes,
        received_bytes: path.counters.received_bytes,
        forecast: path.forecast,
    }
}

impl Carrier for Tunnel {
    type Options = TunnelOptions;

    /// The options were checked at start.
    fn new(options: &TunnelOptions, side: Side, now: Instant) -> Self {
        assert!(options.check().is_ok(), "options are checked before");
        let ranges_max = Path::records_max(options) * RANGES_PER_RECORD + 2 * options.streams_max;
        Self {
            paths: Paths::new(Path::new((PathId(0), Bearer::default()), options, now)),
            streams: Streams::new(options, side, now, ranges_max),
            signals: Signals::default(),
            news: News::default(),
            options: options.clone(),
            now,
            is_connected: false,
            fullness: Fullness::default(),
        }
    }

    fn on_connected(&mut self, now: Instant, path: (PathId, Bearer), chosen: PathUse) {
        self.paths.begin(path, chosen);
        self.advance(now);
        self.is_connected = true;
        self.begin_path(now, path.0);
    }

    fn open_path(&mut self, now: Instant, (path, bearer): (PathId, Bearer)) {
        self.paths.add(Path::new((path, bearer), &self.options, now));
        self.advance(now);
        self.begin_path(now, path);
    }

    fn on_path_changed(&mut self, now: Instant, (path, bearer): (PathId, Bearer)) {
        self.advance(now);
        if let Some(path) = self.paths.get_mut(path) {
            path.restart(now, bearer);
        }
    }

    fn learned(&self, now: Instant) -> LearnedPaths {
        let mut learned = LearnedPaths::default();
        for path in self.paths.iter() {
            learned[path.id.index()] = path.learned(now);
        }
        learned
    }

    fn resume(&mut self, path: PathId, learned: Learned) {
        if let Some(path) = self.paths.get_mut(path) {
            path.controller.resume(learned);
            path.quality.recall(&learned);
        }
    }

    fn hold_path(&mut self, path: PathId, is_held: bool) {
        if let Some(path) = self.paths.get_mut(path) {
            path.is_held = is_held;
        }
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        (path, number): (PathId, u64),
        ecn: Ecn,
        payload: &[u8],
    ) -> Handled {
        self.advance(now);
        let Self { paths, streams, signals, .. } = self;
        let was_lost = paths.is_lost();
        let Some((path, others)) = paths.split(path) else { return Handled::Violation };
        let mut sink = Sink { path, others, streams, signals, path_found: false };
        let handled = sink.take_apart(now, number, ecn, payload);
        self.news.path_found |= was_lost && sink.path_found;
        self.paths.judge(now, &mut self.streams);
        if let Some(code) = self.signals.peer_closed.take() {
            self.news.peer_closed = Some(code);
        }
        handled
    }

    fn handle_batch_end(&mut self, now: Instant) {
        self.advance(now);
        self.paths.iter_mut().for_each(|path| path.received.batch_end(now));
    }

    fn payload_bytes_next(&self, now: Instant, path: PathId) -> usize {
        self.paths.get(path).map_or(0, |path| path.payload_bytes_next(now))
    }

    fn fill_packet(
        &mut self,
        now: Instant,
        path: PathId,
        payload: &mut [u8],
        fill: &mut dyn Fill,
    ) -> Option<Filled> {
        self.advance(now);
        if self.signals.close.is_some() && self.paths.active().id != path {
            return None;
        }
        let Self { paths, streams, signals, .. } = self;
        let carries = paths.carries(path, now, streams.told_bytes);
        let second = paths.second();
        streams.doubles = second.is_some();
        let doubles = second == Some(path);
        let (path, others) = paths.split(path)?;
        let mut source = Source { path, others, streams, signals, carries, doubles };
        let filled = source.build(now, payload, fill);
        let path = source.path;
        path.paced_until = match path.leave(now) {
            Leave::Paced(until) if filled.is_none() => Some(until),
            Leave::Any | Leave::Probe | Leave::WindowFull | Leave::Paced(_) | Leave::Nothing => None,
        };
        filled
    }

    fn deadline(&self) -> Option<Instant> {
        if !self.is_connected {
            return None;
        }
        let waits = self.streams.has_waiting() || !self.streams.control.is_empty();
        let has_others = self.paths.iter().nth(1).is_some();
        let timers = self.paths.iter().flat_map(|path| {
            [
                path.received.due(),
                path.lost_at.or_else(|| path.probe_deadline()),
                path.paced_until.filter(|_| waits || path.signals.any()),
                path.repair.due(),
                self.keep_alive_at(path),
                if has_others || !path.health.is_good() { path.health.deadline(&path.signs()) } else { None },
            ]
        });
        timers.flatten().min()
    }

    fn tick(&mut self, now: Instant) {
        self.advance(now);
        for path in (0..PATHS_MAX as u8).map(PathId) {
            self.tick_path(now, path);
        }
        self.paths.judge(now, &mut self.streams);
    }

    fn queue_path_challenge(&mut self, path: PathId, token: u64) {
        if let Some(path) = self.paths.get_mut(path) {
            path.signals.challenge = Some(token);
        }
    }

    fn queue_ping(&mut self) {
        self.paths.iter_mut().for_each(|path| path.signals.ping = true);
    }

    fn take_path_response(&mut self) -> Option<u64> {
        self.signals.answer.take()
    }

    fn queue_close(&mut self, code: u16) {
        self.signals.close = Some(code);
    }
}
