//! What is known about servers and the ways to them, each figure with its age: a table that is replaced as a whole.
//!
//! The file's form is JSON (see `docs/dns.md`): who is up, load, loss; latencies from servers (or from vantage points
//! that are none) to networks; latencies between vantage points and servers. Where nobody knows the whole way from a
//! server to a network, the sum of its legs over the best vantage point stands for it. Times are Unix seconds; a figure
//! without one has the file's.

use crate::dns::policy::model::ServerId;
use core::net::IpAddr;
use dataplane::stdx::network::Network;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Networks of the table at most; more are an error of whoever makes the file.
pub const NETWORKS_MAX: usize = 1_000_000;

/// A figure and when it was taken, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure<T> {
    /// It.
    pub value: T,
    /// When.
    pub at_s: u64,
}

impl<T> Figure<T> {
    /// Its age; a clock that was put back makes it new and not older than everything.
    pub fn age_s(&self, now_s: u64) -> u64 {
        now_s.saturating_sub(self.at_s)
    }
}

/// What is known about a server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Whether it serves.
    pub is_up: Option<Figure<bool>>,
    /// How busy it is, 0 to 1.
    pub load: Option<Figure<f32>>,
    /// Which share of packets or answers is lost, 0 to 1.
    pub loss: Option<Figure<f32>>,
    /// Whether its way to the origins has soured.
    pub soured: Option<Figure<bool>>,
    /// Since when it serves without a break, Unix seconds, where somebody has watched it begin.
    pub up_since_s: Option<u64>,
}

impl Health {
    /// Of each figure the newer one; `other`'s where both are as new.
    fn newer(self, other: Self) -> Self {
        fn newer<T>(own: Option<Figure<T>>, other: Option<Figure<T>>) -> Option<Figure<T>> {
            match (own, other) {
                (Some(own), Some(other)) if own.at_s > other.at_s => Some(own),
                (own, other) => other.or(own),
            }
        }
        let own_counts = self.is_up.is_some_and(|own| other.is_up.is_none_or(|other| own.at_s > other.at_s));
        Self {
            up_since_s: if own_counts { self.up_since_s } else { other.up_since_s },
            is_up: newer(self.is_up, other.is_up),
            load: newer(self.load, other.load),
            loss: newer(self.loss, other.loss),
            soured: newer(self.soured, other.soured),
        }
    }
}

/// What a latency rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Basis {
    /// Who serves has measured it itself, in its clients' own connections, or the file says so.
    Own,
    /// It is the sum of two legs.
    Sum,
    /// Who serves has probed the client's resolver.
    Resolver,
}

impl Basis {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Own, Self::Sum, Self::Resolver];

    /// Its word, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Sum => "sum",
            Self::Resolver => "resolver",
        }
    }

    /// The same for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Own => "from its own clients",
            Self::Sum => "sum of two legs",
            Self::Resolver => "towards its resolver",
        }
    }
}

/// A way from a server to a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Way {
    /// Latency, milliseconds, and when the older of its parts was taken.
    pub ms: Figure<f32>,
    /// What it rests on.
    pub basis: Basis,
    /// Over whom, if it is a sum: the place of a vantage point in the table that it is from.
    over: Option<u16>,
}

impl Way {
    /// A way that somebody has measured as a whole.
    pub const fn measured(ms: Figure<f32>, basis: Basis) -> Self {
        Self { ms, basis, over: None }
    }
}

/// The ways from all servers to networks.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Per network, the way to each server.
    ways: HashMap<Network, Vec<Option<Way>>>,
    /// The prefix lengths that occur, longest first, per family.
    v4_bits: Vec<u8>,
    v6_bits: Vec<u8>,
    /// The ends of legs, in order.
    vantages: Vec<String>,
}

impl Ways {
    /// The ways from these servers: those that somebody has measured to a network, by himself or as the sum of two legs.
    pub fn of(seen: &Seen, legs: &Legs, servers: &[&str]) -> Self {
        let ends: BTreeSet<&String> = legs.keys().flat_map(|(from, to)| [from, to]).collect();
        let vantages: Vec<String> = ends.into_iter().cloned().collect();
        let way = |from: &BTreeMap<String, Way>| {
            servers.iter().map(|server| whole(from, legs, &vantages, server)).collect()
        };
        let lengths = |is_v4: bool| {
            let mut bits: Vec<u8> =
                seen.keys().filter(|p| p.base().is_ipv4() == is_v4).map(Network::bits).collect();
            bits.sort_unstable_by(|a, b| b.cmp(a));
            bits.dedup();
            bits
        };
        Self {
            ways: seen.iter().map(|(network, from)| (*network, way(from))).collect(),
            v4_bits: lengths(true),
            v6_bits: lengths(false),
            vantages,
        }
    }

    /// The ways to the smallest network that has `client`, and how many of its bits the answer depends on.
    fn to(&self, client: IpAddr, client_bits: u8) -> (Option<&[Option<Way>]>, u8) {
        let lengths = if client.is_ipv4() { &self.v4_bits } else { &self.v6_bits };
        for bits in lengths.iter().filter(|bits| **bits <= client_bits) {
            if let Some(ways) = self.ways.get(&Network::of(client, *bits)) {
                return (Some(ways), *bits);
            }
        }
        // Nobody is near: the answer would be another one if there were a longer network, so that it is good for those only.
        (None, lengths.first().copied().unwrap_or(0).min(client_bits))
    }
}

/// The ways to one client.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaysTo<'a> {
    file: Option<&'a [Option<Way>]>,
    reported: Option<&'a [Option<Way>]>,
}

impl WaysTo<'_> {
    /// The way from a server: as nodes report it, else as the file has it.
    pub fn from(&self, server: usize) -> Option<Way> {
        let of = |ways: Option<&[Option<Way>]>| *ways?.get(server)?;
        of(self.reported).or_else(|| of(self.file))
    }
}

/// What nodes have reported, as far as it decides.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    /// Of each server.
    pub health: Vec<Health>,
    /// Where each server's figures come from, and who disagrees: lines for people.
    pub sources: Vec<Vec<String>>,
    /// The ways from them.
    pub ways: Arc<Ways>,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What the file says, and what it comes to with the reports.
    of_file: Vec<Health>,
    health: Vec<Health>,
    ways: Arc<Ways>,
    reported: Arc<Reported>,
}

impl Figures {
    /// What is known about a server.
    pub fn health(&self, server: ServerId) -> Health {
        self.health.get(usize::from(server.0)).copied().unwrap_or_default()
    }

    /// Where its figures come from, if nodes have reported some.
    pub fn sources(&self, server: ServerId) -> &[String] {
        self.reported.sources.get(usize::from(server.0)).map_or(&[], Vec::as_slice)
    }

    /// The ways to the smallest networks that have `client`, and how many of its bits the answer depends on.
    pub fn ways(&self, client: IpAddr, client_bits: u8) -> (WaysTo<'_>, u8) {
        let (file, bits) = self.ways.to(client, client_bits);
        let (reported, reported_bits) = self.reported.ways.to(client, client_bits);
        (WaysTo { file, reported }, bits.max(reported_bits))
    }

    /// Over whom the way of a server to a client leads, if it is the sum of two legs.
    pub fn over(&self, client: IpAddr, client_bits: u8, server: usize) -> Option<&str> {
        let tables = [&self.reported.ways, &self.ways];
        let found = tables.into_iter().find_map(|table| {
            let way = (*table.to(client, client_bits).0?.get(server)?)?;
            Some((table, way))
        });
        let (table, way) = found?;
        table.vantages.get(usize::from(way.over?)).map(String::as_str)
    }

    /// Networks in the table.
    pub fn networks(&self) -> usize {
        self.ways.ways.len() + self.reported.ways.ways.len()
    }

    /// The networks that anybody has measured; one may come twice.
    pub fn measured(&self) -> impl Iterator<Item = &Network> {
        self.ways.ways.keys().chain(self.reported.ways.ways.keys())
    }

    /// The same file's figures with what nodes have reported.
    pub fn with_reported(&self, reported: Arc<Reported>) -> Self {
        let of_file = |place| self.of_file.get(place).copied().unwrap_or_default();
        let count = self.of_file.len().max(reported.health.len());
        let of_both = |place| {
            let reported = reported.health.get(place).copied().unwrap_or_default();
            Health::newer(of_file(place), reported)
        };
        Self {
            health: (0..count).map(of_both).collect(),
            of_file: self.of_file.clone(),
            ways: self.ways.clone(),
            reported,
        }
    }

    /// What nodes have reported.
    pub fn reported(&self) -> Arc<Reported> {
        self.reported.clone()
    }

    /// Reads a table for these servers. `file_s` is the file's own time. All that is wrong, at once.
    pub fn read(text: &str, servers: &[&str], file_s: u64) -> Result<Self, Vec<String>> {
        let root: Value = serde_json::from_str(text).map_err(|error| vec![format!("is no JSON: {error}")])?;
        let at_s = root.get("at").and_then(Value::as_u64).unwrap_or(file_s);
        let numbers = servers.iter().enumerate().map(|(at, name)| (*name, at)).collect();
        let mut reading = Reading { numbers, at_s, problems: Vec::new() };
        let mut health = vec![Health::default(); servers.len()];
        reading.known_keys(&root);
        reading.health(&root, &mut health);
        let legs = reading.legs(&root);
        let seen = reading.latencies(&root);
        if !reading.problems.is_empty() {
            return Err(reading.problems);
        }
        let ways = Arc::new(Ways::of(&seen, &legs, servers));
        Ok(Self { of_file: health.clone(), health, ways, reported: Arc::default() })
    }
}

/// Latencies to a network, by who measured them.
pub type Seen = BTreeMap<Network, BTreeMap<String, Way>>;
/// Latencies between two points.
pub type Legs = BTreeMap<(String, String), Figure<f32>>;

/// The way from a server: measured by itself, else the best sum of two legs.
fn whole(from: &BTreeMap<String, Way>, legs: &Legs, vantages: &[String], server: &str) -> Option<Way> {
    if let Some(own) = from.get(server) {
        return Some(*own);
    }
    let sums = from.iter().filter_map(|(vantage, first)| {
        let second = legs
            .get(&(vantage.clone(), server.to_owned()))
            .or_else(|| legs.get(&(server.to_owned(), vantage.clone())))?;
        let first = first.ms;
        let ms = Figure { value: first.value + second.value, at_s: first.at_s.min(second.at_s) };
        Some((ms, vantage))
    });
    let (ms, over) = sums.min_by(|(a, _), (b, _)| a.value.total_cmp(&b.value))?;
    let over = vantages.binary_search(over).ok().and_then(|place| u16::try_from(place).ok());
    Some(Way { ms, basis: Basis::Sum, over })
}

struct Reading<'a> {
    numbers: HashMap<&'a str, usize>,
    at_s: u64,
    problems: Vec<String>,
}

impl Reading<'_> {
    fn known_keys(&mut self, root: &Value) {
        let Some(root) = root.as_object() else {
            self.problems.push("is no object; write {\"servers\": …, \"latency\": …, \"legs\": …}".into());
            return;
        };
        for key in root.keys().filter(|key| !["at", "servers", "latency", "legs"].contains(&key.as_str())) {
            self.problems.push(format!("{key}: is no key; at, servers, latency and legs are"));
        }
    }

    fn health(&mut self, root: &Value, health: &mut [Health]) {
        for (name, of) in root.get("servers").and_then(Value::as_object).into_iter().flatten() {
            let Some(number) = self.numbers.get(name.as_str()) else {
                self.problems.push(format!("servers.{name}: there is no such server"));
                continue;
            };
            let at_s = of.get("at").and_then(Value::as_u64).unwrap_or(self.at_s);
            let place = &mut health[*number];
            match of.get("state").map(|state| state.as_str()) {
                None => {}
                Some(Some("up")) => place.is_up = Some(Figure { value: true, at_s }),
                Some(Some("down")) => place.is_up = Some(Figure { value: false, at_s }),
                Some(_) => {
                    self.problems.push(format!("servers.{name}.state: is neither \"up\" nor \"down\""))
                }
            }
            let mut share = |key: &str| match of.get(key).map(Value::as_f64) {
                None => None,
                Some(Some(value)) if (0.0..=1.0).contains(&value) => {
                    Some(Figure { value: value as f32, at_s })
                }
                Some(_) => {
                    self.problems.push(format!("servers.{name}.{key}: is no share; give 0 to 1"));
                    None
                }
            };
            (place.load, place.loss) = (share("load"), share("loss"));
        }
    }

    fn list<'v>(&mut self, root: &'v Value, key: &str) -> &'v [Value] {
        match root.get(key) {
            None => &[],
            Some(Value::Array(list)) if list.len() <= NETWORKS_MAX => list,
            Some(Value::Array(list)) => {
                self.problems.push(format!("{key}: has {} entries; give at most {NETWORKS_MAX}", list.len()));
                &[]
            }
            Some(_) => {
                self.problems.push(format!("{key}: is no list"));
                &[]
            }
        }
    }

    fn milliseconds(&mut self, entry: &Value, place: &str) -> Option<Figure<f32>> {
        let at_s = entry.get("at").and_then(Value::as_u64).unwrap_or(self.at_s);
        let ms = entry.get("ms").and_then(Value::as_f64).filter(|ms| (0.0..=60_000.0).contains(ms));
        if ms.is_none() {
            self.problems.push(format!("{place}.ms: is no latency; give 0 to 60000 milliseconds"));
        }
        ms.map(|ms| Figure { value: ms as f32, at_s })
    }

    fn text(&mut self, entry: &Value, key: &str, place: &str) -> Option<String> {
        let text = entry.get(key).and_then(Value::as_str).map(str::to_owned);
        if text.is_none() {
            self.problems.push(format!("{place}.{key}: is missing"));
        }
        text
    }

    fn legs(&mut self, root: &Value) -> Legs {
        let mut legs = Legs::new();
        for (at, entry) in self.list(root, "legs").iter().enumerate() {
            let place = format!("legs[{at}]");
            let ends = (self.text(entry, "from", &place), self.text(entry, "to", &place));
            if let ((Some(from), Some(to)), Some(ms)) = (ends, self.milliseconds(entry, &place)) {
                legs.insert((from, to), ms);
            }
        }
        legs
    }

    fn latencies(&mut self, root: &Value) -> Seen {
        let mut seen = Seen::new();
        for (at, entry) in self.list(root, "latency").iter().enumerate() {
            let place = format!("latency[{at}]");
            let from = self.text(entry, "from", &place);
            let network = self.text(entry, "network", &place).and_then(|text| text.parse::<Network>().ok());
            if network.is_none() {
                self.problems.push(format!("{place}.network: is no network; write it as 192.0.2.0/24"));
            }
            if let (Some(from), Some(network), Some(ms)) = (from, network, self.milliseconds(entry, &place)) {
                seen.entry(network).or_default().insert(from, Way::measured(ms, Basis::Own));
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: [&str; 3] = ["fra", "nyc", "sin"];

    #[test]
    fn the_smallest_network_counts_and_legs_add_up() {
        let figures = Figures::read(
            r#"{"at": 100,
                "servers": {"fra": {"state": "up", "load": 0.5, "at": 90}, "nyc": {"state": "down"}},
                "latency": [{"network": "192.0.2.0/24", "from": "fra", "ms": 10},
                            {"network": "192.0.2.0/24", "from": "probe7", "ms": 5, "at": 80},
                            {"network": "192.0.0.0/16", "from": "nyc", "ms": 90}],
                "legs": [{"from": "probe7", "to": "nyc", "ms": 70}, {"from": "nyc", "to": "fra", "ms": 1},
                         {"from": "fra", "to": "nyc", "ms": 80}]}"#,
            &SERVERS,
            7,
        )
        .unwrap();
        let client = "192.0.2.9".parse().unwrap();
        let (ways, bits) = figures.ways(client, 32);
        let fra = ways.from(0).unwrap();
        assert_eq!((bits, fra.ms.value, fra.basis), (24, 10.0, Basis::Own));
        // Over probe7: 5 + 70; over fra: 10 + 80.
        let nyc = ways.from(1).unwrap();
        assert_eq!((nyc.ms, nyc.basis), (Figure { value: 75.0, at_s: 80 }, Basis::Sum));
        assert_eq!([0, 1, 2].map(|server| figures.over(client, 32, server)), [None, Some("probe7"), None]);
        assert_eq!(ways.from(2), None);
        assert_eq!(figures.ways("192.0.9.1".parse().unwrap(), 32).1, 16);
        let nobody = |address: &str, bits| {
            let (ways, scope) = figures.ways(address.parse().unwrap(), bits);
            assert!((0..3).all(|server| ways.from(server).is_none()));
            scope
        };
        assert_eq!((nobody("10.0.0.1", 32), nobody("2001:db8::1", 56)), (24, 0));
        // A client known by 16 bits cannot be in a /24.
        assert_eq!(figures.ways("192.0.0.0".parse().unwrap(), 16).1, 16);
        let fra = figures.health(ServerId(0));
        assert_eq!((fra.is_up.unwrap().age_s(100), fra.load.unwrap().value, fra.loss), (10, 0.5, None));
        assert_eq!(fra.is_up.unwrap().age_s(3), 0, "a clock that was put back");
        assert_eq!(figures.health(ServerId(2)), Health::default());
    }

    #[test]
    fn reports_stand_beside_the_file_and_the_newer_counts() {
        let text = r#"{"at": 100, "servers": {"fra": {"state": "down", "load": 0.5}},
                       "latency": [{"network": "192.0.2.0/24", "from": "nyc", "ms": 90}]}"#;
        let figures = Figures::read(text, &SERVERS, 7).unwrap();
        let up = |at_s| Health { is_up: Some(Figure { value: true, at_s }), ..Health::default() };
        let network: Network = "192.0.2.0/24".parse().unwrap();
        let seen = Seen::from([(
            network,
            BTreeMap::from([("fra".to_owned(), Way::measured(Figure { value: 5.0, at_s: 9 }, Basis::Own))]),
        )]);
        let ways = Arc::new(Ways::of(&seen, &Legs::new(), &SERVERS));
        let reported =
            |at_s| Arc::new(Reported { health: vec![up(at_s)], ways: ways.clone(), ..Reported::default() });
        let of = |at_s| figures.with_reported(reported(at_s)).health(ServerId(0));
        assert_eq!([99, 100, 101].map(|at_s| of(at_s).is_up.unwrap().value), [false, true, true]);
        assert_eq!(of(200).load.unwrap().value, 0.5, "what nobody reports is the file's");
        let both = figures.with_reported(reported(200));
        let (ways, _) = both.ways("192.0.2.9".parse().unwrap(), 32);
        assert_eq!([0, 1].map(|server| ways.from(server).unwrap().ms.value), [5.0, 90.0]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = Figures::read(
            r#"{"server": 1, "servers": {"ams": {}, "fra": {"state": "on", "load": 2}},
                "latency": [{"network": "192.0.2.1/24", "from": "fra", "ms": 1}, {"ms": -1, "network": "::/0"}], "legs": 3}"#,
            &SERVERS,
            7,
        )
        .unwrap_err()
        .join("\n");
        for part in [
            "server: is no key",
            "servers.ams",
            "fra.state",
            "fra.load",
            "latency[0].network",
            "latency[1].from",
            "latency[1].ms",
            "legs: is no list",
        ] {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        assert!(Figures::read("{", &SERVERS, 7).unwrap_err()[0].contains("is no JSON"));
        assert!(Figures::read("[]", &SERVERS, 7).unwrap_err()[0].contains("is no object"));
    }
}
