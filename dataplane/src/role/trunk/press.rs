//! What a trunk packs and unpacks with: one stage, one set of codecs, for all streams of the worker. See `pack` and `unpack`.
//!
//! What parts write into streams in blocks is gathered for as long as one stream is written to, at most to the end of the turn,
//! and packed then. So a head and the body behind it make one block, the pieces of a chunk do, and yet no byte waits for
//! another that has not come. Who writes to another stream, or has no more to write, empties the stage.

use crate::compression::{BLOCK_BYTES_MAX, Decoder, Encoder, TAG_BYTES_MAX};
use crate::tmp::id::StreamId;

/// What is gathered at most before it is packed.
pub(crate) const STAGE_BYTES: usize = 16 << 10;

/// What one worker packs and unpacks with.
pub(crate) struct Press {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    pub(crate) staged: Vec<u8>,
    /// The stream, by line and id, whose bytes are staged.
    pub(crate) of: Option<(usize, StreamId)>,
    /// What the stream gets for them.
    pub(crate) packed: Vec<u8>,
    /// A packed block that does not lie together in the tunnel's memory.
    pub(crate) gathered: Vec<u8>,
    /// The block that was unpacked last, and whose it is as long as some of it is still to be handed on.
    pub(crate) unpacked: Vec<u8>,
    pub(crate) unpacked_of: Option<(usize, StreamId)>,
}

impl Press {
    /// A press that has packed nothing.
    pub(crate) fn new() -> Self {
        Self {
            encoder: Encoder::default(),
            decoder: Decoder::default(),
            staged: Vec::with_capacity(STAGE_BYTES),
            of: None,
            packed: Vec::with_capacity(STAGE_BYTES + BLOCK_BYTES_MAX),
            gathered: Vec::with_capacity(BLOCK_BYTES_MAX + TAG_BYTES_MAX),
            unpacked: Vec::with_capacity(BLOCK_BYTES_MAX),
            unpacked_of: None,
        }
    }

    /// Nothing of a line's streams is of use any more: its slot gets another tunnel.
    pub(crate) fn forget_line(&mut self, slot: usize) {
        if self.of.is_some_and(|(line, _)| line == slot) {
            self.of = None;
            self.staged.clear();
        }
        if self.unpacked_of.is_some_and(|(line, _)| line == slot) {
            self.unpacked_of = None;
        }
    }

    /// Nobody wants what a stream has written.
    pub(crate) fn forget(&mut self, slot: usize, id: StreamId) {
        if self.of == Some((slot, id)) {
            self.of = None;
            self.staged.clear();
        }
    }
}
