//! Where random bytes come from: the operating system in production [TMP-4], a seed in the simulator and in
//! tests.
//!
//! Two types instead of one with a switch, so that no option of the program can make keys predictable.

use crate::stdx::prng::Prng;
use ring::rand::SecureRandom;

/// A source of random bytes for keys, ids and tokens.
pub trait Random: Send {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The operating system's source.
#[derive(Debug)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// The source.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        let filled = self.0.fill(bytes);
        assert!(filled.is_ok(), "without random numbers there is no safe way on");
    }
}

/// Equal seeds give equal bytes: for the simulator and for tests, never for keys that guard anything.
#[derive(Debug)]
pub struct PredictableRandom(Prng);

impl PredictableRandom {
    /// The source for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Prng::new(seed))
    }
}

impl Random for PredictableRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// Four random bytes as a number.
pub(in crate::tmp) fn random_u32(random: &mut dyn Random) -> u32 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    u32::from_be_bytes(bytes)
}

/// Eight random bytes as a number.
pub(in crate::tmp) fn random_u64(random: &mut dyn Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_gives_different_bytes_and_a_seed_equal_ones() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        SystemRandom::new().fill(&mut one);
        SystemRandom::new().fill(&mut other);
        assert_ne!(one, other);
        PredictableRandom::new(5).fill(&mut one);
        PredictableRandom::new(5).fill(&mut other);
        assert_eq!(one, other);
    }
}
