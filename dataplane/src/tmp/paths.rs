//! The paths of one tunnel, and which of them carries data. Each has its own numbers, window and pacer; the streams are
//! common to all. [TMP-160] [TMP-161]
//!
//! `failover`: the first good path, in the order of their numbers, has everything. `best`: the good path with the shortest
//! round trip has, and keeps it until another's has been shorter by a quarter for two seconds. `bond`: a packet goes to the path on
//! which it arrives first, where one that is busy is worth waiting for as long as it would still be the earlier
//! ("earliest completion first", Lim et al., CoNEXT 2017). Where none is good, the one that showed life last has everything.
//! What was under way on a path that becomes suspect is sent again on the others at once.

use crate::time::{Duration, Instant};
use crate::tmp::forecast::{Forecast, Quality};
use crate::tmp::health::Suspicion;
use crate::tmp::id::PathId;
use crate::tmp::path::{Leave, Path};
use crate::tmp::place::Bearer;
use crate::tmp::spread::{PathUse, Spread};
use crate::tmp::streams::Streams;

/// `best`: so much shorter has the round trip of another path to be, in percent and in any case, and for so long.
const BETTER_PERCENT: u64 = 75;
const BETTER_US: u64 = 5_000;
const BETTER_FOR: Duration = Duration::from_secs(2);

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
    chosen: PathUse,
    /// `best`: the path that has the data, and since when which other one would be better.
    favourite: PathId,
    better: Option<(PathId, Instant)>,
    /// The path that had all data when they were judged last.
    judged: PathId,
}

impl Paths {
    /// The first path.
    pub fn new(first: Path) -> Self {
        let id = first.id;
        Self { list: vec![first], chosen: PathUse::default(), favourite: id, better: None, judged: id }
    }

    /// The first path is called so, and this is how those to come will be used.
    pub fn begin(&mut self, (id, bearer): (PathId, Bearer), chosen: PathUse) {
        self.list[0].id = id;
        self.list[0].set_bearer(bearer);
        self.list[0].limits = chosen.limits;
        (self.chosen, self.favourite, self.judged) = (chosen, id, id);
    }

    /// A further path.
    pub fn add(&mut self, mut path: Path) {
        path.limits = self.chosen.limits;
        if self.place_of(path.id).is_none() {
            let place = self.list.partition_point(|other| other.id < path.id);
            self.list.insert(place, path);
        }
    }

    /// How they are used.
    pub const fn spread(&self) -> Spread {
        self.chosen.spread
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
        let bonded = self.list.iter().filter(|path| self.spread() == Spread::Bond && path.health.is_good());
        let sum: u64 = bonded.map(|path| path.controller.window_bytes()).sum();
        sum.max(self.active().controller.window_bytes())
    }

    /// What the peer may have under way to us in a round trip and a half, as it was lately.
    pub fn peer_flight_bytes(&self) -> u64 {
        let path = self.active();
        // Asked at every turn, so in 64 bits: what is beyond them is beyond any window.
        path.quality.peer_bytes_per_s().saturating_mul(path.rtt.smoothed_us() * 3) / 2_000_000
    }

    /// Deals the streams out: each path stands for its share of the rate, and for one at least.
    pub fn deal(&mut self, hosted: u32, active: u32) {
        if let [path] = &mut *self.list {
            path.controller.set_streams(hosted, active);
            return;
        }
        let carrying = self.active().id;
        let all: u64 = self.list.iter().map(|path| path.controller.rate_bytes_per_s().max(1)).sum();
        let spread = self.spread();
        for path in &mut self.list {
            let share = |streams: u32| {
                let rate = path.controller.rate_bytes_per_s().max(1);
                let part = u128::from(streams) * u128::from(rate) / u128::from(all);
                u32::try_from(part).unwrap_or(u32::MAX).clamp(1, streams.max(1))
            };
            let (hosted, active) = match spread {
                Spread::Bond => (share(hosted), share(active)),
                _ if path.id == carrying => (hosted, active),
                _ => (1, 1),
            };
            path.controller.set_streams(hosted, active);
        }
    }

    /// Whether the next packet on this path has data, where so many bytes wait.
    pub fn carries(&mut self, id: PathId, now: Instant, waiting_bytes: usize) -> bool {
        if self.list.len() == 1 {
            return true;
        }
        let bonds = self.spread() == Spread::Bond || self.overflows(waiting_bytes);
        if !bonds || self.get(id).is_none_or(|path| !path.health.is_good()) {
            return self.active().id == id;
        }
        let arrives_us = self.get(id).map_or(u64::MAX, |path| path.rtt.smoothed_us() / 2);
        self.list
            .iter_mut()
            .filter(|other| other.id != id && other.health.is_good())
            .all(|other| (arrives_us, id) <= (all_arrive_us(other, now, waiting_bytes as u64), other.id))
    }

    /// The path that has all data is full: the others take what is beyond. [TMP-164.1]
    fn overflows(&self, waiting_bytes: usize) -> bool {
        let limit_us = u64::from(self.chosen.limits.wait_us);
        limit_us > 0 && wait_us(self.active(), waiting_bytes) > limit_us
    }

    /// How long what waits takes to leave over the path that has all data.
    pub fn wait_us(&self, waiting_bytes: usize) -> u64 {
        wait_us(self.active(), waiting_bytes)
    }

    /// How they are used.
    pub const fn chosen(&self) -> PathUse {
        self.chosen
    }

    /// The path on which urgent data goes a second time.
    pub fn second(&self) -> Option<PathId> {
        let doubles = self.spread() == Spread::Duplicate;
        let active = self.active().id;
        self.list
            .iter()
            .find(|path| doubles && path.id != active && path.health.is_good())
            .map(|path| path.id)
    }

    /// Judges every path. Data of one that has become suspect goes elsewhere.
    pub fn judge(&mut self, now: Instant, streams: &mut Streams) {
        if let [path] = &mut *self.list {
            let signs = path.signs_alone();
            path.health.judge(now, &signs);
            return;
        }
        for place in 0..self.list.len() {
            let path = &mut self.list[place];
            let signs = path.signs();
            if path.health.judge(now, &signs) && self.list.iter().any(|other| other.health.is_good()) {
                self.list[place].send_elsewhere(streams);
            }
        }
        self.choose_favourite(now);
        self.note_move(now);
    }

    /// `best`: whether another path would be better, and has been for long enough.
    fn choose_favourite(&mut self, now: Instant) {
        let good = self.list.iter().filter(|path| path.health.is_good() && path.rtt.samples() > 0);
        let shortest = good.min_by_key(|path| (path.rtt.smoothed_us(), path.id));
        let Some(shortest) = shortest.filter(|path| path.id != self.favourite) else {
            self.better = None;
            return;
        };
        let held = self.get(self.favourite).filter(|path| path.health.is_good());
        let held_us = held.map(|path| path.rtt.smoothed_us());
        let bound_us = held_us
            .map_or(u64::MAX, |rtt_us| (rtt_us * BETTER_PERCENT / 100).min(rtt_us.saturating_sub(BETTER_US)));
        if shortest.rtt.smoothed_us() > bound_us {
            self.better = None;
            return;
        }
        let id = shortest.id;
        let since = self.better.filter(|(other, _)| *other == id).map_or(now, |(_, since)| since);
        self.better = Some((id, since));
        if held_us.is_none() || now.since(since) >= BETTER_FOR {
            (self.favourite, self.better) = (id, None);
        }
    }

    /// Remembers what is expected where all data moves, and later what came.
    fn note_move(&mut self, now: Instant) {
        let (place, from) = (self.active_place(), self.judged);
        let path = &mut self.list[place];
        let (rtt_us, delivered) = (path.rtt.smoothed_us(), path.quality.delivered_bytes());
        if path.id != from {
            let expected = Quality { rtt_us, bytes_per_s: path.controller.rate_bytes_per_s() };
            path.forecast = Some(Forecast::new(now, from, expected, delivered));
            self.judged = path.id;
        } else if let Some(forecast) = &mut path.forecast {
            forecast.look(now, rtt_us, delivered);
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
        let favourite = self
            .place_of(self.favourite)
            .filter(|place| self.spread() == Spread::Best && self.list[*place].health.is_good());
        let good = || self.list.iter().position(|path| path.health.is_good());
        // A path that is only beyond a limit is better than one that is dead.
        let poor = || {
            let is_poor = |path: &Path| path.health.suspicion().is_some_and(Suspicion::is_limit);
            self.list.iter().position(is_poor)
        };
        favourite.or_else(good).or_else(poor).unwrap_or_else(|| {
            let last = self
                .list
                .iter()
                .enumerate()
                .max_by_key(|(place, path)| (path.health.progress_at(), core::cmp::Reverse(*place)));
            last.map_or(0, |(place, _)| place)
        })
    }
}

/// How long what waits takes to leave at the rate of late.
fn wait_us(path: &Path, waiting_bytes: usize) -> u64 {
    let rate = path.controller.rate_bytes_per_s().max(1);
    u64::try_from(waiting_bytes as u128 * 1_000_000 / u128::from(rate)).unwrap_or(u64::MAX)
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
