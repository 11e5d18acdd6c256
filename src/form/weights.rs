//! The weights of the five rings: `16,8,4,2,1`, highest ring first.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;

/// Five weights.
pub(crate) struct Weights;

/// A weight above this is a typing error: the lowest ring would wait for megabytes.
const WEIGHT_MAX: u32 = 10_000;

impl Form for Weights {
    type Value = [u32; 5];

    fn read(text: &str) -> Result<[u32; 5], Wrong> {
        let numbers: Option<Vec<u32>> = text.split(',').map(|part| part.parse().ok()).collect();
        let weights: Option<[u32; 5]> = numbers.and_then(|numbers| numbers.try_into().ok());
        let Some(weights) = weights else {
            return Err(Wrong::new("is not five weights", "write five numbers, such as 16,8,4,2,1"));
        };
        if weights.iter().any(|weight| *weight > WEIGHT_MAX) {
            return Err(Wrong::new("has a weight above 10000", "give less: only their ratios count"));
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err(Wrong::new("lets nothing through", "give at least one ring a weight"));
        }
        Ok(weights)
    }
}

impl Written for Weights {
    fn write(value: &[u32; 5]) -> String {
        value.map(|weight| weight.to_string()).join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five() {
        assert_eq!(Weights::read("16,8,4,2,1"), Ok([16, 8, 4, 2, 1]));
        assert_eq!(Weights::write(&[16, 8, 4, 2, 0]), "16,8,4,2,0");
        for text in ["", "1,2,3,4", "1,2,3,4,5,6", "0,0,0,0,0", "1,2,3,4,99999", "a,b,c,d,e"] {
            assert!(Weights::read(text).is_err(), "{text}");
        }
    }
}
