//! What the resolver knows and how it fares, for the metrics and status pages.

use crate::resolve::name::{Learned, Name};
use crate::view::{MetricsText, Unit};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is shown of one name.
#[derive(Clone, Debug)]
struct NameFigures {
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    failures: u32,
    is_stale: bool,
    refreshes: u64,
    refreshes_failed: u64,
    changes: u64,
}

/// Figures of every name, shared between the resolver's thread and whoever shows them.
#[derive(Debug)]
pub struct ResolveStats {
    /// By index; a place may be empty.
    names: Mutex<Vec<Option<NameFigures>>>,
}

impl NameFigures {
    fn of(name: &Name) -> Self {
        Self {
            host: name.host().to_owned(),
            port: name.port(),
            addresses: name.addresses().to_vec(),
            failures: 0,
            is_stale: false,
            refreshes: 0,
            refreshes_failed: 0,
            changes: 0,
        }
    }

    fn is_of(&self, name: &Name) -> bool {
        self.host == name.host() && self.port == name.port()
    }
}

impl ResolveStats {
    pub(crate) fn new(names: &[Option<Name>]) -> Self {
        let figures = |name: &Option<Name>| name.as_ref().map(NameFigures::of);
        Self { names: Mutex::new(names.iter().map(figures).collect()) }
    }

    /// Other names have taken their places; figures of those that stay are kept.
    pub(crate) fn replace(&self, names: &[Option<Name>]) {
        let mut all = self.lock();
        all.resize(names.len(), None);
        for (figures, name) in all.iter_mut().zip(names) {
            let kept = figures.take().filter(|kept| name.as_ref().is_some_and(|name| kept.is_of(name)));
            *figures = kept.or_else(|| name.as_ref().map(NameFigures::of));
        }
    }

    /// Notes the outcome of a refresh.
    pub(crate) fn note(&self, index: usize, name: &Name, learned: Learned) {
        let mut all = self.lock();
        let Some(figures) = all.get_mut(index).and_then(Option::as_mut) else { return };
        figures.addresses = name.addresses().to_vec();
        figures.failures = name.failures();
        figures.is_stale = name.is_stale();
        figures.refreshes += 1;
        figures.refreshes_failed += u64::from(name.failures() > 0);
        figures.changes += u64::from(learned == Learned::Changed);
    }

    /// Whether every name has at least one address, fresh or not.
    pub fn all_known(&self) -> bool {
        self.lock().iter().flatten().all(|name| !name.addresses.is_empty())
    }

    /// Adds the families `longhaul_resolve…`, one sample for each name: names come from the configuration, so their
    /// number is bounded. One that is configured twice is shown once, for it has the same samples.
    pub fn metrics(&self, text: &mut MetricsText) {
        let mut names: Vec<NameFigures> = self.lock().iter().flatten().cloned().collect();
        names.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
        names.dedup_by(|a, b| (&a.host, a.port) == (&b.host, b.port));
        let mut family =
            text.counter("longhaul_resolve_refreshes", Unit::None, "Refreshes of a name, by outcome.");
        for name in &names {
            let good = name.refreshes - name.refreshes_failed;
            for (outcome, count) in [("good", good), ("failed", name.refreshes_failed)] {
                family.value(&[("host", &name.host), ("port", &name.port), ("outcome", &outcome)], count);
            }
        }
        let mut family =
            text.counter("longhaul_resolve_changes", Unit::None, "Changes of a name's addresses.");
        for name in &names {
            family.value(&[("host", &name.host), ("port", &name.port)], name.changes);
        }
        let mut family = text.gauge("longhaul_resolve_addresses", Unit::None, "Addresses in use.");
        for name in &names {
            family.value(&[("host", &name.host), ("port", &name.port)], name.addresses.len() as f64);
        }
        let mut family =
            text.gauge("longhaul_resolve_stale", Unit::None, "1 while addresses outlive their TTL.");
        for name in &names {
            family.value(&[("host", &name.host), ("port", &name.port)], f64::from(u8::from(name.is_stale)));
        }
    }

    /// The same for the status page, in the order in which the names were given.
    pub fn status(&self) -> serde_json::Value {
        let names = self.lock();
        let shown = names.iter().flatten().map(|name| {
            serde_json::json!({
                "host": name.host,
                "port": name.port,
                "addresses": name.addresses,
                "stale": name.is_stale,
                "failures_in_a_row": name.failures,
                "refreshes": name.refreshes,
            })
        });
        shown.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<NameFigures>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_openmetrics;

    #[test]
    fn names_are_shown_once_each_even_when_given_twice() {
        let names = [Name::new("a.example", 80), Name::new("::1", 80), Name::new("a.example", 80)].map(Some);
        let stats = ResolveStats::new(&names);
        stats.note(0, names[0].as_ref().unwrap(), Learned::Failed);
        let mut text = MetricsText::new();
        stats.metrics(&mut text);
        let text = text.finish();
        assert_eq!(check_openmetrics(&text), Ok(()), "{text}");
        assert!(!stats.all_known());
        assert_eq!(stats.status()[1]["addresses"][0], "[::1]:80");
    }
}
