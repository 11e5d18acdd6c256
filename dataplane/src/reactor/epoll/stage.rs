//! What every part of the driver works on: the role, its port, its counters and the time of this turn.

use crate::port::{Input, Port, Role};
use crate::reactor::clock;
use crate::reactor::counters::DriverCounters;
use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Stage<'a, R> {
    pub(crate) role: &'a mut R,
    pub(crate) port: &'a mut Port,
    pub(crate) counters: &'a DriverCounters,
    pub(crate) now: Instant,
}

impl<R: Role> Stage<'_, R> {
    pub(crate) fn deliver(&mut self, input: Input<'_>) {
        self.role.handle(self.now, input, self.port);
    }

    /// Reads the clock again: a turn may be long, and the tunnel measures round trips by `now`.
    pub(crate) fn look_at_clock(&mut self) {
        self.now = clock::now();
    }
}
