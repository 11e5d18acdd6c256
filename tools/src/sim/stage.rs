//! What a scripted client or origin may touch while it acts.

use crate::sim::check::Book;
use crate::sim::fault::Faults;
use crate::sim::pipe::{Habits, Pipes};
use crate::sim::shape::Scale;
use crate::sim::world::World;
use dataplane::stdx::prng::Prng;

/// What is fixed for a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) faults: Faults,
    pub(crate) scale: Scale,
    pub(crate) tiny_ppm: u32,
    pub(crate) short_ppm: u32,
    pub(crate) latency_us: u64,
    pub(crate) capacity_bytes: usize,
}

/// Access to the world for one step.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) pipes: &'a mut Pipes,
    pub(crate) book: &'a mut Book,
    pub(crate) setting: &'a Setting,
}

impl Setting {
    /// How a new connection behaves.
    pub(crate) fn habits(&self, dice: &mut Prng) -> Habits {
        let capacity = if dice.ppm(self.tiny_ppm) {
            [1, 2, 7, 64, 300][dice.below(5) as usize]
        } else {
            dice.between(self.capacity_bytes as u64 / 2, self.capacity_bytes as u64 * 2) as usize
        };
        Habits {
            latency_us: dice.between(20, self.latency_us),
            jitter_us: dice.below(self.latency_us),
            capacity_bytes: capacity.max(1),
            short_ppm: self.short_ppm,
        }
    }
}
