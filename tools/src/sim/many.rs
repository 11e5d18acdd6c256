//! Many seeds on some threads, and the report: hits of each fault, each refusal, each ending.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dataplane::http::desync::REFUSED;

use crate::sim::check::{PAGES, expected_sentences};
use crate::sim::fault::Fault;
use crate::sim::run::{Options, Outcome, run};
use crate::sim::shape::{GARBAGE, MANY_INTERIM};

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Exchanges in all.
    pub exchanges: u64,
    /// Events in all.
    pub events: u64,
    /// How often each was met; what must be met and was not stands here with zero.
    pub hits: BTreeMap<&'static str, u64>,
    /// The broken promises, lowest seed first.
    pub violations: Vec<(u64, String)>,
}

impl Report {
    /// What should have been met and was not.
    pub fn missed(&self) -> Vec<&'static str> {
        self.hits.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect()
    }

    /// The report as text.
    pub fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for (name, count) in &self.hits {
            let _ = writeln!(text, "{count:>9}  {name}");
        }
        let (missed, broken) = (self.missed().len(), self.violations.len());
        let _ = writeln!(
            text,
            "{} seeds, {} exchanges, {} events; {missed} never met; {broken} seeds broke a promise",
            self.seeds, self.exchanges, self.events
        );
        for (_, why) in self.violations.iter().take(40) {
            let _ = writeln!(text, "{why}");
        }
        text
    }

    fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.exchanges += outcome.exchanges as u64;
        self.events += outcome.events;
        outcome.hits.iter().for_each(|(name, count)| *self.hits.entry(name).or_default() += count);
        if let Some(why) = outcome.violation {
            self.violations.push((outcome.seed, why));
        }
    }
}

/// Runs seeds on `threads` threads; `twice` runs each two times and compares the traces.
pub fn run_many(seeds: Range<u64>, threads: usize, twice: bool, options: &Options) -> Report {
    let next = AtomicU64::new(seeds.start);
    let report = Mutex::new(expected());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let mut outcome = run(seed, options);
                    if twice && run(seed, options).hash != outcome.hash {
                        let why = format!("seed {seed}: two runs differ");
                        outcome.violation = outcome.violation.or(Some(why));
                    }
                    if let Ok(mut report) = report.lock() {
                        report.add(outcome);
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_default();
    report.violations.sort();
    report
}

/// Everything that a long run must meet, with zero hits.
fn expected() -> Report {
    let mut hits = BTreeMap::new();
    Fault::ALL.iter().for_each(|fault| _ = hits.insert(fault.name(), 0));
    REFUSED.iter().for_each(|row| _ = hits.insert(row.name, 0));
    PAGES.iter().for_each(|(_, name)| _ = hits.insert(*name, 0));
    GARBAGE.iter().for_each(|(name, _)| _ = hits.insert(*name, 0));
    expected_sentences().for_each(|sentence| _ = hits.insert(sentence, 0));
    hits.insert(MANY_INTERIM, 0);
    Report { hits, ..Report::default() }
}
