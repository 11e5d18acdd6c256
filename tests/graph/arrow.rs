//! Arrows between the files of one crate: "this file imports from that one, on this line".
//!
//! An arrow ends at the file of the deepest module that a path leads to. A folder's `mod.rs` has an arrow to each
//! child that it declares, so whoever imports a folder's public name stands above the whole folder, and a child that
//! imports from its own `mod.rs` closes a circle.

use crate::graph::krate::{Crate, Module};

/// One import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The line in `from`.
    pub(crate) line: usize,
}

/// Every arrow of the crate's own code; tests are left out, arrows of a file to itself too.
pub(crate) fn arrows(of: &Crate) -> Vec<Arrow> {
    let mut all = Vec::new();
    for (path, module) in &of.modules {
        for child in &module.children {
            let to = of.resolve(&[path.as_slice(), core::slice::from_ref(child)].concat());
            all.push(Arrow {
                from: module.file.clone(),
                to: to.file.clone(),
                line: declaration(module, child),
            });
        }
        for named in module.named.iter().filter(|named| named.segments[0] == "crate") {
            let to = of.resolve(&named.segments[1..]);
            all.push(Arrow { from: module.file.clone(), to: to.file.clone(), line: named.line });
        }
    }
    all.retain(|arrow| arrow.from != arrow.to);
    all
}

fn declaration(module: &Module, child: &str) -> usize {
    let pair = module.code.windows(2).find(|pair| pair[0].is_word("mod") && pair[1].is_word(child));
    pair.map_or(1, |pair| pair[0].line)
}
