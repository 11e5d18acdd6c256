//! Takes a packet apart: each frame goes to the part that it speaks to.
//!
//! A packet is noted as received only if all of its frames were taken. Where one was refused for want of memory
//! the others are taken none the less, as they may be what frees it, and the packet is not noted: the peer sends
//! its content again, and the frames that were taken come twice, which none of them minds. [TMP-100]

use crate::time::Instant;
use crate::tmp::carrier::{Ecn, Handled};
use crate::tmp::frame::{Frame, Frames, Sum};
use crate::tmp::id::PathId;
use crate::tmp::limits::DATA_OVERHEAD_BYTES;
use crate::tmp::mending::Mended;
use crate::tmp::path::Path;
use crate::tmp::paths::Others;
use crate::tmp::receive_stream::Refusal;
use crate::tmp::signals::Signals;
use crate::tmp::streams::Streams;

/// What a tunnel has that packets speak to.
#[derive(Debug)]
pub(in crate::tmp) struct Sink<'a> {
    /// The path that the packet came on.
    pub(in crate::tmp) path: &'a mut Path,
    pub(in crate::tmp) others: Others<'a>,
    pub(in crate::tmp) streams: &'a mut Streams,
    pub(in crate::tmp) signals: &'a mut Signals,
    /// Set when the path was lost and has been found.
    pub(in crate::tmp) path_found: bool,
}

impl Sink<'_> {
    /// One payload.
    pub(in crate::tmp) fn take_apart(
        &mut self,
        now: Instant,
        number: u64,
        ecn: Ecn,
        payload: &[u8],
    ) -> Handled {
        if !self.path.received.is_new(number) {
            self.path.counters.duplicate_packets += 1;
            return Handled::Duplicate;
        }
        let mut sum = None;
        match self.take_frames(now, payload, &mut sum) {
            Ok(is_eliciting) => {
                self.path.received.record(now, number, is_eliciting, ecn);
                self.path.counters.received_packets += 1;
                self.path.counters.received_bytes += (payload.len() + DATA_OVERHEAD_BYTES) as u64;
                self.path.mending.keep(number, payload);
                if let Some(sum) = sum {
                    return self.mend(now, number, &sum);
                }
                self.signals.peer_closed.map_or(Handled::New, |code| Handled::Closed { code })
            }
            Err(Refusal::NoRoom) => {
                self.path.counters.refused_packets += 1;
                Handled::New
            }
            Err(Refusal::Violation) => self.violation(),
        }
    }

    fn violation(&mut self) -> Handled {
        self.path.counters.violations += 1;
        Handled::Violation
    }

    /// Takes what a lost packet said of streams out of repair data. The packet stays unacknowledged, so that its
    /// sender learns of the loss, and its other frames are left: they speak of a time that has passed. [TMP-151]
    fn mend(&mut self, now: Instant, number: u64, sum: &Sum<'_>) -> Handled {
        let counters = &mut self.path.counters;
        counters.repairs_received += 1;
        let lost = match self.path.mending.mend(number, sum) {
            Mended::Whole => return Handled::New,
            Mended::Beyond => {
                counters.repairs_beyond += 1;
                return Handled::New;
            }
            Mended::Wrong => return self.violation(),
            Mended::Packet(lost) => lost,
        };
        // What could not be kept when it came is not missing; it comes again.
        if !self.path.received.is_new(lost) {
            return Handled::New;
        }
        counters.repaired_packets += 1;
        let payload = self.path.mending.take_mended();
        let taken = self.take_stream_frames(now, &payload);
        self.path.mending.put_back(payload);
        match taken {
            Ok(()) | Err(Refusal::NoRoom) => Handled::New,
            Err(Refusal::Violation) => self.violation(),
        }
    }

    fn take_stream_frames(&mut self, now: Instant, payload: &[u8]) -> Result<(), Refusal> {
        for frame in Frames::new(payload) {
            let frame = frame.map_err(|_| Refusal::Violation)?;
            let is_of_stream = matches!(
                frame,
                Frame::Sub(_)
                    | Frame::Credit { .. }
                    | Frame::Reset { .. }
                    | Frame::Stop { .. }
                    | Frame::Prio { .. }
            );
            if is_of_stream {
                self.take_frame(now, &frame)?;
            }
        }
        Ok(())
    }

    /// All frames; whether the packet has to be acknowledged. [TMP-100.1] Repair data waits until the packet was noted.
    fn take_frames<'a>(
        &mut self,
        now: Instant,
        payload: &'a [u8],
        sum: &mut Option<Sum<'a>>,
    ) -> Result<bool, Refusal> {
        let mut is_eliciting = false;
        let mut refused = false;
        for frame in Frames::new(payload) {
            let frame = frame.map_err(|_| Refusal::Violation)?;
            is_eliciting |= !matches!(frame, Frame::Pad(_) | Frame::Ack(_) | Frame::Close { .. });
            if let Frame::Repair(found) = frame {
                *sum = Some(found);
            }
            match self.take_frame(now, &frame) {
                Ok(()) => {}
                Err(Refusal::NoRoom) => refused = true,
                Err(Refusal::Violation) => return Err(Refusal::Violation),
            }
        }
        if refused { Err(Refusal::NoRoom) } else { Ok(is_eliciting) }
    }

    fn take_frame(&mut self, now: Instant, frame: &Frame<'_>) -> Result<(), Refusal> {
        match *frame {
            // A whole-tunnel credit is not needed, as every stream's credit is backed by memory; the others
            // are hints that the policy of this end does without.
            Frame::Pad(_)
            | Frame::Ping
            | Frame::AckPolicy { .. }
            | Frame::TunnelCredit { .. }
            | Frame::Blocked(_)
            | Frame::Repair(_) => {}
            Frame::Ack(ack) if ack.header.path == self.path.id.0 => {
                self.path_found |= self.path.handle_ack(now, &ack, self.streams)?;
            }
            Frame::Ack(ack) => {
                let other = self.others.get_mut(PathId(ack.header.path)).ok_or(Refusal::Violation)?;
                other.handle_ack_from_elsewhere(&ack, self.streams)?;
            }
            Frame::Quality(quality) => self.path.quality.set_peer(now, quality),
            Frame::Credit { stream, offset_max_low } => self.streams.handle_credit(stream, offset_max_low),
            Frame::Reset { stream, code, .. } => self.streams.handle_reset(stream, code),
            Frame::Stop { stream, code } => self.streams.handle_stop(stream, code),
            Frame::Prio { stream, class } => self.streams.handle_class(stream, class),
            Frame::PathChallenge(token) => self.path.signals.response = Some(token),
            Frame::PathResponse(token) => self.signals.answer = Some(token),
            Frame::Close { code, .. } => self.signals.peer_closed = Some(code),
            Frame::Sub(sub) => self.streams.handle_sub(&sub)?,
        }
        Ok(())
    }
}
