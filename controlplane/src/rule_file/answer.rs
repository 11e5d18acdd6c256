//! `[[answer]]`: a rule about answers.

use dataplane::rules::{AnswerCondition, AnswerRule, CLASS_MAX};

use crate::rule_file::value;
use crate::size;
use crate::toml_file::Section;

/// Reads one; `None` where it has no class.
pub(crate) fn take(section: &Section<'_>) -> Option<AnswerRule> {
    let label = value::label(section);
    let mut conditions = Vec::new();
    conditions.extend(value::sites(section, "site").map(AnswerCondition::Site));
    conditions.extend(value::patterns(section, "type").map(AnswerCondition::ContentType));
    conditions.extend(value::range(section, "status", 100..=599).map(AnswerCondition::Status));
    conditions.extend(bytes(section, "size").map(AnswerCondition::SizeAtLeast));
    let classes = section.integers("was", 0..=i64::from(CLASS_MAX));
    conditions
        .extend(classes.map(|all| AnswerCondition::Class(all.iter().map(|class| *class as u8).collect())));
    let after_bytes = bytes(section, "after").unwrap_or(0);
    let class = value::class_of_rule(section)?;
    Some(AnswerRule { label, conditions, after_bytes, class })
}

/// A size: a number of bytes, or a text such as `256k`.
fn bytes(section: &Section<'_>, key: &'static str) -> Option<u64> {
    if section.is_integer(key) {
        return section.integer(key, 0..=i64::MAX).map(|bytes| bytes as u64);
    }
    let text = section.text(key)?;
    let bytes = size::read(text.text);
    if bytes.is_none() {
        section.fault(
            text.place,
            format!("{key} is {:?}", text.text),
            "write bytes, or a text such as \"256k\"",
        );
    }
    bytes
}
