//! Rules about requests: all conditions of a rule must hold, and the first rule that fits gives the verdict.

use crate::rules::condition::Condition;
use crate::rules::facts::RequestFacts;
use crate::rules::label::Label;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRule {
    /// What logs call it.
    pub label: Label,
    /// All must hold; a rule without any fits everything.
    pub conditions: Vec<Condition>,
    /// 0 (highest) to 4.
    pub class: u8,
    /// Whether to compress; `None`: as elsewhere decided.
    pub compress: Option<bool>,
    /// Whether to cache; `None`: as elsewhere decided.
    pub cache: Option<bool>,
}

impl RequestRule {
    /// The first condition that does not hold; `None` if the rule fits.
    pub fn misfit(&self, of: &RequestFacts<'_>) -> Option<&Condition> {
        self.conditions.iter().find(|condition| !condition.holds(of))
    }
}
