//! Says in the log what has become of tunnels and their paths. Workers never write logs: this compares what they show with
//! what they showed before, so what came and went between two looks is told by its count only.

use std::collections::BTreeMap;

use controlplane::logs::daemon;
use dataplane::role::status::TunnelStatus;
use dataplane::tmp::limits::PATHS_MAX;
use dataplane::tmp::stats::PathSnapshot;

use crate::watch_paths::address_text;

/// The tunnels as they were seen last: by worker, name of the far end, and which of that name.
#[derive(Debug, Default)]
pub(crate) struct TunnelLog(BTreeMap<(usize, String, usize), Seen>);

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

impl TunnelLog {
    /// Looks at all tunnels: worker, name of the far end, state.
    pub(crate) fn look(&mut self, tunnels: impl Iterator<Item = (usize, String, TunnelStatus)>) {
        let mut now = BTreeMap::new();
        for (worker, to, tunnel) in tunnels {
            let same =
                now.keys().filter(|(w, name, _): &&(usize, String, usize)| (*w, name) == (worker, &to));
            let key = (worker, to.clone(), same.count());
            let before = self.0.get(&key).copied().unwrap_or_default();
            let seen = Seen { is_up: tunnel.is_up, paths: tunnel.transport.paths };
            tell_tunnel(&to, before, seen);
            for path in 0..seen.paths.len() {
                let address = tunnel.places[path].map(address_text).unwrap_or_default();
                if let (Some(was), Some(is)) = (before.paths[path], seen.paths[path]) {
                    tell_path(&to, path, &address, was, is);
                    tell_outcome(&to, path, was, is);
                }
            }
            now.insert(key, seen);
        }
        for (key, _) in self.0.iter().filter(|(key, seen)| seen.is_up && !now.contains_key(*key)) {
            daemon::notice("a tunnel has ended", &[("to", &key.1)]);
        }
        self.0 = now;
    }
}

fn tell_tunnel(to: &str, before: Seen, now: Seen) {
    match (before.is_up, now.is_up) {
        (false, true) => daemon::notice("a tunnel is up", &[("to", &to)]),
        (true, false) => daemon::warning("a tunnel is down: nothing comes through", &[("to", &to)]),
        _ => {}
    }
    if let (Some(was), Some(is)) = (before.active(), now.active())
        && was != is
    {
        daemon::notice(
            "a tunnel has changed its path",
            &[("to", &to), ("from_path", &was), ("to_path", &is)],
        );
    }
}

/// What was expected where all data moved to a path, and what came in the first seconds.
fn tell_outcome(to: &str, path: usize, was: PathSnapshot, is: PathSnapshot) {
    let Some(forecast) = is.forecast.filter(|_| is.forecast != was.forecast) else { return };
    let Some(came) = forecast.came else { return };
    daemon::notice(
        "what came of a change of path",
        &[
            ("to", &to),
            ("path", &path),
            ("expected_rtt_us", &forecast.expected.rtt_us),
            ("rtt_us", &came.rtt_us),
            ("expected_bytes_per_s", &forecast.expected.bytes_per_s),
            ("bytes_per_s", &came.bytes_per_s),
        ],
    );
}

fn tell_path(to: &str, path: usize, address: &str, was: PathSnapshot, is: PathSnapshot) {
    let (rtt_us, times) = (is.srtt_us, is.suspected - was.suspected.min(is.suspected));
    if times > 0 {
        let why = is.suspicion.map_or("over already", |suspicion| suspicion.name());
        daemon::warning(
            "a path is bad",
            &[
                ("to", &to),
                ("path", &path),
                ("address", &address),
                ("why", &why),
                ("times", &times),
                ("rtt_us", &rtt_us),
            ],
        );
    } else if was.suspicion.is_some() && is.suspicion.is_none() {
        let fields: daemon::Fields<'_> =
            &[("to", &to), ("path", &path), ("address", &address), ("rtt_us", &rtt_us)];
        daemon::notice("a path is good again", fields);
    }
}
