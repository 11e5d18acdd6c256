//! How other threads tell a worker what changed: a stage of life, the origins' addresses, the rules, settings.
//!
//! The worker compares one atomic of each. What changed lies behind a mutex that the worker only ever tries, and only
//! when the generation has moved; if the publisher holds it just then, the next loop takes it. So no request touches a
//! lock and the worker never waits.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::role::settings::Settings;
use crate::rules::Rules;

/// The stages of a node's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Serving.
    Running = 0,
    /// No new connections; what is under way is finished.
    Draining = 1,
    /// Everything is cut now.
    Stopping = 2,
}

/// Shared by the control thread (writer) and all workers (readers).
#[derive(Debug)]
pub struct Control {
    stage: AtomicU8,
    generation: AtomicU64,
    /// A bit for each worker that still has clients while the node drains.
    with_clients: AtomicU64,
    addresses: Mutex<Vec<Vec<SocketAddr>>>,
    rules_generation: AtomicU64,
    /// The newest rules; `None` while those of the plan hold.
    rules: Mutex<Option<Arc<Rules>>>,
    settings_generation: AtomicU64,
    /// The newest settings; `None` while those of the start hold.
    settings: Mutex<Option<Settings>>,
}

impl Control {
    /// For `origins` origins that have no address yet.
    pub fn new(origins: usize) -> Self {
        Self {
            stage: AtomicU8::new(0),
            generation: AtomicU64::new(0),
            with_clients: AtomicU64::new(0),
            addresses: Mutex::new(vec![Vec::new(); origins]),
            rules_generation: AtomicU64::new(0),
            rules: Mutex::new(None),
            settings_generation: AtomicU64::new(0),
            settings: Mutex::new(None),
        }
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Draining,
            _ => Stage::Stopping,
        }
    }

    /// Goes on to a later stage; an earlier one is ignored.
    pub fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    /// A worker says whether it has clients; tunnels stay up until no worker has.
    pub fn report_clients(&self, worker: u8, has_clients: bool) {
        let bit = 1 << worker;
        if has_clients {
            self.with_clients.fetch_or(bit, Ordering::AcqRel);
        } else {
            self.with_clients.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// Whether any worker has clients.
    pub fn has_clients(&self) -> bool {
        self.with_clients.load(Ordering::Acquire) != 0
    }

    /// Publishes the addresses of one origin.
    pub fn publish(&self, origin: usize, addresses: &[SocketAddr]) {
        let mut all = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = all.get_mut(origin) {
            slot.clear();
            slot.extend_from_slice(addresses);
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Copies the addresses into `into` if they changed since `seen`; the generation that was copied.
    pub fn adopt(&self, seen: u64, into: &mut [Vec<SocketAddr>]) -> u64 {
        let generation = self.generation.load(Ordering::Acquire);
        if generation == seen {
            return seen;
        }
        let Ok(all) = self.addresses.try_lock() else { return seen };
        for (mine, theirs) in into.iter_mut().zip(all.iter()) {
            mine.clear();
            mine.extend_from_slice(theirs);
        }
        generation
    }

    /// Publishes rules for all workers; exchanges under way keep the class that they have.
    pub fn publish_rules(&self, rules: Arc<Rules>) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Some(rules);
        self.rules_generation.fetch_add(1, Ordering::Release);
    }

    /// Takes the newest rules over into `into` if they changed since `seen`; the generation that was taken.
    pub fn adopt_rules(&self, seen: u64, into: &mut Arc<Rules>) -> u64 {
        let generation = self.rules_generation.load(Ordering::Acquire);
        if generation == seen {
            return seen;
        }
        let Ok(rules) = self.rules.try_lock() else { return seen };
        if let Some(rules) = &*rules {
            *into = rules.clone();
        }
        generation
    }

    /// Publishes settings for all workers.
    pub fn publish_settings(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        self.settings_generation.fetch_add(1, Ordering::Release);
    }

    /// The newest settings, if they changed since `seen`, which then is their generation.
    pub fn newer_settings(&self, seen: &mut u64) -> Option<Settings> {
        let generation = self.settings_generation.load(Ordering::Acquire);
        if generation == *seen {
            return None;
        }
        let settings = (*self.settings.try_lock().ok()?)?;
        *seen = generation;
        Some(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_adopted_once_and_stages_only_advance() {
        let control = Control::new(2);
        let mut mine = vec![Vec::new(); 2];
        assert_eq!(control.adopt(0, &mut mine), 0);
        control.publish(1, &["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(control.adopt(0, &mut mine), 1);
        assert_eq!((mine[0].len(), mine[1].len()), (0, 1));
        control.enter(Stage::Stopping);
        control.enter(Stage::Draining);
        assert_eq!(control.stage(), Stage::Stopping);
    }

    #[test]
    fn rules_are_adopted_whole_and_once() {
        let control = Control::new(0);
        let mut mine = Arc::new(Rules::default());
        assert_eq!(control.adopt_rules(0, &mut mine), 0);
        let newer = Arc::new(Rules { class_default: 4, ..Rules::default() });
        control.publish_rules(newer.clone());
        assert_eq!(control.adopt_rules(0, &mut mine), 1);
        assert!(Arc::ptr_eq(&mine, &newer));
    }
}
