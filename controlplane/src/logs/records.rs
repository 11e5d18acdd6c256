//! Where the log thread gets records: one source per worker, in practice the consuming end of a bounded ring.

/// A source of encoded `dataplane::access` records.
///
/// The log thread is the only one that calls it. A worker that finds its ring full drops the record and counts it;
/// nothing here ever makes a worker wait.
pub trait Records {
    /// Hands up to `budget` records to `each`, oldest first, and removes them. Returns how many there were; fewer
    /// than `budget` means that nothing is left.
    fn drain(&mut self, budget: usize, each: &mut dyn FnMut(&[u8])) -> usize;

    /// Records that did not fit, since the start. Never goes back.
    fn dropped(&self) -> u64;
}
