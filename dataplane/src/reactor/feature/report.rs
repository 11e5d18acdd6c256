//! The doctor's table: one row per question.

use core::fmt;

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It runs, with a loss that the row names.
    Warn,
    /// Something does not work at all.
    Fail,
}

impl Grade {
    /// The word for tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One question and its answer.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was asked.
    pub name: &'static str,
    /// How good the answer is.
    pub grade: Grade,
    /// The answer.
    pub found: String,
    /// What to do about it; empty if all is well.
    pub advice: String,
}

impl Row {
    /// All is well.
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, grade: Grade::Ok, found: found.into(), advice: String::new() }
    }

    /// It runs, with a loss.
    pub(crate) fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, grade: Grade::Warn, found: found.into(), advice: advice.into() }
    }

    /// It does not work.
    pub(crate) fn fail(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, grade: Grade::Fail, found: found.into(), advice: advice.into() }
    }
}

/// All answers.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order in which an operator would ask.
    pub rows: Vec<Row>,
}

impl Report {
    /// The worst grade of all rows.
    pub fn worst(&self) -> Grade {
        let has = |grade| self.rows.iter().any(|row| row.grade == grade);
        if has(Grade::Fail) {
            Grade::Fail
        } else if has(Grade::Warn) {
            Grade::Warn
        } else {
            Grade::Ok
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{:<5} {:<28} {}", row.grade.word(), row.name, row.found)?;
            if !row.advice.is_empty() {
                writeln!(f, "      {:<28} → {}", "", row.advice)?;
            }
        }
        Ok(())
    }
}
