//! All rules of a node, and what they say.

use crate::rules::answer::{AnswerFacts, AnswerRule, AnswerVerdict, Later};
use crate::rules::facts::RequestFacts;
use crate::rules::label::Label;
use crate::rules::request::RequestRule;

/// The lowest class.
pub const CLASS_MAX: u8 = 4;

/// The class of what no rule fits, unless the operator says otherwise: the middle ring, with room above and below.
const CLASS_DEFAULT: u8 = 2;

/// Every rule, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// About requests.
    pub requests: Vec<RequestRule>,
    /// About answers.
    pub answers: Vec<AnswerRule>,
    /// The class of what no rule fits.
    pub class_default: u8,
}

/// What the rules say of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule that won; [`Label::NONE`] where none fits.
    pub label: Label,
    /// 0 (highest) to 4.
    pub class: u8,
    /// Whether to compress, if the rule says it.
    pub compress: Option<bool>,
    /// Whether to cache, if the rule says it.
    pub cache: Option<bool>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { requests: Vec::new(), answers: Vec::new(), class_default: CLASS_DEFAULT }
    }
}

impl Rules {
    /// The verdict on a request.
    pub fn judge(&self, of: &RequestFacts<'_>) -> Verdict {
        match self.requests.iter().find(|rule| rule.misfit(of).is_none()) {
            Some(rule) => {
                Verdict { label: rule.label, class: rule.class, compress: rule.compress, cache: rule.cache }
            }
            None => self.unruled(),
        }
    }

    /// The verdict on what no rule fits.
    pub const fn unruled(&self) -> Verdict {
        Verdict { label: Label::NONE, class: self.class_default, compress: None, cache: None }
    }

    /// The verdict on an answer: the first rule of those that take effect at once, and the first of those that wait.
    pub fn judge_answer(&self, of: &AnswerFacts<'_>) -> AnswerVerdict {
        let first = |waits: bool| {
            self.answers.iter().find(|rule| (rule.after_bytes > 0) == waits && rule.misfit(of).is_none())
        };
        AnswerVerdict {
            class: first(false).map(|rule| rule.class),
            later: first(true).map(|rule| Later { after_bytes: rule.after_bytes, class: rule.class }),
        }
    }
}

#[cfg(test)]
mod tests;
