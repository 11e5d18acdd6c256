//! Adds up what the threads tell, second by second: the whole run, the seconds for plots and logs, the live line.

use crate::load::generator::Word;
use crate::load::report::Latency;
use crate::load::tally::{Tally, add, histogram, latency};
use dataplane::time::Duration;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::Receiver;

/// What one class did in one second.
#[derive(Clone, Debug)]
pub(crate) struct ClassSecond {
    /// Requests answered.
    pub(crate) requests: u64,
    /// Requests failed.
    pub(crate) errors: u64,
    /// Latencies.
    pub(crate) latency: Latency,
}

/// One second of the run, all threads together.
#[derive(Clone, Debug)]
pub(crate) struct SecondSum {
    /// Which, from 0.
    pub(crate) number: u64,
    /// By class.
    pub(crate) classes: Vec<ClassSecond>,
}

/// Everything that was told.
#[derive(Debug)]
pub(crate) struct Collected {
    /// The whole run.
    pub(crate) total: Tally,
    /// Its seconds, those before the last one whole.
    pub(crate) seconds: Vec<SecondSum>,
}

/// Who looks at each second as soon as it is complete.
pub(crate) trait Watcher {
    /// Second `number` is complete.
    fn second(&mut self, number: u64, tally: &Tally);
}

/// Listens until all `threads` have ended.
pub(crate) fn collect(
    words: &Receiver<Word>,
    threads: usize,
    classes: usize,
    watchers: &mut [&mut dyn Watcher],
) -> Collected {
    let mut collected = Collected { total: Tally::new(classes), seconds: Vec::new() };
    let mut open: BTreeMap<u64, (usize, Tally)> = BTreeMap::new();
    let mut running = threads;
    while running > 0 {
        let Ok(word) = words.recv() else { break };
        match word {
            Word::Second(number, tally) => {
                let (told, sum) = open.entry(number).or_insert_with(|| (0, Tally::new(classes)));
                sum.add(&tally);
                *told += 1;
            }
            Word::End => running -= 1,
        }
        // The oldest seconds first, once nobody can add to them any more.
        while let Some(entry) = open.first_entry() {
            let (number, told) = (*entry.key(), entry.get().0);
            if told < threads && running > 0 {
                break;
            }
            let (_, sum) = entry.remove();
            watchers.iter_mut().for_each(|watcher| watcher.second(number, &sum));
            collected.total.add(&sum);
            collected.seconds.push(summary(number, &sum));
        }
    }
    collected
}

fn summary(number: u64, tally: &Tally) -> SecondSum {
    let classes = tally.classes.iter().map(|class| ClassSecond {
        requests: class.counts.requests,
        errors: class.counts.errors.total(),
        latency: latency(&class.latency_us),
    });
    SecondSum { number, classes: classes.collect() }
}

/// The live line on standard error.
pub(crate) struct Progress {
    /// How long the run is to take, s.
    pub(crate) of_seconds: Option<Duration>,
}

impl Watcher for Progress {
    fn second(&mut self, number: u64, tally: &Tally) {
        let (mut all, mut requests, mut errors, mut bytes) = (histogram(), 0, 0, 0);
        for class in &tally.classes {
            add(&mut all, &class.latency_us);
            requests += class.counts.requests;
            errors += class.counts.errors.total();
            bytes += class.counts.bytes + class.counts.uploaded_bytes;
        }
        let Latency { p50_us, p99_us, max_us, .. } = latency(&all);
        let of = self.of_seconds.map_or(String::new(), |span| format!("/{}", span.as_secs()));
        // Back to the beginning of the line, and forget what stood there (ECMA-48 EL).
        let line = format!(
            "\r\x1b[K{:>4}{of} s  {requests:>8}/s  {:>8.1} Mbit/s  p50 {p50_us} us  p99 {p99_us} us  max {max_us} us  \
             errors {errors}",
            number + 1,
            bytes as f64 * 8e-6,
        );
        // A terminal that is gone need not be told.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _ = std::io::stderr().write_all(b"\r\x1b[K");
    }
}
