//! Writing frames at the front of a payload. Not here: reading them (`frame`). [TMP-40]
//!
//! `put` writes a frame whole or not at all; `encoded_len` says beforehand what it takes. ACK and SUB have
//! methods of their own: the one is cut to the room, the other's data is copied in by the caller.

use crate::tmp::ack_frame::{AckHeader, encode_ack};
use crate::tmp::frame::{self, Blocked, Frame, Opening, Quality};
use crate::tmp::id::StreamId;
use crate::tmp::limits::{CLOSE_REASON_BYTES_MAX, REPAIR_OVERHEAD_BYTES};

const SUB_FIXED_BYTES: usize = 8;
const SUB_LEN_BYTES: usize = 2;

/// What a SUB frame says besides its data. [TMP-46]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubHeader {
    /// The stream.
    pub stream: StreamId,
    /// Where the data begins in the stream (low 32 bits).
    pub offset_low: u32,
    /// The stream ends with this data.
    pub is_final: bool,
    /// The opening fields, until anything of the stream was acknowledged.
    pub opening: Option<Opening>,
}

impl SubHeader {
    /// Bytes in front of the data; a SUB that runs to the end of the packet (`last`) needs no length.
    pub const fn encoded_len(opening: bool, last: bool) -> usize {
        SUB_FIXED_BYTES + if opening { Opening::BYTES } else { 0 } + if last { 0 } else { SUB_LEN_BYTES }
    }
}

/// Bytes that `put` takes for a frame. `None` for ACK and SUB, which are written by their own methods.
pub const fn encoded_len(frame: &Frame<'_>) -> Option<usize> {
    Some(match frame {
        Frame::Pad(bytes) => *bytes,
        Frame::Ping => 1,
        Frame::Quality(_) => 1 + Quality::BYTES,
        Frame::AckPolicy { .. } | Frame::Prio { .. } => 5,
        Frame::TunnelCredit { .. } | Frame::PathChallenge(_) | Frame::PathResponse(_) => 9,
        Frame::Credit { .. } => 8,
        Frame::Reset { .. } => 10,
        Frame::Stop { .. } => 6,
        Frame::Close { reason, .. } => 4 + reason.len(),
        Frame::Blocked(Blocked::Stream(..)) => 9,
        Frame::Blocked(Blocked::Tunnel(_)) => 10,
        Frame::Repair(sum) => REPAIR_OVERHEAD_BYTES + sum.payload_sum.len(),
        Frame::Ack(_) | Frame::Sub(_) => return None,
    })
}

/// A cursor over the room of one payload.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    payload: &'a mut [u8],
    at: usize,
}

impl<'a> FrameWriter<'a> {
    /// Writes from the front of `payload`.
    pub const fn new(payload: &'a mut [u8]) -> Self {
        Self { payload, at: 0 }
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.at
    }

    /// What was written so far.
    pub const fn written(&self) -> &[u8] {
        self.payload.split_at(self.at).0
    }

    /// Nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Bytes left.
    pub const fn room(&self) -> usize {
        self.payload.len() - self.at
    }

    /// Writes any frame but ACK and SUB; false, and nothing written, if it does not fit.
    pub fn put(&mut self, frame: &Frame<'_>) -> bool {
        let len = encoded_len(frame);
        assert!(len.is_some(), "ACK and SUB have methods of their own");
        if len.is_none_or(|len| len > self.room()) {
            return false;
        }
        match *frame {
            Frame::Pad(bytes) => self.zeroes(bytes),
            Frame::Ping => self.bytes(&[frame::PING]),
            Frame::Quality(ref quality) => self.quality(quality),
            Frame::AckPolicy { path, every_packets, delay_units_max } => {
                self.bytes(&[frame::ACK_POLICY, path, every_packets]);
                self.bytes(&delay_units_max.to_be_bytes());
            }
            Frame::TunnelCredit { bytes_max } => self.tagged_u64(frame::TUNNEL_CREDIT, bytes_max),
            Frame::Credit { stream, offset_max_low } => {
                self.stream(frame::CREDIT, stream);
                self.bytes(&offset_max_low.to_be_bytes());
            }
            Frame::Reset { stream, code, final_offset_low } => {
                self.stream(frame::RESET, stream);
                self.bytes(&code.to_be_bytes());
                self.bytes(&final_offset_low.to_be_bytes());
            }
            Frame::Stop { stream, code } => {
                self.stream(frame::STOP, stream);
                self.bytes(&code.to_be_bytes());
            }
            Frame::Prio { stream, class } => {
                self.stream(frame::PRIO, stream);
                self.bytes(&[class]);
            }
            Frame::PathChallenge(token) => self.tagged_u64(frame::PATH_CHALLENGE, token),
            Frame::PathResponse(token) => self.tagged_u64(frame::PATH_RESPONSE, token),
            Frame::Close { code, reason } => self.close(code, reason),
            Frame::Blocked(blocked) => self.blocked(blocked),
            Frame::Repair(sum) => {
                self.bytes(&[frame::REPAIR, sum.count]);
                self.bytes(&sum.length_sum.to_be_bytes());
                self.bytes(sum.payload_sum);
            }
            Frame::Ack(_) | Frame::Sub(_) => {}
        }
        true
    }

    /// Writes an ACK of `ranges` (`(first, last)`, highest first, not touching), leaving out the lowest if there
    /// are too many for the room or for `ACK_RANGES_SENT_MAX`; false if not even one fits.
    pub fn put_ack(&mut self, header: &AckHeader, ranges: impl IntoIterator<Item = (u64, u64)>) -> bool {
        let Some((kind, rest)) = self.payload[self.at..].split_first_mut() else {
            return false;
        };
        let Some(len) = encode_ack(rest, header, ranges) else {
            return false;
        };
        *kind = frame::ACK;
        self.at += 1 + len;
        true
    }

    /// Writes a SUB with `data_len` bytes of data, which the caller copies into the returned slice; `None`, and
    /// nothing written, if it does not fit. The length is left out when the frame fills the payload exactly; if
    /// it would leave one byte, which is too little for the length, a PING in front takes that byte. So
    /// whatever fits the form without length fits.
    pub fn put_sub(&mut self, header: &SubHeader, data_len: usize) -> Option<&mut [u8]> {
        let opening = header.opening.is_some();
        let spare = self.room().checked_sub(SubHeader::encoded_len(opening, true) + data_len)?;
        let last = spare < SUB_LEN_BYTES;
        if spare == 1 {
            self.bytes(&[frame::PING]);
        }
        let flags = if header.is_final { frame::SUB_FIN } else { 0 }
            | if last { frame::SUB_LAST } else { 0 }
            | if opening { frame::SUB_OPEN } else { 0 };
        self.stream(frame::SUB | flags, header.stream);
        self.bytes(&header.offset_low.to_be_bytes());
        if let Some(opening) = header.opening {
            self.bytes(&[opening.class, opening.kind]);
            self.bytes(&opening.credit_bytes.to_be_bytes());
        }
        if !last {
            let len = u16::try_from(data_len).ok()?;
            self.bytes(&len.to_be_bytes());
        }
        let from = self.at;
        self.at += data_len;
        Some(&mut self.payload[from..self.at])
    }

    /// Fills up to `len` bytes in all with zeroes, unless so much is written already.
    pub fn pad_to(&mut self, len: usize) {
        let missing = len.min(self.payload.len()).saturating_sub(self.at);
        self.zeroes(missing);
    }

    fn quality(&mut self, quality: &Quality) {
        self.bytes(&[frame::QUALITY, quality.path]);
        self.bytes(&quality.interval_ms.to_be_bytes());
        for word in [
            quality.srtt_us,
            quality.min_rtt_us,
            quality.rttvar_us,
            quality.forward_queue_us,
            quality.loss_ppm_10s,
            quality.loss_ppm_10min,
            quality.delivered_kbps,
            quality.reorder_us,
        ] {
            self.bytes(&word.to_be_bytes());
        }
        self.bytes(&quality.mtu_bytes.to_be_bytes());
        self.bytes(&quality.streams_active.to_be_bytes());
        self.bytes(&[quality.state]);
    }

    fn close(&mut self, code: u16, reason: &[u8]) {
        assert!(reason.len() <= CLOSE_REASON_BYTES_MAX, "the length of a reason is one byte");
        self.bytes(&[frame::CLOSE]);
        self.bytes(&code.to_be_bytes());
        self.bytes(&[reason.len() as u8]);
        self.bytes(reason);
    }

    fn blocked(&mut self, blocked: Blocked) {
        self.bytes(&[frame::BLOCKED]);
        match blocked {
            Blocked::Stream(stream, offset_low) => {
                self.stream(0, stream);
                self.bytes(&offset_low.to_be_bytes());
            }
            Blocked::Tunnel(bytes) => self.tagged_u64(1, bytes),
        }
    }

    fn tagged_u64(&mut self, tag: u8, value: u64) {
        self.bytes(&[tag]);
        self.bytes(&value.to_be_bytes());
    }

    fn stream(&mut self, tag: u8, stream: StreamId) {
        let [high, low, generation] = stream.to_bytes();
        self.bytes(&[tag, high, low, generation]);
    }

    fn zeroes(&mut self, len: usize) {
        self.payload[self.at..self.at + len].fill(0);
        self.at += len;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.payload[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tmp::frame::{Frames, Sub};
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    fn stream() -> impl Strategy<Value = StreamId> {
        (0u16..u16::MAX, any::<u8>()).prop_map(|(slot, generation)| StreamId { slot, generation })
    }

    fn quality() -> impl Strategy<Value = Quality> {
        (any::<(u8, u16, u32, u32, u32, u32)>(), any::<(u32, u32, u32, u32, u16, u16, u8)>()).prop_map(
            |(a, b)| Quality {
                path: a.0,
                interval_ms: a.1,
                srtt_us: a.2,
                min_rtt_us: a.3,
                rttvar_us: a.4,
                forward_queue_us: a.5,
                loss_ppm_10s: b.0,
                loss_ppm_10min: b.1,
                delivered_kbps: b.2,
                reorder_us: b.3,
                mtu_bytes: b.4,
                streams_active: b.5,
                state: b.6,
            },
        )
    }

    fn frame() -> impl Strategy<Value = Frame<'static>> {
        prop_oneof![
            Just(Frame::Ping),
            quality().prop_map(Frame::Quality),
            any::<(u8, u8, u16)>().prop_map(|(path, every_packets, delay_units_max)| Frame::AckPolicy {
                path,
                every_packets,
                delay_units_max
            }),
            any::<u64>().prop_map(|bytes_max| Frame::TunnelCredit { bytes_max }),
            (stream(), any::<u32>())
                .prop_map(|(stream, offset_max_low)| Frame::Credit { stream, offset_max_low }),
            (stream(), any::<(u16, u32)>()).prop_map(|(stream, (code, final_offset_low))| Frame::Reset {
                stream,
                code,
                final_offset_low
            }),
            (stream(), any::<u16>()).prop_map(|(stream, code)| Frame::Stop { stream, code }),
            (stream(), any::<u8>()).prop_map(|(stream, class)| Frame::Prio { stream, class }),
            any::<u64>().prop_map(Frame::PathChallenge),
            any::<u64>().prop_map(Frame::PathResponse),
            any::<u16>().prop_map(|code| Frame::Close { code, reason: b"the operator" }),
            (stream(), any::<u32>()).prop_map(|(s, offset)| Frame::Blocked(Blocked::Stream(s, offset))),
            any::<u64>().prop_map(|sum| Frame::Blocked(Blocked::Tunnel(sum))),
        ]
    }

    fn opening() -> impl Strategy<Value = Option<Opening>> {
        proptest::option::of(any::<(u8, u8, u32)>()).prop_map(|fields| {
            fields.map(|(class, kind, credit_bytes)| Opening { class, kind, credit_bytes })
        })
    }

    proptest! {
        #[test]
        fn frames_round_trip(frames in proptest::collection::vec(frame(), 1..20), pad in 0usize..9) {
            let mut payload = [0xaa; 1200];
            let mut writer = FrameWriter::new(&mut payload);
            let mut expected = 0;
            for frame in &frames {
                assert!(writer.put(frame));
                expected += encoded_len(frame).unwrap();
                assert_eq!(writer.len(), expected);
            }
            writer.pad_to(expected + pad);
            let read: Vec<_> = Frames::new(&payload[..expected + pad]).map(Result::unwrap).collect();
            assert_eq!(read[..frames.len()], frames);
            assert_eq!(read[frames.len()..], [Frame::Pad(pad)][..usize::from(pad > 0)]);
        }

        #[test]
        fn a_frame_that_does_not_fit_leaves_no_trace(frame in frame(), short in 1usize..50) {
            let mut payload = [0xaa; 60];
            let room = encoded_len(&frame).unwrap().saturating_sub(short);
            let mut writer = FrameWriter::new(&mut payload[..room]);
            assert!(!writer.put(&frame));
            assert!(writer.is_empty());
            assert!(payload.iter().all(|byte| *byte == 0xaa));
        }

        #[test]
        fn subs_round_trip(
            stream in stream(), offset_low in any::<u32>(), is_final in any::<bool>(), opening in opening(),
            data in proptest::collection::vec(any::<u8>(), 0..100), spare in 0usize..5,
        ) {
            let header = SubHeader { stream, offset_low, is_final, opening };
            let mut payload = [0; 200];
            let room = SubHeader::encoded_len(opening.is_some(), true) + data.len() + spare;
            let mut writer = FrameWriter::new(&mut payload[..room]);
            assert!(writer.put_sub(&header, data.len() + spare + 1).is_none());
            writer.put_sub(&header, data.len()).unwrap().copy_from_slice(&data);
            let len = writer.len();
            let read: Vec<_> = Frames::new(&payload[..len]).filter(|frame| *frame != Ok(Frame::Ping)).collect();
            assert_eq!(read, [Ok(Frame::Sub(Sub { stream, offset_low, is_final, opening, data: &data }))]);
        }
    }

    /// [TMP-43]
    #[test]
    fn the_documented_sizes_hold() {
        assert_eq!(SubHeader::encoded_len(false, true), 8);
        assert_eq!(SubHeader::encoded_len(false, false), 10);
        assert_eq!(SubHeader::encoded_len(true, false), 16);
        assert_eq!(encoded_len(&Frame::Quality(Quality::default())), Some(41));
    }
}
