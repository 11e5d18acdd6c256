//! Values that several keys of rules have: names, patterns, ranges.

use core::ops::RangeInclusive;

use dataplane::rules::{CLASS_MAX, LABEL_BYTES_MAX, Label, Named, Pattern};

use crate::toml_file::Section;

/// The rule's own name, if it has one.
pub(crate) fn label(section: &Section<'_>) -> Label {
    let Some(name) = section.text("name") else { return Label::NONE };
    let label = Label::new(name.text).filter(|_| name.text.bytes().all(|byte| byte.is_ascii_graphic()));
    if label.is_none() {
        let instead = format!("use 1 to {LABEL_BYTES_MAX} visible ASCII characters without blanks");
        section.fault(name.place, format!("{:?} cannot be a rule's name", name.text), instead);
    }
    label.unwrap_or(Label::NONE)
}

/// Nameless rules are called by their number.
pub(crate) fn name_if_nameless(label: &mut Label, what: &str, index: usize) {
    if *label == Label::NONE {
        *label = Label::new(&format!("{what}-{}", index + 1)).unwrap_or(Label::NONE);
    }
}

/// Patterns: one or a list.
pub(crate) fn patterns(section: &Section<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    let texts = section.texts(key)?;
    Some(texts.iter().map(|text| Pattern::new(text.text)).collect())
}

/// Paths: patterns that can fit one.
pub(crate) fn paths(section: &Section<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    let texts = section.texts(key)?;
    for text in &texts {
        if !text.text.starts_with(['/', '*']) {
            let what = format!("no path begins like {:?}", text.text);
            section.fault(text.place.clone(), what, "begin with / or *");
        } else if text.text.contains(['?', '#', ' ']) {
            let what = format!("no path contains what {:?} does", text.text);
            section.fault(
                text.place.clone(),
                what,
                "leave out ? # and blanks; `query` asks for the query's keys",
            );
        }
    }
    Some(texts.iter().map(|text| Pattern::new(text.text)).collect())
}

/// Site names: patterns in lower case, as Hosts are compared.
pub(crate) fn sites(section: &Section<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    let texts = section.texts(key)?;
    Some(texts.iter().map(|text| Pattern::new(&text.text.to_ascii_lowercase())).collect())
}

/// `NAME` or `NAME=PATTERN`, each of a list a condition of its own.
pub(crate) fn named(section: &Section<'_>, key: &'static str) -> Option<Vec<Named>> {
    let texts = section.texts(key)?;
    let read = |text: &str| {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        Named { name: name.to_owned(), value: value.map(Pattern::new) }
    };
    for text in texts.iter().filter(|text| read(text.text).name.is_empty()) {
        section.fault(
            text.place.clone(),
            format!("{:?} names nothing", text.text),
            "write NAME or NAME=PATTERN",
        );
    }
    Some(texts.iter().map(|text| read(text.text)).collect())
}

/// `N` or `N-M`, as a text or a number, within bounds.
pub(crate) fn range(
    section: &Section<'_>,
    key: &'static str,
    bounds: RangeInclusive<u16>,
) -> Option<RangeInclusive<u16>> {
    let (low, high) = (*bounds.start(), *bounds.end());
    if section.is_integer(key) {
        return section.integer(key, i64::from(low)..=i64::from(high)).map(|one| one as u16..=one as u16);
    }
    let text = section.text(key)?;
    let (from, to) = text.text.split_once('-').unwrap_or((text.text, text.text));
    let read = |number: &str| number.parse::<u16>().ok().filter(|number| bounds.contains(number));
    match (read(from), read(to)) {
        (Some(from), Some(to)) if from <= to => Some(from..=to),
        _ => {
            let what = format!("{key} is {:?}", text.text);
            section.fault(
                text.place,
                what,
                format!("give a number from {low} to {high}, or two as \"{low}-{high}\""),
            );
            None
        }
    }
}

/// A class: 0 to 4.
pub(crate) fn class(section: &Section<'_>, key: &'static str) -> Option<u8> {
    section.integer(key, 0..=i64::from(CLASS_MAX)).map(|class| class as u8)
}

/// The class that every rule must give.
pub(crate) fn class_of_rule(section: &Section<'_>) -> Option<u8> {
    let is_missing = !section.has("class");
    if is_missing {
        section.fault(section.place(), "a rule without class", "give class = 0 (highest) to 4");
    }
    class(section, "class")
}
