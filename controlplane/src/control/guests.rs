//! Who beside root and the process's own user may come in through the control door, and for which commands.

use std::collections::{BTreeMap, BTreeSet};

/// Commands by user number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guests(BTreeMap<u32, BTreeSet<String>>);

impl Guests {
    /// Lets a user give these commands, beside those that it may give already.
    pub fn invite(&mut self, uid: u32, commands: impl IntoIterator<Item = String>) {
        self.0.entry(uid).or_default().extend(commands);
    }

    /// Whether nobody is invited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a user may say; `None` for a stranger.
    pub(crate) fn of(&self, uid: u32) -> Option<&BTreeSet<String>> {
        self.0.get(&uid)
    }
}
