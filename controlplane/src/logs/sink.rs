//! Lines on their way to an output that may be full, slow or gone.
//!
//! Whole lines are collected and written together. When the output fails, lines are dropped and counted, and the
//! output is tried again every second; once it works, a gap line says how many are missing. A log never holds half a
//! line: if a write ended inside one, its rest is kept and written first.
//!
//! Only whole lines are ever dropped, and every one is counted once, as written or as lost.

use crate::logs::line::{Gap, push_gap_line};
use crate::logs::output::Output;
use dataplane::time::{Duration, Instant};
use std::io::ErrorKind;

/// Collected before a write, in bytes: big enough to make the call cheap, small enough to be on disk soon.
pub(crate) const WRITE_BYTES: usize = 64 * 1024;
/// Between two tries of an output that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What has become of the lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SinkCounts {
    /// Lines that the output has, whole. Gap lines are not among them.
    pub(crate) written: u64,
    /// Lines that will never be in the log.
    pub(crate) lost: u64,
    /// Writes that failed.
    pub(crate) write_errors: u64,
}

/// What the buffer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torn {
    /// A whole line, or nothing.
    No,
    /// The rest of a line that is partly written.
    Line,
    /// The rest of a gap line that told of this gap.
    GapLine(Gap),
}

/// The collector in front of an output.
#[derive(Debug)]
pub(crate) struct Sink<O> {
    output: O,
    buffer: String,
    torn: Torn,
    /// Lines in the buffer, the torn one included.
    waiting: u64,
    gap: Gap,
    retry_at: Option<Instant>,
    counts: SinkCounts,
}

impl<O: Output> Sink<O> {
    /// A sink in front of `output`.
    pub(crate) fn new(output: O) -> Self {
        Self {
            output,
            buffer: String::with_capacity(2 * WRITE_BYTES),
            torn: Torn::No,
            waiting: 0,
            gap: Gap::default(),
            retry_at: None,
            counts: SinkCounts::default(),
        }
    }

    /// What has become of the lines.
    pub(crate) fn counts(&self) -> SinkCounts {
        self.counts
    }

    /// Whether enough is collected to be worth a [`flush`](Self::flush).
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= WRITE_BYTES
    }

    /// Takes a line, which `push` appends whole, in ASCII and with its line feed. Writes nothing.
    pub(crate) fn line(&mut self, push: impl FnOnce(&mut String)) {
        if self.retry_at.is_some() {
            self.lose(1);
        } else {
            push(&mut self.buffer);
            self.waiting += 1;
        }
    }

    /// Notes records that were lost on their way here.
    pub(crate) fn lost_in_rings(&mut self, records: u64) {
        self.gap.rings += records;
    }

    /// Writes what is collected and tells of a gap. `unix_ms` is the gap line's time.
    pub(crate) fn flush(&mut self, now: Instant, unix_ms: u64) {
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        let gap_at = self.buffer.len();
        if self.gap.lines() > 0 {
            push_gap_line(&mut self.buffer, self.gap, unix_ms);
        }
        let written = self.write();
        if written == self.buffer.len() {
            self.recover();
        } else {
            self.keep_rest_of_line(written, gap_at);
            self.retry_at = Some(now + RETRY_AFTER);
        }
    }

    /// Turns to the new file after a rotation; what is collected goes to the old one first.
    pub(crate) fn reopen(&mut self, now: Instant, unix_ms: u64) -> std::io::Result<()> {
        self.flush(now, unix_ms);
        self.output.reopen()?;
        self.forget_torn();
        self.retry_at = None;
        Ok(())
    }

    /// The beginning of a torn line stays in the old file, where its rest cannot follow it.
    fn forget_torn(&mut self) {
        match self.torn {
            Torn::No => return,
            Torn::Line => self.lose(self.waiting),
            Torn::GapLine(untold) => {
                self.gap.rings += untold.rings;
                self.gap.output += untold.output;
            }
        }
        self.torn = Torn::No;
        self.waiting = 0;
        self.buffer.clear();
    }

    fn recover(&mut self) {
        self.counts.written += self.waiting;
        self.waiting = 0;
        self.buffer.clear();
        self.torn = Torn::No;
        self.gap = Gap::default();
        self.retry_at = None;
    }

    fn lose(&mut self, lines: u64) {
        self.counts.lost += lines;
        self.gap.output += lines;
    }

    /// Writes until all is written or the output fails; says how much was.
    fn write(&mut self) -> usize {
        let mut written = 0;
        while written < self.buffer.len() {
            match self.output.write(&self.buffer.as_bytes()[written..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    self.counts.write_errors += 1;
                    break;
                }
                Ok(bytes) => written += bytes,
            }
        }
        written
    }

    /// After a failure behind `written` bytes: keeps the rest of the line that is partly out and counts the others
    /// as lost. A gap line (at `gap_at`, the last) that is not out at all leaves its gap open.
    fn keep_rest_of_line(&mut self, written: usize, gap_at: usize) {
        self.torn = self.torn_at(written, gap_at);
        let kept_bytes = match self.torn {
            Torn::No => 0,
            Torn::Line | Torn::GapLine(_) => self.buffer[written..].find('\n').expect("lines end") + 1,
        };
        let dropped_from = written + kept_bytes;
        if dropped_from > gap_at {
            self.gap = Gap::default();
        }
        let lines_dropped = line_feeds(&self.buffer[dropped_from.min(gap_at)..gap_at]);
        let lines_kept = u64::from(self.torn == Torn::Line);
        self.counts.written += self.waiting - lines_dropped - lines_kept;
        self.waiting = lines_kept;
        self.buffer.truncate(dropped_from);
        self.buffer.drain(..written);
        self.lose(lines_dropped);
    }

    /// Which line the output stopped in.
    fn torn_at(&self, written: usize, gap_at: usize) -> Torn {
        let head = &self.buffer[..written];
        if written > gap_at {
            Torn::GapLine(self.gap)
        } else if !head.contains('\n') && self.torn != Torn::No {
            self.torn
        } else if head.is_empty() || head.ends_with('\n') {
            Torn::No
        } else {
            Torn::Line
        }
    }
}

/// Whole lines in a text.
fn line_feeds(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
