//! The forms of the tree's values: what each takes, how it is said to people and to a JSON Schema.

use crate::dns::name::Name;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use toml_edit::Value;

/// A value that was taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// A text of any form.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number.
    Number(f64),
    /// Texts.
    List(Vec<String>),
}

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// Several texts.
    Texts,
    /// Text of several lines in the form of a zone file.
    Records,
    /// A file, relative to the tree's own folder.
    File,
    /// A domain name.
    Domain,
    /// A name that stands in a table of the tree, such as `policy`.
    Name(&'static str),
    /// Several of these.
    Names(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Several of these words.
    Words(&'static [&'static str]),
    /// A whole number between two others.
    Count(u64, u64),
    /// A number that is not negative.
    Number,
    /// A span of time with its unit.
    Span,
    /// The same, or one of these words.
    SpanOr(&'static [&'static str]),
    /// Addresses without port.
    Addresses,
    /// Addresses with ports.
    Sockets,
    /// An IPv6 network of 64 bits.
    Prefix64,
    /// A moment: RFC 3339.
    Moment,
}

impl Form {
    /// Takes a value; else what would be right.
    pub fn take(self, value: &Value) -> Result<Taken, String> {
        let wrong = || self.expected();
        match self {
            Self::Count(least, most) => {
                let count = value.as_integer().and_then(|count| u64::try_from(count).ok());
                count.filter(|count| (least..=most).contains(count)).map(Taken::Count).ok_or_else(wrong)
            }
            Self::Number => {
                let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
                number.filter(|n| n.is_finite() && *n >= 0.0).map(Taken::Number).ok_or_else(wrong)
            }
            Self::Texts | Self::Names(_) | Self::Words(_) | Self::Addresses | Self::Sockets => {
                let list = value.as_array().ok_or_else(wrong)?;
                let texts =
                    list.iter().map(|one| one.as_str().filter(|text| self.fits(text)).map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().map(Taken::List).ok_or_else(wrong)
            }
            Self::Moment if value.as_datetime().is_some() => {
                let text = value.as_datetime().map(ToString::to_string).unwrap_or_default();
                if self.fits(&text) { Ok(Taken::Text(text)) } else { Err(wrong()) }
            }
            _ => {
                let text = value.as_str().filter(|text| self.fits(text));
                text.map(|text| Taken::Text(text.to_owned())).ok_or_else(wrong)
            }
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Self::Text | Self::Texts | Self::Records => true,
            Self::File | Self::Name(_) | Self::Names(_) => !text.is_empty(),
            Self::Domain => !text.is_empty() && Name::from_text(text).is_some(),
            Self::Word(words) | Self::Words(words) => words.contains(&text),
            Self::Span => span(text).is_some(),
            Self::SpanOr(words) => words.contains(&text) || span(text).is_some(),
            Self::Addresses => text.parse::<IpAddr>().is_ok(),
            Self::Sockets => text.parse::<SocketAddr>().is_ok(),
            Self::Prefix64 => text.strip_suffix("/64").is_some_and(|address| {
                address.parse::<core::net::Ipv6Addr>().is_ok_and(|address| address.to_bits() as u64 == 0)
            }),
            Self::Moment => text.parse::<Timestamp>().is_ok(),
            Self::Count(..) | Self::Number => false,
        }
    }

    /// What would be right, for a person.
    pub fn expected(self) -> String {
        let joined =
            |words: &[&str]| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Text => "write a text in quotes".into(),
            Self::Texts => "write a list of texts, such as [\"a\", \"b\"]".into(),
            Self::Records => "write lines of a zone file between \"\"\" and \"\"\"".into(),
            Self::File => "write a file's name in quotes".into(),
            Self::Domain => "write a domain name in quotes, such as \"shop.example\"".into(),
            Self::Name(table) => format!("write the name of one [{table}.NAME] in quotes"),
            Self::Names(table) => format!("write names of [{table}.NAME] as a list, such as [\"a\", \"b\"]"),
            Self::Word(words) => format!("write one of {}", joined(words)),
            Self::Words(words) => format!("write a list of some of {}", joined(words)),
            Self::Count(least, most) => format!("write a whole number from {least} to {most}"),
            Self::Number => "write a number that is not negative".into(),
            Self::Span => {
                "write a number with its unit in quotes, such as \"500ms\", \"30s\" or \"2m\"".into()
            }
            Self::SpanOr(words) => {
                format!(
                    "write a number with its unit in quotes, such as \"30s\" or \"2h\", or {}",
                    joined(words)
                )
            }
            Self::Addresses => "write a list of addresses, such as [\"192.0.2.1\", \"2001:db8::1\"]".into(),
            Self::Sockets => {
                "write a list of addresses with ports, such as [\"0.0.0.0:53\", \"[::]:53\"]".into()
            }
            Self::Prefix64 => "write an IPv6 network of 64 bits, such as \"2001:db8:1:2::/64\"".into(),
            Self::Moment => "write a moment, such as 2027-01-31T18:00:00Z".into(),
        }
    }

    /// Its name in the reference.
    pub fn name(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Texts => "list of texts".into(),
            Self::Records => "zone file text".into(),
            Self::File => "file".into(),
            Self::Domain => "domain name".into(),
            Self::Name(table) => format!("name of a `{table}`"),
            Self::Names(table) => format!("list of names of `{table}`"),
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Words(words) => {
                format!(
                    "list of {}",
                    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
                )
            }
            Self::Count(least, most) => format!("{least} to {most}"),
            Self::Number => "number".into(),
            Self::Span => "time".into(),
            Self::SpanOr(words) => {
                format!("time, or {}", words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "))
            }
            Self::Addresses => "list of addresses".into(),
            Self::Sockets => "list of addresses with ports".into(),
            Self::Prefix64 => "IPv6 network of 64 bits".into(),
            Self::Moment => "moment (RFC 3339)".into(),
        }
    }

    /// Its JSON Schema.
    pub fn schema(self) -> Json {
        match self {
            Self::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Self::Number => json!({ "type": "number", "minimum": 0 }),
            Self::Word(words) => json!({ "enum": words }),
            Self::Words(words) => json!({ "type": "array", "items": { "enum": words } }),
            Self::Texts | Self::Names(_) | Self::Addresses | Self::Sockets => {
                json!({ "type": "array", "items": { "type": "string" } })
            }
            Self::Span => json!({ "type": "string", "pattern": "^[0-9]+(us|ms|s|m|h)$" }),
            Self::SpanOr(words) => {
                json!({ "type": "string", "pattern": format!("^([0-9]+(us|ms|s|m|h)|{})$", words.join("|")) })
            }
            Self::Moment => json!({ "type": "string", "format": "date-time" }),
            _ => json!({ "type": "string" }),
        }
    }
}

/// A span of time longer than nothing.
pub fn span(text: &str) -> Option<Duration> {
    // Units whose names end like a shorter one's come first.
    const UNITS: [(&str, u64); 5] =
        [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];
    let (unit, us) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text.strip_suffix(unit)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = if is_number { digits.parse().ok()? } else { return None };
    count.checked_mul(*us).filter(|us| *us > 0).map(Duration::from_micros)
}
