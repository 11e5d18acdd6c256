//! The transport state machine of one tunnel: streams over numbered packets, plaintext in and out. Assembly
//! and control flow only; each part has a file of its own. No cryptography, no addresses, no classes.
//!
//! Contract. Inputs are `handle_*`, `tick`, the stream calls and `fill_packet`; after any input drain
//! `poll_event`, then `poll_sendable` into the blender, then let the endpoint transmit, then ask
//! `deadline`. `poll_sendable` must be drained before `fill_packet` runs: a grant of more than was last
//! reported is a bug and panics. A stream call with the id of a stream that is gone does nothing.

use crate::time::Instant;
use crate::tmp::carrier::{Carrier, Ecn, Fill, Filled, Handled};
use crate::tmp::event::{Event, Full, Sendable};
use crate::tmp::id::{Side, StreamId};
use crate::tmp::options::TunnelOptions;
use crate::tmp::stats::Snapshot;

/// One tunnel.
#[derive(Debug)]
pub struct Tunnel {}

impl Tunnel {
    /// Opens a stream; only the initiator may. Nothing is sent until something is written or finished.
    pub fn open(&mut self, class: u8, kind: u8) -> Result<StreamId, Full> {
        todo!("{class} {kind}")
    }

    /// Copies as much of `bytes` as the stream has room for; how much. `Writable` follows a short write.
    pub fn write(&mut self, stream: StreamId, bytes: &[u8]) -> usize {
        todo!("{stream:?} {bytes:?}")
    }

    /// How much `write` would take now.
    pub fn writable_bytes(&self, stream: StreamId) -> usize {
        todo!("{stream:?}")
    }

    /// Bytes written and never sent.
    pub fn unsent_bytes(&self, stream: StreamId) -> usize {
        todo!("{stream:?}")
    }

    /// No more will be written.
    pub fn finish(&mut self, stream: StreamId) {
        todo!("{stream:?}")
    }

    /// Gives up the sending half; what was not sent is dropped.
    pub fn reset(&mut self, stream: StreamId, code: u16) {
        todo!("{stream:?} {code}")
    }

    /// Asks the peer to cease; what arrives is dropped.
    pub fn stop(&mut self, stream: StreamId, code: u16) {
        todo!("{stream:?} {code}")
    }

    /// `reset` and `stop`.
    pub fn abort(&mut self, stream: StreamId, code: u16) {
        self.reset(stream, code);
        self.stop(stream, code);
    }

    /// The next bytes in order that lie together; empty if there are none now, or none any more.
    pub fn read(&self, stream: StreamId) -> &[u8] {
        todo!("{stream:?}")
    }

    /// Drops the first `bytes` of what `read` shows, and so grants credit.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize) {
        todo!("{stream:?} {bytes}")
    }

    /// Whether the peer finished the stream and all of it was consumed.
    pub fn is_read_finished(&self, stream: StreamId) -> bool {
        todo!("{stream:?}")
    }

    /// Changes the class here and at the peer.
    pub fn set_class(&mut self, stream: StreamId, class: u8) {
        todo!("{stream:?} {class}")
    }

    /// The class as last set by either end.
    pub fn class(&self, stream: StreamId) -> Option<u8> {
        todo!("{stream:?}")
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    /// The next stream whose sendable bytes are no longer what the blender knows.
    pub fn poll_sendable(&mut self) -> Option<Sendable> {
        todo!()
    }

    /// Whether the path is lost at the moment.
    pub fn is_path_lost(&self) -> bool {
        todo!()
    }

    /// The numbers.
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }
}

impl Carrier for Tunnel {
    type Options = TunnelOptions;

    fn new(options: &TunnelOptions, side: Side, now: Instant) -> Self {
        todo!("{options:?} {side:?} {now:?}")
    }

    fn on_connected(&mut self, now: Instant) {
        todo!("{now:?}")
    }

    fn on_path_changed(&mut self, now: Instant) {
        todo!("{now:?}")
    }

    fn handle_packet(&mut self, now: Instant, number: u64, ecn: Ecn, payload: &[u8]) -> Handled {
        todo!("{now:?} {number} {ecn:?} {payload:?}")
    }

    fn handle_batch_end(&mut self, now: Instant) {
        todo!("{now:?}")
    }

    fn payload_bytes_next(&self, now: Instant) -> usize {
        todo!("{now:?}")
    }

    fn fill_packet(&mut self, now: Instant, payload: &mut [u8], fill: &mut dyn Fill) -> Option<Filled> {
        fill.next(payload.len());
        todo!("{now:?}")
    }

    fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    fn tick(&mut self, now: Instant) {
        todo!("{now:?}")
    }

    fn queue_path_challenge(&mut self, token: u64) {
        todo!("{token}")
    }

    fn queue_ping(&mut self) {
        todo!()
    }

    fn take_path_response(&mut self) -> Option<u64> {
        todo!()
    }

    fn queue_close(&mut self, code: u16) {
        todo!("{code}")
    }
}
