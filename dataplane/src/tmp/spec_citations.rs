//! A test that code and `SPEC.md` name the same requirements: none is cited that is not written, and none written
//! that no code or test answers for.

use std::collections::BTreeSet;
use std::path::Path;

const MARK: &str = "[TMP-";

/// The numbers that follow the mark in a text.
fn numbers(text: &str) -> BTreeSet<u32> {
    let pieces = text.split(MARK).skip(1);
    pieces.filter_map(|piece| piece.split(']').next()?.parse().ok()).collect()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tmp")
}

fn cited_in(folder: &Path) -> BTreeSet<u32> {
    let mut cited = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cited.extend(cited_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            cited.extend(numbers(&std::fs::read_to_string(path).unwrap()));
        }
    }
    cited
}

#[test]
fn code_and_specification_name_the_same_requirements() {
    let written = numbers(&std::fs::read_to_string(folder().join("SPEC.md")).unwrap());
    let cited = cited_in(&folder());
    assert_eq!(cited.difference(&written).collect::<Vec<_>>(), Vec::<&u32>::new(), "cited, not written");
    assert_eq!(written.difference(&cited).collect::<Vec<_>>(), Vec::<&u32>::new(), "written, not cited");
}
