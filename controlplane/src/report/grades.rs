//! Forecasts held against what came: an answer foretells how far a client is from where it is sent; the next report of that
//! front-end about that network says how far it was. The error is told by server and by what the forecast rested on: its median
//! and 90th percentile over the last ten to twenty minutes, in time and as a share of what was measured.
//!
//! What is graded is what front-ends see: networks whose clients came. A forecast whose client never came, or came from another
//! network than its resolver's, is not graded, and counted as such.

use crate::dns::policy::figures::Basis;
use crate::dns::policy::forecast::Forecast;
use crate::dns::policy::rendezvous::server_hash;
use crate::view::{MetricsText, Unit};
use dataplane::stdx::network::Network;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Forecasts that wait to be graded: what 20 POPs are asked for by 5,000 networks each, some 10 MiB.
const WAITING_MAX: usize = 100_000;
/// How long one waits, µs: many times an answer's time to live and the ten seconds of a front-end's reports.
const WAIT_US: u64 = 300_000_000;
/// How long errors are gathered before those of before are forgotten, µs.
const PERIOD_US: u64 = 600_000_000;
/// The largest error, µs, and the largest share of what was measured, per mille: what is beyond counts as this.
const ERROR_US_MAX: u64 = 60_000_000;
const SHARE_MAX: u64 = 100_000;
/// Digits of an error that are kept.
const DIGITS: u8 = 2;
/// What is shown of a distribution.
const QUANTILES: [f64; 2] = [0.5, 0.9];

/// What became of forecasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Held against a measurement.
    pub graded: u64,
    /// Replaced by a newer one of the same way before anybody measured.
    pub superseded: u64,
    /// Nobody measured in time.
    pub expired: u64,
    /// There was no room.
    pub refused: u64,
}

/// How good one kind of forecasts of one server was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grade {
    /// Forecasts graded so far.
    pub graded: u64,
    /// Of these, those of the last ten to twenty minutes, of which the quantiles are.
    pub recent: u64,
    /// Those that said less than was measured, of all.
    pub too_low: u64,
    /// The sum of all errors, µs.
    pub sum_us: u64,
    /// The error at p50 and p90, µs.
    pub error_us: [u64; 2],
    /// The same as a share of what was measured, per mille.
    pub permille: [u64; 2],
}

/// The errors of one kind of forecasts of one server.
#[derive(Clone, Debug)]
struct Errors {
    /// Of this period and of the one before, absolute in µs.
    absolute: [Histogram<u32>; 2],
    /// The same as shares, per mille.
    share: [Histogram<u32>; 2],
    began_us: u64,
    count: u64,
    sum_us: u64,
    /// Forecasts that said less than was measured.
    too_low: u64,
}

/// The grades.
#[derive(Clone, Debug, Default)]
pub struct Grades {
    /// Servers by the hashes of their names.
    places: HashMap<u64, usize>,
    servers: Vec<String>,
    errors: Vec<[Option<Box<Errors>>; Basis::ALL.len()]>,
    waiting: HashMap<(Network, usize), Forecast>,
    fates: Fates,
    /// When those that wait too long were looked for last, Unix µs.
    swept_us: u64,
}

impl Grades {
    /// Of these servers.
    pub fn new(servers: &[String]) -> Self {
        Self {
            places: servers.iter().map(|name| server_hash(name)).zip(0..).collect(),
            servers: servers.to_vec(),
            errors: vec![Default::default(); servers.len()],
            ..Self::default()
        }
    }

    /// Takes over what is known of servers that stay.
    pub fn inherit(&mut self, old: Self) {
        (self.fates, self.swept_us) = (old.fates, old.swept_us);
        let place = |before: usize| self.places.get(&server_hash(&old.servers[before])).copied();
        for (before, errors) in old.errors.into_iter().enumerate() {
            if let Some(now) = place(before) {
                self.errors[now] = errors;
            }
        }
        let waiting = old.waiting.into_iter();
        self.waiting = waiting
            .filter_map(|((network, before), forecast)| Some(((network, place(before)?), forecast)))
            .collect();
    }

    /// Takes a forecast.
    pub fn foretold(&mut self, forecast: Forecast, now_us: u64) {
        // Of a server that another tree has: an answer of the moment before it was read.
        let Some(server) = self.places.get(&forecast.server) else { return };
        let way = (forecast.network, *server);
        if self.waiting.len() >= WAITING_MAX && !self.waiting.contains_key(&way) {
            self.sweep(now_us);
            if self.waiting.len() >= WAITING_MAX {
                self.fates.refused += 1;
                return;
            }
        }
        // Several workers answer; what one of them said before another is older.
        let is_older = |known: &Forecast| known.at_us > forecast.at_us;
        if self.waiting.get(&way).is_some_and(is_older) {
            return;
        }
        self.fates.superseded += u64::from(self.waiting.insert(way, forecast).is_some());
    }

    /// Holds what a front-end has measured against what was foretold before.
    pub fn measured(&mut self, server: usize, network: Network, rtt_us: u32, at_us: u64) {
        let way = (network, server);
        let Some(forecast) = self.waiting.get(&way).filter(|forecast| forecast.at_us < at_us).copied() else {
            return;
        };
        self.waiting.remove(&way);
        if at_us - forecast.at_us > WAIT_US {
            self.fates.expired += 1;
            return;
        }
        self.fates.graded += 1;
        let errors = &mut self.errors[server][forecast.basis as usize];
        errors.get_or_insert_with(|| Box::new(Errors::new(at_us))).note(forecast.rtt_us, rtt_us, at_us);
    }

    /// Forgets what waits for too long; now and then.
    pub fn tick(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.swept_us) >= WAIT_US / 10 {
            self.sweep(now_us);
        }
        for errors in self.errors.iter_mut().flatten().flatten() {
            errors.turn(now_us);
        }
    }

    /// What became of forecasts so far.
    pub const fn fates(&self) -> Fates {
        self.fates
    }

    fn sweep(&mut self, now_us: u64) {
        let before = self.waiting.len();
        self.waiting.retain(|_, forecast| now_us.saturating_sub(forecast.at_us) <= WAIT_US);
        self.fates.expired += (before - self.waiting.len()) as u64;
        self.swept_us = now_us;
    }

    /// The grades by server and by what the forecast rested on, of those that there are.
    pub fn all(&self) -> impl Iterator<Item = (&String, Basis, Grade)> {
        self.servers.iter().zip(&self.errors).flat_map(|(server, errors)| {
            let of_basis = Basis::ALL.into_iter().zip(errors);
            of_basis.filter_map(move |(basis, errors)| Some((server, basis, errors.as_ref()?.grade())))
        })
    }

    /// A server's grades in words.
    pub fn words(&self, server: usize) -> Vec<String> {
        let own = self.all().filter(|(name, ..)| **name == self.servers[server]);
        own.map(|(_, basis, grade)| {
            let Grade { error_us, permille, .. } = grade;
            format!(
                "latency foretold ({}): off by {:.1} ms (p50), {:.1} ms (p90), {:.0} % and {:.0} % of what was measured; {} of late, \
                 too low {:.0} % of the time",
                basis.words(),
                error_us[0] as f64 / 1e3,
                error_us[1] as f64 / 1e3,
                permille[0] as f64 / 10.0,
                permille[1] as f64 / 10.0,
                grade.recent,
                grade.too_low as f64 * 100.0 / grade.graded.max(1) as f64
            )
        })
        .collect()
    }

    /// All of it as JSON.
    pub fn status(&self) -> Value {
        let Fates { graded, superseded, expired, refused } = self.fates;
        let mut by_server = Map::new();
        for (server, basis, grade) in self.all() {
            let of_server = by_server.entry(server.clone()).or_insert_with(|| json!({}));
            of_server[basis.name()] = json!({
                "graded": grade.graded, "recent": grade.recent, "too_low": grade.too_low,
                "error_p50_us": grade.error_us[0], "error_p90_us": grade.error_us[1],
                "error_p50_ratio": grade.permille[0] as f64 / 1e3, "error_p90_ratio": grade.permille[1] as f64 / 1e3,
            });
        }
        json!({
            "graded": graded, "superseded": superseded, "expired": expired, "refused": refused,
            "waiting": self.waiting.len(), "servers": by_server,
        })
    }

    /// All of it as metrics.
    pub fn metrics(&self, text: &mut MetricsText) {
        let help = "Latencies that answers foretold, by what became of them: held against a front-end's report, replaced by a newer \
                    one, never measured, without room.";
        let mut samples = text.counter("longhaul_dns_forecasts", Unit::None, help);
        let Fates { graded, superseded, expired, refused } = self.fates;
        for (fate, count) in
            [("graded", graded), ("superseded", superseded), ("expired", expired), ("refused", refused)]
        {
            samples.value(&[("fate", &fate)], count);
        }
        let help = "Foretold latency against the one measured then, of the last ten to twenty minutes; sum and count are of all time.";
        let mut samples = text.summary("longhaul_dns_forecast_error_seconds", Unit::Seconds, help);
        for (server, basis, grade) in self.all() {
            let at = QUANTILES.into_iter().zip(grade.error_us.map(|us| us as f64 / 1e6));
            let labels: [(&str, &dyn core::fmt::Display); 2] = [("server", server), ("basis", &basis.name())];
            samples.value(&labels, &at.collect::<Vec<_>>(), grade.sum_us as f64 / 1e6, grade.graded);
        }
        let help = "The same as a share of what was measured.";
        let mut samples = text.gauge("longhaul_dns_forecast_error_ratio", Unit::Ratio, help);
        for (server, basis, grade) in self.all() {
            for (name, share) in ["p50", "p90"].into_iter().zip(grade.permille) {
                let labels: [(&str, &dyn core::fmt::Display); 3] =
                    [("server", server), ("basis", &basis.name()), ("at", &name)];
                samples.value(&labels, share as f64 / 1e3);
            }
        }
    }
}

impl Errors {
    fn new(now_us: u64) -> Self {
        Self {
            absolute: [histogram(ERROR_US_MAX), histogram(ERROR_US_MAX)],
            share: [histogram(SHARE_MAX), histogram(SHARE_MAX)],
            began_us: now_us,
            count: 0,
            sum_us: 0,
            too_low: 0,
        }
    }

    fn note(&mut self, foretold_us: u32, measured_us: u32, now_us: u64) {
        self.turn(now_us);
        let error_us = u64::from(foretold_us.abs_diff(measured_us));
        self.absolute[0].saturating_record(error_us);
        self.share[0].saturating_record(error_us * 1_000 / u64::from(measured_us.max(1)));
        self.count += 1;
        self.sum_us += error_us;
        self.too_low += u64::from(foretold_us < measured_us);
    }

    /// Begins another period when this one is over.
    fn turn(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.began_us) < PERIOD_US {
            return;
        }
        self.began_us = now_us;
        for [now, before] in [&mut self.absolute, &mut self.share] {
            core::mem::swap(now, before);
            now.reset();
        }
    }

    fn grade(&self) -> Grade {
        Grade {
            graded: self.count,
            recent: self.absolute.iter().map(Histogram::len).sum(),
            too_low: self.too_low,
            sum_us: self.sum_us,
            error_us: quantiles(&self.absolute),
            permille: quantiles(&self.share),
        }
    }
}

fn histogram(most: u64) -> Histogram<u32> {
    let Ok(histogram) = Histogram::new_with_bounds(1, most, DIGITS) else {
        panic!("the bounds are constants, and good")
    };
    histogram
}

fn quantiles([now, before]: &[Histogram<u32>; 2]) -> [u64; QUANTILES.len()] {
    let mut both = now.clone();
    // Both have the same bounds.
    let _fits = both.add(before);
    QUANTILES.map(|quantile| both.value_at_quantile(quantile))
}

#[cfg(test)]
mod tests;
