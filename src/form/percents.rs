//! A share for each class: `100,100,95,90,85`, class 0 first.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;

/// Five percentages, none above the one before it.
pub(crate) struct Percents;

impl Form for Percents {
    type Value = [u32; 5];

    fn read(text: &str) -> Result<[u32; 5], Wrong> {
        let numbers: Option<Vec<u32>> = text.split(',').map(|part| part.parse().ok()).collect();
        let percents: Option<[u32; 5]> = numbers.and_then(|numbers| numbers.try_into().ok());
        let percents = percents.filter(|all| all.iter().all(|percent| (1..=100).contains(percent)));
        let percents = percents.ok_or_else(|| {
            Wrong::new("is not five percentages", "write five from 1 to 100: 100,100,95,90,85")
        })?;
        if percents.is_sorted_by(|one, next| one >= next) {
            Ok(percents)
        } else {
            Err(Wrong::new("gives a lower class more room", "let no number be above the one before it"))
        }
    }
}

impl Written for Percents {
    fn write(value: &[u32; 5]) -> String {
        value.map(|percent| percent.to_string()).join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_and_they_fall() {
        assert_eq!(Percents::read("100,100,95,90,85"), Ok([100, 100, 95, 90, 85]));
        for text in ["", "100,90,80,70", "101,90,80,70,60", "100,90,80,70,0", "90,100,80,70,60"] {
            assert!(Percents::read(text).is_err(), "{text}");
        }
    }
}
