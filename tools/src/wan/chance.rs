//! What is left to chance: one seeded generator per kind of mishap, so that more of one does not shift the others.

use crate::wan::rules::{GilbertElliott, Rules};
use dataplane::stdx::prng::Prng;

/// The generators of one direction.
#[derive(Debug)]
pub(crate) struct Chance {
    loss: Prng,
    bursts: Prng,
    is_bad: bool,
    reorder: Prng,
    duplicate: Prng,
    corrupt: Prng,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let mut seeds = Prng::new(seed);
        let mut next = || Prng::new(seeds.next_u64());
        Self {
            loss: next(),
            bursts: next(),
            is_bad: false,
            reorder: next(),
            duplicate: next(),
            corrupt: next(),
        }
    }

    /// Whether the next packet is lost.
    pub(crate) fn loses(&mut self, rules: &Rules) -> bool {
        let by_itself = happens(&mut self.loss, rules.loss);
        let in_a_burst = rules.bursts.is_some_and(|chain| self.step(&chain));
        by_itself || in_a_burst
    }

    fn step(&mut self, chain: &GilbertElliott) -> bool {
        let leaves = if self.is_bad { chain.to_good } else { chain.to_bad };
        if happens(&mut self.bursts, leaves) {
            self.is_bad = !self.is_bad;
        }
        let loss = if self.is_bad { chain.loss_bad } else { chain.loss_good };
        happens(&mut self.bursts, loss)
    }

    /// Whether the next packet is held back.
    pub(crate) fn reorders(&mut self, rules: &Rules) -> bool {
        happens(&mut self.reorder, rules.reorder)
    }

    /// Whether the next packet arrives twice.
    pub(crate) fn duplicates(&mut self, rules: &Rules) -> bool {
        happens(&mut self.duplicate, rules.duplicate)
    }

    /// Whether the next packet is damaged.
    pub(crate) fn corrupts(&mut self, rules: &Rules) -> bool {
        happens(&mut self.corrupt, rules.corrupt)
    }

    /// Turns over one bit.
    pub(crate) fn damage(&mut self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            let bit = self.corrupt.below(bytes.len() as u64 * 8);
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

/// Draws even where nothing can happen, so that a rule that changes does not shift the later draws.
fn happens(dice: &mut Prng, share: f64) -> bool {
    let drawn = (dice.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    drawn < share
}
