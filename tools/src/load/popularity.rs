//! Which of a class's objects is asked for next: in turn, each alike, or by Zipf's law, as real sites are asked.

use crate::spread::unit;
use dataplane::stdx::prng::Prng;

/// The most objects of a class: their weights are kept, 8 bytes each.
pub(crate) const OBJECTS_MAX: u64 = 1_000_000;

/// How objects are chosen. They are numbered from 0, the most popular first.
#[derive(Clone, Debug)]
pub(crate) enum Popularity {
    /// One after another.
    InTurn(u64),
    /// Each alike.
    Alike(u64),
    /// The share of the first n objects, for n = 1, 2, …; ascends to 1.
    Zipf(Box<[f64]>),
}

impl Popularity {
    /// Zipf's law over `count` objects: the n-th is asked for in proportion to n^-`exponent`.
    pub(crate) fn zipf(count: u64, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=count).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        let mut sums: Box<[f64]> = sums.collect();
        sums.iter_mut().for_each(|share| *share /= sum);
        Self::Zipf(sums)
    }

    /// How many objects there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::InTurn(count) | Self::Alike(count) => *count,
            Self::Zipf(shares) => shares.len() as u64,
        }
    }

    /// The number of the next object; `turn` is the caller's counter of what it has asked for.
    pub(crate) fn choose(&self, turn: &mut u64, random: &mut Prng) -> u64 {
        match self {
            Self::InTurn(1) => 0,
            Self::InTurn(count) => {
                let chosen = *turn % count;
                *turn = turn.wrapping_add(1);
                chosen
            }
            Self::Alike(count) => random.below(*count),
            Self::Zipf(shares) => {
                let at = unit(random);
                (shares.partition_point(|share| *share <= at) as u64).min(self.count() - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(popularity: &Popularity) -> Vec<u64> {
        let (mut random, mut turn) = (Prng::new(1), 0);
        let mut counts = vec![0; popularity.count() as usize];
        (0..100_000).for_each(|_| counts[popularity.choose(&mut turn, &mut random) as usize] += 1);
        counts
    }

    #[test]
    fn objects_are_asked_for_as_the_law_says() {
        let zipf = counts(&Popularity::zipf(100, 1.0));
        // The harmonic number of 100 is 5.187: the first has 19.3 %, the second half of that.
        assert!((18_500..20_100).contains(&zipf[0]), "{zipf:?}");
        assert!((9_100..10_200).contains(&zipf[1]) && zipf[99] > 100, "{zipf:?}");
        assert_eq!(counts(&Popularity::InTurn(4)), [25_000; 4]);
        assert!(counts(&Popularity::Alike(4)).iter().all(|count| (24_000..26_000).contains(count)));
    }
}
