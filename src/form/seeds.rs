//! Seeds of the simulator: one, `4711`, or the half-open range `0..2000`.

use crate::form::given::Form;
use crate::problem::Wrong;
use core::ops::Range;

/// One seed or a range of them.
pub(crate) struct Seeds;

impl Form for Seeds {
    type Value = Range<u64>;

    fn read(text: &str) -> Result<Range<u64>, Wrong> {
        let instead = "write A..B, such as 0..2000: from A on, without B";
        let number =
            |text: &str| text.parse::<u64>().map_err(|_| Wrong::new("is no range of seeds", instead));
        let (first, end) = text.split_once("..").ok_or_else(|| Wrong::new("has no two dots", instead))?;
        let range = number(first)?..number(end)?;
        if range.is_empty() { Err(Wrong::new("holds no seed", instead)) } else { Ok(range) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        assert_eq!(Seeds::read("3..5").unwrap(), 3..5);
        for text in ["3", "5..3", "3..3", "..", "a..b", "1..2..3", "-1..2"] {
            assert!(Seeds::read(text).is_err(), "{text}");
        }
    }
}
