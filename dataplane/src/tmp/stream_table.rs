//! Finds a stream by its name on the wire, and names new ones.
//!
//! ```text
//! id = slot 16 bits · generation 8 bits        at[slot] ──► newest use of the slot ──older──► …
//! ```
//! A direct array, so a packet finds its streams without hashing. The opener takes free slots first in, first
//! out, and uses a thousand before it uses one again: a name comes back after 262,144 streams, when nothing
//! of the old one can be under way. The acceptor learns names from the wire; where the opener is done with a
//! slot sooner than the acceptor's reader, two uses of it live side by side. Nothing is allocated after `new`.
//! [TMP-110] [TMP-111]

use crate::stdx::slab::{Handle, Slab};
use crate::tmp::id::StreamId;
use crate::tmp::limits::STREAMS_MAX;
use crate::tmp::stream::Stream;
use std::collections::VecDeque;

/// Slots that are used before one is used again.
const SLOTS_BEFORE_REUSE: usize = 1_024;

/// What a name that came in stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A stream that lives.
    Living(Handle),
    /// A use of the slot that has not been seen yet.
    New,
    /// A use that is over.
    Over,
}

/// The table.
#[derive(Debug)]
pub struct StreamTable {
    streams: Slab<Stream>,
    /// 0, or the newest use's generation in the slab above its slot + 1.
    at: Box<[u64]>,
    /// The generation that the next use of the slot has at least.
    next_generation: Box<[u8]>,
    /// Slots that were used and are free, at the opener.
    free: VecDeque<u16>,
    fresh: usize,
}

impl StreamTable {
    /// A table of at most `streams_max` streams.
    pub fn new(streams_max: usize) -> Self {
        assert!(streams_max <= STREAMS_MAX, "slots have sixteen bits");
        Self {
            streams: Slab::new(streams_max),
            at: vec![0; STREAMS_MAX].into_boxed_slice(),
            next_generation: vec![0; STREAMS_MAX].into_boxed_slice(),
            free: VecDeque::with_capacity(streams_max),
            fresh: 0,
        }
    }

    /// A name for a new stream, for the opener; `None` if the table is full.
    pub fn new_id(&mut self) -> Option<StreamId> {
        if self.streams.is_full() {
            return None;
        }
        let fresh_first = self.fresh < SLOTS_BEFORE_REUSE.min(self.streams.capacity());
        let slot = if fresh_first { None } else { self.free.pop_front() };
        let slot = slot.or_else(|| {
            self.fresh += 1;
            u16::try_from(self.fresh - 1).ok()
        })?;
        Some(StreamId { slot, generation: self.next_generation[usize::from(slot)] })
    }

    /// Puts a stream in under its name, which is new; the table is not full.
    pub fn insert(&mut self, mut stream: Stream) -> Handle {
        let id = stream.id;
        let slot = usize::from(id.slot);
        stream.older = self.newest(id.slot);
        let Ok(handle) = self.streams.insert(stream) else { panic!("whoever inserts asked first") };
        self.next_generation[slot] = id.generation.wrapping_add(1);
        self.set_newest(id.slot, Some(handle));
        handle
    }

    /// Takes a stream out. The opener may use its slot again.
    pub fn remove(&mut self, handle: Handle, reuse: bool) -> Option<Stream> {
        let stream = self.streams.remove(handle)?;
        self.unlink(handle, &stream);
        if reuse {
            self.free.push_back(stream.id.slot);
        }
        Some(stream)
    }

    /// What a name stands for. [TMP-41.1]
    pub fn named(&self, id: StreamId) -> Named {
        if let Some(handle) = self.find(id) {
            return Named::Living(handle);
        }
        match self.next_generation.get(usize::from(id.slot)) {
            Some(next) if id.generation.wrapping_sub(*next) < 128 => Named::New,
            Some(_) | None => Named::Over,
        }
    }

    /// The living stream of that name.
    pub fn find(&self, id: StreamId) -> Option<Handle> {
        let mut next = self.newest(id.slot);
        while let Some(handle) = next {
            let stream = self.streams.get(handle)?;
            if stream.id == id {
                return Some(handle);
            }
            next = stream.older;
        }
        None
    }

    /// The stream, if it lives.
    pub fn get(&self, handle: Handle) -> Option<&Stream> {
        self.streams.get(handle)
    }

    /// The stream for writing, if it lives.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Stream> {
        self.streams.get_mut(handle)
    }

    /// What lives in a slot of the slab now.
    pub fn handle_at(&self, slab_slot: u32) -> Option<Handle> {
        self.streams.handle_at(slab_slot)
    }

    /// Whether `insert` has no room.
    pub fn is_full(&self) -> bool {
        self.streams.is_full()
    }

    /// Streams that live.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// All that live, in no order that means anything.
    pub fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.streams.handles()
    }

    fn unlink(&mut self, handle: Handle, stream: &Stream) {
        let mut next = self.newest(stream.id.slot);
        if next == Some(handle) {
            self.set_newest(stream.id.slot, stream.older);
            return;
        }
        while let Some(newer) = next.and_then(|newer| self.streams.get_mut(newer)) {
            if newer.older == Some(handle) {
                newer.older = stream.older;
                return;
            }
            next = newer.older;
        }
    }

    fn newest(&self, slot: u16) -> Option<Handle> {
        let word = *self.at.get(usize::from(slot))?;
        (word != 0).then(|| Handle::from_u64(word - 1))
    }

    fn set_newest(&mut self, slot: u16, handle: Option<Handle>) {
        self.at[usize::from(slot)] = handle.map_or(0, |handle| handle.to_u64() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;
    use crate::tmp::credit::{Budget, Window, WindowBounds};
    use crate::tmp::receive_stream::ReceiveStream;
    use crate::tmp::send_stream::SendStream;

    fn stream(id: StreamId) -> Stream {
        let bounds = WindowBounds { bytes_min: 1, bytes_usual: 1, bytes_max: 1 };
        let window = Window::new(&mut Budget::new(1, 9, 1, 1), &bounds, 0, Instant::ORIGIN).unwrap();
        Stream::new(id, 0, 0, SendStream::new(0), ReceiveStream::new(window))
    }

    fn open(table: &mut StreamTable) -> (StreamId, Handle) {
        let id = table.new_id().unwrap();
        (id, table.insert(stream(id)))
    }

    /// [TMP-41.1] [TMP-110]
    #[test]
    fn slots_come_back_in_order_with_the_next_generation() {
        let mut table = StreamTable::new(2_000);
        for slot in 0..1_024 {
            let (id, handle) = open(&mut table);
            assert_eq!(id, StreamId { slot, generation: 0 });
            table.remove(handle, true);
        }
        assert_eq!(table.named(StreamId { slot: 3, generation: 0 }), Named::Over);
        let (id, handle) = open(&mut table);
        assert_eq!(id, StreamId { slot: 0, generation: 1 });
        assert_eq!(table.named(id), Named::Living(handle));
        assert_eq!(table.named(StreamId { slot: 0, generation: 2 }), Named::New);
    }

    #[test]
    fn a_full_table_names_nobody() {
        let mut table = StreamTable::new(2);
        let (_, first) = open(&mut table);
        open(&mut table);
        assert_eq!(table.new_id(), None);
        table.remove(first, true);
        assert_eq!(table.new_id(), Some(StreamId { slot: 0, generation: 1 }));
    }

    /// [TMP-111]
    #[test]
    fn two_uses_of_a_slot_live_side_by_side() {
        let mut table = StreamTable::new(9);
        let ids = [0, 1, 2].map(|generation| StreamId { slot: 7, generation });
        let handles = ids.map(|id| table.insert(stream(id)));
        assert!((0..3).all(|use_of| table.find(ids[use_of]) == Some(handles[use_of])));
        table.remove(handles[1], false);
        assert_eq!([table.find(ids[0]), table.find(ids[1])], [Some(handles[0]), None]);
        table.remove(handles[2], false);
        assert_eq!((table.find(ids[0]), table.named(ids[2])), (Some(handles[0]), Named::Over));
        table.remove(handles[0], false);
        assert_eq!((table.find(ids[0]), table.len()), (None, 0));
    }
}
