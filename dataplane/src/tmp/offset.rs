//! Full numbers from their low 32 bits: stream offsets and packet numbers travel short. [TMP-42]

/// The number with these low bits that is nearest to `near`. Right as long as the true one is less than 2^31
/// away, which windows of at most 2^30 make sure of.
pub fn widen(low: u32, near: u64) -> u64 {
    let distance = low.wrapping_sub(near as u32) as i32;
    // Below zero there is nothing: a peer that points there gets a number that no check lets pass.
    near.checked_add_signed(i64::from(distance)).unwrap_or_else(|| u64::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_across_the_wrap() {
        let wrap = 1 << 32;
        for (low, near, full) in [
            (5, 0, 5),
            (5, wrap - 3, wrap + 5),
            (u32::MAX, wrap + 3, wrap - 1),
            (7, 9 * wrap, 9 * wrap + 7),
            (u32::MAX, 3, u64::from(u32::MAX)),
        ] {
            assert_eq!(widen(low, near), full);
        }
    }
}
