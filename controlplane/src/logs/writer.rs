//! The log thread: takes records from the workers' rings, counts them, writes them down as lines.
//!
//! It looks at the rings on its own, every few ms; workers never wake it. A slow disk makes this thread wait and
//! nobody else: the rings fill, workers drop records and count them, and the log says how many are missing.

use crate::logs::daemon;
use crate::logs::line::push_access_line;
use crate::logs::output::{LogFile, Nowhere, Output, StandardError};
use crate::logs::records::Records;
use crate::logs::sink::Sink;
use crate::logs::stats::{LogFigures, RecordStats};
use dataplane::access::AccessRecord;
use dataplane::time::{Duration, Instant};
use jiff::Timestamp;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Records taken from one ring before the next has its turn; bounds how long the figures are locked.
const BATCH_RECORDS: usize = 256;
/// Turns taken after the stop, so that producers that do not stop cannot keep the process: 256,000 records a ring.
const TURNS_AFTER_STOP: usize = 1000;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Appended to this file, made with mode 0640.
    File(PathBuf),
    /// Standard error.
    StandardError,
    /// Nowhere; the figures are kept all the same.
    Nowhere,
}

/// How the log thread works.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Where the lines go.
    pub target: LogTarget,
    /// Pause after finding all rings empty. A ring has to hold what its worker finishes in this time: 10 ms, the
    /// default, at 50,000 exchanges a second are 500 records.
    pub idle_poll_ms: u32,
}

impl LogOptions {
    /// The defaults, with this target.
    pub const fn to(target: LogTarget) -> Self {
        Self { target, idle_poll_ms: 10 }
    }
}

/// Asks the log thread to open its file again, as after SIGUSR1. A request is one atomic store, so that a signal
/// handler may make it.
#[derive(Clone, Debug, Default)]
pub struct Reopen(Arc<AtomicBool>);

impl Reopen {
    /// Asks; the thread obeys at its next turn. Asking twice before that is asking once.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked since the last look.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Acquire)
    }
}

/// The running log thread. Stop the workers first, then [`stop`](Self::stop) it: what is still in the rings is
/// written. Dropping it stops it as well.
#[derive(Debug)]
pub struct LogWriter {
    stats: Arc<RecordStats>,
    reopen: Reopen,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Opens the target and starts the thread. An error is the target's, or that no thread can be made.
    pub fn start(options: LogOptions, sources: Vec<Box<dyn Records + Send>>) -> io::Result<Self> {
        let output: Box<dyn Output + Send> = match &options.target {
            LogTarget::File(path) => Box::new(LogFile::open(path)?),
            LogTarget::StandardError => Box::new(StandardError),
            LogTarget::Nowhere => Box::new(Nowhere),
        };
        let (stats, reopen, stop) = (Arc::new(RecordStats::new()), Reopen::default(), Arc::default());
        let work = Work {
            dropped_seen: vec![0; sources.len()],
            sources,
            sink: Sink::new(output),
            writes: !matches!(options.target, LogTarget::Nowhere),
            stats: Arc::clone(&stats),
            figures: LogFigures::default(),
            started: std::time::Instant::now(),
        };
        let signals = (reopen.clone(), Arc::clone(&stop));
        let idle = Duration::from_millis(options.idle_poll_ms.max(1).into());
        let thread = std::thread::Builder::new().name("access-log".into());
        let thread = thread.spawn(move || work.run(&signals.0, &signals.1, idle))?;
        Ok(Self { stats, reopen, stop, thread: Some(thread) })
    }

    /// The figures, for the admin server's source.
    pub fn stats(&self) -> Arc<RecordStats> {
        Arc::clone(&self.stats)
    }

    /// The handle that asks for a reopening.
    pub fn reopen(&self) -> Reopen {
        self.reopen.clone()
    }

    /// Empties the rings, writes everything down and ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                daemon::error("the access log thread failed", &[]);
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread owns.
struct Work {
    sources: Vec<Box<dyn Records + Send>>,
    dropped_seen: Vec<u64>,
    sink: Sink<Box<dyn Output + Send>>,
    /// Lines are wanted; otherwise only the figures are, and nothing is put into words.
    writes: bool,
    stats: Arc<RecordStats>,
    figures: LogFigures,
    started: std::time::Instant,
}

impl Work {
    fn run(mut self, reopen: &Reopen, stop: &AtomicBool, idle: Duration) {
        while !stop.load(Ordering::Acquire) {
            if reopen.take() {
                self.reopen();
            }
            if self.turn() == 0 {
                self.flush();
                std::thread::park_timeout(idle);
            }
        }
        let _turns = (0..TURNS_AFTER_STOP).take_while(|_| self.turn() > 0).count();
        self.flush();
    }

    /// One batch from every ring; says how many records there were.
    fn turn(&mut self) -> usize {
        let records = (0..self.sources.len()).map(|index| self.batch(index)).sum();
        self.publish();
        records
    }

    fn batch(&mut self, index: usize) -> usize {
        let (sink, unreadable, writes) = (&mut self.sink, &mut self.figures.unreadable, self.writes);
        let mut shown = self.stats.lock();
        let records =
            self.sources[index].drain(BATCH_RECORDS, &mut |bytes| match AccessRecord::decode(bytes) {
                Some(record) => {
                    shown.record(&record);
                    if writes {
                        sink.line(|line| push_access_line(line, &record));
                    }
                }
                None => *unreadable += 1,
            });
        drop(shown);
        self.note_dropped(index);
        if self.sink.is_full() {
            self.flush();
        }
        records
    }

    fn note_dropped(&mut self, index: usize) {
        let dropped = self.sources[index].dropped();
        let new = dropped.saturating_sub(self.dropped_seen[index]);
        self.dropped_seen[index] = dropped;
        self.sink.lost_in_rings(new);
        self.figures.lost_in_rings += new;
    }

    fn flush(&mut self) {
        let errors_before = self.sink.counts().write_errors;
        self.sink.flush(self.now(), unix_ms());
        if errors_before == 0 && self.sink.counts().write_errors > 0 {
            daemon::error("the access log cannot be written; missing lines will be counted", &[]);
        }
        self.publish();
    }

    fn reopen(&mut self) {
        match self.sink.reopen(self.now(), unix_ms()) {
            Ok(()) => daemon::notice("the access log was reopened", &[]),
            Err(error) => {
                self.figures.reopen_errors += 1;
                daemon::error(
                    "the access log cannot be reopened; the old file stays in use",
                    &[("cause", &error)],
                );
            }
        }
    }

    fn publish(&mut self) {
        let counts = self.sink.counts();
        self.figures.lines_written = counts.written;
        self.figures.lost_at_output = counts.lost;
        self.figures.write_errors = counts.write_errors;
        self.stats.lock().log = self.figures;
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.started.elapsed()
    }
}

fn unix_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
