//! The sending half of a stream: what was written, sent, lost and acknowledged.
//!
//! ```text
//! offset:   base            next              end
//!            │ sent: acked,   │ not yet sent    │ then perhaps the end of the stream
//!            │ lost, in flight│ (credit ≤ limit)│
//! ```
//! Lost ranges are sent before new bytes. It builds no frames and knows neither packets nor the window. Units:
//! bytes, stream offsets.

use crate::stdx::chain::{Blocks, Chain, Spot};
use crate::tmp::ranges::{RangePool, Ranges};

/// The bytes and ranges of all sending halves.
#[derive(Debug)]
pub struct SendMemory {
    /// The bytes.
    pub blocks: Blocks,
    /// What is acknowledged out of order, or lost.
    pub ranges: RangePool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// More may be written.
    Open,
    /// Nothing more will be written; the peer has to be told.
    Finished(End),
    /// All of it, and the end, was acknowledged; or the reset was.
    Done,
    /// Given up; the peer has to be told.
    Reset { code: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has to be sent, or sent again.
    Due,
    /// It is under way.
    Sent,
    /// The peer knows it; only bytes can be missing.
    Acked,
}

/// What to send next of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of the first byte.
    pub offset: u64,
    /// How many; none if only the end is to be told.
    pub bytes: usize,
    /// The stream ends behind them.
    pub is_end: bool,
    /// They were sent before.
    pub is_again: bool,
}

/// One sending half.
#[derive(Debug)]
pub struct SendStream {
    written: Chain,
    base: u64,
    /// Where the last piece was copied from.
    copied: Spot,
    next: u64,
    limit: u64,
    acked: Ranges,
    lost: Ranges,
    phase: Phase,
    wants_room: bool,
}

impl SendStream {
    /// Nothing is written; the peer takes `credit_bytes`.
    pub const fn new(credit_bytes: u64) -> Self {
        Self {
            written: Chain::new(),
            copied: Spot::new(),
            base: 0,
            next: 0,
            limit: credit_bytes,
            acked: Ranges::new(),
            lost: Ranges::new(),
            phase: Phase::Open,
            wants_room: false,
        }
    }

    /// Takes what there is room for, with at most `buffer_bytes` kept.
    pub fn write(&mut self, memory: &mut SendMemory, bytes: &[u8], buffer_bytes: usize) -> usize {
        let room = self.room(buffer_bytes);
        let taken = memory.blocks.append(&mut self.written, &bytes[..bytes.len().min(room)]);
        self.wants_room = taken < bytes.len() && self.phase == Phase::Open;
        taken
    }

    /// What `write` would take if there is memory.
    pub fn room(&self, buffer_bytes: usize) -> usize {
        match self.phase {
            Phase::Open => buffer_bytes.saturating_sub(self.written.len()),
            Phase::Finished(_) | Phase::Done | Phase::Reset { .. } => 0,
        }
    }

    /// Nothing more will be written.
    pub fn finish(&mut self) {
        if self.phase == Phase::Open {
            (self.phase, self.wants_room) = (Phase::Finished(End::Due), false);
        }
    }

    /// Gives the half up; false if it was done or given up before.
    pub fn reset(&mut self, memory: &mut SendMemory, code: u16) -> bool {
        if matches!(self.phase, Phase::Done | Phase::Reset { .. }) {
            return false;
        }
        self.clear(memory);
        self.phase = Phase::Reset { code };
        true
    }

    /// The code to tell the peer, and the bytes ever sent, if the half was given up.
    pub const fn reset_to_tell(&self) -> Option<(u16, u64)> {
        match self.phase {
            Phase::Reset { code } => Some((code, self.next)),
            Phase::Open | Phase::Finished(_) | Phase::Done => None,
        }
    }

    /// The peer knows of the reset.
    pub fn reset_acked(&mut self) {
        if matches!(self.phase, Phase::Reset { .. }) {
            self.phase = Phase::Done;
        }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The peer takes bytes up to `limit`; true if that is more than before.
    pub fn credit(&mut self, limit: u64) -> bool {
        let more = limit > self.limit;
        self.limit = self.limit.max(limit);
        more
    }

    /// First offset that the peer does not take: where a CREDIT's low bits belong.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that may be sent now; an end without bytes counts as one.
    pub fn sendable_bytes(&self) -> usize {
        let bytes = self.lost.bytes() + self.unsent_bytes();
        if bytes == 0 && self.is_end_due() { 1 } else { bytes as usize }
    }

    /// Bytes sent once, or more often.
    pub const fn sent_bytes(&self) -> u64 {
        self.next
    }

    /// Bytes written and never sent, whatever the peer's credit says; none of a half that was given up.
    pub fn waiting_bytes(&self) -> usize {
        self.end().saturating_sub(self.next) as usize
    }

    /// Whether only the end is still to be sent.
    pub fn owes_only_end(&self) -> bool {
        self.lost.is_empty() && self.is_end_due()
    }

    /// Whether something was lost that the reader waits for.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether anything is written and not acknowledged.
    pub fn is_active(&self) -> bool {
        !self.written.is_empty()
    }

    /// Takes the next piece of at most `bytes_max`; `None` if nothing may be sent.
    pub fn take_piece(&mut self, memory: &mut SendMemory, bytes_max: usize) -> Option<Piece> {
        let (offset, bytes, is_again) =
            if let Some((start, bytes)) = memory.ranges.take_front(&mut self.lost, bytes_max as u64) {
                (start, bytes, true)
            } else {
                let bytes = self.unsent_bytes().min(bytes_max as u64);
                self.next += bytes;
                (self.next - bytes, bytes, false)
            };
        if bytes == 0 && !self.is_end_due() {
            return None;
        }
        let is_end = offset + bytes == self.end() && matches!(self.phase, Phase::Finished(_));
        if self.is_end_due() && is_end {
            self.phase = Phase::Finished(End::Sent);
        }
        Some(Piece { offset, bytes: bytes as usize, is_end, is_again })
    }

    /// Whether a piece is not acknowledged and still there.
    pub fn keeps(&self, piece: &Piece) -> bool {
        self.is_kept() && piece.offset >= self.base && piece.offset + piece.bytes as u64 <= self.end()
    }

    /// Copies the bytes of a piece.
    pub fn copy(&mut self, memory: &SendMemory, piece: &Piece, into: &mut [u8]) {
        if piece.bytes > 0 {
            let written = (&self.written, self.base);
            let copied = memory.blocks.copy_from(written, &mut self.copied, piece.offset, into);
            assert!(copied == piece.bytes, "what is sent is kept until it is acknowledged");
        }
    }

    /// A piece arrived. True if what may be sent has become less: a lost range need not be sent again.
    pub fn acked(&mut self, memory: &mut SendMemory, offset: u64, bytes: u64, is_end: bool) -> bool {
        let end = offset + bytes;
        let lost_before = self.lost.bytes();
        if end > self.base && bytes > 0 && self.is_kept() {
            memory.ranges.remove(&mut self.lost, offset, end);
            self.note_acked(memory, offset.max(self.base), end);
        }
        if is_end && self.is_kept() {
            self.phase = Phase::Finished(End::Acked);
        }
        if self.written.is_empty() && self.phase == Phase::Finished(End::Acked) {
            self.phase = Phase::Done;
        }
        self.lost.bytes() != lost_before
    }

    /// A piece was lost, or is to be sent again as a probe. True if there is more to send now.
    pub fn lost(&mut self, memory: &mut SendMemory, offset: u64, bytes: u64, is_end: bool) -> bool {
        if !self.is_kept() {
            return false;
        }
        if is_end && self.phase == Phase::Finished(End::Sent) {
            self.phase = Phase::Finished(End::Due);
        }
        let (mut start, end) = (offset.max(self.base), offset + bytes);
        while start < end {
            let acked = memory.ranges.iter(&self.acked).find(|(_, acked_end)| *acked_end > start);
            let (acked_start, acked_end) = acked.unwrap_or((end, end));
            if start < acked_start {
                let kept = memory.ranges.insert(&mut self.lost, start, end.min(acked_start));
                assert!(kept, "there is a range for every record in flight");
            }
            start = acked_end;
        }
        true
    }

    /// Whether a writer that was refused can go on, with at most `buffer_bytes` kept; says so once.
    pub fn take_room_news(&mut self, buffer_bytes: usize) -> bool {
        let news = self.wants_room && self.room(buffer_bytes) * 2 >= buffer_bytes;
        self.wants_room &= !news;
        news
    }

    /// Whether a writer was refused.
    pub const fn wants_room(&self) -> bool {
        self.wants_room
    }

    /// Gives all memory back.
    pub fn clear(&mut self, memory: &mut SendMemory) {
        memory.blocks.clear(&mut self.written);
        memory.ranges.clear(&mut self.acked);
        memory.ranges.clear(&mut self.lost);
        self.wants_room = false;
    }

    fn note_acked(&mut self, memory: &mut SendMemory, start: u64, end: u64) {
        if start > self.base {
            // If there is no range left, the bytes count as not acknowledged and will be sent again.
            if !memory.ranges.insert(&mut self.acked, start, end) {
                let kept = memory.ranges.insert(&mut self.lost, start, end);
                assert!(kept, "there is a range for every record in flight");
            }
            return;
        }
        let mut base = end;
        while let Some((start, end)) = memory.ranges.first(&self.acked) {
            if start > base {
                break;
            }
            base = base.max(end);
            memory.ranges.remove(&mut self.acked, start, end);
        }
        memory.blocks.advance(&mut self.written, (base - self.base) as usize);
        memory.ranges.remove(&mut self.lost, self.base, base);
        self.base = base;
    }

    fn end(&self) -> u64 {
        self.base + self.written.len() as u64
    }

    fn unsent_bytes(&self) -> u64 {
        self.end().min(self.limit).saturating_sub(self.next)
    }

    fn is_end_due(&self) -> bool {
        self.phase == Phase::Finished(End::Due) && self.next == self.end()
    }

    fn is_kept(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Finished(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;

    fn memory() -> SendMemory {
        SendMemory { blocks: Blocks::new(64, 64), ranges: RangePool::new(256) }
    }

    #[test]
    fn credit_and_room_bound_what_goes_out_and_in() {
        let mut memory = memory();
        let mut stream = SendStream::new(100);
        assert_eq!(stream.write(&mut memory, &[7; 300], 200), 200);
        assert_eq!((stream.sendable_bytes(), stream.wants_room()), (100, true));
        let piece = stream.take_piece(&mut memory, 1_000).unwrap();
        assert_eq!(piece, Piece { offset: 0, bytes: 100, is_end: false, is_again: false });
        assert_eq!(stream.take_piece(&mut memory, 1_000), None);
        assert!(stream.credit(150) && !stream.credit(120));
        assert_eq!(stream.sendable_bytes(), 50);
        stream.acked(&mut memory, 0, 99, false);
        assert!(!stream.take_room_news(200));
        stream.acked(&mut memory, 99, 1, false);
        assert!(stream.take_room_news(200) && !stream.take_room_news(200));
    }

    #[test]
    fn an_end_that_was_lost_apart_is_still_owed_when_the_lost_bytes_have_left() {
        let mut memory = memory();
        let mut stream = SendStream::new(100);
        stream.write(&mut memory, b"abcdef", 200);
        let first = stream.take_piece(&mut memory, 3).unwrap();
        stream.take_piece(&mut memory, 3).unwrap();
        stream.finish();
        let end = stream.take_piece(&mut memory, 1).unwrap();
        stream.acked(&mut memory, 3, 3, false);
        stream.lost(&mut memory, first.offset, 3, false);
        stream.lost(&mut memory, end.offset, 0, true);
        assert_eq!((stream.sendable_bytes(), stream.owes_only_end()), (3, false));
        assert!(stream.take_piece(&mut memory, 3).is_some_and(|piece| !piece.is_end));
        assert_eq!((stream.sendable_bytes(), stream.owes_only_end()), (1, true));
    }

    #[test]
    fn the_end_is_sent_until_it_is_acknowledged() {
        let mut memory = memory();
        let mut stream = SendStream::new(100);
        stream.write(&mut memory, b"abc", 200);
        let first = stream.take_piece(&mut memory, 10).unwrap();
        stream.finish();
        assert_eq!((stream.sendable_bytes(), stream.write(&mut memory, b"d", 200)), (1, 0));
        let end = stream.take_piece(&mut memory, 1).unwrap();
        assert_eq!(end, Piece { offset: 3, bytes: 0, is_end: true, is_again: false });
        assert_eq!((stream.sendable_bytes(), stream.take_piece(&mut memory, 1)), (0, None));
        assert!(stream.lost(&mut memory, 3, 0, true));
        assert_eq!(stream.sendable_bytes(), 1);
        stream.lost(&mut memory, first.offset, 3, false);
        assert_eq!(stream.sendable_bytes(), 3, "the end rides on the bytes");
        let again = stream.take_piece(&mut memory, 10).unwrap();
        assert_eq!(again, Piece { offset: 0, bytes: 3, is_end: true, is_again: true });
        stream.acked(&mut memory, 0, 3, true);
        assert!(stream.is_done() && memory.blocks.used() == 0);
    }

    #[test]
    fn a_reset_gives_everything_back_and_waits_for_its_ack() {
        let mut memory = memory();
        let mut stream = SendStream::new(100);
        stream.write(&mut memory, &[1; 50], 200);
        stream.take_piece(&mut memory, 20);
        assert!(stream.reset(&mut memory, 9) && !stream.reset(&mut memory, 8));
        assert_eq!((stream.sendable_bytes(), stream.reset_to_tell()), (0, Some((9, 20))));
        assert!(!stream.lost(&mut memory, 0, 20, false) && memory.blocks.used() == 0);
        stream.reset_acked();
        assert!(stream.is_done());
    }

    #[test]
    fn any_fate_of_pieces_delivers_every_byte() {
        for seed in 0..60 {
            let mut random = Prng::new(seed);
            let mut memory = memory();
            let mut stream = SendStream::new(u64::MAX >> 1);
            let text: Vec<u8> = (0..2_000u32).map(|at| (at % 251) as u8).collect();
            let (mut written, mut out, mut flying) = (0, vec![None; text.len()], Vec::new());
            let mut ended = false;
            for _ in 0..100_000 {
                written += stream.write(&mut memory, &text[written..], 700);
                if written == text.len() {
                    stream.finish();
                }
                if let Some(piece) = stream.take_piece(&mut memory, 1 + random.below(90) as usize) {
                    let mut bytes = vec![0; piece.bytes];
                    stream.copy(&memory, &piece, &mut bytes);
                    flying.push((piece, bytes));
                }
                if flying.is_empty() {
                    break;
                }
                let (piece, bytes) = flying.swap_remove(random.below(flying.len() as u64) as usize);
                match random.below(4) {
                    0 => {
                        stream.lost(&mut memory, piece.offset, piece.bytes as u64, piece.is_end);
                    }
                    1 => {
                        // A probe: the same again, while the first is still under way.
                        stream.lost(&mut memory, piece.offset, piece.bytes as u64, piece.is_end);
                        flying.push((piece, bytes));
                    }
                    _ => {
                        for (at, byte) in bytes.iter().enumerate() {
                            out[piece.offset as usize + at] = Some(*byte);
                        }
                        ended |= piece.is_end;
                        stream.acked(&mut memory, piece.offset, piece.bytes as u64, piece.is_end);
                    }
                }
            }
            assert!(stream.is_done() && ended, "seed {seed}");
            assert!(out.iter().zip(&text).all(|(out, text)| *out == Some(*text)));
            assert_eq!((memory.blocks.used(), memory.ranges.used()), (0, 0));
        }
    }
}
