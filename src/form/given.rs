//! A value as it was given: its text, and what became of it.
//!
//! Reading never fails where clap reads: clap stops at the first error, and an operator wants to hear of all of
//! them at once. So the error is kept with the text and surfaces when the door takes the value.

use crate::problem::{Problems, Wrong};
use core::convert::Infallible;
use core::fmt;
use core::str::FromStr;

/// One form of value.
pub(crate) trait Form: 'static {
    /// What it becomes.
    type Value: Clone + Send + Sync;

    /// Reads the text.
    fn read(text: &str) -> Result<Self::Value, Wrong>;
}

/// A form that can also be written, so that a default may come from a value.
pub(crate) trait Written: Form {
    /// The shortest text that reads as this value.
    fn write(value: &Self::Value) -> String;
}

/// The value of a flag.
pub(crate) struct Given<F: Form> {
    text: String,
    value: Result<F::Value, Wrong>,
}

impl<F: Form> Given<F> {
    /// The value; if there is none, the problem is noted. `field` is the flag's name with `_` for `-`.
    pub(crate) fn take(&self, field: &str, problems: &mut Problems) -> Option<F::Value> {
        match &self.value {
            Ok(value) => Some(value.clone()),
            Err(wrong) => {
                let text = if wrong.is_secret() { "…" } else { &self.text };
                problems.add(format_args!("--{} {text}", field.replace('_', "-")), wrong);
                None
            }
        }
    }

    /// The value, or a stand-in where there is none: the problem is noted and nothing will start.
    pub(crate) fn take_or(&self, field: &str, problems: &mut Problems, instead: F::Value) -> F::Value {
        self.take(field, problems).unwrap_or(instead)
    }
}

impl<F: Written> Given<F> {
    /// A default.
    pub(crate) fn of(value: F::Value) -> Self {
        Self { text: F::write(&value), value: Ok(value) }
    }
}

/// All values of a flag that repeats, each with its text; those that cannot be read are noted.
pub(crate) fn take_all<F: Form>(
    given: &[Given<F>],
    field: &str,
    problems: &mut Problems,
) -> Vec<(String, F::Value)> {
    let mut take = |one: &Given<F>| one.take(field, problems).map(|value| (one.text.clone(), value));
    given.iter().filter_map(&mut take).collect()
}

impl<F: Form> FromStr for Given<F> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self { text: text.to_owned(), value: F::read(text) })
    }
}

impl<F: Form> Clone for Given<F> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), value: self.value.clone() }
    }
}

impl<F: Form> fmt::Display for Given<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<F: Form> fmt::Debug for Given<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}
