//! `[[rule]]`: a rule about requests.

use dataplane::rules::{Condition, RequestRule};
use dataplane::stdx::network::{Network, NetworkError};

use crate::rule_file::value;
use crate::toml_file::Section;

/// Reads one; `None` where it has no class.
pub(crate) fn take(section: &Section<'_>) -> Option<RequestRule> {
    let label = value::label(section);
    let mut conditions = Vec::new();
    conditions.extend(value::sites(section, "site").map(Condition::Site));
    conditions.extend(methods(section).map(Condition::Method));
    conditions.extend(value::paths(section, "path").map(Condition::Path));
    let each = |key, condition: fn(_) -> Condition| {
        value::named(section, key).into_iter().flatten().map(condition).collect::<Vec<_>>()
    };
    conditions.extend(each("header", Condition::Header));
    conditions.extend(each("cookie", Condition::Cookie));
    conditions.extend(each("query", Condition::Query));
    conditions.extend(networks(section).map(Condition::Client));
    let ports = section.integers("port", 1..=65_535);
    conditions.extend(ports.map(|ports| Condition::Port(ports.iter().map(|port| *port as u16).collect())));
    let urgency = value::range(section, "urgency", 0..=7);
    conditions.extend(urgency.map(|range| Condition::Urgency(*range.start() as u8..=*range.end() as u8)));
    let (compress, cache) = (section.boolean("compress"), section.boolean("cache"));
    let class = value::class_of_rule(section)?;
    Some(RequestRule { label, conditions, class, compress, cache })
}

/// Methods are compared as they are sent, so that `get` would never fit.
fn methods(section: &Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts("method")?;
    for text in &texts {
        let upper = text.text.to_ascii_uppercase();
        if upper != text.text {
            section.fault(
                text.place.clone(),
                format!("method {:?} is never sent", text.text),
                format!("write {upper}"),
            );
        }
    }
    Some(texts.iter().map(|text| text.text.to_owned()).collect())
}

fn networks(section: &Section<'_>) -> Option<Vec<Network>> {
    let texts = section.texts("client")?;
    let mut networks = Vec::new();
    for text in texts {
        match text.text.parse() {
            Ok(network) => networks.push(network),
            Err(error) => {
                let (what, instead) = match error {
                    NetworkError::HostBits(meant) => {
                        ("has bits set behind its prefix", format!("write {meant}"))
                    }
                    NetworkError::TooLong => {
                        ("has more bits than the address", "give at most /32 or /128".to_owned())
                    }
                    NetworkError::Malformed => ("is no network", "write ADDRESS or ADDRESS/BITS".to_owned()),
                };
                section.fault(text.place, format!("client {:?} {what}", text.text), instead);
            }
        }
    }
    Some(networks)
}
