//! Circles: whether one can walk along arrows and come back.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::arrow::Arrow;

/// A circle as it is found first, arrow by arrow; the last one leads to where the first one starts.
pub(crate) fn circle(arrows: &[Arrow]) -> Option<Vec<Arrow>> {
    let mut search = Search::default();
    for arrow in arrows {
        search.leaving.entry(&arrow.from).or_default().push(arrow);
    }
    arrows.iter().find_map(|arrow| search.from(&arrow.from))
}

/// The circle as lines of text.
pub(crate) fn drawn(circle: &[Arrow]) -> String {
    let line = |arrow: &Arrow| format!("  {}:{} imports from {}\n", arrow.from, arrow.line, arrow.to);
    circle.iter().map(line).collect()
}

#[derive(Default)]
struct Search<'a> {
    leaving: BTreeMap<&'a str, Vec<&'a Arrow>>,
    /// Files from which no circle is reached.
    done: BTreeSet<&'a str>,
    /// The way from the start to here.
    way: Vec<&'a Arrow>,
}

impl<'a> Search<'a> {
    fn from(&mut self, file: &'a str) -> Option<Vec<Arrow>> {
        if self.done.contains(file) {
            return None;
        }
        for arrow in self.leaving.get(file).cloned().unwrap_or_default() {
            self.way.push(arrow);
            if let Some(start) = self.way.iter().position(|before| before.from == arrow.to) {
                return Some(self.way[start..].iter().map(|arrow| (*arrow).clone()).collect());
            }
            if let Some(found) = self.from(&arrow.to) {
                return Some(found);
            }
            self.way.pop();
        }
        self.done.insert(file);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(pairs: &[(&str, &str)]) -> Vec<Arrow> {
        let arrow = |(from, to): &(&str, &str)| Arrow { from: (*from).into(), to: (*to).into(), line: 1 };
        pairs.iter().map(arrow).collect()
    }

    #[test]
    fn a_tree_has_none() {
        assert_eq!(circle(&arrows(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])), None);
    }

    #[test]
    fn a_circle_is_shown_without_the_way_to_it() {
        let found = circle(&arrows(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")])).expect("a circle");
        assert_eq!(found, arrows(&[("b", "c"), ("c", "d"), ("d", "b")]));
        assert_eq!(drawn(&found[..1]), "  b:1 imports from c\n");
    }
}
