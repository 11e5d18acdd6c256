//! All streams of a tunnel: what the role does with them, and what it is told. What the peer's frames do is in
//! `stream_frames`, what goes out and what becomes of it in `stream_pieces`.
//!
//! Four queues of marked streams stand for everything that waits: events to poll, changed sendable bytes to
//! poll, control frames to send, writers that wait for memory. A call for a stream that is gone does nothing.

use crate::stdx::chain::Blocks;
use crate::stdx::slab::Handle;
use crate::time::Instant;
use crate::tmp::activity::Activity;
use crate::tmp::carries::Carries;
use crate::tmp::credit::{Budget, Window, WindowBounds};
use crate::tmp::event::{Event, Full, Sendable};
use crate::tmp::frame::Opening;
use crate::tmp::id::{Side, StreamId};
use crate::tmp::marks::Marks;
use crate::tmp::options::TunnelOptions;
use crate::tmp::ranges::RangePool;
use crate::tmp::reassembly::ReceiveMemory;
use crate::tmp::receive_stream::ReceiveStream;
use crate::tmp::record::Record;
use crate::tmp::send_stream::{SendMemory, SendStream};
use crate::tmp::stream::{Flags, Stream};
use crate::tmp::stream_table::StreamTable;
use std::collections::VecDeque;

/// One part of the receive memory in so many is kept for pieces out of order.
const OUT_OF_ORDER_SHARE: usize = 8;

/// One stream may fill one part in so many of the send memory that is free.
const FREE_SHARE: usize = 8;

/// The streams.
#[derive(Debug)]
pub struct Streams {
    pub(in crate::tmp) side: Side,
    pub(in crate::tmp) table: StreamTable,
    pub(in crate::tmp) send: SendMemory,
    pub(in crate::tmp) receive: ReceiveMemory,
    pub(in crate::tmp) budget: Budget,
    pub(in crate::tmp) bounds: WindowBounds,
    pub(in crate::tmp) events: Marks,
    pub(in crate::tmp) sendable: Marks,
    pub(in crate::tmp) control: Marks,
    pub(in crate::tmp) starved: Marks,
    pub(in crate::tmp) carries: Carries,
    /// Sum of what the blender was told and has not granted.
    pub(in crate::tmp) told_bytes: usize,
    /// It takes too long to leave. The peer is told.
    pub(in crate::tmp) is_full: bool,
    /// Grants of the last packet changed between streams.
    pub(in crate::tmp) alternating: bool,
    pub(in crate::tmp) activity: Activity,
    /// What one stream may have written and not acknowledged.
    pub(in crate::tmp) send_buffer_bytes: usize,
    pub(in crate::tmp) now: Instant,
    pub(in crate::tmp) rtt_us: u64,
    pub(in crate::tmp) opened: u64,
    pub(in crate::tmp) late_frames: u64,
    pub(in crate::tmp) retransmitted_bytes: u64,
    pub(in crate::tmp) urgent_classes: u8,
    /// What is urgent shall be sent on a second path, too.
    pub(in crate::tmp) doubles: bool,
    /// Of it, what has left on the first one only.
    pub(in crate::tmp) twins: VecDeque<Record>,
    send_buffer_bounds: (usize, usize),
    /// What the peer may have under way in a round trip: new streams get as much credit, if there is memory.
    pub(in crate::tmp) peer_flight_bytes: usize,
}

impl Streams {
    /// No stream is open. `ranges_max` is four times the records that packets in flight can have.
    pub fn new(options: &TunnelOptions, side: Side, now: Instant, ranges_max: usize) -> Self {
        let block_bytes = options.block_bytes;
        let receive_blocks = options.receive_budget_bytes / block_bytes;
        let segments_max = receive_blocks / OUT_OF_ORDER_SHARE;
        Self {
            side,
            table: StreamTable::new(options.streams_max),
            send: SendMemory {
                blocks: Blocks::new(block_bytes, options.send_budget_bytes / block_bytes),
                ranges: RangePool::new(ranges_max),
            },
            receive: ReceiveMemory::new(block_bytes, receive_blocks, segments_max),
            budget: Budget::new(
                block_bytes,
                receive_blocks - segments_max,
                options.streams_max,
                options.credit_bytes_min,
            ),
            bounds: WindowBounds {
                bytes_min: options.credit_bytes_min,
                bytes_usual: options.receive_window_bytes,
                bytes_max: options.receive_window_bytes_max,
            },
            events: Marks::new(options.streams_max),
            sendable: Marks::new(options.streams_max),
            control: Marks::new(options.streams_max),
            starved: Marks::new(options.streams_max),
            carries: Carries::default(),
            told_bytes: 0,
            is_full: false,
            alternating: false,
            activity: Activity::new(),
            send_buffer_bytes: options.send_buffer_bytes,
            now,
            rtt_us: 0,
            opened: 0,
            late_frames: 0,
            retransmitted_bytes: 0,
            urgent_classes: options.urgent_classes,
            doubles: false,
            twins: VecDeque::new(),
            peer_flight_bytes: 0,
            send_buffer_bounds: (options.send_buffer_bytes, options.send_buffer_bytes_max),
        }
    }

    /// Time, rtt and window as they are now; a writer may keep four windows in the buffer: one is under way, and what
    /// was sent behind a hole is kept until the hole is filled.
    pub fn set_path(&mut self, now: Instant, rtt_us: u64, window_bytes: u64, peer_flight_bytes: u64) {
        (self.now, self.rtt_us, self.peer_flight_bytes) = (now, rtt_us, peer_flight_bytes as usize);
        self.activity.advance(now, rtt_us);
        let (low, high) = self.send_buffer_bounds;
        self.send_buffer_bytes = (window_bytes as usize).saturating_mul(4).clamp(low, high);
    }

    /// See `Tunnel::open`.
    pub fn open(&mut self, class: u8, kind: u8) -> Result<StreamId, Full> {
        assert!(self.side == Side::Initiator, "only the initiator opens streams");
        if self.table.is_full() {
            return Err(Full);
        }
        let wanted_bytes = self.peer_flight_bytes;
        let window = Window::new(&mut self.budget, &self.bounds, wanted_bytes, self.now).ok_or(Full)?;
        let id = self.table.new_id().ok_or(Full)?;
        let credit_bytes = window.bytes() as u32;
        let send = SendStream::new(self.bounds.bytes_min as u64);
        let mut stream = Stream::new(id, class, kind, send, ReceiveStream::new(window));
        stream.opening = Some(Opening { class, kind, credit_bytes });
        self.table.insert(stream);
        self.opened += 1;
        Ok(id)
    }

    /// See `Tunnel::write`.
    pub fn write(&mut self, id: StreamId, bytes: &[u8]) -> usize {
        let Some(handle) = self.table.find(id) else { return 0 };
        let Some(stream) = self.table.get_mut(handle) else { return 0 };
        let buffer_bytes = shared_buffer_bytes(&self.send, self.send_buffer_bytes);
        let taken = stream.send.write(&mut self.send, bytes, buffer_bytes);
        if stream.send.wants_room() && buffer_bytes < self.send_buffer_bytes {
            self.starved.mark(handle.slot);
        }
        if taken > 0 {
            self.sendable.mark(handle.slot);
        }
        taken
    }

    /// See `Tunnel::writable_bytes`.
    pub fn writable_bytes(&self, id: StreamId) -> usize {
        let buffer_bytes = shared_buffer_bytes(&self.send, self.send_buffer_bytes);
        self.get(id).map_or(0, |stream| stream.send.room(buffer_bytes))
    }

    /// See `Tunnel::unsent_bytes`.
    pub fn unsent_bytes(&self, id: StreamId) -> usize {
        self.get(id).map_or(0, |stream| stream.send.waiting_bytes())
    }

    /// See `Tunnel::finish`.
    pub fn finish(&mut self, id: StreamId) {
        let Some((handle, stream)) = self.find_mut(id) else { return };
        stream.send.finish();
        self.sendable.mark(handle.slot);
    }

    /// See `Tunnel::reset`.
    pub fn reset(&mut self, id: StreamId, code: u16) {
        if let Some(handle) = self.table.find(id) {
            self.give_up_sending(handle, code);
        }
    }

    /// See `Tunnel::stop`.
    pub fn stop(&mut self, id: StreamId, code: u16) {
        let Some(handle) = self.table.find(id) else { return };
        let Some(stream) = self.table.get_mut(handle) else { return };
        if stream.receive.stop(&mut self.receive, code) {
            stream.due.stop = true;
            self.control.mark(handle.slot);
        }
        self.settle(handle);
    }

    /// See `Tunnel::read`.
    pub fn read(&self, id: StreamId) -> &[u8] {
        self.get(id).map_or(&[], |stream| stream.receive.front(&self.receive))
    }

    /// See `Tunnel::peek`.
    pub fn peek(&self, id: StreamId, into: &mut [u8]) -> usize {
        self.get(id).map_or(0, |stream| stream.receive.peek(&self.receive, into))
    }

    /// See `Tunnel::left_bytes`.
    pub fn left_bytes(&self, id: StreamId) -> Option<u64> {
        self.get(id)?.receive.left_bytes()
    }

    /// See `Tunnel::consumed`.
    pub fn consumed(&mut self, id: StreamId, bytes: usize) {
        let Some(handle) = self.table.find(id) else { return };
        let Some(stream) = self.table.get_mut(handle) else { return };
        let receive = &mut stream.receive;
        receive.consume(&mut self.receive, bytes);
        let offset = receive.read_offset();
        if receive.wants_credit()
            && receive.window.consumed(&mut self.budget, &self.bounds, self.now, offset, self.rtt_us)
        {
            stream.due.credit = true;
            self.control.mark(handle.slot);
        }
        self.settle(handle);
    }

    /// See `Tunnel::is_read_finished`.
    pub fn is_read_finished(&self, id: StreamId) -> bool {
        self.get(id).is_some_and(|stream| stream.receive.is_read_to_end())
    }

    /// See `Tunnel::is_read_last`.
    pub fn is_read_last(&self, id: StreamId) -> bool {
        self.get(id).is_some_and(|stream| stream.receive.is_front_last())
    }

    /// See `Tunnel::set_class`.
    pub fn set_class(&mut self, id: StreamId, class: u8) {
        let Some((handle, stream)) = self.find_mut(id) else { return };
        if stream.class == class {
            return;
        }
        stream.class = class;
        stream.due.class = true;
        if let Some(opening) = &mut stream.opening {
            opening.class = class;
        }
        self.control.mark(handle.slot);
        self.sendable.mark(handle.slot);
    }

    /// The stream of that name.
    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.table.get(self.table.find(id)?)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(slot) = self.events.first() {
            let handle = self.table.handle_at(slot);
            let event = handle.and_then(|handle| self.table.get_mut(handle)).and_then(next_event);
            match (event, handle) {
                (Some(Event::Closed(id)), Some(handle)) => {
                    self.events.pop();
                    self.forget(handle);
                    return Some(Event::Closed(id));
                }
                (Some(event), _) => return Some(event),
                (None, _) => self.events.pop(),
            };
        }
        None
    }

    /// The next stream whose sendable bytes the blender should be told.
    pub fn poll_sendable(&mut self) -> Option<Sendable> {
        while let Some(slot) = self.sendable.pop() {
            let Some(handle) = self.table.handle_at(slot) else { continue };
            let carried_bytes = self.carries.bytes_of(handle);
            let Some(stream) = self.table.get_mut(handle) else { continue };
            let bytes = stream.send.sendable_bytes().saturating_sub(carried_bytes);
            self.told_bytes = self.told_bytes - stream.told_bytes + bytes;
            stream.told_bytes = bytes;
            if bytes > 0 {
                self.activity.note(&mut stream.seen);
            }
            return Some(Sendable {
                stream: stream.id,
                class: stream.class,
                bytes,
                lost: stream.send.has_lost(),
            });
        }
        None
    }

    /// Whether the blender or a carry has bytes that want to be sent.
    pub(in crate::tmp) const fn has_waiting(&self) -> bool {
        self.told_bytes > 0 || !self.carries.is_empty()
    }

    /// Gives up the sending half of a stream and lets the peer know.
    pub(in crate::tmp) fn give_up_sending(&mut self, handle: Handle, code: u16) -> bool {
        let Some(stream) = self.table.get_mut(handle) else { return false };
        if !stream.send.reset(&mut self.send, code) {
            return false;
        }
        stream.due.reset = true;
        self.control.mark(handle.slot);
        self.sendable.mark(handle.slot);
        true
    }

    /// Notes an event.
    pub(in crate::tmp) fn raise(&mut self, handle: Handle, flag: Flags) {
        if let Some(stream) = self.table.get_mut(handle) {
            stream.events.raise(flag);
            self.events.mark(handle.slot);
        }
    }

    /// Closes the stream if both halves are done.
    pub(in crate::tmp) fn settle(&mut self, handle: Handle) {
        if self.table.get(handle).is_some_and(Stream::is_done) {
            self.raise(handle, Flags::CLOSED);
        }
    }

    /// The stream and its handle.
    pub(in crate::tmp) fn find_mut(&mut self, id: StreamId) -> Option<(Handle, &mut Stream)> {
        let handle = self.table.find(id)?;
        self.table.get_mut(handle).map(|stream| (handle, stream))
    }

    fn forget(&mut self, handle: Handle) {
        let Some(mut stream) = self.table.remove(handle, self.side == Side::Initiator) else { return };
        self.told_bytes -= stream.told_bytes;
        stream.send.clear(&mut self.send);
        stream.receive.clear(&mut self.receive, &mut self.budget);
        self.carries.forget(handle);
    }
}

/// What one stream may have written: its bound, and never more than an eighth of what is still free. So however
/// many streams are stuck, a further one finds memory.
pub(in crate::tmp) fn shared_buffer_bytes(memory: &SendMemory, buffer_bytes: usize) -> usize {
    buffer_bytes.min(memory.blocks.free_bytes() / FREE_SHARE)
}

/// Takes the event that comes first.
fn next_event(stream: &mut Stream) -> Option<Event> {
    let id = stream.id;
    if stream.events.take(Flags::OPENED) {
        return Some(Event::Opened { stream: id, class: stream.class, kind: stream.kind });
    }
    if stream.events.take(Flags::READABLE) {
        return Some(Event::Readable(id));
    }
    if stream.events.take(Flags::RESET) {
        return Some(Event::Reset { stream: id, code: stream.reset_code });
    }
    if stream.events.take(Flags::STOPPED) {
        return Some(Event::Stopped { stream: id, code: stream.stop_code });
    }
    if stream.events.take(Flags::WRITABLE) {
        return Some(Event::Writable(id));
    }
    stream.events.take(Flags::CLOSED).then_some(Event::Closed(id))
}
