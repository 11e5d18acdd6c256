//! How the parts of a node name their records in one word: for the port's tokens and for timers.
//!
//! ```text
//! part 8 · generation 24 · slot 32
//! ```

use crate::port::Token;
use crate::stdx::slab::Handle;

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A client's connection.
    Client,
    /// A client's exchange.
    Exchange,
    /// A connection to an origin.
    Connection,
    /// A fetch from an origin.
    Fetch,
    /// A connection that carries a tunnel's datagrams.
    Carrier,
}

/// What a connection is called before its record exists.
pub const NONE: Token = Token(0);

/// One word for a record.
pub const fn pack(part: Part, handle: Handle) -> Token {
    let part = match part {
        Part::Client => 1,
        Part::Exchange => 2,
        Part::Connection => 3,
        Part::Fetch => 4,
        Part::Carrier => 5,
    };
    Token((part as u64) << 56 | (handle.generation as u64) << 32 | handle.slot as u64)
}

/// The inverse of `pack`; `None` for a token that nobody set.
pub const fn unpack(token: Token) -> Option<(Part, Handle)> {
    let part = match token.0 >> 56 {
        1 => Part::Client,
        2 => Part::Exchange,
        3 => Part::Connection,
        4 => Part::Fetch,
        5 => Part::Carrier,
        _ => return None,
    };
    Some((part, Handle { slot: token.0 as u32, generation: (token.0 >> 32) as u32 & 0x00ff_ffff }))
}
