//! One crate's modules: which file each is, by following `mod` from the crate's first file.

use std::collections::BTreeMap;

use crate::graph::path::{Named, named};
use crate::source::files;
use crate::source::token::{Token, tokens, without_tests};

/// A crate and the modules in it, by path (`["http", "body"]`; the root is empty).
#[derive(Debug)]
pub(crate) struct Crate {
    /// The name under which others import it.
    pub(crate) name: &'static str,
    pub(crate) modules: BTreeMap<Vec<String>, Module>,
}

/// One module: a file.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// Its tokens without what exists in tests and models only; none if all of it does.
    pub(crate) code: Vec<Token>,
    /// The paths in that code.
    pub(crate) named: Vec<Named>,
    /// Modules declared in it that are part of the product.
    pub(crate) children: Vec<String>,
}

impl Crate {
    /// Reads the crate whose first file is `first` (relative to the workspace's root).
    pub(crate) fn read(name: &'static str, first: &str) -> Self {
        let mut read = Self { name, modules: BTreeMap::new() };
        read.add(Vec::new(), first.to_owned(), false);
        read
    }

    fn add(&mut self, path: Vec<String>, file: String, test_only: bool) {
        let all = tokens(&files::text(&file));
        let code = if test_only { Vec::new() } else { without_tests(&all) };
        let children = declared(&code);
        let below = folder_of(&file, path.is_empty());
        for child in declared(&all) {
            let child_path = [path.as_slice(), core::slice::from_ref(&child)].concat();
            let test_only = test_only || !children.contains(&child);
            self.add(child_path, file_of(&below, &child), test_only);
        }
        let named = named(&code);
        self.modules.insert(path, Module { file, code, named, children });
    }

    /// The module that `segments` (from the crate's root) lead to: the deepest on the way.
    pub(crate) fn resolve(&self, segments: &[String]) -> &Module {
        let deepest = (0..=segments.len()).rev().find_map(|length| self.modules.get(&segments[..length]));
        deepest.expect("the root is always there")
    }
}

/// The names of `mod name;` outside every bracket.
fn declared(tokens: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_sign('{') {
            depth += 1;
        } else if token.is_sign('}') {
            depth -= 1;
        } else if depth == 0 && token.is_word("mod") && tokens.get(at + 2).is_some_and(|end| end.is_sign(';'))
        {
            names.extend(tokens[at + 1].word().map(str::to_owned));
        }
    }
    names
}

/// Where the children of a file lie.
fn folder_of(file: &str, is_root: bool) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    if is_root || name == "mod.rs" { folder.to_owned() } else { file.trim_end_matches(".rs").to_owned() }
}

fn file_of(folder: &str, child: &str) -> String {
    let flat = format!("{folder}/{child}.rs");
    if files::root().join(&flat).exists() { flat } else { format!("{folder}/{child}/mod.rs") }
}
