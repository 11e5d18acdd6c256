//! Zone files (RFC 1035 §5) into a catalog, read by the `domain` crate.
//!
//! A syntax error ends a file, for what follows it cannot be trusted; everything else that is wrong is told together. Reads
//! no file itself: what `$INCLUDE` names comes through a function.

use crate::dns::build::{Builder, Refused};
use crate::dns::catalog::ZoneId;
use crate::dns::name::Name;
use bytes::Bytes;
use core::fmt;
use domain::base::iana::Class;
use domain::base::name::{Name as DomainName, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{Entry, ScannedRecord, Zonefile};

/// Files inside files; a circle of includes ends here.
const INCLUDES_MAX: usize = 8;

/// Problems of one file that are kept; behind them the rest is only counted.
const PROBLEMS_MAX: usize = 100;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 if it is about the whole file.
    pub line: usize,
    /// What and what instead.
    pub what: String,
    /// The rest of the file was not read.
    pub is_end: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// Reads what an `$INCLUDE` in the first file calls by the second name: the whole name and the content, or why not.
pub type Include<'a> = &'a mut dyn FnMut(&str, &str) -> Result<(String, Vec<u8>), String>;

/// Adds the records of `text`, the content of `file`, to `zone`, whose apex is `apex`.
pub fn load(
    builder: &mut Builder,
    zone: ZoneId,
    apex: &Name,
    file: &str,
    text: &[u8],
    include: Include<'_>,
) -> Vec<Problem> {
    let Ok(origin) = DomainName::from_octets(Bytes::copy_from_slice(apex.wire())) else {
        panic!("a name is a name");
    };
    let mut loading = Loading { builder, zone, include, problems: Vec::new(), data: Vec::new() };
    loading.file(file, text, origin, 0);
    loading.problems
}

struct Loading<'a, 'b> {
    builder: &'b mut Builder,
    zone: ZoneId,
    include: Include<'a>,
    problems: Vec<Problem>,
    data: Vec<u8>,
}

impl Loading<'_, '_> {
    fn file(&mut self, file: &str, text: &[u8], origin: DomainName<Bytes>, depth: usize) {
        let mut scanner = Zonefile::from(text);
        // A last line without its end is a line.
        scanner.extend_from_slice(b"\n");
        scanner.set_origin(origin.clone());
        scanner.set_default_class(Class::IN);
        loop {
            match scanner.next_entry() {
                Ok(None) => return,
                Ok(Some(Entry::Record(record))) => {
                    if let Err(refused) = self.record(&record) {
                        self.problem(file, line_at(text, scanner.current_offset()), refused.to_string());
                    }
                }
                Ok(Some(Entry::Include { path, origin: new })) => {
                    let line = line_at(text, scanner.current_offset());
                    let origin = new.unwrap_or_else(|| origin.clone());
                    self.included(file, line, &path, origin, depth + 1);
                }
                Err(error) => {
                    let (line, what) = place_of(&error.to_string());
                    self.problem(file, line, what);
                    self.ended();
                    return;
                }
            }
        }
    }

    fn included(&mut self, file: &str, line: usize, path: &str, origin: DomainName<Bytes>, depth: usize) {
        if depth > INCLUDES_MAX {
            self.problem(
                file,
                line,
                format!("$INCLUDE {path} lies more than {INCLUDES_MAX} files deep; is it a circle?"),
            );
            return;
        }
        match (self.include)(file, path) {
            Ok((name, text)) => self.file(&name, &text, origin, depth),
            Err(why) => {
                self.problem(file, line, format!("$INCLUDE {path} cannot be read: {why}"));
                self.ended();
            }
        }
    }

    fn record(&mut self, record: &ScannedRecord) -> Result<(), Refused> {
        self.data.clear();
        let Ok(()) = record.owner().compose(&mut self.data);
        let Ok(owner) = Name::from_wire(&self.data) else { panic!("domain reads whole names") };
        self.data.clear();
        let Ok(()) = record.data().compose_rdata(&mut self.data);
        self.builder.record(self.zone, &owner, record.rtype().to_int(), record.ttl().as_secs(), &self.data)
    }

    fn problem(&mut self, file: &str, line: usize, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { file: file.to_owned(), line, what, is_end: false });
        }
    }

    fn ended(&mut self) {
        if let Some(last) = self.problems.last_mut() {
            last.is_end = true;
        }
    }
}

/// What `domain` says, `LINE:COLUMN: WHAT`. It stands behind the word that is wrong, so that after the last one of a line it
/// is at the beginning of the next.
fn place_of(error: &str) -> (usize, String) {
    let mut parts = error.splitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.trim().parse::<usize>().ok()).unwrap_or(0);
    let (line, column) = (number(), number());
    let what = parts.next().unwrap_or(error).trim();
    match column {
        1 if line > 1 => (line - 1, format!("at its end: {what}")),
        _ => (line, format!("column {column}: {what}")),
    }
}

/// The line on which the entry that was just read ended.
fn line_at(text: &[u8], offset: usize) -> usize {
    let before = &text[..offset.saturating_sub(1).min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
