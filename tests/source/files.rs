//! Which Rust files the workspace has. Paths are relative to the workspace's root, with `/`, sorted.

use std::path::{Path, PathBuf};

/// Folders with Rust code of ours.
const FOLDERS: &[&str] = &["src", "dataplane", "controlplane", "tools", "benches", "tests", "fuzz"];

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of one file; `relative` is below the root.
pub(crate) fn text(relative: &str) -> String {
    let path = root().join(relative);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `.rs` file below [`FOLDERS`], build output left out.
pub(crate) fn all() -> Vec<String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut found);
    }
    let mut relative: Vec<_> = found.iter().map(|path| below_root(path)).collect();
    relative.sort();
    assert!(relative.len() > 100, "the search has lost the code: {} files", relative.len());
    relative
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.expect("a readable folder");
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_dir() && name != "target" {
            collect(&path, found);
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn below_root(path: &Path) -> String {
    let relative = path.strip_prefix(root()).expect("found below the root");
    relative.to_str().expect("names in UTF-8").to_owned()
}
