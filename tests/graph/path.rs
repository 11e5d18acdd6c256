//! The paths that a file names: every branch of its `use` trees, and what stands in the code with its full path.

use crate::source::token::{Kind, Token, group_end};

/// The words with which a path of interest begins.
const BEGINNINGS: &[&str] =
    &["crate", "super", "self", "std", "core", "alloc", "dataplane", "controlplane", "tools"];

/// A path as it is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl Named {
    /// The path with `::` between its segments.
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Every path of the file's code.
pub(crate) fn named(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is_word("use") && !follows_path(tokens, at) {
            at = branch(tokens, at + 1, &[], &mut found);
        } else if BEGINNINGS.iter().any(|word| token.is_word(word)) && begins_path(tokens, at) {
            at = straight(tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Whether a path separator stands before `at`.
fn follows_path(tokens: &[Token], at: usize) -> bool {
    at > 0 && tokens[at - 1].is_sign(':')
}

/// `crate::…`, but not the end of a longer path and not the reach of a visibility (`pub(in crate::…)`).
fn begins_path(tokens: &[Token], at: usize) -> bool {
    let is_reach = at > 0 && tokens[at - 1].is_word("in") && at > 1 && tokens[at - 2].is_sign('(');
    is_separator(tokens, at + 1) && !is_reach && !(at > 1 && is_separator(tokens, at - 2))
}

fn is_separator(tokens: &[Token], at: usize) -> bool {
    let is_colon = |at: usize| tokens.get(at).is_some_and(|token| token.is_sign(':'));
    is_colon(at) && is_colon(at + 1)
}

/// A path in the code; generic arguments end it.
fn straight(tokens: &[Token], mut at: usize, found: &mut Vec<Named>) -> usize {
    let line = tokens[at].line;
    let mut segments = Vec::new();
    while let Some(word) = tokens.get(at).and_then(Token::word) {
        segments.push(word.to_owned());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    found.push(Named { segments, line });
    at
}

/// One branch of a `use` tree, from its first token to behind its last.
fn branch(tokens: &[Token], mut at: usize, stem: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = stem.to_vec();
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Word(word) if word == "as" => at += 2,
            Kind::Word(word) => {
                segments.push(word.clone());
                at += 1;
            }
            Kind::Sign(':') => at += 1,
            Kind::Sign('*') => {
                segments.push("*".to_owned());
                at += 1;
            }
            Kind::Sign('{') => {
                let end = group_end(tokens, at);
                at += 1;
                while at < end - 1 {
                    at = branch(&tokens[..end - 1], at, &segments, found);
                }
                // Behind the comma or the semicolon after the group.
                return end + 1;
            }
            Kind::Sign(_) | Kind::Literal => break,
        }
    }
    if segments.len() == stem.len() {
        return at + 1;
    }
    let line = tokens[at - 1].line;
    if segments.last().is_some_and(|last| last == "self") && segments.len() > 1 {
        segments.pop();
    }
    found.push(Named { segments, line });
    // Behind the comma or the semicolon.
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::token::tokens;

    fn paths(text: &str) -> Vec<String> {
        named(&tokens(text)).iter().map(Named::text).collect()
    }

    #[test]
    fn trees_are_spread() {
        assert_eq!(
            paths("use crate::a::{self, b::{C, D as E}, f}; use std::fs as x; "),
            ["crate::a", "crate::a::b::C", "crate::a::b::D", "crate::a::f", "std::fs"]
        );
        assert_eq!(paths("pub use a::{b,\n c,\n};\nuse super::*;"), ["a::b", "a::c", "super::*"]);
        assert_eq!(paths("pub(crate) use crate::a;"), ["crate::a"]);
    }

    #[test]
    fn code_names_paths_too() {
        assert_eq!(
            paths("fn f() { crate::a::b(1); x::crate_(); $crate::m::n!() }"),
            ["crate::a::b", "crate::m::n"]
        );
        assert_eq!(paths("pub(in crate::tmp) fn f(x: std::net::TcpStream) {}"), ["std::net::TcpStream"]);
        assert_eq!(paths("let t: Vec<dataplane::time::Instant>;"), ["dataplane::time::Instant"]);
    }
}
