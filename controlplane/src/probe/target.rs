//! A target of the prober: what is asked, how often, and what must be answered.

use crate::probe::expect::{Expect, LoadFrom};
use crate::probe::url::Url;
use dataplane::time::Duration;
use std::path::PathBuf;

/// How often a target is probed, and how often it must fail or succeed before that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// What is added to an interval at most, in millionths of it: probes of many nodes must not march in step.
    pub jitter_ppm: u32,
    /// How long a probe may take.
    pub timeout: Duration,
    /// Good probes in a row until a target that was down is up.
    pub rise: u32,
    /// Bad probes in a row until a target that was up is down.
    pub fall: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            jitter_ppm: 100_000,
            timeout: Duration::from_secs(3),
            rise: 2,
            fall: 3,
        }
    }
}

impl Pace {
    /// From the moment at which a target dies until it counts as down, at most.
    pub fn down_within(&self) -> Duration {
        let jittered = self.interval + self.interval * self.jitter_ppm / 1_000_000;
        jittered * self.fall + self.timeout
    }
}

/// A target.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name: `PROBE/SERVER` from the tree.
    pub name: String,
    /// Whose state it shows, if anybody's.
    pub server: Option<String>,
    /// What is asked of whom.
    pub url: Url,
    /// Host field and name in the certificate, where they are not the URL's host.
    pub host: Option<String>,
    /// How often.
    pub pace: Pace,
    /// What must be answered.
    pub expect: Expect,
    /// Where its load is read.
    pub load: LoadFrom,
    /// Redirects that are followed.
    pub redirects: u8,
    /// Whether the certificate is checked.
    pub is_verified: bool,
    /// The authorities that its certificate may come from; the system's if not given.
    pub authorities: Option<PathBuf>,
    /// The name of the target whose content it must have.
    pub same_as: Option<String>,
    /// How long it may have what that target had before.
    pub lag_max: Duration,
    /// Whether somebody wants the digest of its content.
    pub is_digested: bool,
}

impl Target {
    /// A target with everything else as it is by default.
    pub fn of(name: impl Into<String>, url: Url) -> Self {
        Self {
            name: name.into(),
            server: None,
            url,
            host: None,
            pace: Pace::default(),
            expect: Expect::default(),
            load: LoadFrom::Nowhere,
            redirects: 0,
            is_verified: true,
            authorities: None,
            same_as: None,
            lag_max: Duration::from_secs(300),
            is_digested: false,
        }
    }
}
