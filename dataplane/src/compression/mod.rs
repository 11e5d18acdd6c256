//! Compression of what streams carry: codecs, the blocks that they make, and what a sender may compress.
//!
//! ```text
//!  role says a scope ─► Outgoing: bytes ─► blocks ═══ stream ═══ Incoming: blocks ─► bytes
//! ```
//! Sans-IO: bytes in, bytes out. Each block can be unpacked as soon as it has come, by itself: neither end keeps a window
//! for a stream, so a stream costs a few bytes of state, and nothing of one stream or of one block shows in the length of
//! another. The normative text is `exchange/SPEC.md`, section 4. Not here: which messages may be compressed
//! (`role::compressible`), and what becomes of the blocks (`role::trunk`).

mod block;
mod codec;
mod coder;
mod counters;
mod dictionary;
pub mod fuzz;
mod incoming;
mod lz4;
mod outgoing;
mod scope;

pub use block::{BLOCK_BYTES_MAX, EXPANSION_BYTES_MAX, TAG_BYTES_MAX};
pub use codec::{BadBlock, Codec, OFFER, Offer};
pub use coder::{Decoder, Encoder};
pub use counters::{CodecBytes, CompressionCounters};
pub use dictionary::{DICTIONARY, DICTIONARY_ID};
pub use incoming::{Front, Incoming};
pub use outgoing::{Outgoing, Packed};
pub use scope::{Scope, Terms, Why};
