//! One name: what is known of it, how long that holds, when to ask again. No clock, no socket.
//!
//! ```text
//!              addresses                 failed, or nothing found
//!   unknown ──────────────▶ known ◀────▶ stale          (retry after 1, 2, 4 … 30 s)
//!      └── failed: retry ──┘  └── TTL over: ask again ──┘
//! ```
//!
//! The last good addresses stay in use however long refreshes fail, also when the name is said not to exist any
//! more: whether an origin is up, probes and connections find out, and a mistake in a zone must not take a site down.

use crate::resolve::answer::Answer;
use crate::resolve::exchange::Answers;
use crate::resolve::options::ResolveOptions;
use dataplane::time::{Duration, Instant};
use std::net::{IpAddr, SocketAddr};

/// What a refresh has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// The addresses are others than before.
    Changed,
    /// The addresses are the same, known to be good again.
    Confirmed,
    /// Nothing, or not both families: what was known stays.
    Failed,
}

/// A name with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    host: String,
    port: u16,
    families: [Vec<IpAddr>; 2],
    addresses: Vec<SocketAddr>,
    failures: u32,
    due: Option<Instant>,
}

impl Name {
    /// A name that is due at once. A literal address, an IPv6 one with or without brackets, is known and never due.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let literal: Option<IpAddr> = bare.parse().ok();
        Self {
            host: host.strip_suffix('.').unwrap_or(host).to_owned(),
            port,
            families: [Vec::new(), Vec::new()],
            addresses: literal.map(|ip| SocketAddr::new(ip, port)).into_iter().collect(),
            failures: 0,
            due: if literal.is_some() { None } else { Some(Instant::ORIGIN) },
        }
    }

    /// Whether the other is the same host with the same port, whatever is known of either.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }

    /// The name, without a final dot.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port that goes with every address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The addresses in use: IPv4 before IPv6, each in numeric order, so that a server that rotates its answers
    /// changes nothing. Empty until the first answer.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// When to refresh; never for a literal.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Makes a name that can be refreshed due at once.
    pub(crate) fn hasten(&mut self) {
        self.due = self.due.map(|_| Instant::ORIGIN);
    }

    /// Refreshes that failed since the last good one.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the addresses in use are older than their TTL allows.
    pub(crate) fn is_stale(&self) -> bool {
        self.failures > 0 && !self.addresses.is_empty()
    }

    /// Takes the answers of a refresh. A family that failed keeps what it had beside the other's news.
    pub(crate) fn learn(&mut self, answers: Answers, now: Instant, options: &ResolveOptions) -> Learned {
        let failed =
            answers.contains(&Answer::Failed) || answers.iter().all(|answer| *answer == Answer::Nothing);
        let mut life = Duration::from_millis(options.ttl_ms_max.into());
        let found_any = answers.iter().any(|answer| matches!(answer, Answer::Addresses { .. }));
        for (known, answer) in self.families.iter_mut().zip(answers) {
            match answer {
                Answer::Addresses { addresses, ttl_s } => {
                    *known = addresses;
                    life = life.min(Duration::from_secs(ttl_s.into()));
                }
                Answer::Nothing if found_any => known.clear(),
                Answer::Nothing | Answer::Failed => {}
            }
        }
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        let life = life.max(Duration::from_millis(options.ttl_ms_min.into()));
        self.due = Some(now + if failed { self.pause(options) } else { life });
        match (self.adopt(), failed) {
            (true, _) => Learned::Changed,
            (false, true) => Learned::Failed,
            (false, false) => Learned::Confirmed,
        }
    }

    /// The pause after the failures so far: doubled with each, up to the longest.
    fn pause(&self, options: &ResolveOptions) -> Duration {
        let doublings = (self.failures - 1).min(16);
        let ms = (u64::from(options.retry_ms_min) << doublings).min(options.retry_ms_max.into());
        Duration::from_millis(ms)
    }

    /// Puts what the families know in use; says whether that is something else.
    fn adopt(&mut self) -> bool {
        let mut addresses: Vec<_> =
            self.families.iter().flatten().map(|ip| SocketAddr::new(*ip, self.port)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses == self.addresses {
            return false;
        }
        self.addresses = addresses;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &[&str], ttl_s: u32) -> Answer {
        Answer::Addresses {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ttl_s,
        }
    }

    fn learn(name: &mut Name, v4: Answer, v6: Answer, now_s: u64) -> Learned {
        name.learn([v4, v6], at(now_s), &ResolveOptions::default())
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_us(seconds * 1_000_000)
    }

    fn shown(name: &Name) -> Vec<String> {
        name.addresses().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn literals_are_known_and_never_due() {
        for (host, address) in
            [("192.0.2.1", "192.0.2.1:80"), ("2001:db8::1", "[2001:db8::1]:80"), ("[::1]", "[::1]:80")]
        {
            let mut name = Name::new(host, 80);
            name.hasten();
            assert_eq!((shown(&name), name.due()), (vec![address.to_owned()], None));
        }
    }

    #[test]
    fn the_shorter_ttl_decides_and_order_does_not_matter() {
        let mut name = Name::new("www.example.org.", 80);
        assert_eq!((name.host(), name.due()), ("www.example.org", Some(Instant::ORIGIN)));
        let v4 = found(&["192.0.2.2", "192.0.2.1", "192.0.2.2"], 60);
        assert_eq!(learn(&mut name, v4, found(&["2001:db8::1"], 30), 100), Learned::Changed);
        assert_eq!(shown(&name), ["192.0.2.1:80", "192.0.2.2:80", "[2001:db8::1]:80"]);
        assert_eq!(name.due(), Some(at(130)));
        let v4 = found(&["192.0.2.1", "192.0.2.2"], 60);
        assert_eq!(learn(&mut name, v4, found(&["2001:db8::1"], 60), 130), Learned::Confirmed);
    }

    #[test]
    fn ttls_are_kept_within_their_bounds() {
        let mut name = Name::new("a.example", 80);
        learn(&mut name, found(&["192.0.2.1"], 0), Answer::Nothing, 0);
        assert_eq!(name.due(), Some(at(1)));
        learn(&mut name, found(&["192.0.2.1"], 1_000_000), Answer::Nothing, 0);
        assert_eq!(name.due(), Some(at(3600)));
    }

    #[test]
    fn failures_keep_the_last_good_addresses_and_back_off() {
        let mut name = Name::new("a.example", 80);
        learn(&mut name, found(&["192.0.2.1"], 60), Answer::Nothing, 0);
        let mut now_s = 60;
        for (failures, pause_s) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            let outcome = if failures % 2 == 0 { Answer::Failed } else { Answer::Nothing };
            assert_eq!(learn(&mut name, outcome.clone(), outcome, now_s), Learned::Failed);
            now_s += pause_s;
            assert_eq!(name.due(), Some(at(now_s)));
            assert!(name.is_stale() && shown(&name) == ["192.0.2.1:80"]);
        }
        assert_eq!(learn(&mut name, found(&["192.0.2.9"], 60), Answer::Nothing, now_s), Learned::Changed);
        assert!(!name.is_stale() && name.failures() == 0);
    }

    #[test]
    fn a_family_that_failed_keeps_its_addresses_and_one_without_any_loses_them() {
        let mut name = Name::new("a.example", 80);
        learn(&mut name, found(&["192.0.2.1"], 60), found(&["2001:db8::1"], 60), 0);
        assert_eq!(learn(&mut name, found(&["192.0.2.1"], 60), Answer::Failed, 60), Learned::Failed);
        assert_eq!((name.addresses().len(), name.due(), name.is_stale()), (2, Some(at(61)), true));
        assert_eq!(learn(&mut name, found(&["192.0.2.1"], 60), Answer::Nothing, 61), Learned::Changed);
        assert_eq!(shown(&name), ["192.0.2.1:80"]);
    }

    #[test]
    fn a_name_that_was_never_known_is_unknown_and_not_stale() {
        let mut name = Name::new("a.example", 80);
        assert_eq!(learn(&mut name, Answer::Nothing, Answer::Nothing, 0), Learned::Failed);
        assert!(!name.is_stale() && name.addresses().is_empty());
        assert_eq!(name.due(), Some(at(1)));
    }
}
