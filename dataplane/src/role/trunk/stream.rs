//! One stream of a tunnel as the trunk sees it: who is at this end, and how much each side may still say.

use crate::exchange::link::{Asker, Served, Way};
use crate::time::Instant;
use crate::tmp::id::StreamId;

/// Who is at this end of a stream.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// A part that asked; the stream carries its exchange away.
    Asker(Asker),
    /// The opening envelope has not been read whole yet.
    Opening,
    /// A part that serves what came in.
    Server(Way, Served),
}

/// The record of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The stream that lives in this slot.
    pub id: StreamId,
    /// Who is at this end.
    pub end: End,
    /// Bytes that may still be handed to this end.
    pub credit: u32,
    /// Bytes that this end handed in and that have not yet been sent for the first time.
    pub unsent: u32,
    /// Bytes sent for the first time for which this end has not got new room.
    pub owed: u32,
    /// Priority class.
    pub class: u8,
    /// When it was opened.
    pub opened: Instant,
    /// This end has said its last byte.
    pub finished_out: bool,
    /// This end has been told the far end's last byte.
    pub finished_in: bool,
    /// It stands on the list of streams that have something for this end.
    pub is_listed: bool,
}

/// Streams by slot, and which of them need a look.
#[derive(Debug)]
pub struct Streams {
    slots: Vec<Option<Stream>>,
    listed: Vec<u16>,
    count: usize,
}

impl Streams {
    /// For at most `max` streams (65,535 at the most).
    pub fn new(max: usize) -> Self {
        Self { slots: Vec::with_capacity(max), listed: Vec::with_capacity(max), count: 0 }
    }

    /// Records a stream.
    pub fn insert(&mut self, stream: Stream) {
        let slot = usize::from(stream.id.slot);
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.count += usize::from(self.slots[slot].is_none());
        self.slots[slot] = Some(stream);
    }

    /// Forgets a stream.
    pub fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let slot = self.slots.get_mut(usize::from(id.slot))?;
        let stream = slot.take_if(|stream| stream.id == id)?;
        self.count -= 1;
        Some(stream)
    }

    /// The record of a stream, if it still lives.
    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.slots.get_mut(usize::from(id.slot))?.as_mut().filter(|stream| stream.id == id)
    }

    /// Puts a stream on the list, once.
    pub fn list(&mut self, id: StreamId) {
        if let Some(stream) = self.get_mut(id)
            && !stream.is_listed
        {
            stream.is_listed = true;
            self.listed.push(id.slot);
        }
    }

    /// How many are listed now.
    pub fn listed_count(&self) -> usize {
        self.listed.len()
    }

    /// Takes the oldest `count` listed streams off the list one by one; call with an index below `listed_count`.
    pub fn listed_at(&mut self, index: usize) -> Option<StreamId> {
        let slot = usize::from(*self.listed.get(index)?);
        let stream = self.slots.get_mut(slot)?.as_mut()?;
        stream.is_listed = false;
        Some(stream.id)
    }

    /// Drops the first `count` of the list, which have been looked at.
    pub fn forget_listed(&mut self, count: usize) {
        self.listed.drain(..count);
    }

    /// A stream by slot, for walks over all of them.
    pub fn at(&self, slot: usize) -> Option<&Stream> {
        self.slots.get(slot)?.as_ref()
    }

    /// Slots ever used.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Streams that live.
    pub fn count(&self) -> usize {
        self.count
    }
}
