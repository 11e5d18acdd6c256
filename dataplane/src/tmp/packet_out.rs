//! Builds the next packet: choose what it is for, fill it, account it. Born in parts, as this is where such
//! code grows.
//!
//! ```text
//! payload:  CHALLENGE RESPONSE PING │ ACK │ QUALITY │ stream control │ SUB SUB … │ PAD
//!           REPAIR
//! ```
//! The blender is asked as late as possible, with the room that is left. A run of grants of one stream becomes
//! one SUB (a second one only where a lost range lies between); what of a grant finds no room is carried into
//! the next packet, where it comes first.

use crate::time::Instant;
use crate::tmp::carrier::{Ecn, Fill, Filled};
use crate::tmp::carries::Carry;
use crate::tmp::frame::{Frame, PATH_LOST, Sum, TUNNEL_FULL};
use crate::tmp::frame_writer::{FrameWriter, SubHeader};
use crate::tmp::limits::{DATA_OVERHEAD_BYTES, PATHS_MAX, PAYLOAD_BYTES_MIN};
use crate::tmp::path::{Built, Leave, Path};
use crate::tmp::paths::Others;
use crate::tmp::record::NO_RECORD;
use crate::tmp::repair::Outgoing;
use crate::tmp::sent::Purpose;
use crate::tmp::signals::Signals;
use crate::tmp::streams::Streams;

/// Less room than this is padded instead of asking for a sliver of a stream.
const DATA_BYTES_MIN: usize = 64;
/// Records that must be free before another stream begins.
const RECORDS_MIN: usize = 4;

/// What a tunnel has that goes into packets.
#[derive(Debug)]
pub(in crate::tmp) struct Source<'a> {
    pub(in crate::tmp) path: &'a mut Path,
    pub(in crate::tmp) others: Others<'a>,
    pub(in crate::tmp) streams: &'a mut Streams,
    pub(in crate::tmp) signals: &'a mut Signals,
    /// Streams go out on this path.
    pub(in crate::tmp) carries: bool,
    /// And here what is urgent of them, a second time.
    pub(in crate::tmp) doubles: bool,
}

/// A packet in the making.
#[derive(Debug)]
struct Draft<'a> {
    writer: FrameWriter<'a>,
    records: u32,
    acked_below: u64,
    /// Other paths of which it has an ACK.
    told: [bool; PATHS_MAX],
    is_eliciting: bool,
    outgoing: Outgoing,
}

impl<'a> Draft<'a> {
    fn new(payload: &'a mut [u8]) -> Self {
        Self {
            writer: FrameWriter::new(payload),
            records: NO_RECORD,
            acked_below: 0,
            told: [false; PATHS_MAX],
            is_eliciting: false,
            outgoing: Outgoing::default(),
        }
    }
}

impl Source<'_> {
    /// The next packet, if anything may and need be sent.
    pub(in crate::tmp) fn build(
        &mut self,
        now: Instant,
        payload: &mut [u8],
        fill: &mut dyn Fill,
    ) -> Option<Filled> {
        if self.signals.close.is_some() {
            return self.build_close(now, payload);
        }
        if self.path.is_idle && self.carries && self.streams.told_bytes > 0 {
            self.path.wake(now);
        }
        let leave = self.path.leave(now);
        match leave {
            Leave::Nothing => return None,
            Leave::Any if self.path.probe_payload_bytes(now) == Some(payload.len()) => {
                return self.build_mtu_probe(now, payload);
            }
            Leave::Any | Leave::Probe | Leave::WindowFull | Leave::Paced(_) => {}
        }
        if self.path.repair.is_due(now)
            && let Some(filled) = self.build_repair(now, leave, payload)
        {
            return Some(filled);
        }
        let len = payload.len().min(self.path.payload_bytes());
        let mut draft = Draft::new(&mut payload[..len]);
        self.write_signals(&mut draft);
        self.write_ack(now, &mut draft);
        match leave {
            Leave::Any | Leave::Probe => self.write_all(now, leave, &mut draft, fill),
            Leave::WindowFull | Leave::Paced(_) | Leave::Nothing => self.note_held_back(),
        }
        self.finish(now, draft)
    }

    fn write_ack(&mut self, now: Instant, draft: &mut Draft<'_>) {
        let received = &self.path.received;
        if received.is_waiting()
            && draft.writer.put_ack(&received.header(now, self.path.id), received.ranges())
        {
            draft.acked_below = received.largest() + 1;
        }
        // An ACK of another path is not repeated for its own sake: what it says shows over there, too, or is sent again.
        for other in self.others.iter_mut() {
            let received = &other.received;
            draft.told[other.id.index()] = draft.acked_below > 0
                && received.has_word_for_elsewhere(now)
                && draft.writer.put_ack(&received.header(now, other.id), received.ranges());
        }
    }

    fn write_all(&mut self, now: Instant, leave: Leave, draft: &mut Draft<'_>, fill: &mut dyn Fill) {
        self.write_quality(now, draft);
        let Draft { writer, records, .. } = draft;
        if self.carries {
            draft.is_eliciting |= self.streams.write_control(writer, &mut self.path.sent, records);
            self.write_data(draft, fill);
        } else if self.doubles {
            draft.is_eliciting |= self.streams.write_twins(writer, &mut self.path.sent, records);
        }
        self.path.is_idle = !self.has_waiting();
        let ping_with_ack = draft.acked_below > 0 && self.path.wants_ping_with_ack();
        if !draft.is_eliciting && (leave == Leave::Probe || ping_with_ack) {
            draft.is_eliciting |= draft.writer.put(&Frame::Ping);
        }
    }

    /// Small, rare, and needed most when the path has changed: neither window nor pacer holds them back.
    fn write_signals(&mut self, draft: &mut Draft<'_>) {
        let mut put = |frame| draft.writer.put(&frame);
        let signals = &mut self.path.signals;
        let challenge = signals.challenge.take_if(|token| put(Frame::PathChallenge(*token)));
        let response = signals.response.take_if(|token| put(Frame::PathResponse(*token)));
        draft.is_eliciting |= challenge.is_some() || response.is_some();
        if signals.ping && put(Frame::Ping) {
            (signals.ping, draft.is_eliciting) = (false, true);
        }
    }

    fn write_quality(&mut self, now: Instant, draft: &mut Draft<'_>) {
        let path = &mut *self.path;
        if !path.quality.is_report_due(now, path.rtt.smoothed_us()) {
            return;
        }
        let mut quality = path.quality.report(now);
        quality.path = path.id.0;
        quality.srtt_us = path.rtt.smoothed_us() as u32;
        quality.min_rtt_us = path.rtt.min_us() as u32;
        quality.rttvar_us = path.rtt.variance_us() as u32;
        quality.mtu_bytes = path.mtu.current_bytes();
        quality.streams_active = u16::try_from(self.streams.activity.count()).unwrap_or(u16::MAX);
        quality.state = u8::from(path.is_lost) * PATH_LOST + u8::from(self.streams.is_full) * TUNNEL_FULL;
        draft.is_eliciting |= draft.writer.put(&Frame::Quality(quality));
    }

    fn write_data(&mut self, draft: &mut Draft<'_>, fill: &mut dyn Fill) {
        let mut run: Option<Carry> = None;
        let mut switched = false;
        while let Some(grant) = self.next_grant(draft, run, fill) {
            match &mut run {
                Some(run) if run.handle == grant.handle => run.bytes += grant.bytes,
                Some(before) => {
                    switched = true;
                    let before = *before;
                    if self.write_run(draft, before) {
                        self.streams.carries.push(grant);
                        run = None;
                        break;
                    }
                    run = Some(grant);
                }
                None => run = Some(grant),
            }
        }
        self.streams.alternating = switched;
        if let Some(run) = run {
            self.write_run(draft, run);
        }
    }

    /// What was carried, then what the blender grants while there is room.
    fn next_grant(&mut self, draft: &Draft<'_>, run: Option<Carry>, fill: &mut dyn Fill) -> Option<Carry> {
        if let Some(carry) = self.streams.carries.pop() {
            return Some(carry);
        }
        let room = self.room_for_grant(draft, run)?;
        let (id, bytes) = fill.next(room)?;
        assert!(bytes <= room, "a grant is at most the room");
        Some(Carry { handle: self.streams.take_grant(id, bytes), bytes })
    }

    /// Bytes to ask the blender for; `None` if the packet is full.
    fn room_for_grant(&self, draft: &Draft<'_>, run: Option<Carry>) -> Option<usize> {
        if self.path.sent.records_free() < RECORDS_MIN {
            return None;
        }
        let header_bytes = SubHeader::encoded_len(false, true);
        let taken_bytes = match run {
            None => header_bytes,
            // Another stream needs a header of its own. One that is busy alone does not: it gets the last byte.
            Some(run) => {
                let another_bytes = if self.streams.alternating { header_bytes } else { 0 };
                self.streams.header_bytes(run.handle) + run.bytes + another_bytes
            }
        };
        draft.writer.room().checked_sub(taken_bytes).filter(|room| *room >= DATA_BYTES_MIN)
    }

    /// Writes a run; true if a part had no room and is carried.
    fn write_run(&mut self, draft: &mut Draft<'_>, run: Carry) -> bool {
        let before = draft.writer.len();
        let Draft { writer, records, .. } = draft;
        let is_urgent = self.streams.is_urgent(run.handle);
        let left = self.streams.write_pieces(run.handle, run.bytes, writer, &mut self.path.sent, records);
        draft.is_eliciting |= draft.writer.len() > before;
        draft.outgoing.has_data |= draft.writer.len() > before;
        draft.outgoing.is_urgent |= is_urgent;
        draft.outgoing.more_urgent |= is_urgent && self.streams.has_more(run.handle);
        if left > 0 {
            self.streams.carries.push(Carry { handle: run.handle, bytes: left });
        }
        left > 0
    }

    /// Whether more wants to go out on this path.
    const fn has_waiting(&self) -> bool {
        self.carries && self.streams.has_waiting()
    }

    /// The window or the pacer forbids what is waiting: then the window is in use.
    const fn note_held_back(&mut self) {
        if self.has_waiting() {
            self.path.note_used();
        }
    }

    /// Pads and accounts, unless nothing is worth a packet.
    fn finish(&mut self, now: Instant, mut draft: Draft<'_>) -> Option<Filled> {
        let ack_is_due = self.path.received.due().is_some_and(|due| due <= now);
        let is_worth = draft.is_eliciting || (draft.acked_below > 0 && ack_is_due);
        if !is_worth {
            return None;
        }
        let more_waits = self.has_waiting();
        // While more waits only a full packet keeps the segments of a train equal.
        let full = draft.writer.room() < DATA_BYTES_MIN + SubHeader::encoded_len(false, true);
        let least = if full && more_waits { usize::MAX } else { PAYLOAD_BYTES_MIN };
        draft.writer.pad_to(least);
        let purpose = if draft.is_eliciting { Purpose::Data } else { Purpose::AckOnly };
        Some(self.account(now, draft, purpose))
    }

    fn account(&mut self, now: Instant, draft: Draft<'_>, purpose: Purpose) -> Filled {
        if draft.acked_below > 0 {
            self.path.received.reported(now);
            self.path.counters.acks_sent += 1;
        }
        for other in self.others.iter_mut().filter(|other| draft.told[other.id.index()]) {
            other.received.told_elsewhere();
        }
        let len_bytes = draft.writer.len();
        let bytes = (len_bytes + DATA_OVERHEAD_BYTES) as u16;
        let built = Built { purpose, bytes, records: draft.records, acked_below: draft.acked_below };
        let number = self.path.account_sent(now, built);
        if purpose == Purpose::MtuProbe {
            self.path.repair.drop_run();
        } else {
            let outgoing = Outgoing { more: self.has_waiting(), ..draft.outgoing };
            self.path.repair.sent(now, draft.writer.written(), outgoing);
        }
        Filled { number, len_bytes, ecn: Ecn::Capable0, is_eliciting: purpose != Purpose::AckOnly }
    }

    fn build_mtu_probe(&mut self, now: Instant, payload: &mut [u8]) -> Option<Filled> {
        let mut draft = Draft { is_eliciting: true, ..Draft::new(payload) };
        draft.writer.put(&Frame::Ping);
        draft.writer.pad_to(usize::MAX);
        Some(self.account(now, draft, Purpose::MtuProbe))
    }

    /// The repair data that is due. Where the window is full there is too much under way for it to be of use, and
    /// what is missing shows soon.
    fn build_repair(&mut self, now: Instant, leave: Leave, payload: &mut [u8]) -> Option<Filled> {
        match leave {
            Leave::Any => {}
            Leave::Paced(until) => {
                self.path.repair.wait_until(until);
                return None;
            }
            Leave::Probe | Leave::WindowFull | Leave::Nothing => {
                self.path.repair.drop_run();
                return None;
            }
        }
        let (count, length_sum, payload_sum) = self.path.repair.take(now, payload.len())?;
        let mut writer = FrameWriter::new(payload);
        writer.put(&Frame::Repair(Sum { count, length_sum, payload_sum }));
        let len_bytes = writer.len();
        let bytes = (len_bytes + DATA_OVERHEAD_BYTES) as u16;
        let built = Built { purpose: Purpose::Data, bytes, records: NO_RECORD, acked_below: 0 };
        let number = self.path.account_sent(now, built);
        self.path.counters.repairs_sent += 1;
        self.path.counters.repair_bytes_sent += u64::from(bytes);
        Some(Filled { number, len_bytes, ecn: Ecn::Capable0, is_eliciting: true })
    }

    fn build_close(&mut self, now: Instant, payload: &mut [u8]) -> Option<Filled> {
        let code = self.signals.close.take()?;
        self.path.sent.forget(now);
        let len = payload.len().min(self.path.payload_bytes());
        let mut draft = Draft::new(&mut payload[..len]);
        draft.writer.put(&Frame::Close { code, reason: b"" });
        draft.writer.pad_to(PAYLOAD_BYTES_MIN);
        if self.path.sent.is_full() {
            return None;
        }
        Some(self.account(now, draft, Purpose::AckOnly))
    }
}
