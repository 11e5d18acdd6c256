//! What an event is about, packed into mio's token (64 bits).
//!
//! ```text
//!   generation (32) | slot (32)      a connection: slot below `SPECIAL`
//!   number     (32) | SPECIAL + kind listener, UDP socket, bell, timer
//! ```
//! The generation makes an event that was under way for a closed connection find nothing.

use mio::Token;

use crate::port::TcpId;
use crate::stdx::slab::Handle;

/// First slot number that is not a connection's.
const SPECIAL: u32 = u32::MAX - 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Tcp(TcpId),
    Listener(usize),
    Udp(usize),
    Bell,
    Alarm,
}

impl Source {
    pub(crate) fn to_token(self) -> Token {
        let special = |kind, number: usize| Handle { slot: SPECIAL + kind, generation: number as u32 };
        let handle = match self {
            Self::Tcp(tcp) => tcp.0,
            Self::Listener(number) => special(0, number),
            Self::Udp(number) => special(1, number),
            Self::Bell => special(2, 0),
            Self::Alarm => special(3, 0),
        };
        Token(handle.to_u64() as usize)
    }

    pub(crate) fn from_token(token: Token) -> Self {
        let handle = Handle::from_u64(token.0 as u64);
        let number = handle.generation as usize;
        match handle.slot.checked_sub(SPECIAL) {
            None => Self::Tcp(TcpId(handle)),
            Some(0) => Self::Listener(number),
            Some(1) => Self::Udp(number),
            Some(2) => Self::Bell,
            Some(_) => Self::Alarm,
        }
    }
}

const _: () = assert!(usize::BITS == 64, "a token holds a handle");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_the_trip() {
        let tcp = |slot, generation| Source::Tcp(TcpId(Handle { slot, generation }));
        let all = [
            tcp(0, 0),
            tcp(SPECIAL - 1, u32::MAX),
            Source::Listener(0),
            Source::Listener(9),
            Source::Udp(3),
            Source::Bell,
            Source::Alarm,
        ];
        for source in all {
            assert_eq!(Source::from_token(source.to_token()), source);
        }
    }
}
