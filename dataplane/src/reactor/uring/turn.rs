//! One turn of the loop, as its parts hand it to each other.

use crate::port::{Input, Port, Role};
use crate::time::Instant;

/// One turn of the loop: the role, its port, and what time it is.
pub(crate) struct Turn<'t, R> {
    /// When the turn began.
    pub(crate) now: Instant,
    /// Who decides.
    pub(crate) role: &'t mut R,
    /// What it wishes.
    pub(crate) port: &'t mut Port,
}

impl<R: Role> Turn<'_, R> {
    /// Gives the role one input.
    pub(crate) fn tell(&mut self, input: Input<'_>) {
        self.role.handle(self.now, input, self.port);
    }
}

/// The errno of a failed completion, positive.
pub(crate) fn errno(result: i32) -> i32 {
    -result
}
