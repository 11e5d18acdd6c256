//! What a tunnel tells the role, and what the role tells the blender.

use crate::tmp::id::StreamId;

/// `open` found no free stream: the role opens a further session, or waits for `Closed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Something that happened. Events of one stream are coalesced: at most one of each kind waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer opened a stream (accepting end only).
    Opened {
        /// The stream.
        stream: StreamId,
        /// Its class, opaque here.
        class: u8,
        /// What it carries, opaque here.
        kind: u8,
    },
    /// `read` has something that it had not, or the end was reached.
    Readable(StreamId),
    /// `write` takes bytes again after it took fewer than were offered.
    Writable(StreamId),
    /// The peer gave up its sending half: what was not yet read is gone.
    Reset {
        /// The stream.
        stream: StreamId,
        /// The peer's reason.
        code: u16,
    },
    /// The peer reads no more: the sending half has been reset with the same code.
    Stopped {
        /// The stream.
        stream: StreamId,
        /// The peer's reason.
        code: u16,
    },
    /// Both halves are done and the id is free. The last event of a stream.
    Closed(StreamId),
    /// Nothing came through for several probe time-outs. Streams are kept.
    PathLost,
    /// The peer acknowledges again.
    PathFound,
    /// The peer closed the tunnel.
    PeerClosed {
        /// The peer's reason.
        code: u16,
    },
}

/// How many bytes of a stream the blender may grant from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sendable {
    /// The stream.
    pub stream: StreamId,
    /// Its class as last set by either end.
    pub class: u8,
    /// All of them: lost ones and new ones that have credit. An end without bytes counts as one.
    pub bytes: usize,
    /// Some were lost and stop the reader: they belong at the head of their ring.
    pub lost: bool,
}
