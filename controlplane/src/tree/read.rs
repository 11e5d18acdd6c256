//! A tree from its text: every leaf with its place, or everything that is wrong with line and column, what, and what instead.

use crate::nearest::nearest;
use crate::tree::definition::{LEAVES, below, is_table, leaf_at};
use crate::tree::form::Taken;
use crate::tree::path::Path;
use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;
use toml_edit::{Document, Item, TableLike};

/// Bytes of a tree at most: ten thousand sites are about two million.
pub const TREE_BYTES_MAX: usize = 64 << 20;

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 if it is about the whole.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What, and what instead: sentences without capital and full stop.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// A leaf as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its value.
    pub value: Taken,
    /// Where it stands.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// A tree that could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    given: BTreeMap<Path, Given>,
    /// Tables that stand there, also those without leaves.
    tables: BTreeMap<Path, (usize, usize)>,
}

impl Tree {
    /// Reads `text`; on errors, all of them.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let places = Places::new(text);
        if text.len() > TREE_BYTES_MAX {
            return Err(vec![Problem {
                line: 0,
                column: 0,
                what: format!("is larger than {TREE_BYTES_MAX} bytes"),
            }]);
        }
        let document = Document::parse(text).map_err(|error| {
            let (line, column) = places.of(error.span());
            let what = error.message().trim().replace('\n', "; ");
            vec![Problem { line, column, what }]
        })?;
        let mut reading = Reading { places, tree: Self::default(), problems: Vec::new() };
        reading.table(&Path::default(), document.as_table());
        let Reading { tree, mut problems, .. } = reading;
        problems.sort_by_key(|problem| (problem.line, problem.column));
        if problems.is_empty() { Ok(tree) } else { Err(problems) }
    }

    /// What was given at a path.
    pub fn given(&self, path: &Path) -> Option<&Given> {
        self.given.get(path)
    }

    /// Everything that was given, in the order of paths.
    pub fn all(&self) -> impl Iterator<Item = (&Path, &Given)> {
        self.given.iter()
    }

    /// The names that the operator chose in a table, such as `policy`.
    pub fn names(&self, table: &[&str]) -> Vec<&str> {
        let above = Path::of(table.iter().copied());
        // What is within a path follows it without a gap.
        let tables =
            self.tables.range(&above..).map(|(path, _)| path).take_while(|path| path.is_within(&above));
        let given =
            self.given.range(&above..).map(|(path, _)| path).take_while(|path| path.is_within(&above));
        let parts = tables.chain(given).filter_map(|path| path.parts().get(table.len()));
        let mut names: Vec<&str> = parts.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The value at a path, or its default.
    pub fn value(&self, path: &[&str]) -> Option<Taken> {
        let path = Path::of(path.iter().copied());
        if let Some(given) = self.given.get(&path) {
            return Some(given.value.clone());
        }
        let leaf = leaf_at(path.parts())?;
        let default = leaf.default?.parse().ok()?;
        leaf.form.take(&default).ok()
    }

    /// The text at a path, if there is one.
    pub fn text(&self, path: &[&str]) -> Option<String> {
        match self.value(path)? {
            Taken::Text(text) => Some(text),
            Taken::Count(_) | Taken::Number(_) | Taken::List(_) => None,
        }
    }

    /// The list at a path; where there is none, an empty one.
    pub fn list(&self, path: &[&str]) -> Vec<String> {
        match self.value(path) {
            Some(Taken::List(list)) => list,
            Some(Taken::Text(_) | Taken::Count(_) | Taken::Number(_)) | None => Vec::new(),
        }
    }

    /// The place of a path: of its leaf, or of its table.
    pub fn place(&self, path: &[&str]) -> (usize, usize) {
        let path = Path::of(path.iter().copied());
        let leaf = self.given.get(&path).map(|given| (given.line, given.column));
        leaf.or_else(|| self.tables.get(&path).copied()).unwrap_or((0, 0))
    }
}

struct Reading<'t> {
    places: Places<'t>,
    tree: Tree,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn table(&mut self, path: &Path, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let here = path.child(name);
            let key = table.key(name).and_then(toml_edit::Key::span);
            match (item, leaf_at(here.parts())) {
                (Item::Value(value), Some(leaf)) => match leaf.form.take(value) {
                    Ok(value) => {
                        let (line, column) = self.places.of(key);
                        self.tree.given.insert(here, Given { value, line, column });
                    }
                    Err(instead) => {
                        self.problem(value.span().or(key), format!("{here} does not take this; {instead}"));
                    }
                },
                (_, Some(leaf)) => {
                    self.problem(key, format!("{here} is no table; {}", leaf.form.expected()));
                }
                (item, None) if is_table(here.parts()) => match item.as_table_like() {
                    Some(inner) => {
                        let place = self.places.of(key);
                        self.tree.tables.insert(here.clone(), place);
                        self.table(&here, inner);
                    }
                    None => self.problem(key, format!("{here} is a table; write [{here}]")),
                },
                (_, None) => self.unknown(path, name, key),
            }
        }
    }

    fn unknown(&mut self, path: &Path, name: &str, key: Option<Range<usize>>) {
        let known: Vec<&str> = below(path.parts()).into_iter().filter(|known| *known != "*").collect();
        let instead = match nearest(name, known.iter().copied()) {
            Some(meant) => format!("{} is near", path.child(meant)),
            None => format!("{} are known here", known.join(", ")),
        };
        // A key that is right elsewhere is a likely slip, too.
        let elsewhere = LEAVES.iter().find(|leaf| leaf.path.split(' ').next_back() == Some(name));
        let elsewhere =
            elsewhere.map(|leaf| format!("; there is {}", leaf.path.replace(' ', ".").replace('*', "NAME")));
        self.problem(
            key,
            format!("{} is no key; {instead}{}", path.child(name), elsewhere.unwrap_or_default()),
        );
    }

    fn problem(&mut self, span: Option<Range<usize>>, what: String) {
        let (line, column) = self.places.of(span);
        self.problems.push(Problem { line, column, what });
    }
}

/// Lines and columns of places in a text.
struct Places<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, line_starts: [0].into_iter().chain(starts).collect() }
    }

    fn of(&self, span: Option<Range<usize>>) -> (usize, usize) {
        let Some(span) = span else { return (0, 0) };
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        let before = self.text.get(self.line_starts[line - 1]..span.start).unwrap_or("");
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_the_file_or_the_default() {
        let tree = Tree::read(
            "[policy.web]\nttl = \"10s\"\n[node.fra1]\n[site.\"shop.example\".dns]\npolicy = \"web\"\n",
        )
        .unwrap();
        assert_eq!(tree.value(&["policy", "web", "ttl"]), Some(Taken::Text("10s".into())));
        assert_eq!(tree.value(&["policy", "web", "kind"]), Some(Taken::Text("best".into())));
        assert_eq!(tree.value(&["network", "name"]), None);
        assert_eq!(tree.names(&["node"]), ["fra1"]);
        assert_eq!(tree.place(&["site", "shop.example", "dns", "policy"]), (5, 1));
    }

    #[test]
    fn everything_wrong_is_told_with_its_place() {
        let text = "[polcy.web]\nttl = \"1s\"\n\n[policy.web]\ntll = \"1s\"\nanswers = 99\nttl = 5\nscore = 3\nkind = \"bset\"\n\
                    [node.a]\naddresses = [\"1.2.3\"]\npolicy = \"x\"\n";
        let problems = Tree::read(text).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "1:2: polcy is no key; policy is near",
            "5:1: policy.web.tll is no key; policy.web.ttl is near",
            "6:11: policy.web.answers does not take this; write a whole number from 1 to 16",
            "7:7: policy.web.ttl does not take this",
            "8:1: policy.web.score is a table",
            "9:8: policy.web.kind does not take this; write one of \"best\"",
            "11:13: node.a.addresses does not take this",
            "12:1: node.a.policy is no key",
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said} is not {expected}");
        }
        assert!(said[7].contains("there is site.NAME.dns.policy"), "{}", said[7]);
    }

    #[test]
    fn what_is_no_toml_has_its_place() {
        let problems = Tree::read("a = 1\n[policy.web\n").unwrap_err();
        assert_eq!(problems[0].line, 2, "{problems:?}");
        let twice = Tree::read("[policy.web]\nttl = \"1s\"\nttl = \"2s\"\n").unwrap_err();
        assert_eq!(twice[0].line, 3, "{twice:?}");
    }
}
