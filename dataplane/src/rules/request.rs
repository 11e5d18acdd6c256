//! Rules about requests: all conditions of a rule must hold, and the first rule that fits gives the verdict.

use core::net::IpAddr;

use crate::http::{Fields, RequestHead};
use crate::rules::condition::Condition;
use crate::rules::label::Label;

/// What is known of a request, or of a plain TCP connection, when its class is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Name of the site that it belongs to, as the operator wrote it; the Host where the site is `*`.
    pub site: &'a [u8],
    /// Who asks.
    pub client: IpAddr,
    /// The port of the listener that it came to.
    pub port: u16,
    /// The message; `None` for plain TCP.
    pub message: Option<MessageFacts<'a>>,
}

/// The parts of a request's head that rules look at.
#[derive(Clone, Copy, Debug)]
pub struct MessageFacts<'a> {
    /// The method, as sent.
    pub(crate) method: &'a [u8],
    /// The path, as sent.
    pub(crate) path: &'a [u8],
    /// What follows the first question mark.
    pub(crate) query: Option<&'a [u8]>,
    /// All fields.
    pub(crate) fields: Fields<'a>,
}

impl<'a> MessageFacts<'a> {
    /// The parts of a head.
    pub const fn of(head: &RequestHead<'a>) -> Self {
        Self {
            method: head.method_bytes,
            path: head.target.path,
            query: head.target.query,
            fields: head.fields,
        }
    }
}

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
