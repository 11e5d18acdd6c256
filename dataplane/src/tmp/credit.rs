//! How much the peer may send: the window of one stream, and the budget of memory that all windows are granted
//! from. Units: bytes, blocks.
//!
//! A window is granted only after it was reserved in whole blocks, so whatever the peer may send has a place:
//! no stream can take the memory of another, and no second credit for the whole tunnel is needed. [TMP-112]

use crate::time::{Duration, Instant};

/// The memory that can be promised. What every stream has at least is set aside for as many streams as there can
/// be, open or not, so that one can always be opened; the rest is for whoever needs more.
#[derive(Debug)]
pub struct Budget {
    block_bytes: usize,
    /// Blocks that any one may have, and how many of them have been given.
    blocks: usize,
    reserved: usize,
    streams_free: usize,
    blocks_min: usize,
    /// Blocks given in advance, to windows that were wide from the beginning, and how many may be.
    advanced: usize,
    advanced_max: usize,
}

/// The part of the budget that may be given in advance: a stream that opened wide and says nothing keeps what it has.
const ADVANCED_PART: usize = 4;

impl Budget {
    /// A budget of `blocks` of `block_bytes`, which cover `streams_max` windows of `bytes_min`.
    pub fn new(block_bytes: usize, blocks: usize, streams_max: usize, bytes_min: usize) -> Self {
        let mut budget = Self {
            block_bytes,
            blocks,
            reserved: 0,
            streams_free: streams_max,
            blocks_min: 0,
            advanced: 0,
            advanced_max: blocks / ADVANCED_PART,
        };
        budget.blocks_min = budget.blocks_of(bytes_min);
        assert!(budget.is_covered(0), "a budget covers the minimum");
        budget
    }

    /// Bytes reserved.
    pub const fn reserved_bytes(&self) -> usize {
        self.reserved * self.block_bytes
    }

    /// Blocks that a window may touch: it may begin inside one.
    const fn blocks_of(&self, window_bytes: usize) -> usize {
        window_bytes.div_ceil(self.block_bytes) + 1
    }

    /// Whether so many more can be given and the minimum is still there for all streams to come.
    const fn is_covered(&self, more: usize) -> bool {
        self.reserved + more + self.streams_free * self.blocks_min <= self.blocks
    }

    /// A window, and how many blocks of it are given in advance.
    fn open(&mut self, bounds: &WindowBounds, wanted_bytes: usize) -> Option<(usize, usize)> {
        self.streams_free = self.streams_free.checked_sub(1)?;
        let usual = self.blocks_of(bounds.bytes_usual);
        let wanted_bytes = wanted_bytes.clamp(bounds.bytes_usual, bounds.bytes_max);
        let (wanted, advance) = (self.blocks_of(wanted_bytes), self.blocks_of(wanted_bytes) - usual);
        let (bytes, advance) = if self.advanced + advance <= self.advanced_max && self.is_covered(wanted) {
            (wanted_bytes, advance)
        } else {
            (if self.is_covered(usual) { bounds.bytes_usual } else { bounds.bytes_min }, 0)
        };
        self.reserved += self.blocks_of(bytes);
        self.advanced += advance;
        Some((bytes, advance))
    }

    fn grow(&mut self, from_bytes: usize, to_bytes: usize) -> bool {
        let more = self.blocks_of(to_bytes) - self.blocks_of(from_bytes);
        let granted = self.is_covered(more);
        if granted {
            self.reserved += more;
        }
        granted
    }

    fn close(&mut self, bytes: usize, advance: usize) {
        self.reserved -= self.blocks_of(bytes);
        self.advanced -= advance;
        self.streams_free += 1;
    }
}

/// What of one stream the peer may send.
#[derive(Debug)]
pub struct Window {
    /// First offset that the peer may not send, as last announced.
    limit: u64,
    bytes: usize,
    announced: Instant,
    /// Blocks given in advance.
    advance: usize,
}

/// How far windows may go.
#[derive(Clone, Copy, Debug)]
pub struct WindowBounds {
    /// Every stream has it.
    pub bytes_min: usize,
    /// Tried at first.
    pub bytes_usual: usize,
    /// Where growing ends.
    pub bytes_max: usize,
}

impl Window {
    /// The window of a new stream: as wide as wanted, the usual one if that would be too much, or the least if the budget
    /// is short; `None` if there are more streams than the budget was made for.
    pub fn new(
        budget: &mut Budget,
        bounds: &WindowBounds,
        wanted_bytes: usize,
        now: Instant,
    ) -> Option<Self> {
        let (bytes, advance) = budget.open(bounds, wanted_bytes)?;
        Some(Self { limit: bytes as u64, bytes, announced: now, advance })
    }

    /// The peer, which opened the stream, knows only of `bytes` so far; true if it should be told of more.
    pub const fn set_assumed(&mut self, bytes: usize) -> bool {
        self.limit = bytes as u64;
        self.bytes > bytes
    }

    /// First offset that the peer may not send.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Size.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything before `offset` was consumed. True if the peer should be told, which is when a quarter of the
    /// window is gone; a window of which a quarter goes in one rtt is doubled. So it comes to hold four round trips and
    /// more: a hole stops the reader for one, a hole whose repair is lost as well for two or three.
    pub fn consumed(
        &mut self,
        budget: &mut Budget,
        bounds: &WindowBounds,
        now: Instant,
        offset: u64,
        rtt_us: u64,
    ) -> bool {
        let news_bytes = (offset + self.bytes as u64).saturating_sub(self.limit);
        if news_bytes * 4 < self.bytes as u64 {
            return false;
        }
        if now < self.announced + Duration::from_micros(rtt_us) {
            self.grow(budget, bounds);
        }
        true
    }

    /// The reader has all there is and waits for a hole to be filled, while bytes up to `highest` have come behind it: a
    /// window of which little is left is doubled, or it would stop the sender until the hole is filled. True if the
    /// peer should be told.
    pub fn strained(&mut self, budget: &mut Budget, bounds: &WindowBounds, highest: u64) -> bool {
        let left_bytes = self.limit.saturating_sub(highest);
        if left_bytes * 2 >= self.bytes as u64 {
            return false;
        }
        let before = self.bytes;
        self.grow(budget, bounds);
        self.bytes > before
    }

    /// The limit to tell the peer now. [TMP-112.1]
    pub fn announce(&mut self, now: Instant, offset: u64) -> u64 {
        self.limit = self.limit.max(offset + self.bytes as u64);
        self.announced = now;
        self.limit
    }

    /// Gives the memory back to the budget.
    pub fn close(&mut self, budget: &mut Budget) {
        if self.bytes > 0 {
            budget.close(self.bytes, core::mem::take(&mut self.advance));
            self.bytes = 0;
        }
    }

    fn grow(&mut self, budget: &mut Budget, bounds: &WindowBounds) {
        let bytes = (self.bytes * 2).max(bounds.bytes_usual).min(bounds.bytes_max);
        if bytes > self.bytes && budget.grow(self.bytes, bytes) {
            self.bytes = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: WindowBounds = WindowBounds { bytes_min: 1_000, bytes_usual: 4_000, bytes_max: 16_000 };

    fn at(us: u64) -> Instant {
        Instant::from_us(us)
    }

    #[test]
    fn tells_at_a_quarter_and_grows_for_a_quick_reader() {
        let mut budget = Budget::new(1_000, 100, 9, 1_000);
        let mut window = Window::new(&mut budget, &BOUNDS, 0, at(0)).unwrap();
        assert_eq!((window.limit(), budget.reserved_bytes()), (4_000, 5_000));
        assert!(!window.consumed(&mut budget, &BOUNDS, at(100), 999, 10_000));
        assert!(window.consumed(&mut budget, &BOUNDS, at(100), 1_000, 10_000));
        assert_eq!((window.announce(at(100), 1_000), window.bytes()), (9_000, 8_000));
        assert!(window.consumed(&mut budget, &BOUNDS, at(50_000), 3_500, 10_000));
        assert_eq!(window.announce(at(50_000), 3_500), 11_500, "a slow reader keeps its window");
        window.close(&mut budget);
        assert_eq!(budget.reserved_bytes(), 0);
    }

    #[test]
    fn what_is_given_in_advance_is_a_quarter_and_comes_back() {
        let mut budget = Budget::new(1_000, 100, 20, 1_000);
        let open = |budget: &mut Budget| Window::new(budget, &BOUNDS, 14_500, at(0)).unwrap();
        let mut windows: Vec<_> = (0..4).map(|_| open(&mut budget)).collect();
        assert_eq!(windows.iter().map(Window::bytes).collect::<Vec<_>>(), [14_500, 14_500, 4_000, 4_000]);
        windows[0].close(&mut budget);
        windows[0].close(&mut budget);
        assert_eq!(open(&mut budget).bytes(), 14_500);
        assert_eq!(Window::new(&mut budget, &BOUNDS, 99_000, at(0)).unwrap().bytes(), 4_000);
        let mut wide = Budget::new(1_000, 1_000, 20, 1_000);
        assert_eq!(
            Window::new(&mut wide, &BOUNDS, 99_000, at(0)).unwrap().bytes(),
            16_000,
            "the widest there is"
        );
    }

    #[test]
    fn a_short_budget_gives_the_least_to_all() {
        // Three streams of two blocks are set aside; three more blocks are for the first who comes.
        let mut budget = Budget::new(1_000, 9, 3, 1_000);
        let mut windows: Vec<_> =
            (0..3).filter_map(|_| Window::new(&mut budget, &BOUNDS, 0, at(0))).collect();
        assert_eq!(windows.iter().map(Window::bytes).collect::<Vec<_>>(), [4_000, 1_000, 1_000]);
        assert!(Window::new(&mut budget, &BOUNDS, 0, at(0)).is_none());
        assert!(windows[0].consumed(&mut budget, &BOUNDS, at(1), 2_000, 10_000));
        assert_eq!(windows[0].announce(at(1), 2_000), 6_000, "no growth without memory");
        windows[0].close(&mut budget);
        assert!(windows[1].consumed(&mut budget, &BOUNDS, at(1), 500, 10_000));
        assert_eq!(windows[1].bytes(), 4_000);
    }

    /// [TMP-112]
    #[test]
    fn an_assumed_window_is_corrected() {
        let mut budget = Budget::new(1_000, 8, 1, 1_000);
        let mut window = Window::new(&mut budget, &BOUNDS, 0, at(0)).unwrap();
        assert!(window.set_assumed(1_000));
        assert_eq!((window.limit(), window.announce(at(0), 0)), (1_000, 4_000));
    }
}
