//! Rust text as words and signs, without comments and without what literals say.
//!
//! Not a parser: just enough for rules about names and paths, so that a word in a comment or a string never counts.
//! Source: The Rust Reference, "Lexical structure". Lines count from 1.

/// One word or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The line on which it starts.
    pub(crate) line: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or keyword.
    Word(String),
    /// One sign; `::` comes as two.
    Sign(char),
    /// A number, string or character; or a lifetime.
    Literal,
}

impl Token {
    /// Whether this is the word `word`.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    /// Whether this is the sign `sign`.
    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// The word, if it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Sign(_) | Kind::Literal => None,
        }
    }
}

/// The tokens of `text`.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader { rest: text, line: 1, out: Vec::new() };
    while !reader.rest.is_empty() {
        reader.step();
    }
    reader.out
}

/// The tokens without items that exist in tests and models only (`#[cfg(test)]`, `#[cfg(all(loom, …))]`).
pub(crate) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match attribute_end(tokens, at) {
            Some(end) if is_test_only(&tokens[at..end]) => at = item_end(tokens, end),
            Some(end) => {
                kept.extend_from_slice(&tokens[at..end]);
                at = end;
            }
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Where the outer attribute that starts at `at` ends.
fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let starts = tokens[at].is_sign('#') && tokens.get(at + 1)?.is_sign('[');
    starts.then(|| group_end(tokens, at + 1))
}

fn is_test_only(attribute: &[Token]) -> bool {
    let named = |word| {
        let mut at = 0..attribute.len();
        at.any(|at| attribute[at].is_word(word) && !is_negated(attribute, at))
    };
    attribute[2].is_word("test") || attribute[2].is_word("cfg") && (named("test") || named("loom"))
}

/// Whether the word at `at` stands as `not(word)`.
fn is_negated(attribute: &[Token], at: usize) -> bool {
    at >= 2 && attribute[at - 1].is_sign('(') && attribute[at - 2].is_word("not")
}

/// Where the item that starts at `at` ends: behind its body, or behind its semicolon.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Sign('{') => return group_end(tokens, at),
            Kind::Sign(';') => return at + 1,
            // Arguments, an array's type, one more attribute.
            Kind::Sign('(' | '[') => at = group_end(tokens, at),
            // The last field or variant of its owner: the owner's bracket is not the item's.
            Kind::Sign('}' | ')') => return at,
            Kind::Sign(_) | Kind::Word(_) | Kind::Literal => at += 1,
        }
    }
    at
}

/// Where the bracketed group that opens at `at` ends.
pub(crate) fn group_end(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth -= 1,
            Kind::Sign(_) | Kind::Word(_) | Kind::Literal => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    out: Vec<Token>,
}

impl Reader<'_> {
    /// Takes one token, comment or space.
    fn step(&mut self) {
        let Some(first) = self.rest.chars().next() else { return };
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some(bytes) = string(self.rest).or_else(|| character(self.rest)) {
            self.push(Kind::Literal, bytes);
        } else if first == '_' || first.is_alphabetic() {
            let bytes = word(self.rest);
            self.push(Kind::Word(self.rest[..bytes].to_owned()), bytes);
        } else if first.is_ascii_digit() {
            self.push(Kind::Literal, word(self.rest));
        } else if first.is_whitespace() {
            self.take(first.len_utf8());
        } else {
            self.push(Kind::Sign(first), first.len_utf8());
        }
    }

    fn push(&mut self, kind: Kind, bytes: usize) {
        self.out.push(Token { kind, line: self.line });
        self.take(bytes);
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }
}

fn word(rest: &str) -> usize {
    rest.find(|sign: char| sign != '_' && !sign.is_alphanumeric()).unwrap_or(rest.len())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 || at >= rest.len() {
            return at.min(rest.len());
        }
    }
}

/// The length of a string literal of any kind, if one stands here.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let behind = rest.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        behind.is_some_and(|behind| behind.starts_with('"'))
    })?;
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        let inner = prefix.len() + hashes + 1;
        return Some(rest[inner..].find(&close).map_or(rest.len(), |at| inner + at + close.len()));
    }
    (hashes == 0).then(|| prefix.len() + 1 + escaped(&body[1..], '"'))
}

/// The length of a character literal or lifetime, if one stands here.
fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let inner = rest[prefix..].strip_prefix('\'')?;
    let mut signs = inner.chars();
    let (first, second) = (signs.next()?, signs.next());
    let is_lifetime = first != '\\' && second != Some('\'');
    let bytes = if is_lifetime { word(inner) } else { escaped(inner, '\'') };
    Some(prefix + 1 + bytes)
}

/// How far it is behind the closing `quote`, escapes honoured.
fn escaped(inner: &str, quote: char) -> usize {
    let mut signs = inner.char_indices();
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' {
            signs.next();
        } else if sign == quote {
            return at + 1;
        }
    }
    inner.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let tokens = without_tests(&tokens(text));
        tokens.iter().filter_map(Token::word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_say_nothing() {
        assert_eq!(words("a // unsafe\nb /* x /* y */ z */ c"), "a b c");
        assert_eq!(words(r##"let a = "unsafe \" x"; b(r#"y " z"#, b"\"", '"', b'\'', 'x')"##), "let a b");
        assert_eq!(words("fn f<'a>(x: &'a str, r: u8) { 0x1f_u8 }"), "fn f x str r u8");
        assert_eq!(words("let c = '{'; let r = 1;"), "let c let r");
    }

    #[test]
    fn tests_are_cut() {
        assert_eq!(words("use a; #[cfg(test)] mod tests { use b; } fn c() {}"), "use a fn c");
        assert_eq!(words("#[cfg(test)] mod tests; use a;"), "use a");
        assert_eq!(words("#[cfg(all(loom, test))] mod model; use a;"), "use a");
        assert_eq!(words("#[cfg(test)] #[inline] fn f() -> [u8; 2] { x } use a;"), "use a");
        assert_eq!(words("#[cfg(all(test, not(loom)))] mod tests { use b; } use a;"), "use a");
        assert_eq!(words("#[cfg(not(loom))] use a;"), "cfg not loom use a");
    }

    #[test]
    fn lines_count_from_one() {
        let lines: Vec<_> = tokens("a\n\"x\ny\" b\n").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }
}
