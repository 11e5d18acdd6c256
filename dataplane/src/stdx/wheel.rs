//! A timing wheel: O(1) to set, one tick per slot, lazy.
//!
//! ```text
//! tick = 4 ms · 1024 slots = 4.1 s a turn; a later deadline waits in its slot and is looked at once a turn
//! ```
//! An entry is a `u64` chosen by the caller (a kind and a handle). The wheel keeps no way to cancel: the caller
//! keeps the true deadline beside its own record, and when an entry fires that was moved or is gone, it sets it
//! again or drops it. That makes "another byte came" free, which is what nearly every idle timer sees.

use crate::time::{Duration, Instant};

const TICK_US: u64 = 4_096;
const SLOTS: usize = 1_024;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: Instant,
    token: u64,
    next: u32,
}

/// The wheel.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[u32]>,
    entries: Vec<Entry>,
    free: u32,
    len: usize,
    /// All ticks before this one have been looked at.
    tick: u64,
    /// No entry can fire before this tick: what a sleeping driver waits for.
    earliest: u64,
}

impl Wheel {
    /// A wheel that holds `capacity` entries without allocating.
    pub fn new(capacity: usize) -> Self {
        Self {
            heads: vec![NONE; SLOTS].into_boxed_slice(),
            entries: Vec::with_capacity(capacity),
            free: NONE,
            len: 0,
            tick: 0,
            earliest: u64::MAX,
        }
    }

    /// Makes `token` come out of `expire` at `deadline` or at most one tick (4.1 ms) later.
    pub fn set(&mut self, deadline: Instant, token: u64) {
        let tick = (deadline.as_us().div_ceil(TICK_US)).max(self.tick);
        let slot = tick as usize % SLOTS;
        let entry = Entry { deadline, token, next: self.heads[slot] };
        let index = if self.free == NONE {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            self.entries[index as usize] = entry;
            index
        };
        self.heads[slot] = index;
        self.len += 1;
        self.earliest = self.earliest.min(tick);
    }

    /// Puts the tokens that are due at `now` into `due`, at most `budget` of them; call again when it was reached.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<u64>, budget: usize) {
        let current = now.as_us() / TICK_US;
        if self.len == 0 {
            (self.tick, self.earliest) = (current.max(self.tick), u64::MAX);
            return;
        }
        if self.earliest > current {
            return;
        }
        // One turn visits every slot; more would visit them again.
        self.tick = self.tick.max(self.earliest).max((current + 1).saturating_sub(SLOTS as u64));
        let limit = due.len() + budget;
        while self.tick <= current && due.len() < limit {
            if !self.visit(self.tick as usize % SLOTS, now, due, limit) {
                self.earliest = self.tick;
                return;
            }
            self.tick += 1;
        }
        self.earliest = if self.len == 0 { u64::MAX } else { self.next_used_tick() };
    }

    /// When `expire` may next have something: never too late, sometimes early.
    pub fn deadline(&self) -> Option<Instant> {
        (self.len > 0).then(|| Instant::from_us(self.earliest.saturating_mul(TICK_US)))
    }

    /// Entries waiting.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The span between two ticks.
    pub const TICK: Duration = Duration::from_micros(TICK_US);

    /// Takes what is due out of one slot; false if `limit` was reached first.
    fn visit(&mut self, slot: usize, now: Instant, due: &mut Vec<u64>, limit: usize) -> bool {
        let mut kept = NONE;
        let mut index = core::mem::replace(&mut self.heads[slot], NONE);
        let mut complete = true;
        while index != NONE {
            let Entry { deadline, token, next } = self.entries[index as usize];
            if deadline <= now && due.len() < limit {
                due.push(token);
                self.entries[index as usize].next = self.free;
                self.free = index;
                self.len -= 1;
            } else {
                complete &= deadline > now;
                self.entries[index as usize].next = kept;
                kept = index;
            }
            index = next;
        }
        self.heads[slot] = kept;
        complete
    }

    fn next_used_tick(&self) -> u64 {
        (self.tick..self.tick + SLOTS as u64)
            .find(|tick| self.heads[*tick as usize % SLOTS] != NONE)
            .unwrap_or(self.tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::prng::Prng;

    #[test]
    fn everything_fires_once_and_in_time() {
        let mut random = Prng::new(7);
        let mut wheel = Wheel::new(16);
        let mut waiting = std::collections::BTreeMap::new();
        let mut now = Instant::ORIGIN;
        let mut due = Vec::new();
        for token in 0..5_000u64 {
            let deadline = now + Duration::from_micros(random.below(20_000_000));
            wheel.set(deadline, token);
            waiting.insert(token, deadline);
            now += Duration::from_micros(random.below(9_000));
            due.clear();
            wheel.expire(now, &mut due, usize::MAX >> 1);
            for token in &due {
                let deadline = waiting.remove(token).expect("a token fires once");
                assert!(deadline <= now, "nothing fires early");
            }
            for deadline in waiting.values() {
                assert!(*deadline + Wheel::TICK * 2 > now, "nothing is late");
            }
            let next = waiting.values().min();
            assert!(wheel.deadline().is_none_or(|d| next.is_some_and(|n| d <= *n + Wheel::TICK)));
        }
        now += Duration::from_secs(60);
        due.clear();
        wheel.expire(now, &mut due, usize::MAX >> 1);
        assert_eq!((due.len(), wheel.len()), (waiting.len(), 0));
    }

    #[test]
    fn a_budget_leaves_the_rest_for_the_next_call() {
        let mut wheel = Wheel::new(8);
        for token in 0..10 {
            wheel.set(Instant::from_us(1), token);
        }
        let mut due = Vec::new();
        wheel.expire(Instant::from_us(10_000), &mut due, 4);
        assert_eq!(due.len(), 4);
        assert!(wheel.deadline().is_some_and(|d| d <= Instant::from_us(10_000)));
        wheel.expire(Instant::from_us(10_000), &mut due, 100);
        assert_eq!(due.len(), 10);
    }
}
