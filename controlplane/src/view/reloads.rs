//! How reading files again went: told by the thread that does it, shown on the page.

use crate::view::metrics::{MetricsText, Unit};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many reloads worked and failed, and what the last one said.
#[derive(Debug, Default)]
pub struct Reloads {
    done: AtomicU64,
    failed: AtomicU64,
    /// What the last one that failed said; empty after one that worked.
    problems: Mutex<Vec<String>>,
}

impl Reloads {
    /// One worked.
    pub fn worked(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// One failed; what was there stays.
    pub fn failed(&self, problems: Vec<String>) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *self.problems.lock().unwrap_or_else(PoisonError::into_inner) = problems;
    }

    /// For `/status`.
    pub fn status(&self) -> Value {
        json!({
            "done": self.done.load(Ordering::Relaxed),
            "failed": self.failed.load(Ordering::Relaxed),
            "problems": *self.problems.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// For `/metrics`, as a family of this name.
    pub fn metrics(&self, text: &mut MetricsText, name: &str) {
        text.counter(name, Unit::None, "Reloads, by outcome.")
            .value(&[("outcome", &"done")], self.done.load(Ordering::Relaxed))
            .value(&[("outcome", &"failed")], self.failed.load(Ordering::Relaxed));
    }
}
