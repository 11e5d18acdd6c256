//! Rules about answers: the back-end asks them when an answer's head has come, and a rule may wait until so many bytes
//! of the body have passed. They change the class that the request's rule gave.

use core::fmt::{self, Display};
use core::ops::RangeInclusive;

use crate::rules::label::Label;
use crate::rules::pattern::Pattern;

/// What is known of an answer when its head has come.
#[derive(Clone, Copy, Debug)]
pub struct AnswerFacts<'a> {
    /// The site that it belongs to.
    pub site: &'a [u8],
    /// The class that it has so far.
    pub class: u8,
    /// The status.
    pub status: u16,
    /// The Content-Type field, if any.
    pub content_type: Option<&'a [u8]>,
    /// Bytes of the body, where the head says it.
    pub size_bytes: Option<u64>,
}

/// One condition; where it lists several values, one of them must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerCondition {
    /// The site's name.
    Site(Vec<Pattern>),
    /// The media type without parameters, in any case.
    ContentType(Vec<Pattern>),
    /// The status.
    Status(RangeInclusive<u16>),
    /// The body has at least so many bytes; does not hold where the head does not say how many.
    SizeAtLeast(u64),
    /// The class that the request had.
    Class(Vec<u8>),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRule {
    /// What logs call it.
    pub label: Label,
    /// All must hold; a rule without any fits everything.
    pub conditions: Vec<AnswerCondition>,
    /// It takes effect when so many bytes of the body have passed; 0: at once.
    pub after_bytes: u64,
    /// 0 (highest) to 4.
    pub class: u8,
}

/// What the rules say of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerVerdict {
    /// The class from now on, if another.
    pub class: Option<u8>,
    /// What comes when the body grows long.
    pub later: Option<Later>,
}

/// A class that comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// When so many bytes of the body have passed.
    pub after_bytes: u64,
    /// The class from then on.
    pub class: u8,
}

impl AnswerRule {
    /// The first condition that does not hold; `None` if the rule fits.
    pub fn misfit(&self, of: &AnswerFacts<'_>) -> Option<&AnswerCondition> {
        self.conditions.iter().find(|condition| !condition.holds(of))
    }
}

impl AnswerCondition {
    /// Whether it holds.
    pub fn holds(&self, of: &AnswerFacts<'_>) -> bool {
        match self {
            Self::Site(any) => any.iter().any(|pattern| pattern.matches(of.site)),
            Self::ContentType(any) => of.content_type.is_some_and(|value| {
                let media = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
                any.iter().any(|pattern| pattern.matches_in_any_case(media))
            }),
            Self::Status(range) => range.contains(&of.status),
            Self::SizeAtLeast(bytes) => of.size_bytes.is_some_and(|size| size >= *bytes),
            Self::Class(any) => any.contains(&of.class),
        }
    }
}

impl Display for AnswerCondition {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |texts: Vec<String>| texts.join(" or ");
        match self {
            Self::Site(any) => write!(to, "site {}", join(any.iter().map(ToString::to_string).collect())),
            Self::ContentType(any) => {
                write!(to, "type {}", join(any.iter().map(ToString::to_string).collect()))
            }
            Self::Status(range) => write!(to, "status {}-{}", range.start(), range.end()),
            Self::SizeAtLeast(bytes) => write!(to, "size of {bytes} bytes or more"),
            Self::Class(any) => write!(to, "class {}", join(any.iter().map(ToString::to_string).collect())),
        }
    }
}
