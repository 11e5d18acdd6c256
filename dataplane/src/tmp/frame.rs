//! The frames inside a DATA packet, decoded without copying. Not here: writing them (`frame_writer`). [TMP-40]
//!
//! All integers are big-endian; offsets are the low 32 bits of 64. `Frames` walks a payload and ends after
//! the first error, because nothing that follows a malformed frame can be trusted to begin where it seems to.

use crate::tmp::ack_frame::Ack;
use crate::tmp::error::Malformed;
use crate::tmp::id::StreamId;
use crate::tmp::limits::REPAIR_RUN_MAX;

pub(in crate::tmp) const PAD: u8 = 0x00;
pub(in crate::tmp) const PING: u8 = 0x01;
pub(in crate::tmp) const ACK: u8 = 0x02;
pub(in crate::tmp) const QUALITY: u8 = 0x03;
pub(in crate::tmp) const ACK_POLICY: u8 = 0x04;
pub(in crate::tmp) const TUNNEL_CREDIT: u8 = 0x05;
pub(in crate::tmp) const CREDIT: u8 = 0x06;
pub(in crate::tmp) const RESET: u8 = 0x09;
pub(in crate::tmp) const STOP: u8 = 0x0a;
pub(in crate::tmp) const PRIO: u8 = 0x0b;
pub(in crate::tmp) const PATH_CHALLENGE: u8 = 0x0c;
pub(in crate::tmp) const PATH_RESPONSE: u8 = 0x0d;
pub(in crate::tmp) const CLOSE: u8 = 0x10;
pub(in crate::tmp) const BLOCKED: u8 = 0x11;
pub(in crate::tmp) const SUB: u8 = 0x20;
pub(in crate::tmp) const SUB_FIN: u8 = 1;
pub(in crate::tmp) const SUB_LAST: u8 = 2;
pub(in crate::tmp) const SUB_OPEN: u8 = 4;
pub(in crate::tmp) const REPAIR: u8 = 0x30;
const SUB_TYPE_MAX: u8 = SUB | SUB_FIN | SUB_LAST | SUB_OPEN;

/// Nothing comes through on the path.
pub const PATH_LOST: u8 = 1;
/// What waits in the tunnel takes longer to leave than the operator bears. [TMP-164.1]
pub const TUNNEL_FULL: u8 = 2;

/// What one end tells the other about the path it sends on. [TMP-47]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// The path; 0 until there are several.
    pub path: u8,
    /// Time that the report covers.
    pub interval_ms: u16,
    /// Smoothed round trip time.
    pub srtt_us: u32,
    /// Least round trip time.
    pub min_rtt_us: u32,
    /// Variation of the round trip time.
    pub rttvar_us: u32,
    /// Queueing delay on the way to the sender of this frame.
    pub forward_queue_us: u32,
    /// Packets lost in the last 10 s, per million.
    pub loss_ppm_10s: u32,
    /// Packets lost in the last 10 min, per million.
    pub loss_ppm_10min: u32,
    /// Rate at which bytes arrived, in kbit/s.
    pub delivered_kbps: u32,
    /// Greatest reordering seen.
    pub reorder_us: u32,
    /// Path mtu (UDP payload).
    pub mtu_bytes: u16,
    /// Streams with data queued or in flight.
    pub streams_active: u16,
    /// `PATH_LOST` and `TUNNEL_FULL`; other bits say nothing.
    pub state: u8,
}

impl Quality {
    pub(in crate::tmp) const BYTES: usize = 40;
}

/// The opening fields, carried by every SUB of a stream until anything of the stream was acknowledged, so that
/// neither loss nor reordering of the first packet holds up the others. [TMP-46]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Priority class; opaque to the tunnel.
    pub class: u8,
    /// What the stream carries; opaque to the tunnel.
    pub kind: u8,
    /// Bytes that the acceptor may send at first.
    pub credit_bytes: u32,
}

impl Opening {
    /// Length on the wire.
    pub const BYTES: usize = 6;
}

/// What a BLOCKED frame complains of. [TMP-49]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The stream has data but no credit beyond this offset (low 32 bits).
    Stream(StreamId, u32),
    /// The tunnel has data but no credit beyond this sum.
    Tunnel(u64),
}

/// A piece of a stream. [TMP-46]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sub<'a> {
    /// The stream.
    pub stream: StreamId,
    /// Where the piece begins in the stream (low 32 bits).
    pub offset_low: u32,
    /// The stream ends with this piece.
    pub is_final: bool,
    /// Present as long as the opener does not know that the acceptor knows the stream.
    pub opening: Option<Opening>,
    /// The bytes; may be empty if `is_final` or `opening` says something.
    pub data: &'a [u8],
}

/// The exclusive or of the packets before the one that has it. [TMP-150]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum<'a> {
    /// How many packets, the last of which has the number before this one's: 1 to `REPAIR_RUN_MAX`.
    pub count: u8,
    /// Sum of the lengths of their payloads.
    pub length_sum: u16,
    /// Sum of their payloads, the shorter ones filled up with zeroes.
    pub payload_sum: &'a [u8],
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Zeroes to the end of the payload; how many.
    Pad(usize),
    /// Asks for an acknowledgement.
    Ping,
    /// Packets received.
    Ack(Ack<'a>),
    /// The path as the peer sees it.
    Quality(Quality),
    /// How often the peer would like to be acknowledged. [TMP-48]
    AckPolicy {
        /// The path.
        path: u8,
        /// At least every so many packets.
        every_packets: u8,
        /// At least after this time, in units of `ACK_DELAY_UNIT_US`.
        delay_units_max: u16,
    },
    /// The sum of bytes over all streams that the receiver of this frame may have sent.
    TunnelCredit {
        /// Since the tunnel began.
        bytes_max: u64,
    },
    /// How far the receiver of this frame may send on a stream.
    Credit {
        /// The stream.
        stream: StreamId,
        /// First offset that may not be sent (low 32 bits).
        offset_max_low: u32,
    },
    /// The sender ends its half of the stream at once.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why; opaque to the tunnel.
        code: u16,
        /// Bytes sent in all (low 32 bits), for the tunnel's credit.
        final_offset_low: u32,
    },
    /// The sender asks the receiver to end its half.
    Stop {
        /// The stream.
        stream: StreamId,
        /// Why; opaque to the tunnel.
        code: u16,
    },
    /// The class of a stream has changed.
    Prio {
        /// The stream.
        stream: StreamId,
        /// The new class.
        class: u8,
    },
    /// Asks for a PATH_RESPONSE with the same token.
    PathChallenge(u64),
    /// Answers a PATH_CHALLENGE.
    PathResponse(u64),
    /// The tunnel ends now.
    Close {
        /// Why.
        code: u16,
        /// For the log.
        reason: &'a [u8],
    },
    /// Data waits for credit.
    Blocked(Blocked),
    /// A piece of a stream.
    Sub(Sub<'a>),
    /// What one of the packets before may be made of, if it was lost.
    Repair(Sum<'a>),
}

/// Walks the frames of one payload.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames of `payload`.
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    fn decode(&mut self) -> Result<Frame<'a>, Malformed> {
        let kind = self.u8()?;
        match kind {
            PAD => self.pad(),
            PING => Ok(Frame::Ping),
            ACK => self.ack(),
            QUALITY => self.quality(),
            ACK_POLICY => Ok(Frame::AckPolicy {
                path: self.u8()?,
                every_packets: self.u8()?,
                delay_units_max: self.u16()?,
            }),
            TUNNEL_CREDIT => Ok(Frame::TunnelCredit { bytes_max: self.u64()? }),
            CREDIT => Ok(Frame::Credit { stream: self.stream()?, offset_max_low: self.u32()? }),
            RESET => {
                Ok(Frame::Reset { stream: self.stream()?, code: self.u16()?, final_offset_low: self.u32()? })
            }
            STOP => Ok(Frame::Stop { stream: self.stream()?, code: self.u16()? }),
            PRIO => Ok(Frame::Prio { stream: self.stream()?, class: self.u8()? }),
            PATH_CHALLENGE => Ok(Frame::PathChallenge(self.u64()?)),
            PATH_RESPONSE => Ok(Frame::PathResponse(self.u64()?)),
            CLOSE => self.close(),
            BLOCKED => self.blocked(),
            SUB..=SUB_TYPE_MAX => self.sub(kind),
            REPAIR => self.repair(),
            unknown => Err(Malformed::UnknownType(unknown)),
        }
    }

    fn pad(&mut self) -> Result<Frame<'a>, Malformed> {
        let zeroes = core::mem::take(&mut self.rest);
        if zeroes.iter().any(|byte| *byte != 0) {
            return Err(Malformed::Padding);
        }
        Ok(Frame::Pad(1 + zeroes.len()))
    }

    fn ack(&mut self) -> Result<Frame<'a>, Malformed> {
        let (ack, taken) = Ack::decode(self.rest)?;
        self.rest = &self.rest[taken..];
        Ok(Frame::Ack(ack))
    }

    fn quality(&mut self) -> Result<Frame<'a>, Malformed> {
        Ok(Frame::Quality(Quality {
            path: self.u8()?,
            interval_ms: self.u16()?,
            srtt_us: self.u32()?,
            min_rtt_us: self.u32()?,
            rttvar_us: self.u32()?,
            forward_queue_us: self.u32()?,
            loss_ppm_10s: self.u32()?,
            loss_ppm_10min: self.u32()?,
            delivered_kbps: self.u32()?,
            reorder_us: self.u32()?,
            mtu_bytes: self.u16()?,
            streams_active: self.u16()?,
            state: self.u8()?,
        }))
    }

    fn close(&mut self) -> Result<Frame<'a>, Malformed> {
        let code = self.u16()?;
        let len = usize::from(self.u8()?);
        Ok(Frame::Close { code, reason: self.bytes(len)? })
    }

    fn blocked(&mut self) -> Result<Frame<'a>, Malformed> {
        match self.u8()? {
            0 => Ok(Frame::Blocked(Blocked::Stream(self.stream()?, self.u32()?))),
            1 => Ok(Frame::Blocked(Blocked::Tunnel(self.u64()?))),
            _ => Err(Malformed::Value),
        }
    }

    fn sub(&mut self, kind: u8) -> Result<Frame<'a>, Malformed> {
        let stream = self.stream()?;
        let offset_low = self.u32()?;
        let opening = if kind & SUB_OPEN != 0 { Some(self.opening()?) } else { None };
        let len = if kind & SUB_LAST != 0 { self.rest.len() } else { usize::from(self.u16()?) };
        let data = self.bytes(len)?;
        Ok(Frame::Sub(Sub { stream, offset_low, is_final: kind & SUB_FIN != 0, opening, data }))
    }

    fn repair(&mut self) -> Result<Frame<'a>, Malformed> {
        let (count, length_sum) = (self.u8()?, self.u16()?);
        if !(1..=REPAIR_RUN_MAX).contains(&usize::from(count)) {
            return Err(Malformed::Value);
        }
        Ok(Frame::Repair(Sum { count, length_sum, payload_sum: core::mem::take(&mut self.rest) }))
    }

    fn opening(&mut self) -> Result<Opening, Malformed> {
        Ok(Opening { class: self.u8()?, kind: self.u8()?, credit_bytes: self.u32()? })
    }

    fn stream(&mut self) -> Result<StreamId, Malformed> {
        let id = StreamId::from_bytes(self.array()?);
        // The last slot is never used, so that a table of 65,535 entries holds every stream. [TMP-41]
        if id.slot == u16::MAX { Err(Malformed::Value) } else { Ok(id) }
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = self.decode();
        if frame.is_err() {
            self.rest = &[];
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn first(payload: &[u8]) -> Result<Frame<'_>, Malformed> {
        Frames::new(payload).next().unwrap()
    }

    /// [TMP-45]
    #[test]
    fn malformed_payloads_are_refused_with_the_reason() {
        assert_eq!(first(&[0x12]), Err(Malformed::UnknownType(0x12)));
        assert_eq!(first(&[0x28]), Err(Malformed::UnknownType(0x28)));
        assert_eq!(first(&[PAD, 0, 1]), Err(Malformed::Padding));
        assert_eq!(first(&[STOP, 0, 0, 0, 1]), Err(Malformed::Truncated));
        assert_eq!(first(&[STOP, 0xff, 0xff, 0, 0, 1]), Err(Malformed::Value));
        assert_eq!(first(&[BLOCKED, 2]), Err(Malformed::Value));
        assert_eq!(first(&[CLOSE, 0, 1, 3, b'a', b'b']), Err(Malformed::Truncated));
        assert_eq!(first(&[REPAIR, 0, 0, 0]), Err(Malformed::Value));
        assert_eq!(first(&[REPAIR, 33, 0, 0]), Err(Malformed::Value));
        assert_eq!(first(&[REPAIR, 1, 0]), Err(Malformed::Truncated));
        assert_eq!(first(&[SUB, 0, 1, 0, 0, 0, 0, 0, 0, 2, 9]), Err(Malformed::Truncated));
    }

    #[test]
    fn nothing_is_read_after_an_error() {
        let mut frames = Frames::new(&[PING, 0x7f, PING]);
        assert_eq!(frames.next(), Some(Ok(Frame::Ping)));
        assert_eq!(frames.next(), Some(Err(Malformed::UnknownType(0x7f))));
        assert_eq!(frames.next(), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_walked_to_an_end(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            assert!(Frames::new(&payload).count() <= payload.len());
        }
    }
}
