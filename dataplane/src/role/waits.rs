//! How long ready streams wait for their turns, by ring: in time, for the dashboard, and in composing loops, whose number
//! is bounded (`blender`, "Nobody starves").
//!
//! A wait begins when bytes of a stream come to wait in its ring, or with its last turn, and ends with its next turn. Turns
//! of one stream that follow each other at the same instant are one. What holds a turn up may be the other streams or a tunnel
//! that may not send.

use crate::blender::RINGS;
use crate::time::Instant;

/// Bounds of the histogram's buckets: powers of two from 16 µs to 16.8 s.
const BOUNDS: usize = 21;
const FIRST_BOUND_LOG2: u32 = 4;

/// The waits of one ring since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitHistogram {
    /// Waits up to each bound and beyond the one before it; the last: beyond all.
    counts: [u64; BOUNDS + 1],
    /// All of them together, µs.
    pub sum_us: u64,
    /// The longest, µs.
    pub max_us: u64,
    /// The most composing loops that began during a wait, less the retransmissions that jumped the queue meanwhile.
    pub loops_max: u32,
}

impl WaitHistogram {
    /// Waits in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound in µs, inclusive, with the number of waits up to it.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let below = self.counts[..BOUNDS].iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        (0..BOUNDS as u32).map(|place| 1 << (FIRST_BOUND_LOG2 + place)).zip(below)
    }

    fn add(&mut self, us: u64) {
        // The place of the least power of two that is no smaller.
        let log2 = u64::BITS - us.saturating_sub(1).leading_zeros();
        let place = log2.saturating_sub(FIRST_BOUND_LOG2) as usize;
        self.counts[place.min(BOUNDS)] += 1;
        self.sum_us += us;
        self.max_us = self.max_us.max(us);
    }
}

/// A stream that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    loops: u32,
    jumps: u32,
    class: u8,
}

/// All streams of one tunnel.
#[derive(Debug, Default)]
pub struct Waits {
    waiting: Vec<Waiting>,
    rings: [WaitHistogram; RINGS],
    /// Retransmissions that jumped the queue of each ring.
    jumps: [u32; RINGS],
    last: u32,
}

impl Waits {
    /// The rings, highest first.
    pub fn rings(&self) -> &[WaitHistogram; RINGS] {
        &self.rings
    }

    /// Bytes of source `key` have come to wait in a ring, when so many loops had begun.
    pub fn begin(&mut self, now: Instant, key: u32, class: u8, loops: u64) {
        let index = key as usize;
        let waiting =
            Waiting { since: now, loops: loops as u32, jumps: self.jumps[usize::from(class)], class };
        if self.waiting.len() <= index {
            self.waiting.resize(index + 1, waiting);
        }
        self.waiting[index] = waiting;
        if self.last == key {
            self.last = u32::MAX;
        }
    }

    /// A source has jumped the queue of its ring.
    pub fn jump(&mut self, class: u8) {
        let jumps = &mut self.jumps[usize::from(class)];
        *jumps = jumps.wrapping_add(1);
    }

    /// The source has a turn.
    pub fn turn(&mut self, now: Instant, key: u32, loops: u64) {
        let waiting = &mut self.waiting[key as usize];
        if self.last == key && waiting.since == now {
            waiting.loops = loops as u32;
            return;
        }
        self.last = key;
        let class = usize::from(waiting.class);
        let (begun, jumped) =
            ((loops as u32).wrapping_sub(waiting.loops), self.jumps[class].wrapping_sub(waiting.jumps));
        let ring = &mut self.rings[class];
        ring.loops_max = ring.loops_max.max(begun.saturating_sub(jumped));
        ring.add(now.us_since(waiting.since));
        (waiting.since, waiting.loops, waiting.jumps) = (now, loops as u32, self.jumps[class]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Instant {
        Instant::from_us(us)
    }

    #[test]
    fn waits_are_counted_where_they_belong() {
        let mut waits = Waits::default();
        waits.begin(at(100), 3, 2, 7);
        waits.turn(at(116), 3, 7);
        waits.turn(at(116), 3, 7);
        waits.turn(at(133), 3, 8);
        waits.begin(at(200), 9, 4, 8);
        waits.turn(at(20_000_200), 9, 10);
        let buckets: Vec<_> = waits.rings()[2].buckets().collect();
        assert_eq!((buckets[0], buckets[1], buckets[20]), ((16, 1), (32, 2), (1 << 24, 2)));
        assert_eq!(
            (waits.rings()[2].count(), waits.rings()[2].sum_us, waits.rings()[2].loops_max),
            (2, 33, 1)
        );
        let lowest = &waits.rings()[4];
        assert_eq!((lowest.count(), lowest.max_us, lowest.loops_max), (1, 20_000_000, 2));
        assert_eq!(lowest.buckets().last(), Some((1 << 24, 0)), "beyond all bounds");
    }

    #[test]
    fn whoever_jumps_the_queue_excuses_a_loop() {
        let mut waits = Waits::default();
        waits.begin(at(0), 0, 1, 1);
        waits.jump(1);
        waits.turn(at(9), 0, 3);
        assert_eq!((waits.rings()[1].loops_max, waits.rings()[1].buckets().next()), (1, Some((16, 1))));
    }
}
