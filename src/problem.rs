//! What is wrong with flags and files: collected all at once, each with what to do instead.

use core::fmt;

/// What is wrong with one text, and what would be right. Sentences without capital and full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    what: String,
    instead: String,
    is_secret: bool,
}

impl Wrong {
    /// Both halves.
    pub(crate) fn new(what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { what: what.into(), instead: instead.into(), is_secret: false }
    }

    /// What is wrong, and what would be right.
    pub(crate) fn halves(&self) -> (&str, &str) {
        (&self.what, &self.instead)
    }

    /// The same about a text that holds a secret: the message must not repeat it.
    pub(crate) fn about_secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Whether the text that this is about must not be shown.
    pub(crate) const fn is_secret(&self) -> bool {
        self.is_secret
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.instead)
    }
}

/// All that was found. Empty means that the node may start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Adds what is wrong with a flag (`--name`, and its value where that says which of several).
    pub(crate) fn add(&mut self, flag: impl fmt::Display, wrong: &Wrong) {
        self.0.push(format!("{flag}: {wrong}"));
    }

    /// Adds whole lines, such as those of a file with places of its own.
    pub(crate) fn extend(&mut self, lines: Vec<String>) {
        self.0.extend(lines);
    }

    /// Adds a whole sentence.
    pub(crate) fn note(&mut self, sentence: String) {
        self.0.push(sentence);
    }

    /// Adds both halves of what is wrong unless `holds`.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        flag: impl fmt::Display,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) {
        if !holds {
            self.add(flag, &Wrong::new(what, instead));
        }
    }

    /// `value` if nothing was found.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The sentences, in the order in which they were found.
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }

    /// Shows them to the operator.
    pub(crate) fn print(&self, door: &str) {
        let count = self.0.len();
        let things = if count == 1 { "thing is" } else { "things are" };
        eprintln!("longhaul {door}: {count} {things} wrong, nothing was started");
        for line in &self.0 {
            eprintln!("  {line}");
        }
        eprintln!("(`longhaul {door} --help` explains every flag)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_kept() {
        let mut problems = Problems::default();
        problems.require(true, "--a", "x", "y");
        problems.require(false, "--b", "is missing", "give one");
        problems.add("--c 1", &Wrong::new("too small", "2 will do"));
        assert_eq!(problems.lines(), ["--b: is missing; give one", "--c 1: too small; 2 will do"]);
        assert!(problems.into_result(()).is_err());
    }
}
