//! The paths of one tunnel, and which of them carries data. Each has its own numbers, window and pacer; the streams are
//! common to all. [TMP-160] [TMP-161]
//!
//! `failover`: the first good path, in the order of their numbers, has everything. `bond`: a packet goes to the path on
//! which it arrives first, where one that is busy is worth waiting for as long as it would still be the earlier
//! ("earliest completion first", Lim et al., CoNEXT 2017). Where none is good, the one that showed life last has everything.
//! What was under way on a path that becomes suspect is sent again on the others at once.

use crate::time::Instant;
use crate::tmp::id::PathId;
use crate::tmp::path::{Leave, Path};
use crate::tmp::place::Bearer;
use crate::tmp::spread::Spread;
use crate::tmp::streams::Streams;

/// All paths but one.
#[derive(Debug)]
pub struct Others<'a> {
    before: &'a mut [Path],
    after: &'a mut [Path],
}

impl Others<'_> {
    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        self.before.iter_mut().chain(&mut *self.after)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: PathId) -> Option<&mut Path> {
        self.iter_mut().find(|path| path.id == id)
    }
}

/// The paths, in the order of their numbers; at least one.
#[derive(Debug)]
pub struct Paths {
    list: Vec<Path>,
    spread: Spread,
}

impl Paths {
    /// The first path.
    pub fn new(first: Path) -> Self {
        Self { list: vec![first], spread: Spread::default() }
    }

    /// The first path is called so, and this is how those to come will be used.
    pub fn begin(&mut self, (id, bearer): (PathId, Bearer), spread: Spread) {
        self.list[0].id = id;
        self.list[0].set_bearer(bearer);
        self.spread = spread;
    }

    /// A further path.
    pub fn add(&mut self, path: Path) {
        if self.place_of(path.id).is_none() {
            let place = self.list.partition_point(|other| other.id < path.id);
            self.list.insert(place, path);
        }
    }

    /// How they are used.
    pub const fn spread(&self) -> Spread {
        self.spread
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.list.iter()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        self.list.iter_mut()
    }

    /// One of them.
    pub fn get(&self, id: PathId) -> Option<&Path> {
        self.list.iter().find(|path| path.id == id)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: PathId) -> Option<&mut Path> {
        self.list.iter_mut().find(|path| path.id == id)
    }

    /// The one that carries data if only one does.
    pub fn active(&self) -> &Path {
        &self.list[self.active_place()]
    }

    /// Nothing comes through on any.
    pub fn is_lost(&self) -> bool {
        self.list.iter().all(|path| path.is_lost)
    }

    /// What may be in flight on those that carry data.
    pub fn window_bytes(&self) -> u64 {
        let bonded = self.list.iter().filter(|path| self.spread == Spread::Bond && path.health.is_good());
        let sum: u64 = bonded.map(|path| path.controller.window_bytes()).sum();
        sum.max(self.active().controller.window_bytes())
    }

    /// Deals the streams out: each path stands for its share of the rate, and for one at least.
    pub fn deal(&mut self, hosted: u32, active: u32) {
        if let [path] = &mut *self.list {
            path.controller.set_streams(hosted, active);
            return;
        }
        let carrying = self.active().id;
        let all: u64 = self.list.iter().map(|path| path.controller.rate_bytes_per_s().max(1)).sum();
        let spread = self.spread;
        for path in &mut self.list {
            let share = |streams: u32| {
                let rate = path.controller.rate_bytes_per_s().max(1);
                let part = u128::from(streams) * u128::from(rate) / u128::from(all);
                u32::try_from(part).unwrap_or(u32::MAX).clamp(1, streams.max(1))
            };
            let (hosted, active) = match spread {
                Spread::Bond => (share(hosted), share(active)),
                Spread::Failover | Spread::Duplicate if path.id == carrying => (hosted, active),
                Spread::Failover | Spread::Duplicate => (1, 1),
            };
            path.controller.set_streams(hosted, active);
        }
    }

    /// Whether the next packet on this path has data, where so many bytes wait.
    pub fn carries(&mut self, id: PathId, now: Instant, waiting_bytes: usize) -> bool {
        if self.list.len() == 1 {
            return true;
        }
        let bonds = self.spread == Spread::Bond && self.get(id).is_some_and(|path| path.health.is_good());
        if !bonds {
            return self.active().id == id;
        }
        let arrives_us = self.get(id).map_or(u64::MAX, |path| path.rtt.smoothed_us() / 2);
        self.list
            .iter_mut()
            .filter(|other| other.id != id && other.health.is_good())
            .all(|other| (arrives_us, id) <= (all_arrive_us(other, now, waiting_bytes as u64), other.id))
    }

    /// The path on which urgent data goes a second time.
    pub fn second(&self) -> Option<PathId> {
        let doubles = self.spread == Spread::Duplicate;
        let active = self.active().id;
        self.list
            .iter()
            .find(|path| doubles && path.id != active && path.health.is_good())
            .map(|path| path.id)
    }

    /// Judges every path. Data of one that has become suspect goes elsewhere.
    pub fn judge(&mut self, now: Instant, streams: &mut Streams) {
        if self.list.len() == 1 {
            return;
        }
        for place in 0..self.list.len() {
            let path = &mut self.list[place];
            let signs = path.signs();
            if path.health.judge(now, &signs) && self.list.iter().any(|other| other.health.is_good()) {
                self.list[place].send_elsewhere(streams);
            }
        }
    }

    /// The path and the others.
    pub fn split(&mut self, id: PathId) -> Option<(&mut Path, Others<'_>)> {
        let place = self.place_of(id)?;
        let (before, rest) = self.list.split_at_mut(place);
        let (path, after) = rest.split_first_mut()?;
        Some((path, Others { before, after }))
    }

    /// There is a good path other than this one.
    pub fn has_better_than(&self, id: PathId) -> bool {
        self.get(id).is_some_and(|path| !path.health.is_good())
            && self.list.iter().any(|path| path.health.is_good())
    }

    fn place_of(&self, id: PathId) -> Option<usize> {
        self.list.iter().position(|path| path.id == id)
    }

    fn active_place(&self) -> usize {
        let good = self.list.iter().position(|path| path.health.is_good());
        good.unwrap_or_else(|| {
            let last = self
                .list
                .iter()
                .enumerate()
                .max_by_key(|(place, path)| (path.health.progress_at(), core::cmp::Reverse(*place)));
            last.map_or(0, |(place, _)| place)
        })
    }
}

/// In how long all that waits would have arrived over this path; if it may send at once, the next packet counts.
fn all_arrive_us(path: &mut Path, now: Instant, waiting_bytes: u64) -> u64 {
    let way_us = path.rtt.smoothed_us() / 2;
    let wait_us = match path.leave(now) {
        Leave::Any | Leave::Probe => return way_us,
        Leave::Paced(until) => until.us_since(now),
        Leave::WindowFull => 0,
        Leave::Nothing => return u64::MAX,
    };
    let rate = path.controller.rate_bytes_per_s().max(1);
    let queue_us = waiting_bytes.saturating_mul(1_000_000) / rate;
    way_us.saturating_add(wait_us).saturating_add(queue_us)
}
