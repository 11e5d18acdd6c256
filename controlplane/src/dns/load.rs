//! Zones from their files (or from text in the configuration) into one catalog, whole or not at all.

use crate::dns::build::{Builder, Refused};
use crate::dns::catalog::{Catalog, ZoneId};
use crate::dns::name::Name;
use crate::dns::zone_file;
use std::fs;
use std::path::{Path, PathBuf};

/// A zone to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSource {
    /// Its apex.
    pub apex: Name,
    /// Where its records stand.
    pub text: ZoneText,
}

/// Where a zone's records stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneText {
    /// In a zone file.
    File(PathBuf),
    /// Here, in the same form; the place where it was found, for messages.
    Inline(String, String),
}

/// A catalog, and what is odd about it without keeping it from being served.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The zones.
    pub catalog: Catalog,
    /// One line for each oddity.
    pub warnings: Vec<String>,
}

/// Loads all zones; on an error, every line that says what is wrong in any of them.
pub fn load(sources: &[ZoneSource]) -> Result<Loaded, Vec<String>> {
    let mut loading = Loading::default();
    sources.iter().for_each(|source| loading.zone(source));
    loading.finish()
}

/// Zones being loaded.
#[derive(Debug, Default)]
pub struct Loading {
    /// What there is so far.
    pub builder: Builder,
    /// What is wrong so far.
    pub problems: Vec<String>,
    /// Zones that were not read to their end: what else they lack is not known.
    cut_short: Vec<Name>,
}

impl Loading {
    /// Adds one zone.
    pub fn zone(&mut self, source: &ZoneSource) {
        let Self { builder, problems, cut_short } = self;
        if add(builder, source, problems) == Whole::No {
            cut_short.push(source.apex);
        }
    }

    /// Adds something at a name of one of the zones that are there.
    pub fn at(&mut self, name: &Name, add: impl FnOnce(&mut Builder, ZoneId) -> Result<(), Refused>) {
        let added = match self.builder.zone_of(name) {
            Some(zone) => add(&mut self.builder, zone).map_err(|refused| refused.to_string()),
            None => Err(format!("no zone holds {name}")),
        };
        self.problems.extend(added.err());
    }

    /// Checks all of it.
    pub fn finish(self) -> Result<Loaded, Vec<String>> {
        let Self { builder, problems, cut_short } = self;
        finish(builder, problems, &cut_short)
    }
}

/// Whether a zone was read to its end.
#[derive(PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

fn finish(builder: Builder, mut problems: Vec<String>, cut_short: &[Name]) -> Result<Loaded, Vec<String>> {
    let (catalog, mut findings) = builder.finish();
    findings.retain(|finding| !cut_short.contains(&finding.zone));
    let (fatal, odd): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.is_fatal);
    problems.extend(fatal.iter().map(|finding| format!("zone {}: {finding}", finding.zone)));
    let warnings = odd.iter().map(|finding| format!("zone {}: {finding}", finding.zone)).collect();
    if problems.is_empty() { Ok(Loaded { catalog, warnings }) } else { Err(problems) }
}

fn add(builder: &mut Builder, source: &ZoneSource, problems: &mut Vec<String>) -> Whole {
    let mut refuse = |what: String| {
        problems.push(what);
        Whole::No
    };
    let zone = match builder.zone(&source.apex) {
        Ok(zone) => zone,
        Err(refused) => return refuse(refused.to_string()),
    };
    let mut include = |from: &str, path: &str| {
        let beside = Path::new(from).parent().unwrap_or_else(|| Path::new("")).join(path);
        let text = fs::read(&beside).map_err(|error| error.to_string())?;
        Ok((beside.to_string_lossy().into_owned(), text))
    };
    let (place, text) = match &source.text {
        ZoneText::File(path) => match fs::read(path) {
            Ok(text) => (path.to_string_lossy().into_owned(), text),
            Err(error) => return refuse(format!("{}: cannot be read: {error}", path.display())),
        },
        ZoneText::Inline(text, place) => (place.clone(), text.clone().into_bytes()),
    };
    let found = zone_file::load(builder, zone, &source.apex, &place, &text, &mut include);
    problems.extend(found.iter().map(ToString::to_string));
    if found.iter().any(|problem| problem.is_end) { Whole::No } else { Whole::Yes }
}
