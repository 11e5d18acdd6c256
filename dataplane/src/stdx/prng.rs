//! A small seeded generator (xoshiro256**, Blackman and Vigna 2018) for the simulator, the tests and jitter.
//! Not for keys: those come from the operating system through `ring`.

/// The generator; equal seeds give equal sequences on every machine.
#[derive(Clone, Debug)]
pub struct Prng([u64; 4]);

impl Prng {
    /// A generator for `seed`; the four words come from splitmix64, so zero is as good as any.
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        Self([(); 4].map(|()| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// Sixty-four random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..bound`; `bound` is not zero. The bias below 2^-32 for the bounds used here is accepted.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a bound is positive");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range is not empty");
        low + self.below(high - low + 1)
    }

    /// True with `parts` chances in a million.
    pub fn ppm(&mut self, parts: u32) -> bool {
        self.below(1_000_000) < u64::from(parts)
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}
