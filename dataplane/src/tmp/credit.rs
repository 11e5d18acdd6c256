//! How much the peer may send: the window of one stream, and the budget of memory that all windows are granted
//! from. Units: bytes, blocks.
//!
//! A window is granted only after it was reserved in whole blocks, so whatever the peer may send has a place:
//! no stream can take the memory of another, and no second credit for the whole tunnel is needed.

use crate::time::{Duration, Instant};

/// The memory that can be promised.
#[derive(Debug)]
pub struct Budget {
    block_bytes: usize,
    blocks: usize,
    reserved: usize,
}

impl Budget {
    /// A budget of `blocks` of `block_bytes`.
    pub const fn new(block_bytes: usize, blocks: usize) -> Self {
        Self { block_bytes, blocks, reserved: 0 }
    }

    /// Bytes reserved.
    pub const fn reserved_bytes(&self) -> usize {
        self.reserved * self.block_bytes
    }

    /// Blocks that a window may touch: it may begin inside one.
    const fn blocks_of(&self, window_bytes: usize) -> usize {
        window_bytes.div_ceil(self.block_bytes) + 1
    }

    fn exchange(&mut self, old: usize, new: usize) -> bool {
        if self.reserved - old + new > self.blocks {
            return false;
        }
        self.reserved = self.reserved - old + new;
        true
    }
}

/// What of one stream the peer may send.
#[derive(Debug)]
pub struct Window {
    /// First offset that the peer may not send, as last announced.
    limit: u64,
    bytes: usize,
    announced: Instant,
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
    /// The window of a new stream: the usual one, or the least if the budget is short. `announced_bytes` is what
    /// the peer will take it to be until it is told.
    pub fn new(budget: &mut Budget, bounds: &WindowBounds, now: Instant) -> Option<Self> {
        let bytes = [bounds.bytes_usual, bounds.bytes_min]
            .into_iter()
            .find(|bytes| budget.exchange(0, budget.blocks_of(*bytes)))?;
        Some(Self { limit: bytes as u64, bytes, announced: now })
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
    /// window is gone; a window of which a quarter goes in half an rtt is doubled.
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
        if now < self.announced + Duration::from_micros(rtt_us / 2) {
            self.grow(budget, bounds);
        }
        true
    }

    /// The limit to tell the peer now.
    pub fn announce(&mut self, now: Instant, offset: u64) -> u64 {
        self.limit = self.limit.max(offset + self.bytes as u64);
        self.announced = now;
        self.limit
    }

    /// Gives the memory back to the budget.
    pub fn close(&mut self, budget: &mut Budget) {
        if self.bytes > 0 {
            budget.exchange(budget.blocks_of(self.bytes), 0);
            self.bytes = 0;
        }
    }

    fn grow(&mut self, budget: &mut Budget, bounds: &WindowBounds) {
        let bytes = (self.bytes * 2).max(bounds.bytes_usual).min(bounds.bytes_max);
        if bytes > self.bytes && budget.exchange(budget.blocks_of(self.bytes), budget.blocks_of(bytes)) {
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
        let mut budget = Budget::new(1_000, 100);
        let mut window = Window::new(&mut budget, &BOUNDS, at(0)).unwrap();
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
    fn a_short_budget_gives_the_least_and_then_nothing() {
        let mut budget = Budget::new(1_000, 8);
        let mut first = Window::new(&mut budget, &BOUNDS, at(0)).unwrap();
        let mut second = Window::new(&mut budget, &BOUNDS, at(0)).unwrap();
        assert_eq!((first.bytes(), second.bytes()), (4_000, 1_000));
        assert!(Window::new(&mut budget, &BOUNDS, at(0)).is_none());
        assert!(first.consumed(&mut budget, &BOUNDS, at(1), 2_000, 10_000));
        assert_eq!(first.announce(at(1), 2_000), 6_000, "no growth without memory");
        first.close(&mut budget);
        assert!(second.consumed(&mut budget, &BOUNDS, at(1), 500, 10_000));
        assert_eq!(second.bytes(), 4_000);
    }

    #[test]
    fn an_assumed_window_is_corrected() {
        let mut budget = Budget::new(1_000, 8);
        let mut window = Window::new(&mut budget, &BOUNDS, at(0)).unwrap();
        assert!(window.set_assumed(1_000));
        assert_eq!((window.limit(), window.announce(at(0), 0)), (1_000, 4_000));
    }
}
