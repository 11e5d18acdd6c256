//! The effective values of a tree and where each comes from: the file's line, or the default.

use crate::tree::definition::LEAVES;
use crate::tree::form::Taken;
use crate::tree::path::Path;
use crate::tree::read::Tree;
use core::fmt;

/// A leaf's effective value.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its path.
    pub path: Path,
    /// Its value; nothing was given and there is no default: `None`.
    pub value: Option<Taken>,
    /// The line where it was given; `None`: the default.
    pub line: Option<usize>,
}

impl fmt::Display for Taken {
    /// As TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(list) => write!(f, "{list:?}"),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_ref().map_or_else(|| "(none)".to_owned(), ToString::to_string);
        match self.line {
            Some(line) => write!(f, "{} = {value}  # line {line}", self.path),
            None => write!(f, "{} = {value}  # default", self.path),
        }
    }
}

/// The effective values at and below `path`: every leaf of every name that stands in the tree.
pub fn show(tree: &Tree, path: &Path) -> Vec<Shown> {
    let mut all = Vec::new();
    for leaf in LEAVES {
        let pattern: Vec<&str> = leaf.path.split(' ').collect();
        spread(tree, &pattern, &mut Vec::new(), &mut all);
    }
    all.retain(|shown| shown.path.is_within(path));
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// Puts every name of the tree in the place of each `*`.
fn spread(tree: &Tree, pattern: &[&str], so_far: &mut Vec<String>, all: &mut Vec<Shown>) {
    let here: Vec<&str> = so_far.iter().map(String::as_str).collect();
    let Some((part, rest)) = pattern.split_first() else {
        let path = Path::of(here.iter().copied());
        let line = tree.given(&path).map(|given| given.line);
        all.push(Shown { value: tree.value(&here), path, line });
        return;
    };
    let names: Vec<String> = if *part == "*" {
        tree.names(&here).into_iter().map(str::to_owned).collect()
    } else {
        vec![(*part).to_owned()]
    };
    for name in names {
        so_far.push(name);
        spread(tree, rest, so_far, all);
        so_far.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_says_where_it_comes_from() {
        let tree = Tree::read("[policy.web]\nttl = \"10s\"\n").unwrap();
        let lines = |path: &str| {
            let path = if path.is_empty() { Path::default() } else { Path::parse(path).unwrap() };
            show(&tree, &path).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(lines("policy.web").contains(&"policy.web.ttl = \"10s\"  # line 2".to_owned()));
        assert!(lines("policy.web").contains(&"policy.web.kind = \"best\"  # default".to_owned()));
        assert!(lines("policy.web.score").contains(&"policy.web.score.load = 100  # default".to_owned()));
        assert!(lines("").contains(&"network.name = (none)  # default".to_owned()));
        assert!(lines("node").is_empty());
    }
}
