//! What the peer's frames do to streams. A frame of a stream that is over is counted and forgotten: it is late.

use crate::stdx::slab::Handle;
use crate::tmp::credit::Window;
use crate::tmp::frame::{Opening, Sub};
use crate::tmp::id::{Side, StreamId};
use crate::tmp::offset::widen;
use crate::tmp::receive_stream::{ReceiveStream, Refusal};
use crate::tmp::send_stream::SendStream;
use crate::tmp::stream::{Flags, Stream};
use crate::tmp::stream_table::Named;
use crate::tmp::streams::Streams;

impl Streams {
    /// SUB. [TMP-46] [TMP-40.2]
    pub(in crate::tmp) fn handle_sub(&mut self, sub: &Sub<'_>) -> Result<(), Refusal> {
        let handle = match (self.table.named(sub.stream), sub.opening) {
            (Named::Living(handle), _) => handle,
            (Named::New, Some(opening)) if self.side == Side::Acceptor => self.accept(sub.stream, opening)?,
            (Named::New, _) => return Err(Refusal::Violation),
            (Named::Over, _) => {
                self.late_frames += 1;
                return Ok(());
            }
        };
        let Some(stream) = self.table.get_mut(handle) else { return Ok(()) };
        let offset = widen(sub.offset_low, stream.receive.highest());
        let receive = &mut stream.receive;
        let news = receive.receive(&mut self.receive, offset, sub.data, sub.is_final)?;
        if receive.is_held_by_hole()
            && receive.wants_credit()
            && receive.window.strained(&mut self.budget, &self.bounds, receive.highest())
        {
            stream.due.credit = true;
            self.control.mark(handle.slot);
        }
        if news {
            self.raise(handle, Flags::READABLE);
        }
        if sub.is_final {
            self.settle(handle);
        }
        Ok(())
    }

    /// CREDIT. [TMP-112.1]
    pub(in crate::tmp) fn handle_credit(&mut self, id: StreamId, limit_low: u32) {
        let Some((handle, stream)) = self.known(id) else { return };
        let limit = widen(limit_low, stream.send.limit());
        if stream.send.credit(limit) {
            self.sendable.mark(handle.slot);
        }
    }

    /// RESET. [TMP-53]
    pub(in crate::tmp) fn handle_reset(&mut self, id: StreamId, code: u16) {
        let Some(handle) = self.known(id).map(|(handle, _)| handle) else { return };
        let Some(stream) = self.table.get_mut(handle) else { return };
        if stream.receive.reset(&mut self.receive) {
            stream.reset_code = code;
            // What could be read is gone.
            stream.events.take(Flags::READABLE);
            self.raise(handle, Flags::RESET);
        }
        self.settle(handle);
    }

    /// STOP: the sending half is reset with the same code, as nobody reads it. [TMP-113]
    pub(in crate::tmp) fn handle_stop(&mut self, id: StreamId, code: u16) {
        let Some(handle) = self.known(id).map(|(handle, _)| handle) else { return };
        if self.give_up_sending(handle, code)
            && let Some(stream) = self.table.get_mut(handle)
        {
            stream.stop_code = code;
            self.raise(handle, Flags::STOPPED);
        }
    }

    /// PRIO. [TMP-55]
    pub(in crate::tmp) fn handle_class(&mut self, id: StreamId, class: u8) {
        let Some((handle, stream)) = self.known(id) else { return };
        stream.class = class;
        self.sendable.mark(handle.slot);
    }

    fn known(&mut self, id: StreamId) -> Option<(Handle, &mut Stream)> {
        if self.table.find(id).is_none() {
            self.late_frames += 1;
        }
        self.find_mut(id)
    }

    /// [TMP-46.2] [TMP-112] [TMP-114]
    fn accept(&mut self, id: StreamId, opening: Opening) -> Result<Handle, Refusal> {
        if self.table.is_full() {
            return Err(Refusal::NoRoom);
        }
        let window = Window::new(&mut self.budget, &self.bounds, self.peer_flight_bytes, self.now);
        let mut window = window.ok_or(Refusal::NoRoom)?;
        let more = window.set_assumed(self.bounds.bytes_min);
        let send = SendStream::new(u64::from(opening.credit_bytes));
        let mut stream = Stream::new(id, opening.class, opening.kind, send, ReceiveStream::new(window));
        stream.due.credit = more;
        let handle = self.table.insert(stream);
        if more {
            self.control.mark(handle.slot);
        }
        self.opened += 1;
        self.raise(handle, Flags::OPENED);
        Ok(handle)
    }
}
