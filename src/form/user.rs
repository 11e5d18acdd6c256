//! Whom the process becomes: `NAME` or `NAME:GROUP`.

use crate::form::given::Form;
use crate::problem::Wrong;
use dataplane::reactor::privileges::Identity;

/// A user of this machine.
pub(crate) struct User;

impl Form for User {
    type Value = Identity;

    fn read(text: &str) -> Result<Identity, Wrong> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let found = Identity::look_up(user, group).map_err(|error| {
            Wrong::new(format!("cannot be looked up: {error}"), "mend the user database, or run as that user")
        })?;
        found.ok_or_else(|| {
            Wrong::new(
                "is no user (or group) of this machine",
                format!("make one: useradd --system --no-create-home {user}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_or_refused() {
        assert_eq!(User::read("root").unwrap().user, 0);
        assert_eq!(User::read("root:root").unwrap().group, 0);
        for text in ["", "no-such-user", "root:no-such-group", "root:"] {
            assert!(User::read(text).is_err(), "{text}");
        }
    }
}
