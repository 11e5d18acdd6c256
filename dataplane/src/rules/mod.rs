//! Rules that give exchanges their class: what the site owner says about who is important, as tables that a worker
//! asks. First match wins.
//!
//! [`RequestRule`]s look at a request before it leaves for its server; [`AnswerRule`]s look at the answer where it
//! enters the tunnel, at its head and again when its body has grown long. A verdict is a class and, if the rule says so,
//! whether to compress and whether to cache. Pure: no I/O, no clock, no state; [`Rules`] is never written once made, and
//! workers adopt a new one as a whole.
//!
//! Not here: files and flags (`controlplane::rules` and the binary read them), the blender, which knows classes only
//! as rings.

mod answer;
mod condition;
mod facts;
mod label;
mod pattern;
mod request;
mod table;

pub use answer::{AnswerCondition, AnswerFacts, AnswerRule, AnswerVerdict, Later};
pub use condition::{Condition, Named};
pub use facts::{MessageFacts, RequestFacts};
pub use label::{LABEL_BYTES_MAX, Label};
pub use pattern::Pattern;
pub use request::RequestRule;
pub use table::{CLASS_MAX, Rules, Verdict};
