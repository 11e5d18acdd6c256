//! What is answered, and how the calling side asks.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest line that is said, either way: a table of a hundred thousand figures.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The exit status of whoever asked: 0 done, else the README's.
    pub status: u8,
    /// What is shown to people, line by line.
    pub lines: Vec<String>,
}

impl Answer {
    /// It is done.
    pub fn done(lines: Vec<String>) -> Self {
        Self { status: 0, lines }
    }

    /// The command or what it names is wrong (2): nothing was changed.
    pub fn wrong(lines: Vec<String>) -> Self {
        Self { status: 2, lines }
    }

    /// As it crosses, with the line's end.
    pub(crate) fn to_line(&self) -> String {
        format!("{}\n", json!({ "status": self.status, "lines": self.lines }))
    }

    fn of_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let status = u8::try_from(value.get("status")?.as_u64()?).ok()?;
        let lines = value.get("lines")?.as_array()?.iter().map(|line| Some(line.as_str()?.to_owned()));
        Some(Self { status, lines: lines.collect::<Option<_>>()? })
    }
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> Option<Vec<String>> {
    let Value::Array(words) = serde_json::from_slice(line).ok()? else { return None };
    let text = |word: Value| match word {
        Value::String(text) => Some(text),
        _ => None,
    };
    words.into_iter().map(text).collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())
}

/// Asks the process behind `path` and waits for its answer, no longer than `patience`.
pub fn ask(path: &Path, words: &[String], patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let line = format!("{}\n", json!(words));
    if line.len() > LINE_BYTES_MAX {
        let why = format!("the command has {} bytes, and {LINE_BYTES_MAX} is the most", line.len());
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    // Whoever is not welcome is told so before he has said anything: then writing fails, and the answer is there.
    let written = stream.write_all(line.as_bytes());
    let mut answer = String::new();
    let read = BufReader::new((&stream).take(LINE_BYTES_MAX as u64)).read_line(&mut answer);
    match (Answer::of_line(&answer), written, read) {
        (Some(answer), ..) => Ok(answer),
        (None, Err(error), _) | (None, Ok(()), Err(error)) => Err(error),
        (None, Ok(()), Ok(_)) => Err(io::Error::new(ErrorKind::InvalidData, "it did not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let answer = Answer::wrong(vec!["a \"b\"\n".into(), "é".into()]);
        let line = answer.to_line();
        assert_eq!((line.lines().count(), Answer::of_line(&line)), (1, Some(answer)));
        assert_eq!(words(br#"["set", "a b"]"#), Some(vec!["set".into(), "a b".into()]));
        for wrong in ["", "[]", "{}", "[1]", "[\"a\"", "set a", "\u{0}"] {
            assert_eq!(words(wrong.as_bytes()), None, "{wrong}");
        }
        for wrong in ["", "{}", r#"{"status":256,"lines":[]}"#, r#"{"status":0,"lines":[1]}"#] {
            assert_eq!(Answer::of_line(wrong), None, "{wrong}");
        }
    }
}
