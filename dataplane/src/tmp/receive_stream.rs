//! The receiving half of a stream: what arrived, what was read, where it ends.
//!
//! ```text
//!  Open ──end known and all read──► Done
//!   │ ├──RESET of the peer────────► Done (bytes dropped)
//!   └─┴──stop──► Stopped ──end or RESET known──► Done
//! ```
//! It checks the peer against the credit it was given. Units: bytes, stream offsets.

use crate::tmp::credit::{Budget, Window};
use crate::tmp::reassembly::{Reassembly, ReceiveMemory};

/// Why a packet is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no memory for it now: it is not acknowledged, so the peer sends it again.
    NoRoom,
    /// The peer broke a rule.
    Violation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Bytes are kept until they are read.
    Open,
    /// Bytes are dropped; the peer is asked to cease.
    Stopped { code: u16 },
    /// Nothing more comes.
    Done,
}

/// One receiving half.
#[derive(Debug)]
pub struct ReceiveStream {
    data: Reassembly,
    /// What the peer may send.
    pub window: Window,
    highest: u64,
    end: Option<u64>,
    phase: Phase,
}

impl ReceiveStream {
    /// Nothing arrived; the peer may send what `window` says.
    pub const fn new(window: Window) -> Self {
        Self { data: Reassembly::new(), window, highest: 0, end: None, phase: Phase::Open }
    }

    /// Takes a piece; true if there is something new to read, the end included.
    pub fn receive(
        &mut self,
        memory: &mut ReceiveMemory,
        offset: u64,
        data: &[u8],
        is_end: bool,
    ) -> Result<bool, Refusal> {
        let end = offset.saturating_add(data.len() as u64);
        if end > self.window.limit() || !self.agrees_with_end(end, is_end) {
            return Err(Refusal::Violation);
        }
        let end_is_news = is_end && self.end.is_none();
        let before = self.data.in_order_end(memory);
        if self.phase == Phase::Open {
            self.data.insert(memory, offset, data).map_err(|_| Refusal::NoRoom)?;
        }
        self.highest = self.highest.max(end);
        if is_end {
            self.end = Some(end);
        }
        self.settle();
        let after = self.data.in_order_end(memory);
        let news = after > before || (end_is_news && after == end);
        Ok(news && self.phase != Phase::Done || end_is_news && self.phase == Phase::Done)
    }

    /// The peer gave up. True if the reader has to be told.
    pub fn reset(&mut self, memory: &mut ReceiveMemory) -> bool {
        let tell = self.phase == Phase::Open;
        self.data.clear(memory);
        self.phase = Phase::Done;
        tell
    }

    /// The reader gave up. True if the peer has to be told.
    pub fn stop(&mut self, memory: &mut ReceiveMemory, code: u16) -> bool {
        if self.phase != Phase::Open {
            return false;
        }
        self.data.clear(memory);
        self.phase = Phase::Stopped { code };
        self.settle();
        self.phase != Phase::Done
    }

    /// The code to tell the peer, if the reader gave up and the peer has not ended yet.
    pub const fn stop_to_tell(&self) -> Option<u16> {
        match self.phase {
            Phase::Stopped { code } => Some(code),
            Phase::Open | Phase::Done => None,
        }
    }

    /// The next bytes in order.
    pub fn front<'a>(&self, memory: &'a ReceiveMemory) -> &'a [u8] {
        match self.phase {
            Phase::Open => self.data.front(memory),
            Phase::Stopped { .. } | Phase::Done => &[],
        }
    }

    /// Copies the next bytes in order, as many as there are and `into` holds; how many.
    pub fn peek(&self, memory: &ReceiveMemory, into: &mut [u8]) -> usize {
        match self.phase {
            Phase::Open => self.data.peek(memory, into),
            Phase::Stopped { .. } | Phase::Done => 0,
        }
    }

    /// Drops the first `count` bytes, which `front` or `peek` has shown.
    pub fn consume(&mut self, memory: &mut ReceiveMemory, count: usize) {
        if self.phase == Phase::Open {
            self.data.consume(memory, count);
            self.settle();
        }
    }

    /// Everything before this offset was consumed.
    pub const fn read_offset(&self) -> u64 {
        self.data.read_offset()
    }

    /// Where the low bits of an offset that comes in belong.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether the reader has all that came in order and more has come behind a hole.
    pub const fn is_held_by_hole(&self) -> bool {
        let front_end = self.data.front_end();
        self.data.read_offset() == front_end && front_end < self.highest
    }

    /// Whether the end was reached by reading.
    pub fn is_read_to_end(&self) -> bool {
        self.end == Some(self.data.read_offset())
    }

    /// Whether the peer has ended its half and what can be read now is all that is left of it.
    pub fn is_front_last(&self) -> bool {
        self.end == Some(self.data.front_end())
    }

    /// How many bytes will still have been read when the end is reached, if the peer has said where that is.
    pub fn left_bytes(&self) -> Option<u64> {
        Some(self.end? - self.data.read_offset())
    }

    /// Whether more credit is of any use to the peer.
    pub fn wants_credit(&self) -> bool {
        self.phase == Phase::Open && self.end.is_none()
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Gives all memory and the window back.
    pub fn clear(&mut self, memory: &mut ReceiveMemory, budget: &mut Budget) {
        self.data.clear(memory);
        self.window.close(budget);
    }

    fn agrees_with_end(&self, end: u64, is_end: bool) -> bool {
        match self.end {
            Some(known) => end <= known && (!is_end || end == known),
            None => !is_end || end >= self.highest,
        }
    }

    fn settle(&mut self) {
        let done = match self.phase {
            Phase::Open => self.is_read_to_end(),
            Phase::Stopped { .. } => self.end.is_some(),
            Phase::Done => true,
        };
        if done {
            self.phase = Phase::Done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;
    use crate::tmp::credit::WindowBounds;

    fn stream(bytes: usize) -> (ReceiveMemory, ReceiveStream) {
        let bounds = WindowBounds { bytes_min: bytes, bytes_usual: bytes, bytes_max: bytes };
        let window = Window::new(&mut Budget::new(64, 64, 1, 64), &bounds, 0, Instant::ORIGIN).unwrap();
        (ReceiveMemory::new(64, 64, 8), ReceiveStream::new(window))
    }

    /// [TMP-112.2]
    #[test]
    fn the_peer_is_held_to_its_credit_and_its_end() {
        let (mut memory, mut stream) = stream(100);
        assert_eq!(stream.receive(&mut memory, 90, &[0; 11], false), Err(Refusal::Violation));
        assert_eq!(stream.receive(&mut memory, 50, &[0; 10], false), Ok(false));
        assert_eq!(stream.receive(&mut memory, 0, &[0; 40], true), Err(Refusal::Violation));
        assert_eq!(stream.receive(&mut memory, 60, &[], true), Ok(false));
        assert_eq!(stream.receive(&mut memory, 55, &[0; 6], false), Err(Refusal::Violation));
        assert_eq!(stream.receive(&mut memory, 0, &[0; 50], false), Ok(true));
        assert!(!stream.is_done());
        while !stream.front(&memory).is_empty() {
            let count = stream.front(&memory).len();
            stream.consume(&mut memory, count);
        }
        assert!(stream.is_done() && stream.is_read_to_end() && memory.blocks.used() == 0);
    }

    #[test]
    fn the_last_bytes_are_known_when_the_end_is_and_nothing_is_missing() {
        let (mut memory, mut stream) = stream(100);
        stream.receive(&mut memory, 3, b"def", true).unwrap();
        assert!(!stream.is_front_last());
        stream.receive(&mut memory, 0, b"abc", false).unwrap();
        assert!(stream.is_front_last() && !stream.is_read_to_end());
    }

    /// A reader that waits for the whole of a block takes nothing before it is there. What lies behind the first stretch and
    /// touches it is not put together before it is read; more behind that was no news once, and the reader waited for ever.
    #[test]
    fn what_comes_behind_a_stretch_that_touches_is_news_and_can_be_seen() {
        let bounds = WindowBounds { bytes_min: 9_000, bytes_usual: 9_000, bytes_max: 9_000 };
        let mut budget = Budget::new(1_024, 64, 1, 9_000);
        let window = Window::new(&mut budget, &bounds, 0, Instant::ORIGIN).unwrap();
        let (mut memory, mut stream) = (ReceiveMemory::new(1_024, 64, 8), ReceiveStream::new(window));
        let bytes: Vec<u8> = (0..7_000_u32).map(|n| (n % 251) as u8).collect();
        // The first byte is read, or a short beginning would be completed.
        assert_eq!(stream.receive(&mut memory, 0, &bytes[..2_000], false), Ok(true));
        stream.consume(&mut memory, 1);
        assert_eq!(stream.receive(&mut memory, 3_000, &bytes[3_000..6_000], false), Ok(false));
        assert_eq!(stream.receive(&mut memory, 2_000, &bytes[2_000..3_000], false), Ok(true));
        assert_eq!(stream.receive(&mut memory, 6_000, &bytes[6_000..], true), Ok(true));
        let mut seen = vec![0; 8_000];
        let count = stream.peek(&memory, &mut seen);
        assert_eq!((&seen[..count], stream.left_bytes()), (&bytes[1..], Some(6_999)));
        stream.consume(&mut memory, 6_500);
        assert_eq!((stream.front(&memory), stream.left_bytes()), (&bytes[6_501..], Some(499)));
    }

    #[test]
    fn an_empty_end_is_news() {
        let (mut memory, mut stream) = stream(100);
        assert_eq!(stream.receive(&mut memory, 0, &[], true), Ok(true));
        assert!(stream.is_read_to_end());
    }

    /// [TMP-54]
    #[test]
    fn stop_drops_what_comes_until_the_end_is_known() {
        let (mut memory, mut stream) = stream(100);
        assert_eq!(stream.receive(&mut memory, 0, &[0; 50], false), Ok(true));
        assert!(stream.stop(&mut memory, 4) && !stream.stop(&mut memory, 5));
        assert_eq!((stream.stop_to_tell(), stream.front(&memory)), (Some(4), &[][..]));
        assert_eq!(stream.receive(&mut memory, 50, &[0; 20], false), Ok(false));
        assert_eq!(memory.blocks.used(), 0);
        assert!(!stream.reset(&mut memory) && stream.is_done());
    }
}
