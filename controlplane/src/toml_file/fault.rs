//! What is wrong in a file, and where.

use core::cell::RefCell;
use core::fmt;
use core::ops::Range;

/// One thing that is wrong: two half sentences without capital and full stop, and their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub instead: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}, column {}: {}; {}", self.line, self.column, self.what, self.instead)
    }
}

/// The faults of one file while it is read.
pub(crate) struct Faults<'t> {
    text: &'t str,
    found: RefCell<Vec<Fault>>,
}

impl<'t> Faults<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self { text, found: RefCell::default() }
    }

    /// Notes one at a place given in bytes.
    pub(crate) fn add(&self, place: Range<usize>, what: impl Into<String>, instead: impl Into<String>) {
        let before = self.text.get(..place.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.found.borrow_mut().push(Fault {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
            instead: instead.into(),
        });
    }

    /// All of them, by place.
    pub(crate) fn into_sorted(self) -> Vec<Fault> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|fault| (fault.line, fault.column));
        found
    }
}
