//! How reading files again went: told by the thread that does it, shown on the page.

use crate::view::metrics::{MetricsText, Unit};
use crate::view::page::Tone;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many reloads worked and failed, and what the last one said.
#[derive(Debug, Default)]
pub struct Reloads {
    done: AtomicU64,
    failed: AtomicU64,
    said: Mutex<Said>,
    /// The last good file serves in place of the one that was given.
    is_last_good: AtomicBool,
}

#[derive(Debug, Default)]
struct Said {
    /// By the last one that failed; empty after one that worked.
    problems: Vec<String>,
    /// By the last one that worked: values that hold from the next start on.
    waiting: Vec<String>,
}

impl Reloads {
    /// One worked; what it brought that holds from the next start on.
    pub fn worked(&self, waiting: Vec<String>) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.is_last_good.store(false, Ordering::Relaxed);
        *self.lock() = Said { problems: Vec::new(), waiting };
    }

    /// What was given at the start is broken, and the last good one serves.
    pub fn begin_with_last_good(&self, problems: Vec<String>) {
        self.failed(problems);
        self.is_last_good.store(true, Ordering::Relaxed);
    }

    /// One failed; what was there stays.
    pub fn failed(&self, problems: Vec<String>) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.lock().problems = problems;
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the last one went, for people.
    pub fn words(&self) -> String {
        let problems = self.lock().problems.len();
        let (done, failed) = (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        match problems {
            _ if self.is_last_good.load(Ordering::Relaxed) => {
                format!("the last good tree serves: {problems} things are wrong with the one given")
            }
            0 => format!("{done} reloads worked, {failed} failed"),
            _ => format!("the last reload failed: {problems} things were wrong"),
        }
    }

    /// How that stands.
    pub fn tone(&self) -> Tone {
        if self.lock().problems.is_empty() { Tone::Plain } else { Tone::Bad }
    }

    /// For `/status`.
    pub fn status(&self) -> Value {
        let said = self.lock();
        json!({
            "done": self.done.load(Ordering::Relaxed),
            "failed": self.failed.load(Ordering::Relaxed),
            "problems": said.problems,
            "waits_for_restart": said.waiting,
            "last_good": self.is_last_good.load(Ordering::Relaxed),
        })
    }

    /// For `/metrics`, as families of these names.
    pub fn metrics(&self, text: &mut MetricsText, name: &str, last_good: &str) {
        text.counter(name, Unit::None, "Reloads, by outcome.")
            .value(&[("outcome", &"done")], self.done.load(Ordering::Relaxed))
            .value(&[("outcome", &"failed")], self.failed.load(Ordering::Relaxed));
        let is_last_good = u8::from(self.is_last_good.load(Ordering::Relaxed));
        text.gauge(
            last_good,
            Unit::None,
            "1 while the last good tree serves because the given one is broken.",
        )
        .value(&[], f64::from(is_last_good));
    }
}
