//! What a rule can ask about a request.

use core::fmt::{self, Display};
use core::ops::RangeInclusive;

use crate::http::Fields;
use crate::rules::facts::RequestFacts;
use crate::rules::pattern::Pattern;
use crate::stdx::network::Network;

/// The urgency of a request that says none (RFC 9218 §4.1).
const URGENCY_DEFAULT: u8 = 3;
/// The least urgent.
const URGENCY_MAX: u8 = 7;

/// A named value that must be there, and perhaps fit a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// What the value must fit; `None`: any.
    pub value: Option<Pattern>,
}

/// One condition; where it lists several values, one of them must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The site's name.
    Site(Vec<Pattern>),
    /// The method, as sent.
    Method(Vec<String>),
    /// The path, as sent: nothing is decoded, no dots are resolved.
    Path(Vec<Pattern>),
    /// A field, its name in any case; each of several lines counts by itself.
    Header(Named),
    /// A cookie (RFC 6265 §4.2.1).
    Cookie(Named),
    /// A key of the query, as sent; its value is what follows `=`.
    Query(Named),
    /// The client's address; behind a trusted proxy the one that it names.
    Client(Vec<Network>),
    /// The listener's port.
    Port(Vec<u16>),
    /// The urgency in the Priority field (RFC 9218 §4.1), 0 to 7; 3 where the request says none.
    Urgency(RangeInclusive<u8>),
}

impl Condition {
    /// Whether it holds. What a plain TCP connection does not have fits nothing.
    pub fn holds(&self, of: &RequestFacts<'_>) -> bool {
        match self {
            Self::Site(any) => any.iter().any(|pattern| pattern.matches(of.site)),
            Self::Client(any) => any.iter().any(|network| network.contains(of.client)),
            Self::Port(any) => any.contains(&of.port),
            Self::Method(_)
            | Self::Path(_)
            | Self::Header(_)
            | Self::Cookie(_)
            | Self::Query(_)
            | Self::Urgency(_) => self.holds_for_message(of),
        }
    }

    fn holds_for_message(&self, of: &RequestFacts<'_>) -> bool {
        let Some(message) = &of.message else { return false };
        match self {
            Self::Method(any) => any.iter().any(|method| method.as_bytes() == message.method),
            Self::Path(any) => any.iter().any(|pattern| pattern.matches(message.path)),
            Self::Header(named) => {
                let is_named = |name: &[u8]| name.eq_ignore_ascii_case(named.name.as_bytes());
                message.fields.iter().any(|field| is_named(field.name) && named.fits(field.value))
            }
            Self::Cookie(named) => named.is_among(cookies(message.fields)),
            Self::Query(named) => {
                named.is_among(message.query.into_iter().flat_map(|query| pairs(query, b'&')))
            }
            Self::Urgency(range) => range.contains(&urgency(message.fields)),
            Self::Site(_) | Self::Client(_) | Self::Port(_) => false,
        }
    }
}

impl Named {
    fn fits(&self, value: &[u8]) -> bool {
        self.value.as_ref().is_none_or(|pattern| pattern.matches(value))
    }

    fn is_among<'a>(&self, mut pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
        pairs.any(|(name, value)| name == self.name.as_bytes() && self.fits(value))
    }
}

/// All cookies with their values.
fn cookies<'a>(fields: Fields<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let lines = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(b"cookie"));
    lines.flat_map(|field| pairs(field.value, b';'))
}

/// `name=value` pairs between separators, blanks around them dropped; a name alone has an empty value.
fn pairs(text: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(move |&byte| byte == separator).map(|pair| {
        let pair = pair.trim_ascii();
        match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        }
    })
}

/// The `u` parameter of the Priority fields, a dictionary (RFC 8941 §3.2: the last of a key counts). What is no number
/// from 0 to 7 is ignored, as RFC 9218 §4 asks.
fn urgency(fields: Fields<'_>) -> u8 {
    let lines = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(b"priority"));
    let members = lines.flat_map(|field| pairs(field.value, b','));
    let said = members.filter(|(name, _)| *name == b"u").filter_map(|(_, value)| match value {
        // Parameters of the number mean nothing to anybody yet.
        [digit @ b'0'..=b'7'] | [digit @ b'0'..=b'7', b';', ..] => Some(digit - b'0'),
        _ => None,
    });
    let urgency = said.last().unwrap_or(URGENCY_DEFAULT);
    debug_assert!(urgency <= URGENCY_MAX, "digits are checked");
    urgency
}

impl Display for Condition {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(any) => write_any(to, "site", any),
            Self::Method(any) => write_any(to, "method", any),
            Self::Path(any) => write_any(to, "path", any),
            Self::Header(named) => write!(to, "header {named}"),
            Self::Cookie(named) => write!(to, "cookie {named}"),
            Self::Query(named) => write!(to, "query {named}"),
            Self::Client(any) => write_any(to, "client", any),
            Self::Port(any) => write_any(to, "port", any),
            Self::Urgency(range) => write!(to, "urgency {}-{}", range.start(), range.end()),
        }
    }
}

impl Display for Named {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(pattern) => write!(to, "{}={pattern}", self.name),
            None => to.write_str(&self.name),
        }
    }
}

fn write_any<T: Display>(to: &mut fmt::Formatter<'_>, what: &str, any: &[T]) -> fmt::Result {
    to.write_str(what)?;
    for (index, value) in any.iter().enumerate() {
        write!(to, "{} {value}", if index > 0 { " or" } else { "" })?;
    }
    Ok(())
}
