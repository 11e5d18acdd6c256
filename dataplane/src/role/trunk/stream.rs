//! One stream of a tunnel as the trunk sees it: who is at this end, and how much each side may still say.

use crate::compression::{Incoming, Outgoing};
use crate::exchange::link::{Asker, Served, Way};
use crate::time::Instant;
use crate::tmp::id::StreamId;

/// Who is at this end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A part that asked; the stream carries its exchange away.
    Asker(Asker),
    /// The far end asks; its opening envelope has not been read whole yet.
    Opening,
    /// A part that serves what the far end asks.
    Server(Way, Served),
    /// Nobody any more: what still comes is thrown away until the tunnel forgets the stream too.
    Nobody,
}

/// The wait of a stream's first bytes at the end that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// They have not left.
    Waiting,
    /// They left after so many µs.
    Left(u32),
    /// The asker knows.
    Told,
}

/// The record of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) end: End,
    /// Bytes that may still be handed to this end.
    pub(crate) credit: u32,
    /// Bytes that this end handed in and for which it has not got new room.
    pub(crate) owed: u32,
    pub(crate) class: u8,
    pub(crate) opened: Instant,
    /// How long its first bytes waited for their packet, until the asker has been told.
    pub(crate) queued: Queued,
    /// This end has been told the far end's last byte.
    pub(crate) is_told_end: bool,
    /// The far end reads no more of it: what this end still writes is thrown away.
    pub(crate) is_stopped: bool,
    /// It stands on the list of streams to pour.
    pub(crate) is_listed: bool,
    /// It stands on the list of streams that may get room.
    pub(crate) is_owing: bool,
    /// How this end's half is written, and the far end's read.
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    /// By how many bytes the tunnel carried less than was said, both ways, as far as the asker has not been told.
    pub(crate) saved_bytes: i64,
}

impl Stream {
    /// A stream that has just been opened, by either end.
    pub(crate) fn new(now: Instant, id: StreamId, end: End, class: u8, credit: u32) -> Self {
        let queued = if matches!(end, End::Asker(_)) { Queued::Waiting } else { Queued::Told };
        Self {
            id,
            end,
            credit,
            owed: 0,
            class,
            opened: now,
            queued,
            is_told_end: false,
            is_stopped: false,
            is_listed: false,
            is_owing: false,
            outgoing: Outgoing::PLAIN,
            incoming: Incoming::default(),
            saved_bytes: 0,
        }
    }
}

/// Streams by slot, and which of them need a look.
#[derive(Debug)]
pub(crate) struct Streams {
    slots: Vec<Option<Stream>>,
    listed: Vec<StreamId>,
    owing: Vec<StreamId>,
    count: usize,
}

impl Streams {
    /// For at most `max` streams (65,535 at the most).
    pub(crate) fn new(max: usize) -> Self {
        Self {
            slots: Vec::with_capacity(max),
            listed: Vec::with_capacity(max),
            owing: Vec::with_capacity(max),
            count: 0,
        }
    }

    /// Records a stream.
    pub(crate) fn insert(&mut self, stream: Stream) {
        let slot = usize::from(stream.id.slot);
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.count += usize::from(self.slots[slot].is_none());
        self.slots[slot] = Some(stream);
    }

    /// Forgets a stream.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let slot = self.slots.get_mut(usize::from(id.slot))?;
        let stream = slot.take_if(|stream| stream.id == id)?;
        self.count -= 1;
        Some(stream)
    }

    /// The record of a stream, if it still lives.
    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.slots.get_mut(usize::from(id.slot))?.as_mut().filter(|stream| stream.id == id)
    }

    /// The stream that lives in a slot.
    pub(crate) fn at(&self, slot: usize) -> Option<&Stream> {
        self.slots.get(slot)?.as_ref()
    }

    /// Slots ever used.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Streams that live.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Puts a stream on the list of those to pour, once.
    pub(crate) fn list(&mut self, id: StreamId) {
        if let Some(stream) = self.get_mut(id)
            && !stream.is_listed
        {
            stream.is_listed = true;
            self.listed.push(id);
        }
    }

    /// Takes a stream off that list.
    pub(crate) fn take_listed(&mut self) -> Option<StreamId> {
        loop {
            let id = self.listed.pop()?;
            if let Some(stream) = self.get_mut(id) {
                stream.is_listed = false;
                return Some(id);
            }
        }
    }

    /// Puts a stream on the list of those that may get room, once.
    pub(crate) fn list_owing(&mut self, id: StreamId) {
        if let Some(stream) = self.get_mut(id)
            && !stream.is_owing
        {
            stream.is_owing = true;
            self.owing.push(id);
        }
    }

    /// Takes a stream off that list.
    pub(crate) fn take_owing(&mut self) -> Option<StreamId> {
        loop {
            let id = self.owing.pop()?;
            if let Some(stream) = self.get_mut(id) {
                stream.is_owing = false;
                return Some(id);
            }
        }
    }

    /// Whether anything is listed.
    pub(crate) fn has_listed(&self) -> bool {
        !self.listed.is_empty()
    }
}
