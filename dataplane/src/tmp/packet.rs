//! The clear outside of the five kinds of packet: first bytes, ids, numbers. [TMP-1] [TMP-10]
//!
//! Not here: what is sealed inside (`handshake`, `seal`). `Packet::parse` looks at lengths and constants only;
//! nothing it says is authentic.

use crate::tmp::id::{PathId, ReceiverId};
use crate::tmp::limits::{
    DATA_BYTES_MIN, DATA_HEADER_BYTES, DATAGRAM_BYTES_MIN, NUMBER_BITS, RESET_TOKENS_MAX, TAG_BYTES,
};

/// First byte: version 1 above, kind below. [TMP-10]
pub(in crate::tmp) const INIT: u8 = 0x11;
pub(in crate::tmp) const RESP: u8 = 0x12;
pub(in crate::tmp) const COOKIE: u8 = 0x13;
pub(in crate::tmp) const DATA: u8 = 0x14;
pub(in crate::tmp) const RESET: u8 = 0x15;

/// Byte 1 of an INIT that continues no session: any worker may answer it. [TMP-12]
pub const OWNER_ANY: u8 = 255;
/// Where the owner of a datagram's receiver stands. [TMP-11]
pub const OWNER_AT: usize = 1;

/// Length of an INIT. [TMP-12]
pub(in crate::tmp) const INIT_BYTES: usize = DATAGRAM_BYTES_MIN;
/// Clear bytes in front of the Noise message of an INIT and of a RESP.
pub(in crate::tmp) const INIT_HEADER_BYTES: usize = 8;
pub(in crate::tmp) const RESP_HEADER_BYTES: usize = 8;
/// Length of either message authentication code.
pub(in crate::tmp) const MAC_BYTES: usize = 16;
/// Length of a COOKIE: header 8, nonce 24, sealed cookie 32. [TMP-14]
pub(in crate::tmp) const COOKIE_BYTES: usize = 64;
/// Clear bytes in front of the tokens of a RESET. [TMP-16]
pub(in crate::tmp) const RESET_HEADER_BYTES: usize = 12;
/// Longest RESP that is accepted; ours is far shorter, the room is for parameters to come. [TMP-13.1]
pub(in crate::tmp) const RESP_BYTES_MAX: usize = 256;
const RESP_BYTES_MIN: usize = RESP_HEADER_BYTES + 32 + TAG_BYTES + MAC_BYTES;

const VERSION: u8 = 1;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;

/// What a datagram says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// First message of a handshake.
    Init {
        /// How the answer shall name the sender.
        sender: ReceiverId,
    },
    /// Second message of a handshake.
    Resp {
        /// The initiator's id. The responder's own is sealed.
        receiver: ReceiverId,
    },
    /// The responder is busy and wants the sender's address proven.
    Cookie {
        /// The initiator's id.
        receiver: ReceiverId,
    },
    /// Sealed frames.
    Data {
        /// Names the keys.
        receiver: ReceiverId,
        /// The packet's path and the low bits of its number: see `split_mark`.
        mark: u32,
    },
    /// The receiver's peer does not know the id of a packet that was sent to it.
    Reset {
        /// The unknown id.
        unknown: ReceiverId,
        /// Path and number of the packet with it, as in its header.
        mark: u32,
    },
}

impl Packet {
    /// Reads the clear outside; `None` if this is no packet of version 1.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let len = datagram.len();
        match *datagram.first()? {
            INIT if len == INIT_BYTES && datagram[2] == VERSION => {
                Some(Self::Init { sender: id(datagram, 4) })
            }
            RESP if (RESP_BYTES_MIN..=RESP_BYTES_MAX).contains(&len) => {
                Some(Self::Resp { receiver: id(datagram, 1) })
            }
            COOKIE if len == COOKIE_BYTES => Some(Self::Cookie { receiver: id(datagram, 1) }),
            DATA if len >= DATA_BYTES_MIN => {
                Some(Self::Data { receiver: id(datagram, 1), mark: word(datagram, 5) })
            }
            RESET if is_reset_length(len) => {
                Some(Self::Reset { unknown: id(datagram, 4), mark: word(datagram, 8) })
            }
            _ => None,
        }
    }

    /// The worker that a datagram should be handed to; `None` if any will do. A RESET names no receiver: the
    /// one socket of the sender of the packet that it answers gets it. [TMP-12.1]
    pub fn owner(datagram: &[u8]) -> Option<u8> {
        match (datagram.first()?, *datagram.get(1)?) {
            (&INIT, OWNER_ANY) => None,
            (&INIT | &RESP | &COOKIE | &DATA, owner) => Some(owner),
            _ => None,
        }
    }
}

fn is_reset_length(len: usize) -> bool {
    let tokens = len.saturating_sub(RESET_HEADER_BYTES);
    tokens.is_multiple_of(MAC_BYTES) && (1..=RESET_TOKENS_MAX).contains(&(tokens / MAC_BYTES))
}

fn word(datagram: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&datagram[at..at + 4]);
    u32::from_be_bytes(bytes)
}

fn id(datagram: &[u8], at: usize) -> ReceiverId {
    ReceiverId(word(datagram, at))
}

/// Writes the header of an INIT.
pub(in crate::tmp) fn write_init_header(out: &mut [u8], owner: u8, sender: ReceiverId) {
    out[..4].copy_from_slice(&[INIT, owner, VERSION, 0]);
    out[4..INIT_HEADER_BYTES].copy_from_slice(&sender.0.to_be_bytes());
}

/// Writes the header of a RESP or of a COOKIE, as `kind` says.
pub(in crate::tmp) fn write_answer_header(out: &mut [u8], kind: u8, receiver: ReceiverId) {
    out[0] = kind;
    out[1..5].copy_from_slice(&receiver.0.to_be_bytes());
    out[5..8].fill(0);
}

/// Writes the header of a DATA packet.
pub(in crate::tmp) fn write_data_header(out: &mut [u8], receiver: ReceiverId, mark: u32) {
    out[0] = DATA;
    out[1..5].copy_from_slice(&receiver.0.to_be_bytes());
    out[5..DATA_HEADER_BYTES].copy_from_slice(&mark.to_be_bytes());
}

/// What names a packet in its header: the path in the two high bits, below them the low bits of the number. [TMP-21]
pub const fn packet_mark(path: PathId, number: u64) -> u32 {
    (path.0 as u32) << NUMBER_BITS | number as u32 & NUMBER_MASK
}

/// The inverse of `packet_mark`.
pub const fn split_mark(mark: u32) -> (PathId, u32) {
    (PathId((mark >> NUMBER_BITS) as u8), mark & NUMBER_MASK)
}

/// Writes the header of a RESET.
pub(in crate::tmp) fn write_reset_header(out: &mut [u8], unknown: ReceiverId, mark: u32) {
    out[..4].copy_from_slice(&[RESET, 0, 0, 0]);
    out[4..8].copy_from_slice(&unknown.0.to_be_bytes());
    out[8..RESET_HEADER_BYTES].copy_from_slice(&mark.to_be_bytes());
}

/// The full number whose low `NUMBER_BITS` are `low`: the one nearest to `expected`, which is the one after the
/// largest authenticated so far. Never below 0. [TMP-21] [TMP-21.1]
pub const fn full_number(expected: u64, low: u32) -> u64 {
    const SPAN: u64 = 1 << NUMBER_BITS;
    let candidate = expected & !(SPAN - 1) | low as u64;
    if candidate + SPAN / 2 <= expected {
        candidate + SPAN
    } else if candidate > expected + SPAN / 2 && candidate >= SPAN {
        candidate - SPAN
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn numbers_within_half_the_span_are_rebuilt(expected in 0u64..1 << 60, off in -(1i64 << 29) + 1..1i64 << 29) {
            let number = expected.saturating_add_signed(off);
            assert_eq!(full_number(expected, number as u32 & NUMBER_MASK), number);
        }

        #[test]
        fn any_datagram_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..1300)) {
            let _ = (Packet::parse(&bytes), Packet::owner(&bytes));
        }

        #[test]
        fn data_headers_round_trip(id in any::<u32>(), path in 0u8..4, number in any::<u64>()) {
            let mut out = [0; DATA_BYTES_MIN];
            let mark = packet_mark(PathId(path), number);
            assert_eq!(split_mark(mark), (PathId(path), number as u32 & NUMBER_MASK));
            write_data_header(&mut out, ReceiverId(id), mark);
            let expected = Packet::Data { receiver: ReceiverId(id), mark };
            assert_eq!(Packet::parse(&out), Some(expected));
            assert_eq!(Packet::owner(&out), Some((id >> 24) as u8));
        }
    }

    /// [TMP-10.1]
    #[test]
    fn lengths_that_are_not_exact_are_no_packets() {
        let mut init = [0; INIT_BYTES + 1];
        write_init_header(&mut init, OWNER_ANY, ReceiverId(5));
        assert_eq!(Packet::parse(&init[..INIT_BYTES]), Some(Packet::Init { sender: ReceiverId(5) }));
        assert_eq!(Packet::parse(&init), None);
        assert_eq!(Packet::parse(&init[..INIT_BYTES - 1]), None);
        assert_eq!(Packet::owner(&init), None);
        let mut reset = [0; 45];
        write_reset_header(&mut reset, ReceiverId(5), 6);
        assert_eq!(Packet::parse(&reset[..44]), Some(Packet::Reset { unknown: ReceiverId(5), mark: 6 }));
        assert_eq!(Packet::parse(&reset), None);
        assert_eq!(Packet::parse(&reset[..12]), None);
        assert_eq!(Packet::parse(&[DATA; 43]), None);
    }
}
