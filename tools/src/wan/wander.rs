//! Jitter as a real path has it: the delay wanders, it does not jump. Straight lines between random points, far enough
//! apart that no packet overtakes another; the mean over time is the delay itself.

use dataplane::stdx::prng::Prng;

/// Points stand so many jitters apart: the delay then changes by half a ns per ns at most.
const APART: u64 = 4;
/// They stand at least so far apart, ns.
const APART_NS_MIN: u64 = 1_000_000;

/// What a packet needs at that time beyond the shortest delay (delay less jitter), ns: zero to twice the jitter, the same
/// for the same seed and time.
pub(crate) fn wander(seed: u64, at_ns: u64, jitter_ns: u64) -> u64 {
    if jitter_ns == 0 {
        return 0;
    }
    let apart_ns = (jitter_ns * APART).max(APART_NS_MIN);
    let (point, into_ns) = (at_ns / apart_ns, at_ns % apart_ns);
    let (from, to) = (height(seed, point, jitter_ns), height(seed, point + 1, jitter_ns));
    let share = into_ns as f64 / apart_ns as f64;
    (from + (to - from) * share) as u64
}

fn height(seed: u64, point: u64, jitter_ns: u64) -> f64 {
    Prng::new(seed ^ point.wrapping_mul(0x9e37_79b9_7f4a_7c15)).below(2 * jitter_ns + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_order_and_its_mean() {
        let jitter = 5_000_000;
        let (mut last, mut sum) = (0, 0.0);
        for packet in 0..400_000_u64 {
            let at = packet * 50_000;
            let due = at + wander(7, at, jitter);
            assert!(due >= last, "packet {packet} overtakes");
            (last, sum) = (due, sum + (due - at) as f64);
        }
        let mean = sum / 400_000.0;
        assert!((mean / jitter as f64 - 1.0).abs() < 0.05, "{mean}");
    }
}
