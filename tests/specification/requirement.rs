//! The requirements of the specifications and who cites them: ids in brackets, `[TMP-21.1]`, bold where they are
//! defined. It reads texts and knows no protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::source::files;

/// A specification: its file and what its ids begin with.
pub(crate) struct Specification {
    pub(crate) file: &'static str,
    pub(crate) prefix: &'static str,
}

/// All of them.
pub(crate) const ALL: &[Specification] = &[
    Specification { file: "dataplane/src/tmp/SPEC.md", prefix: "TMP-" },
    Specification { file: "dataplane/src/exchange/SPEC.md", prefix: "EXC-" },
];

/// Where requirements are cited beside the Rust files.
const CLIENT: &str = "tests/interop";

/// What stands between `opening` and `closing`, each time, if it begins like an id and is one.
fn ids<'a>(
    text: &'a str,
    prefix: &'a str,
    opening: &'a str,
    closing: &'a str,
) -> impl Iterator<Item = &'a str> {
    let pieces = text.split(opening).skip(1);
    let bracketed = pieces.filter_map(move |piece| piece.split_once(closing).map(|(id, _)| id));
    bracketed.filter(move |id| {
        let number = id.strip_prefix(prefix);
        number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
    })
}

impl Specification {
    /// The ids that it defines, in its order.
    pub(crate) fn defined(&self) -> Vec<String> {
        ids(&files::text(self.file), self.prefix, "**[", "]**").map(str::to_owned).collect()
    }

    /// The ids that it mentions, its own definitions included.
    pub(crate) fn mentioned(&self) -> BTreeSet<String> {
        ids(&files::text(self.file), self.prefix, "[", "]").map(str::to_owned).collect()
    }

    /// The ids that code, tests and the client cite, each with one of the files.
    pub(crate) fn cited(&self) -> BTreeMap<String, String> {
        let mut cited = BTreeMap::new();
        for file in
            files::all().into_iter().filter(|file| !file.starts_with("tests/specification")).chain(scripts())
        {
            for id in ids(&files::text(&file), self.prefix, "[", "]") {
                cited.entry(id.to_owned()).or_insert_with(|| file.clone());
            }
        }
        cited
    }
}

fn scripts() -> impl Iterator<Item = String> {
    let folder = files::root().join(CLIENT);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| entry.expect("a readable folder").file_name());
    names.filter_map(|name| {
        let is_script = Path::new(&name).extension().is_some_and(|extension| extension == "py");
        is_script.then(|| format!("{CLIENT}/{}", name.to_str().expect("names in UTF-8")))
    })
}
