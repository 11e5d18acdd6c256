//! What an answer must be: its status, a text in it, its digest; and what it says about load.

use crate::probe::outcome::{Cause, Digest, Failure, Seen, hex};
use serde_json::Value;

/// Statuses that are good: numbers and ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<(u16, u16)>);

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl Statuses {
    /// Reads `200-299,304`.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no list of statuses; write it as 200-299,304");
        let one = |part: &str| {
            let part = part.trim();
            let (first, last) = part.split_once('-').map_or((part, part), |ends| ends);
            let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
            (100 <= first && first <= last && last <= 599).then_some((first, last))
        };
        text.split(',').map(one).collect::<Option<Vec<_>>>().map(Self).ok_or_else(wrong)
    }

    /// Whether a status is one of them.
    pub fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// Where a target's load is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoadFrom {
    /// Nowhere.
    #[default]
    Nowhere,
    /// The body is a load index: `{"load_index": 0.4}`, or `load`.
    Json,
    /// The body is `/status` of a node of ours.
    Status,
    /// A field of the answer: a number from 0 to 1, or a load report of ORCA.
    Field(String),
}

/// The field of ORCA's per-request load reports.
const ORCA: &str = "endpoint-load-metrics";

impl LoadFrom {
    /// Reads the tree's word: `off`, `json`, `status`, `orca`, or a field's name.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        match text {
            "off" => Ok(Self::Nowhere),
            "json" => Ok(Self::Json),
            "status" => Ok(Self::Status),
            "orca" => Ok(Self::Field(ORCA.to_owned())),
            field if !field.is_empty() && field.bytes().all(is_token) => {
                Ok(Self::Field(field.to_ascii_lowercase()))
            }
            other => Err(format!(
                "{other:?} says nothing about load; give off, json, status, orca or a field's name"
            )),
        }
    }

    /// The load that a field's value says; `None` if it says none.
    pub fn of_field(value: &[u8]) -> Option<f32> {
        let text = core::str::from_utf8(value).ok()?.trim();
        if let Some(pairs) = text.strip_prefix("TEXT ") {
            let pairs: Vec<(&str, &str)> =
                pairs.split(',').filter_map(|pair| pair.trim().split_once('=')).collect();
            return utilization(|name| pairs.iter().find(|(own, _)| *own == name)?.1.trim().parse().ok());
        }
        if let Some(json) = text.strip_prefix("JSON ") {
            let root: Value = serde_json::from_str(json).ok()?;
            return utilization(|name| root.get(name)?.as_f64());
        }
        share(text.parse().ok()?)
    }

    /// The load that a body says.
    pub fn of_body(&self, body: &[u8]) -> Option<f32> {
        let root = || serde_json::from_slice::<Value>(body).ok();
        match self {
            Self::Nowhere | Self::Field(_) => None,
            Self::Json => {
                let root = root()?;
                share(root.get("load_index").or_else(|| root.get("load"))?.as_f64()?)
            }
            Self::Status => share(root()?.pointer("/pressure/cpu")?.as_f64()?),
        }
    }
}

/// ORCA: what the application says of itself counts more than its processor.
fn utilization(of: impl Fn(&str) -> Option<f64>) -> Option<f32> {
    share(of("application_utilization").filter(|value| *value > 0.0).or_else(|| of("cpu_utilization"))?)
}

/// Above 1 is busier than full, which counts as full.
fn share(value: f64) -> Option<f32> {
    (value.is_finite() && value >= 0.0).then_some(value.min(1.0) as f32)
}

/// What is expected of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Its status.
    pub statuses: Statuses,
    /// A text that is in its first bytes.
    pub body: Option<String>,
    /// The digest of its body.
    pub digest: Option<Digest>,
}

impl Expect {
    /// Judges an answer whose body begins with `kept`.
    pub fn judge(&self, seen: &Seen, kept: &[u8]) -> Result<(), Failure> {
        if let Some(status) = seen.status.filter(|status| !self.statuses.has(*status)) {
            return Err(Failure::new(Cause::Status, format!("status {status}")));
        }
        if let Some(text) = &self.body {
            let is_there = text.is_empty() || kept.windows(text.len()).any(|part| part == text.as_bytes());
            if !is_there {
                return Err(Failure::new(Cause::Body, format!("{text:?} is not in the answer")));
            }
        }
        match (self.digest, seen.digest) {
            (Some(wanted), Some(found)) if wanted != found => Err(Failure::new(
                Cause::Digest,
                format!("the content's digest is {}…, not {}…", &hex(&found)[..16], &hex(&wanted)[..16]),
            )),
            _ => Ok(()),
        }
    }
}

/// Reads a SHA-256 in hexadecimal.
pub fn digest(text: &str) -> Result<Digest, String> {
    let wrong = || format!("{text:?} is no SHA-256; give 64 hexadecimal digits (`sha256sum FILE`)");
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_ranges() {
        let statuses = Statuses::read("200-299, 304").unwrap();
        assert!(statuses.has(200) && statuses.has(304) && !statuses.has(300));
        for text in ["", "2xx", "299-200", "99", "600", "200,"] {
            assert!(Statuses::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn load_is_read_in_every_form() {
        for (value, load) in [
            ("0.25", Some(0.25)),
            ("7", Some(1.0)),
            ("-1", None),
            ("x", None),
            ("TEXT cpu_utilization=0.3, mem_utilization=0.8", Some(0.3)),
            ("TEXT cpu_utilization=0.3,application_utilization=0.6", Some(0.6)),
            ("JSON {\"cpu_utilization\": 0.5}", Some(0.5)),
            ("JSON {", None),
            ("TEXT mem_utilization=0.8", None),
            ("NaN", None),
        ] {
            assert_eq!(LoadFrom::of_field(value.as_bytes()), load, "{value}");
        }
        assert_eq!(LoadFrom::Json.of_body(b"{\"load\": 0.4}"), Some(0.4));
        assert_eq!(LoadFrom::Json.of_body(b"{\"load_index\": 0.5}"), Some(0.5));
        assert_eq!(LoadFrom::Json.of_body(b"{\"load\": \"full\"}"), None);
        assert_eq!(LoadFrom::Status.of_body(b"{\"pressure\": {\"cpu\": 0.1}}"), Some(0.1));
        assert_eq!(LoadFrom::read("orca"), Ok(LoadFrom::Field(ORCA.into())));
        assert!(LoadFrom::read("a b").is_err());
    }

    #[test]
    fn answers_are_judged_by_status_text_and_digest() {
        let expect = Expect {
            body: Some("ok".into()),
            digest: Some(digest(&"ab".repeat(32)).unwrap()),
            ..Expect::default()
        };
        let seen = |status, digest| Seen { status: Some(status), digest: Some(digest), ..Seen::default() };
        assert_eq!(expect.judge(&seen(200, [0xab; 32]), b"all ok"), Ok(()));
        let cause = |seen: &Seen, kept: &[u8]| expect.judge(seen, kept).unwrap_err().cause;
        assert_eq!(cause(&seen(503, [0xab; 32]), b"ok"), Cause::Status);
        assert_eq!(cause(&seen(200, [0xab; 32]), b"o k"), Cause::Body);
        assert_eq!(cause(&seen(200, [0xac; 32]), b"ok"), Cause::Digest);
        assert!(digest("abc").is_err() && digest(&"é".repeat(32)).is_err());
    }
}
