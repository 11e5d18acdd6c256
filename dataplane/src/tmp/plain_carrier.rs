//! The least carrier that can be: for tests of the endpoint and for fuzzing. No streams, no loss recovery.
//!
//! Each message is one SUB frame of stream 0 in a packet of its own; the other side collects them.

use crate::time::Instant;
use crate::tmp::carrier::{Carrier, Ecn, Fill, Filled, Handled};
use crate::tmp::frame::{Frame, Frames};
use crate::tmp::frame_writer::{FrameWriter, SubHeader};
use crate::tmp::id::{PathId, Side, StreamId};
use crate::tmp::learned::{Learned, LearnedPaths};
use crate::tmp::limits::{PAYLOAD_BYTES_BASE, PAYLOAD_BYTES_MIN};
use crate::tmp::place::Bearer;
use crate::tmp::spread::PathUse;
use std::collections::{BTreeSet, VecDeque};

/// The carrier; its fields are for tests to look at.
#[derive(Debug)]
pub(in crate::tmp) struct PlainCarrier {
    pub(in crate::tmp) next_number: u64,
    pub(in crate::tmp) seen: BTreeSet<(PathId, u64)>,
    /// Bytes that are to be sent, one packet each.
    pub(in crate::tmp) to_send: VecDeque<Vec<u8>>,
    /// Bytes that came in.
    pub(in crate::tmp) came: Vec<Vec<u8>>,
    pub(in crate::tmp) is_connected: bool,
    pub(in crate::tmp) path_changes: usize,
    pub(in crate::tmp) batch_ends: usize,
    pub(in crate::tmp) wakes_at: Option<Instant>,
    ping: bool,
    owes_ack: bool,
    challenge: Option<u64>,
    response: Option<u64>,
    answered: Option<u64>,
    close: Option<u16>,
}

impl PlainCarrier {
    fn digest(&mut self, frame: Frame<'_>) -> Option<Handled> {
        self.owes_ack |= !matches!(frame, Frame::Pad(_) | Frame::Close { .. });
        match frame {
            Frame::Sub(sub) => self.came.push(sub.data.to_vec()),
            Frame::PathChallenge(token) => self.response = Some(token),
            Frame::PathResponse(token) => self.answered = Some(token),
            Frame::Close { code, .. } => return Some(Handled::Closed { code }),
            // Nobody stops what was never begun: here this frame stands for a broken rule.
            Frame::Stop { .. } => return Some(Handled::Violation),
            _ => {}
        }
        None
    }

    fn write(&mut self, writer: &mut FrameWriter<'_>, fill: &mut dyn Fill) -> bool {
        if let Some(code) = self.close.take() {
            return writer.put(&Frame::Close { code, reason: b"" });
        }
        if core::mem::take(&mut self.ping) {
            writer.put(&Frame::Ping);
        }
        if let Some(token) = self.challenge.take() {
            writer.put(&Frame::PathChallenge(token));
        }
        if let Some(token) = self.response.take() {
            writer.put(&Frame::PathResponse(token));
        }
        while let Some((stream, bytes)) = fill.next(writer.room().saturating_sub(10).max(1)) {
            let header = SubHeader { stream, offset_low: 0, is_final: false, opening: None };
            if let Some(data) = writer.put_sub(&header, bytes) {
                data.fill(b'f');
            }
        }
        if let Some(data) = self.to_send.pop_front() {
            let header =
                SubHeader { stream: StreamId::default(), offset_low: 0, is_final: false, opening: None };
            if let Some(room) = writer.put_sub(&header, data.len()) {
                room.copy_from_slice(&data);
            }
        }
        !writer.is_empty()
    }
}

impl Carrier for PlainCarrier {
    type Options = ();

    fn new(_: &(), _: Side, _: Instant) -> Self {
        Self {
            next_number: 0,
            seen: BTreeSet::new(),
            to_send: VecDeque::new(),
            came: Vec::new(),
            is_connected: false,
            path_changes: 0,
            batch_ends: 0,
            wakes_at: None,
            ping: false,
            owes_ack: false,
            challenge: None,
            response: None,
            answered: None,
            close: None,
        }
    }

    fn on_connected(&mut self, _: Instant, _: (PathId, Bearer), _: PathUse) {
        assert!(!self.is_connected, "a carrier is connected once");
        self.is_connected = true;
    }

    fn open_path(&mut self, _: Instant, _: (PathId, Bearer)) {}

    fn on_path_changed(&mut self, _: Instant, _: (PathId, Bearer)) {
        self.path_changes += 1;
    }

    fn learned(&self, _: Instant) -> LearnedPaths {
        LearnedPaths::default()
    }

    fn resume(&mut self, _: PathId, _: Learned) {}

    fn hold_path(&mut self, _: PathId, _: bool) {}

    fn handle_packet(&mut self, _: Instant, packet: (PathId, u64), _: Ecn, payload: &[u8]) -> Handled {
        assert!(self.is_connected, "packets come after the keys");
        if !self.seen.insert(packet) {
            return Handled::Duplicate;
        }
        for frame in Frames::new(payload) {
            match frame.map(|frame| self.digest(frame)) {
                Ok(None) => {}
                Ok(Some(handled)) => return handled,
                Err(_) => return Handled::Violation,
            }
        }
        Handled::New
    }

    fn handle_batch_end(&mut self, _: Instant) {
        self.batch_ends += 1;
    }

    fn payload_bytes_next(&self, _: Instant, _: PathId) -> usize {
        PAYLOAD_BYTES_BASE
    }

    fn fill_packet(
        &mut self,
        _: Instant,
        _: PathId,
        payload: &mut [u8],
        fill: &mut dyn Fill,
    ) -> Option<Filled> {
        assert!(self.is_connected, "packets leave after the keys");
        let is_closing = self.close.is_some();
        let mut writer = FrameWriter::new(payload);
        let is_eliciting = self.write(&mut writer, fill) && !is_closing;
        // A packet of nothing but padding stands for an acknowledgement.
        if !is_eliciting && !is_closing && !self.owes_ack {
            return None;
        }
        self.owes_ack = false;
        writer.pad_to(PAYLOAD_BYTES_MIN);
        let len_bytes = writer.len();
        let number = self.next_number;
        self.next_number += 1;
        Some(Filled { number, len_bytes, ecn: Ecn::Capable0, is_eliciting })
    }

    fn deadline(&self) -> Option<Instant> {
        self.wakes_at
    }

    fn tick(&mut self, _: Instant) {}

    fn queue_path_challenge(&mut self, _: PathId, token: u64) {
        self.challenge = Some(token);
    }

    fn queue_ping(&mut self) {
        self.ping = true;
    }

    fn take_path_response(&mut self) -> Option<u64> {
        self.answered.take()
    }

    fn queue_close(&mut self, code: u16) {
        self.close = Some(code);
    }
}
