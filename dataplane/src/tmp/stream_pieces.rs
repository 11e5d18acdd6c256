//! What of the streams goes into packets, and what becomes of it: acknowledged, lost, sent again as a probe.

use crate::stdx::slab::Handle;
use crate::tmp::frame::Frame;
use crate::tmp::frame_writer::{FrameWriter, SubHeader};
use crate::tmp::id::StreamId;
use crate::tmp::record::{Content, Record};
use crate::tmp::send_stream::Piece;
use crate::tmp::sent::Sent;
use crate::tmp::stream::{Due, Flags, Stream};
use crate::tmp::streams::{Streams, shared_buffer_bytes};

/// An empty SUB with OPEN and one of each control frame.
const CONTROL_BYTES_MAX: usize = 16 + 8 + 10 + 6 + 5;
/// Records of the same.
const CONTROL_RECORDS_MAX: usize = 5;
/// Writers woken per acknowledged piece when memory becomes free: more would only find it gone again.
const WAKE_MAX: usize = 4;

/// Pieces that wait to be sent a second time.
const TWINS_MAX: usize = 256;

/// What of an urgent stream is repaired beside bulk; what is longer is bulk itself.
const URGENT_BYTES_MAX: u64 = 64 << 10;

impl Streams {
    /// Writes control frames of streams while there is room; true if any was written.
    pub(in crate::tmp) fn write_control(
        &mut self,
        writer: &mut FrameWriter<'_>,
        sent: &mut Sent,
        records: &mut u32,
    ) -> bool {
        let before = writer.len();
        while let Some(slot) = self.control.first() {
            if writer.room() < CONTROL_BYTES_MAX || sent.records_free() < CONTROL_RECORDS_MAX {
                break;
            }
            if let Some(handle) = self.table.handle_at(slot)
                && let Some(stream) = self.table.get_mut(handle)
            {
                let mut note = |content| {
                    let added = sent.add_record(records, Record { stream: handle, content });
                    assert!(added, "there were records left");
                };
                write_due(stream, self.now, writer, &mut note);
            }
            self.control.pop();
        }
        writer.len() > before
    }

    /// Accounts a grant of the blender; what it names.
    pub(in crate::tmp) fn take_grant(&mut self, id: StreamId, bytes: usize) -> Handle {
        let granted = self.table.find(id).and_then(|handle| {
            let stream = self.table.get_mut(handle)?;
            assert!(bytes > 0 && bytes <= stream.told_bytes, "a grant is at most what was last told");
            stream.told_bytes -= bytes;
            self.activity.note(&mut stream.seen);
            Some(handle)
        });
        assert!(granted.is_some(), "grants are for living streams");
        self.told_bytes -= bytes;
        granted.unwrap_or_default()
    }

    /// Bytes that a SUB of the stream takes in front of its data, without length.
    pub(in crate::tmp) fn header_bytes(&self, handle: Handle) -> usize {
        let opens = self.table.get(handle).is_some_and(|stream| stream.opening.is_some());
        SubHeader::encoded_len(opens, true)
    }

    /// Whether the stream is one whose next bytes a loss would hurt most: it is being opened, or urgent and small yet.
    pub(in crate::tmp) fn is_urgent(&self, handle: Handle) -> bool {
        self.table.get(handle).is_some_and(|stream| {
            let is_small = stream.send.sent_bytes() < URGENT_BYTES_MAX;
            stream.opening.is_some() || stream.class < self.urgent_classes && is_small
        })
    }

    /// Whether the stream has more that could leave at once.
    pub(in crate::tmp) fn has_more(&self, handle: Handle) -> bool {
        self.table.get(handle).is_some_and(|stream| stream.send.sendable_bytes() > 0)
    }

    /// Writes `bytes` of a stream, lost ones first, as far as there is room; how many are left.
    pub(in crate::tmp) fn write_pieces(
        &mut self,
        handle: Handle,
        bytes: usize,
        writer: &mut FrameWriter<'_>,
        sent: &mut Sent,
        records: &mut u32,
    ) -> usize {
        let header_bytes = self.header_bytes(handle);
        let mut left = bytes;
        while left > 0 && writer.room() > header_bytes && sent.records_free() > 0 {
            let room = writer.room() - header_bytes;
            let Some(stream) = self.table.get_mut(handle) else { return 0 };
            let Some(piece) = stream.send.take_piece(&mut self.send, left.min(room)) else { return 0 };
            let header = SubHeader {
                stream: stream.id,
                offset_low: piece.offset as u32,
                is_final: piece.is_end,
                opening: stream.opening,
            };
            let slot = writer.put_sub(&header, piece.bytes);
            assert!(slot.is_some(), "the room was measured");
            if let Some(slot) = slot {
                stream.send.copy(&self.send, &piece, slot);
            }
            let record = Record { stream: handle, content: content_of(&piece) };
            sent.add_record(records, record);
            if self.doubles && stream.class < self.urgent_classes && self.twins.len() < TWINS_MAX {
                self.twins.push_back(record);
            }
            if piece.is_again {
                self.retransmitted_bytes += piece.bytes as u64;
            }
            left -= piece.bytes.max(1);
        }
        // An end that was lost apart from the last bytes does not count beside bytes that were lost as well; once
        // those have left it does, and the blender must hear of it.
        if self.table.get(handle).is_some_and(|stream| stream.send.owes_only_end()) {
            self.sendable.mark(handle.slot);
        }
        left
    }

    /// Writes what has just left on one path and is urgent once more, as far as there is room; true if any was written.
    pub(in crate::tmp) fn write_twins(
        &mut self,
        writer: &mut FrameWriter<'_>,
        sent: &mut Sent,
        records: &mut u32,
    ) -> bool {
        let before = writer.len();
        while let Some(record) = self.twins.front().copied() {
            let Content::Bytes { offset, len, is_end } = record.content else {
                self.twins.pop_front();
                continue;
            };
            let header_bytes = self.header_bytes(record.stream);
            if writer.room() < header_bytes + usize::from(len) || sent.records_free() == 0 {
                break;
            }
            self.twins.pop_front();
            let Some(stream) = self.table.get_mut(record.stream) else { continue };
            let piece = Piece { offset, bytes: len.into(), is_end, is_again: true };
            if !stream.send.keeps(&piece) {
                continue;
            }
            let header = SubHeader {
                stream: stream.id,
                offset_low: offset as u32,
                is_final: is_end,
                opening: stream.opening,
            };
            if let Some(slot) = writer.put_sub(&header, piece.bytes) {
                stream.send.copy(&self.send, &piece, slot);
                sent.add_record(records, record);
                self.retransmitted_bytes += piece.bytes as u64;
            }
        }
        writer.len() > before
    }

    /// What a packet carried has arrived. [TMP-46.1]
    pub(in crate::tmp) fn record_acked(&mut self, record: Record) {
        let handle = record.stream;
        let Some(stream) = self.table.get_mut(handle) else { return };
        match record.content {
            Content::Bytes { offset, len, is_end } => {
                stream.opening = None;
                if stream.send.acked(&mut self.send, offset, u64::from(len), is_end) {
                    self.sendable.mark(handle.slot);
                }
                let buffer_bytes = shared_buffer_bytes(&self.send, self.send_buffer_bytes);
                if stream.send.take_room_news(buffer_bytes) {
                    self.raise(handle, Flags::WRITABLE);
                }
                self.wake_starved();
            }
            Content::Reset => stream.send.reset_acked(),
            Content::Credit | Content::Stop | Content::Class => {}
        }
        self.settle(handle);
    }

    /// What a packet carried was lost, or is to be sent once more as a probe. [TMP-113.1]
    pub(in crate::tmp) fn record_lost(&mut self, record: Record) {
        let handle = record.stream;
        let Some(stream) = self.table.get_mut(handle) else { return };
        match record.content {
            Content::Bytes { offset, len, is_end } => {
                if stream.send.lost(&mut self.send, offset, u64::from(len), is_end) {
                    self.sendable.mark(handle.slot);
                }
            }
            Content::Credit => stream.due.credit |= stream.receive.wants_credit(),
            Content::Reset => stream.due.reset |= stream.send.reset_to_tell().is_some(),
            Content::Stop => stream.due.stop |= stream.receive.stop_to_tell().is_some(),
            Content::Class => stream.due.class = true,
        }
        if self.table.get(handle).is_some_and(|stream| stream.due.any()) {
            self.control.mark(handle.slot);
        }
    }

    /// Memory has become free: lets some of those that wait for it write, in turn.
    fn wake_starved(&mut self) {
        for _ in 0..WAKE_MAX {
            let Some(slot) = self.starved.pop() else { break };
            let buffer_bytes = shared_buffer_bytes(&self.send, self.send_buffer_bytes);
            let Some(handle) = self.table.handle_at(slot) else { continue };
            let Some(stream) = self.table.get_mut(handle) else { continue };
            if stream.send.take_room_news(buffer_bytes) {
                self.raise(handle, Flags::WRITABLE);
            } else if stream.send.wants_room() {
                self.starved.mark(slot);
            }
        }
    }
}

fn content_of(piece: &Piece) -> Content {
    Content::Bytes { offset: piece.offset, len: piece.bytes as u16, is_end: piece.is_end }
}

/// Writes what is due of one stream, for which there is room. As long as the opening is not acknowledged an empty
/// SUB with it comes first, so that the peer knows what the other frames speak of. [TMP-113.2]
fn write_due(
    stream: &mut Stream,
    now: crate::time::Instant,
    writer: &mut FrameWriter<'_>,
    note: &mut dyn FnMut(Content),
) {
    let due = core::mem::take(&mut stream.due);
    let id = stream.id;
    if due.any() && stream.opening.is_some() {
        let header = SubHeader { stream: id, offset_low: 0, is_final: false, opening: stream.opening };
        writer.put_sub(&header, 0);
        note(Content::Bytes { offset: 0, len: 0, is_end: false });
    }
    if due.credit && stream.receive.wants_credit() {
        let limit = stream.receive.window.announce(now, stream.receive.read_offset());
        writer.put(&Frame::Credit { stream: id, offset_max_low: limit as u32 });
        note(Content::Credit);
    }
    if let (true, Some((code, sent_bytes))) = (due.reset, stream.send.reset_to_tell()) {
        writer.put(&Frame::Reset { stream: id, code, final_offset_low: sent_bytes as u32 });
        note(Content::Reset);
    }
    if let (true, Some(code)) = (due.stop, stream.receive.stop_to_tell()) {
        writer.put(&Frame::Stop { stream: id, code });
        note(Content::Stop);
    }
    if due.class {
        writer.put(&Frame::Prio { stream: id, class: stream.class });
        note(Content::Class);
    }
    debug_assert!(stream.due == Due::default());
}
