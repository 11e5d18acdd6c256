//! The transport state machine of one tunnel: streams over numbered packets, plaintext in and out. Assembly
//! and control flow only; each part has a file of its own. No cryptography, no addresses, no classes.
//!
//! Contract. Inputs are the stream calls and the methods of `Carrier`; after any input drain `poll_event`,
//! then `poll_sendable` into the blender, then let the endpoint transmit, then ask `deadline`.
//! `poll_sendable` must be drained before packets are filled: a grant of more than was last told is a bug
//! and panics. `Closed` ends a stream: the blender must forget it. A stream call with the id of a stream that is
//! gone does nothing.

use crate::time::Instant;
use crate::tmp::carrier::{Carrier, Ecn, Fill, Filled, Handled};
use crate::tmp::event::{Event, Full, Sendable};
use crate::tmp::frame::Quality;
use crate::tmp::id::{Side, StreamId};
use crate::tmp::options::TunnelOptions;
use crate::tmp::packet_in::Sink;
use crate::tmp::packet_out::Source;
use crate::tmp::path::{Leave, Path};
use crate::tmp::signals::Signals;
use crate::tmp::stats::{Snapshot, TunnelCounters};
use crate::tmp::streams::Streams;

/// Ranges in the pool per record in flight: a record becomes at most one lost and one acknowledged range, and
/// probes send ranges twice.
const RANGES_PER_RECORD: usize = 4;

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
    path: Path,
    streams: Streams,
    signals: Signals,
    news: News,
    options: TunnelOptions,
    now: Instant,
    is_connected: bool,
    /// The pacer let nothing out before this, when it was last asked.
    paced_until: Option<Instant>,
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

    /// Drops the first `bytes` of what `read` shows, and so grants credit.
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
        self.path.mtu.set_bytes_max(bytes);
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

    /// Whether the path is lost at the moment.
    pub const fn is_path_lost(&self) -> bool {
        self.path.is_lost
    }

    /// What the pacer lets out.
    pub const fn pace_bytes_per_s(&self) -> u64 {
        self.path.pacer.rate_bytes_per_s()
    }

    /// The least rtt, once any was measured.
    pub fn rtt_us_min(&self) -> Option<u64> {
        (self.path.rtt.samples() > 0).then(|| self.path.rtt.min_us())
    }

    /// What the peer last said of its side of the path.
    pub const fn peer_quality(&self) -> Option<&Quality> {
        self.path.quality.peer()
    }

    /// The numbers.
    pub fn snapshot(&self) -> Snapshot {
        let path = &self.path;
        let streams = &self.streams;
        let block_bytes = self.options.block_bytes as u64;
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
            streams_open: streams.table.len() as u64,
            send_buffered_bytes: streams.send.blocks.used() as u64 * block_bytes,
            receive_buffered_bytes: streams.receive.blocks.used() as u64 * block_bytes,
            counters: TunnelCounters {
                retransmitted_bytes: streams.retransmitted_bytes,
                streams_opened: streams.opened,
                late_frames: streams.late_frames,
                ..path.counters
            },
        }
    }

    /// Takes the time, and lets the streams know how the path is.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let window_bytes = self.path.controller.window_bytes();
        self.streams.set_path(self.now, self.path.rtt.smoothed_us(), window_bytes);
        let hosted = self.streams.table.len() as u32;
        self.path.controller.set_streams(hosted, self.streams.activity.count());
    }

    /// When a PING keeps the path known, if ever.
    fn keep_alive_at(&self) -> Option<Instant> {
        let wanted = self.options.keep_alive_idle || !self.streams.table.is_empty();
        (wanted && !self.options.keep_alive.is_zero()).then(|| self.path.last_sent + self.options.keep_alive)
    }

    fn tick_path(&mut self, now: Instant) {
        if self.path.lost_at.is_some_and(|at| at <= now) {
            self.path.detect_losses(now, &mut self.streams);
            self.path.set_pace(now);
        } else if self.path.probe_deadline().is_some_and(|at| at <= now) {
            self.news.path_lost |= self.path.probe_timeout(now);
            self.path.repeat_oldest(now, &mut self.streams);
        }
    }
}

impl Carrier for Tunnel {
    type Options = TunnelOptions;

    /// The options were checked at start.
    fn new(options: &TunnelOptions, side: Side, now: Instant) -> Self {
        assert!(options.check().is_ok(), "options are checked before");
        let ranges_max = Path::records_max(options) * RANGES_PER_RECORD + 2 * options.streams_max;
        Self {
            path: Path::new(options, now),
            streams: Streams::new(options, side, now, ranges_max),
            signals: Signals::default(),
            news: News::default(),
            options: options.clone(),
            now,
            is_connected: false,
            paced_until: None,
        }
    }

    fn on_connected(&mut self, now: Instant) {
        self.advance(now);
        self.is_connected = true;
        // Both ends learn the rtt, and may search the mtu, before there is anything to carry.
        self.signals.ping = true;
        self.path.last_sent = now;
    }

    fn on_path_changed(&mut self, now: Instant) {
        self.advance(now);
        self.path.restart(now);
    }

    fn handle_packet(&mut self, now: Instant, number: u64, ecn: Ecn, payload: &[u8]) -> Handled {
        self.advance(now);
        let Self { path, streams, signals, .. } = self;
        let mut sink = Sink { path, streams, signals, path_found: false };
        let handled = sink.take_apart(now, number, ecn, payload);
        self.news.path_found |= sink.path_found;
        if let Some(code) = self.signals.peer_closed.take() {
            self.news.peer_closed = Some(code);
        }
        handled
    }

    fn handle_batch_end(&mut self, now: Instant) {
        self.advance(now);
        self.path.received.batch_end(now);
    }

    fn payload_bytes_next(&self, now: Instant) -> usize {
        self.path.payload_bytes_next(now)
    }

    fn fill_packet(&mut self, now: Instant, payload: &mut [u8], fill: &mut dyn Fill) -> Option<Filled> {
        self.advance(now);
        let Self { path, streams, signals, .. } = self;
        let filled = Source { path, streams, signals }.build(now, payload, fill);
        self.paced_until = match self.path.leave(now) {
            Leave::Paced(until) if filled.is_none() => Some(until),
            Leave::Any | Leave::Probe | Leave::WindowFull | Leave::Paced(_) | Leave::Nothing => None,
        };
        filled
    }

    fn deadline(&self) -> Option<Instant> {
        if !self.is_connected {
            return None;
        }
        let waits = self.streams.has_waiting() || !self.streams.control.is_empty() || self.signals.any();
        let timers = [
            self.path.received.due(),
            self.path.lost_at.or_else(|| self.path.probe_deadline()),
            self.paced_until.filter(|_| waits),
            self.path.repair.due(),
            self.keep_alive_at(),
        ];
        timers.into_iter().flatten().min()
    }

    fn tick(&mut self, now: Instant) {
        self.advance(now);
        self.tick_path(now);
        if self.is_connected && self.keep_alive_at().is_some_and(|at| at <= now) {
            self.signals.ping = true;
            // The next one is due after this one, sent or not.
            self.path.last_sent = now;
        }
    }

    fn queue_path_challenge(&mut self, token: u64) {
        self.signals.challenge = Some(token);
    }

    fn queue_ping(&mut self) {
        self.signals.ping = true;
    }

    fn take_path_response(&mut self) -> Option<u64> {
        self.signals.answer.take()
    }

    fn queue_close(&mut self, code: u16) {
        self.signals.close = Some(code);
    }
}
