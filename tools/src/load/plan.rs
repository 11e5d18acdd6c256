//! What a run will do, settled before it starts: hosts, classes, and the crowds of connections that share a schedule.
//! Everything that can be wrong with the options is found here; nothing is sent.

use crate::load::class::ClassSpec;
use crate::load::desk::PLACES_MAX;
use crate::load::dns::Questions;
use crate::load::options::{LoadError, LoadOptions};
use crate::load::popularity::{OBJECTS_MAX, Popularity};
use crate::load::schedule::Arrivals;
use crate::load::template::{Habits, RANK, Template};
use crate::load::url::{Scheme, Url};
use crate::spread::Spread;
use core::net::SocketAddr;
use core::ops::Range;
use std::collections::BTreeMap;

/// The highest rate: above it starts would lie closer together than a clock's microsecond can tell.
const RATE_MAX: f64 = 1e6;

/// What is said of a rate that cannot be.
const RATE_WRONG: &str = "the rate must be above 0 and at most 1,000,000 per second";

/// What is said of too few connections.
const CONNECTIONS_WRONG: &str = "give at least one connection per thread";

/// Requests that may wait on one connection.
const PIPELINE_MAX: usize = 1_024;

/// Somebody who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// As it was written.
    pub(crate) name: String,
    /// Where.
    pub(crate) address: SocketAddr,
    /// What is spoken.
    pub(crate) scheme: Scheme,
}

/// A class, ready.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// Its name.
    pub(crate) name: String,
    /// Its templates within the plan's.
    pub(crate) templates: Range<usize>,
    /// Which object is next.
    pub(crate) popularity: Popularity,
    /// The objects are numbers within a URL; else they are the URLs.
    pub(crate) has_ranks: bool,
    /// How long a connection rests after an answer, ms.
    pub(crate) think_ms: Option<Spread>,
}

/// Connections with a common schedule, and the classes that share them.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// Connections of all threads.
    pub(crate) connections: u64,
    /// The open loop's rate.
    pub(crate) rate_per_second: Option<f64>,
    /// How its starts lie.
    pub(crate) arrivals: Arrivals,
    /// Index of each class, and the sum of the weights up to it.
    pub(crate) classes: Vec<(usize, u64)>,
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Who is asked.
    pub(crate) hosts: Vec<Host>,
    /// What is asked.
    pub(crate) templates: Vec<Template>,
    /// In the order of the results.
    pub(crate) classes: Vec<Class>,
    /// Who asks.
    pub(crate) crowds: Vec<Crowd>,
    /// What nameservers are asked.
    pub(crate) questions: Questions,
}

impl Plan {
    /// The plan for `options`.
    pub(crate) fn new(options: &LoadOptions) -> Result<Self, LoadError> {
        check(options)?;
        let classes = match &options.mix {
            Some(classes) => classes.iter().map(|class| with_flags(class, options)).collect(),
            None => vec![class_of_flags(options)],
        };
        let mut plan = Self {
            hosts: Vec::new(),
            templates: Vec::new(),
            classes: Vec::new(),
            crowds: Vec::new(),
            questions: Questions::default(),
        };
        let mut known = BTreeMap::new();
        for class in &classes {
            plan.add_class(class, options, &mut known)?;
        }
        plan.add_crowds(&classes, options)?;
        if plan.hosts.iter().any(|host| host.scheme == Scheme::Dns) {
            let paths = plan.templates.iter().enumerate().filter_map(|(index, template)| {
                let is_dns = plan.hosts[template.host].scheme == Scheme::Dns;
                is_dns.then(|| Some((index, Url::parse(&template.url).ok()?.path))).flatten()
            });
            plan.questions = Questions::read(&options.dns, &paths.collect::<Vec<_>>())?;
        }
        Ok(plan)
    }

    /// Connections in all.
    pub(crate) fn connections(&self) -> u64 {
        self.crowds.iter().map(|crowd| crowd.connections).sum()
    }

    fn add_class(
        &mut self,
        spec: &ClassSpec,
        options: &LoadOptions,
        known: &mut BTreeMap<String, usize>,
    ) -> Result<(), LoadError> {
        let option = |what: &str| Err(wrong(spec, what));
        let first = self.templates.len();
        for text in &spec.urls {
            let refuse = |why: String| wrong_url(spec, text, why);
            let text = absolute(text, options).map_err(refuse)?;
            let url = Url::parse(&text).map_err(refuse)?;
            let key = format!("{:?} {}", url.scheme, url.authority);
            let host = match known.get(&key) {
                Some(host) => *host,
                None => {
                    let address = options.connect.map_or_else(|| url.resolve(), Ok).map_err(refuse)?;
                    let name = url.authority.clone();
                    self.hosts.push(Host { name, address, scheme: url.scheme });
                    known.insert(key, self.hosts.len() - 1);
                    self.hosts.len() - 1
                }
            };
            let habits = Habits { keep_alive: options.keep_alive, verify: options.verify };
            self.templates.push(Template::new(&text, &url, host, spec, habits).map_err(refuse)?);
        }
        let urls = spec.urls.len() as u64;
        let has_ranks = spec.urls.iter().any(|url| url.contains(RANK));
        if urls == 0 {
            return option("it asks for nothing: give urls or paths");
        }
        if has_ranks != spec.objects.is_some() {
            return option(&format!("objects and {RANK} in a URL go together: one counts the other"));
        }
        let count = spec.objects.unwrap_or(urls);
        if !(1..=OBJECTS_MAX).contains(&count) {
            return option(&format!("objects must be 1 to {OBJECTS_MAX}"));
        }
        let popularity = match (spec.zipf, has_ranks) {
            (Some(exponent), _) if !(exponent > 0.0 && exponent <= 10.0) => {
                return option("the exponent of zipf must be above 0 and at most 10");
            }
            (Some(exponent), _) => Popularity::zipf(count, exponent),
            (None, true) => Popularity::Alike(count),
            (None, false) => Popularity::InTurn(count),
        };
        self.classes.push(Class {
            name: spec.name.clone(),
            templates: first..self.templates.len(),
            popularity,
            has_ranks,
            think_ms: spec.think_ms,
        });
        Ok(())
    }

    fn add_crowds(&mut self, specs: &[ClassSpec], options: &LoadOptions) -> Result<(), LoadError> {
        let mut common = Crowd {
            connections: options.connections as u64,
            rate_per_second: options.rate_per_second,
            arrivals: options.arrivals,
            classes: Vec::new(),
        };
        for (index, spec) in specs.iter().enumerate() {
            if spec.think_ms.is_some()
                && (spec.rate_per_second.is_some() || options.rate_per_second.is_some())
            {
                return Err(wrong(spec, "think times are for closed loops; leave the rate away"));
            }
            if !spec.rate_per_second.is_none_or(is_rate) {
                return Err(wrong(spec, RATE_WRONG));
            }
            if spec.connections.is_some_and(|connections| connections < options.threads) {
                return Err(wrong(spec, CONNECTIONS_WRONG));
            }
            if spec.is_alone() {
                self.crowds.push(Crowd {
                    connections: spec.connections.unwrap_or(options.connections) as u64,
                    rate_per_second: spec.rate_per_second,
                    arrivals: spec.arrivals,
                    classes: vec![(index, 1)],
                });
            } else {
                let before = common.classes.last().map_or(0, |(_, sum)| *sum);
                common.classes.push((index, before + u64::from(spec.weight)));
            }
        }
        if !common.classes.is_empty() {
            self.crowds.push(common);
        }
        self.check_crowds(options)
    }

    fn check_crowds(&self, options: &LoadOptions) -> Result<(), LoadError> {
        if self.crowds.is_empty() {
            return Err(LoadError::Option("the mix has no class".into()));
        }
        for crowd in &self.crowds {
            if crowd.classes.last().is_none_or(|(_, sum)| *sum == 0) {
                return Err(LoadError::Option("all weights are 0: nothing would be asked".into()));
            }
            if crowd.connections < options.threads as u64 {
                return Err(LoadError::Option(CONNECTIONS_WRONG.into()));
            }
            if !crowd.rate_per_second.is_none_or(is_rate) {
                return Err(LoadError::Option(RATE_WRONG.into()));
            }
        }
        let asks_dns = self.hosts.iter().any(|host| host.scheme == Scheme::Dns);
        if asks_dns && self.connections() > PLACES_MAX * options.threads as u64 {
            let what = format!("at most {PLACES_MAX} DNS questions per thread can be under way at once");
            return Err(LoadError::Option(what));
        }
        if options.pipeline > 1 && (asks_dns || self.hosts.len() > 1 || !options.keep_alive) {
            let what = "pipelining needs connections that are kept, and all URLs at one host";
            return Err(LoadError::Option(what.into()));
        }
        Ok(())
    }
}

fn is_rate(per_second: f64) -> bool {
    per_second > 0.0 && per_second <= RATE_MAX
}

/// A mistake in a class, with its place if a file has it.
fn wrong(spec: &ClassSpec, what: &str) -> LoadError {
    if spec.place.is_empty() {
        return LoadError::Option(what.to_owned());
    }
    LoadError::Mistake(format!("{}: class {:?}: {what}", spec.place, spec.name))
}

/// A mistake in one of its URLs.
fn wrong_url(spec: &ClassSpec, url: &str, what: String) -> LoadError {
    if spec.place.is_empty() {
        return LoadError::Url(url.to_owned(), what);
    }
    wrong(spec, &format!("cannot use {url:?}: {what}"))
}

/// A mix may give paths alone; they belong to the first URL of the command line.
fn absolute(text: &str, options: &LoadOptions) -> Result<String, String> {
    if !text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let base = options.urls.first().ok_or("a path needs a URL beside the mix that says whose it is")?;
    let url = Url::parse(base)?;
    let scheme = base.split_once("://").map_or("http", |(scheme, _)| scheme);
    Ok(format!("{scheme}://{}{text}", url.authority))
}

/// What the flags say of every request holds for the classes of a mix too, unless they say otherwise.
fn with_flags(class: &ClassSpec, options: &LoadOptions) -> ClassSpec {
    let mut class = class.clone();
    class.host = class.host.or_else(|| options.host.clone());
    class.fields.extend(options.fields.iter().cloned());
    class
}

fn class_of_flags(options: &LoadOptions) -> ClassSpec {
    ClassSpec {
        urls: options.urls.clone(),
        host: options.host.clone(),
        fields: options.fields.clone(),
        body_bytes: options.upload_bytes.map(|bytes| Spread::Fixed(bytes as f64)),
        is_chunked: options.upload_chunked,
        ..ClassSpec::default()
    }
}

/// Whether a field can stand in a head.
pub(crate) fn field_fits(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token) && is_plain(value)
}

fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

fn check(options: &LoadOptions) -> Result<(), LoadError> {
    let fields = options.fields.iter().all(|(name, value)| field_fits(name, value));
    let pinned = options.cpus.is_empty() || options.cpus.len() == options.threads;
    let rules = [
        (!options.urls.is_empty() || options.mix.is_some(), "give at least one URL"),
        (options.threads > 0 && options.threads <= 64, "give 1 to 64 threads"),
        (pinned, "give as many CPUs as threads, or none"),
        (options.duration.is_some() || options.requests.is_some(), "give a duration or a number of requests"),
        (!options.timeout.is_zero(), "the timeout must be above 0"),
        (options.abort_ppm <= 1_000_000, "aborts are counted in a million: at most 1,000,000"),
        ((1..=PIPELINE_MAX).contains(&options.pipeline), "1 to 1,024 requests may wait on a connection"),
        (
            options.pipeline == 1 || options.abort_ppm == 0,
            "requests that wait on a connection cannot be aborted",
        ),
        (options.pipeline == 1 || options.upload_bytes.is_none(), "requests with a body are not pipelined"),
        (options.mix.is_none() || options.upload_bytes.is_none(), "with a mix bodies belong to its classes"),
        (fields, "a field's name or value has characters that no field may have"),
        (options.host.as_deref().is_none_or(is_plain), "the host has control characters"),
    ];
    let broken = rules.into_iter().find(|(kept, _)| !kept);
    broken.map_or(Ok(()), |(_, rule)| Err(LoadError::Option(rule.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> LoadOptions {
        LoadOptions { urls: vec!["http://[::1]:1/".into()], requests: Some(1), ..LoadOptions::default() }
    }

    fn mix(classes: Vec<ClassSpec>) -> LoadOptions {
        LoadOptions { mix: Some(classes), ..good() }
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        assert!(Plan::new(&good()).is_ok());
        let class = || ClassSpec { urls: vec!["/a".into()], ..ClassSpec::default() };
        let bad = [
            LoadOptions { urls: Vec::new(), ..good() },
            LoadOptions { requests: None, ..good() },
            LoadOptions { threads: 65, ..good() },
            LoadOptions { connections: 1, threads: 2, ..good() },
            LoadOptions { rate_per_second: Some(f64::NAN), ..good() },
            LoadOptions { rate_per_second: Some(2e6), ..good() },
            LoadOptions { fields: vec![("X".into(), "a\r\nb".into())], ..good() },
            LoadOptions { pipeline: 2, keep_alive: false, ..good() },
            LoadOptions { pipeline: 2, upload_bytes: Some(1), ..good() },
            mix(vec![]),
            mix(vec![ClassSpec { weight: 0, ..class() }]),
            mix(vec![ClassSpec { objects: Some(5), ..class() }]),
            mix(vec![ClassSpec { urls: vec!["/{n}".into()], ..class() }]),
            mix(vec![ClassSpec { zipf: Some(0.0), ..class() }]),
            mix(vec![ClassSpec {
                think_ms: Some(Spread::Fixed(1.0)),
                rate_per_second: Some(1.0),
                ..class()
            }]),
        ];
        for options in bad {
            assert!(matches!(Plan::new(&options), Err(LoadError::Option(_))), "{options:?}");
        }
    }

    #[test]
    fn a_mistake_in_a_class_has_its_place() {
        let class = ClassSpec {
            place: "mix.toml:7:1".into(),
            name: "b".into(),
            urls: vec!["/a".into()],
            ..ClassSpec::default()
        };
        let bad = [
            ClassSpec { rate_per_second: Some(-3.0), ..class.clone() },
            ClassSpec { zipf: Some(0.0), ..class.clone() },
            ClassSpec { connections: Some(0), ..class.clone() },
            ClassSpec { urls: vec!["gopher://x/".into()], ..class },
        ];
        for class in bad {
            let refused = Plan::new(&mix(vec![class.clone()]));
            let Err(LoadError::Mistake(said)) = refused else { panic!("{class:?} is taken") };
            assert!(said.starts_with("mix.toml:7:1: class \"b\": "), "{said}");
        }
    }

    #[test]
    fn classes_share_connections_or_have_their_own() {
        let class = |name: &str, weight| ClassSpec {
            name: name.into(),
            weight,
            urls: vec!["/a".into(), "http://[::1]:1/b".into()],
            ..ClassSpec::default()
        };
        let plan = Plan::new(&mix(vec![
            class("pages", 3),
            ClassSpec { rate_per_second: Some(5.0), connections: Some(2), ..class("urgent", 1) },
            class("images", 7),
        ]))
        .unwrap();
        assert_eq!((plan.hosts.len(), plan.templates.len(), plan.connections()), (1, 6, 66));
        assert_eq!(plan.crowds[1].classes, [(0, 3), (2, 10)]);
        assert_eq!(plan.crowds[0].classes, [(1, 1)]);
    }
}
