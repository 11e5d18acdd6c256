//! Says in the log what has become of tunnels and their paths, and keeps the last of it for whoever asks. Workers never write
//! logs: this compares what they show with what they showed before, so what came and went between two looks is told by its
//! count only.

use std::collections::{BTreeMap, VecDeque};

use controlplane::logs::daemon::{self, Fields, Level};
use dataplane::role::status::TunnelStatus;
use dataplane::tmp::limits::PATHS_MAX;
use dataplane::tmp::stats::PathSnapshot;

use crate::watch_paths::address_text;

/// Changes that are kept of the tunnels to one far end.
const CHANGES_KEPT: usize = 16;
/// Far ends of which changes are kept: a back-end's peers come and go.
const FAR_ENDS_KEPT: usize = 1_024;

/// The tunnels as they were seen last, and what has changed.
#[derive(Debug, Default)]
pub(crate) struct TunnelLog {
    /// By worker, name of the far end, and which of that name.
    seen: BTreeMap<(usize, String, usize), Seen>,
    /// By name of the far end: the newest first.
    changes: BTreeMap<String, VecDeque<String>>,
}

/// One tunnel as it was.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    is_up: bool,
    paths: [Option<PathSnapshot>; PATHS_MAX],
}

impl Seen {
    fn active(&self) -> Option<usize> {
        self.paths.iter().position(|path| path.is_some_and(|path| path.is_active))
    }
}

/// Why all data moved: what speaks against the path that had it, or what speaks for the other one.
fn why_moved(now: &Seen, was: usize, is: usize) -> &'static str {
    let suspicion = now.paths[was].and_then(|path| path.suspicion);
    match suspicion {
        Some(suspicion) => suspicion.name(),
        None if is < was => "good again",
        None => "shorter",
    }
}

impl TunnelLog {
    /// Looks at all tunnels: worker, name of the far end, state.
    pub(crate) fn look(&mut self, tunnels: impl Iterator<Item = (usize, String, TunnelStatus)>) {
        let mut now = BTreeMap::new();
        for (worker, to, tunnel) in tunnels {
            let same =
                now.keys().filter(|(w, name, _): &&(usize, String, usize)| (*w, name) == (worker, &to));
            let key = (worker, to.clone(), same.count());
            let before = self.seen.get(&key).copied().unwrap_or_default();
            let seen = Seen { is_up: tunnel.is_up, paths: tunnel.transport.paths };
            self.tell_tunnel(&to, before, seen);
            for path in 0..seen.paths.len() {
                let address = tunnel.places[path].map(address_text).unwrap_or_default();
                if let (Some(was), Some(is)) = (before.paths[path], seen.paths[path]) {
                    self.tell_path(&to, path, &address, was, is);
                    self.tell_outcome(&to, path, was, is);
                }
            }
            now.insert(key, seen);
        }
        let gone = self.seen.iter().filter(|(key, seen)| seen.is_up && !now.contains_key(*key));
        let gone: Vec<String> = gone.map(|(key, _)| key.1.clone()).collect();
        gone.iter().for_each(|to| self.tell(Level::Notice, to, "a tunnel has ended", &[]));
        self.seen = now;
    }

    /// What has changed about the tunnels to a far end, the newest first, with its time.
    pub(crate) fn changes(&self, to: &str) -> Vec<&str> {
        self.changes.get(to).into_iter().flatten().map(String::as_str).collect()
    }

    /// Says something, and keeps it.
    fn tell(&mut self, level: Level, to: &str, what: &str, more: Fields<'_>) {
        daemon::log(level, what, &[&[("to", &to as &dyn core::fmt::Display)], more].concat());
        if self.changes.len() >= FAR_ENDS_KEPT && !self.changes.contains_key(to) {
            self.changes.pop_first();
        }
        let changes = self.changes.entry(to.to_owned()).or_default();
        changes.truncate(CHANGES_KEPT - 1);
        changes.push_front(daemon::dated(what, more));
    }

    fn tell_tunnel(&mut self, to: &str, before: Seen, now: Seen) {
        match (before.is_up, now.is_up) {
            (false, true) => self.tell(Level::Notice, to, "a tunnel is up", &[]),
            (true, false) => self.tell(Level::Warning, to, "a tunnel is down: nothing comes through", &[]),
            _ => {}
        }
        if let (Some(was), Some(is)) = (before.active(), now.active())
            && was != is
        {
            let why = why_moved(&now, was, is);
            let paths: Fields<'_> = &[("from_path", &was), ("to_path", &is), ("why", &why)];
            self.tell(Level::Notice, to, "a tunnel has changed its path", paths);
        }
    }

    /// What was expected where all data moved to a path, and what came in the first seconds.
    fn tell_outcome(&mut self, to: &str, path: usize, was: PathSnapshot, is: PathSnapshot) {
        let Some(forecast) = is.forecast.filter(|_| is.forecast != was.forecast) else { return };
        let Some(came) = forecast.came else { return };
        let fields: Fields<'_> = &[
            ("path", &path),
            ("expected_rtt_us", &forecast.expected.rtt_us),
            ("rtt_us", &came.rtt_us),
            ("expected_bytes_per_s", &forecast.expected.bytes_per_s),
            ("bytes_per_s", &came.bytes_per_s),
        ];
        self.tell(Level::Notice, to, "what came of a change of path", fields);
    }

    fn tell_path(&mut self, to: &str, path: usize, address: &str, was: PathSnapshot, is: PathSnapshot) {
        let (rtt_us, times) = (is.srtt_us, is.suspected - was.suspected.min(is.suspected));
        if times > 0 {
            let why = is.suspicion.map_or("over already", |suspicion| suspicion.name());
            let fields: Fields<'_> = &[
                ("path", &path),
                ("address", &address),
                ("why", &why),
                ("times", &times),
                ("rtt_us", &rtt_us),
            ];
            self.tell(Level::Warning, to, "a path is bad", fields);
        } else if was.suspicion.is_some() && is.suspicion.is_none() {
            let fields: Fields<'_> = &[("path", &path), ("address", &address), ("rtt_us", &rtt_us)];
            self.tell(Level::Notice, to, "a path is good again", fields);
        }
    }
}
