//! What a class of requests is told: one kind of traffic with results of its own. Without a mix file the flags make
//! one class of all URLs.

use crate::load::schedule::Arrivals;
use crate::spread::Spread;

/// A class as it was asked for.
#[derive(Clone, Debug)]
pub struct ClassSpec {
    /// Its name in the results.
    pub name: String,
    /// Where it stands in its file, `FILE:LINE:COLUMN`; empty if the flags make it.
    pub place: String,
    /// Its part among the classes that share connections.
    pub weight: u32,
    /// Connections of its own; `None`: it shares those of the run.
    pub connections: Option<usize>,
    /// An open loop of its own, requests per second.
    pub rate_per_second: Option<f64>,
    /// How that open loop's starts lie.
    pub arrivals: Arrivals,
    /// What to ask for; `{n}` stands for the number of an object.
    pub urls: Vec<String>,
    /// The method; `None`: GET, or POST with a body.
    pub method: Option<String>,
    /// The Host field instead of the URL's authority.
    pub host: Option<String>,
    /// Fields added to every request.
    pub fields: Vec<(String, String)>,
    /// Bytes of the request's body, if it has one.
    pub body_bytes: Option<Spread>,
    /// That body is sent chunked.
    pub is_chunked: bool,
    /// How many objects `{n}` counts, from 1.
    pub objects: Option<u64>,
    /// The exponent of Zipf's law by which objects (or else URLs) are chosen.
    pub zipf: Option<f64>,
    /// Ask for a range of this many bytes at a random place of the object.
    pub range_bytes: Option<u64>,
    /// How long a connection rests after an answer, ms.
    pub think_ms: Option<Spread>,
}

impl Default for ClassSpec {
    fn default() -> Self {
        Self {
            name: "all".into(),
            place: String::new(),
            weight: 1,
            connections: None,
            rate_per_second: None,
            arrivals: Arrivals::Constant,
            urls: Vec::new(),
            method: None,
            host: None,
            fields: Vec::new(),
            body_bytes: None,
            is_chunked: false,
            objects: None,
            zipf: None,
            range_bytes: None,
            think_ms: None,
        }
    }
}

impl ClassSpec {
    /// Whether it has connections of its own.
    pub(crate) fn is_alone(&self) -> bool {
        self.connections.is_some() || self.rate_per_second.is_some()
    }
}
