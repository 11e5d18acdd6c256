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
use std::collections::{BTreeMap, HashMap};

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
}

/// A way from a server to a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Way {
    /// Latency, milliseconds, and when the older of its parts was taken.
    pub ms: Figure<f32>,
    /// It is the sum of two legs.
    pub is_sum: bool,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    health: Vec<Health>,
    /// Per network, the way to each server.
    ways: HashMap<Network, Vec<Option<Way>>>,
    /// The prefix lengths that occur, longest first, per family.
    v4_bits: Vec<u8>,
    v6_bits: Vec<u8>,
}

impl Figures {
    /// What is known about a server.
    pub fn health(&self, server: ServerId) -> Health {
        self.health.get(usize::from(server.0)).copied().unwrap_or_default()
    }

    /// The ways to the smallest network that has `client`, and how many of its bits the answer depends on.
    pub fn ways(&self, client: IpAddr, client_bits: u8) -> (Option<&[Option<Way>]>, u8) {
        let lengths = if client.is_ipv4() { &self.v4_bits } else { &self.v6_bits };
        for bits in lengths.iter().filter(|bits| **bits <= client_bits) {
            if let Some(ways) = self.ways.get(&Network::of(client, *bits)) {
                return (Some(ways), *bits);
            }
        }
        // Nobody is near: the answer would be another one if there were a longer network, so that it is good for those only.
        (None, lengths.first().copied().unwrap_or(0).min(client_bits))
    }

    /// Networks in the table.
    pub fn networks(&self) -> usize {
        self.ways.len()
    }

    /// Reads a table for these servers. `file_s` is the file's own time. All that is wrong, at once.
    pub fn read(text: &str, servers: &[&str], file_s: u64) -> Result<Self, Vec<String>> {
        let root: Value = serde_json::from_str(text).map_err(|error| vec![format!("is no JSON: {error}")])?;
        let at_s = root.get("at").and_then(Value::as_u64).unwrap_or(file_s);
        let numbers = servers.iter().enumerate().map(|(at, name)| (*name, at)).collect();
        let mut reading = Reading { numbers, at_s, problems: Vec::new() };
        let mut figures = Self { health: vec![Health::default(); servers.len()], ..Self::default() };
        reading.known_keys(&root);
        reading.health(&root, &mut figures.health);
        let legs = reading.legs(&root);
        let seen = reading.latencies(&root);
        figures.join(&seen, &legs, servers);
        if reading.problems.is_empty() { Ok(figures) } else { Err(reading.problems) }
    }

    fn join(&mut self, seen: &Seen, legs: &Legs, servers: &[&str]) {
        for (network, from) in seen {
            let way = |server: &&str| whole(from, legs, server);
            self.ways.insert(*network, servers.iter().map(way).collect());
        }
        let lengths = |is_v4: bool| {
            let mut bits: Vec<u8> =
                seen.keys().filter(|p| p.base().is_ipv4() == is_v4).map(Network::bits).collect();
            bits.sort_unstable_by(|a, b| b.cmp(a));
            bits.dedup();
            bits
        };
        (self.v4_bits, self.v6_bits) = (lengths(true), lengths(false));
    }
}

/// Latencies to a network, by who measured them.
type Seen = BTreeMap<Network, BTreeMap<String, Figure<f32>>>;
/// Latencies between two points.
type Legs = BTreeMap<(String, String), Figure<f32>>;

/// The way from a server: measured by itself, else the best sum of two legs.
fn whole(from: &BTreeMap<String, Figure<f32>>, legs: &Legs, server: &str) -> Option<Way> {
    if let Some(own) = from.get(server) {
        return Some(Way { ms: *own, is_sum: false });
    }
    let sums = from.iter().filter_map(|(vantage, first)| {
        let second = legs
            .get(&(vantage.clone(), server.to_owned()))
            .or_else(|| legs.get(&(server.to_owned(), vantage.clone())))?;
        Some(Figure { value: first.value + second.value, at_s: first.at_s.min(second.at_s) })
    });
    let best = sums.min_by(|a, b| a.value.total_cmp(&b.value))?;
    Some(Way { ms: best, is_sum: true })
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
                seen.entry(network).or_default().insert(from, ms);
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
        let ways = ways.unwrap();
        assert_eq!((bits, ways[0].unwrap().ms.value, ways[0].unwrap().is_sum), (24, 10.0, false));
        // Over probe7: 5 + 70; over fra: 10 + 80.
        assert_eq!(ways[1], Some(Way { ms: Figure { value: 75.0, at_s: 80 }, is_sum: true }));
        assert_eq!(ways[2], None);
        assert_eq!(figures.ways("192.0.9.1".parse().unwrap(), 32).1, 16);
        assert_eq!(figures.ways("10.0.0.1".parse().unwrap(), 32), (None, 24));
        assert_eq!(figures.ways("2001:db8::1".parse().unwrap(), 56), (None, 0));
        // A client known by 16 bits cannot be in a /24.
        assert_eq!(figures.ways("192.0.0.0".parse().unwrap(), 16).1, 16);
        let fra = figures.health(ServerId(0));
        assert_eq!((fra.is_up.unwrap().age_s(100), fra.load.unwrap().value, fra.loss), (10, 0.5, None));
        assert_eq!(fra.is_up.unwrap().age_s(3), 0, "a clock that was put back");
        assert_eq!(figures.health(ServerId(2)), Health::default());
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
