//! For how many connections the tunnel's window stands: `active`, `hosted`, `fixed:N`.

use crate::form::given::{Form, Written};
use crate::problem::Wrong;
use dataplane::tmp::profile::WindowFloor;

/// A window floor.
pub(crate) struct Floor;

impl Form for Floor {
    type Value = WindowFloor;

    fn read(text: &str) -> Result<WindowFloor, Wrong> {
        match text {
            "active" => Ok(WindowFloor::Active),
            "hosted" => Ok(WindowFloor::Hosted),
            _ => text
                .strip_prefix("fixed:")
                .and_then(|count| count.parse().ok())
                .filter(|count| (1..=65_535).contains(count))
                .map(WindowFloor::Fixed)
                .ok_or_else(|| {
                    Wrong::new(
                        "is no number of connections",
                        "give active, hosted or fixed:N with N from 1 to 65535",
                    )
                }),
        }
    }
}

impl Written for Floor {
    fn write(value: &WindowFloor) -> String {
        match value {
            WindowFloor::Active => "active".to_owned(),
            WindowFloor::Hosted => "hosted".to_owned(),
            WindowFloor::Fixed(count) => format!("fixed:{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_read_and_written_the_same() {
        for text in ["active", "hosted", "fixed:1", "fixed:65535"] {
            assert_eq!(Floor::read(text).map(|floor| Floor::write(&floor)), Ok(text.to_owned()));
        }
        for text in ["", "fixed", "fixed:", "fixed:0", "fixed:65536", "fixed:-1", "open"] {
            assert!(Floor::read(text).is_err(), "{text}");
        }
    }
}
