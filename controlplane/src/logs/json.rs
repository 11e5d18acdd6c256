//! JSON text, piece by piece, into a buffer that is used again: no value is built first and nothing allocated once
//! the buffer has grown.
//!
//! The text is pure ASCII. What comes from clients is shown to people in terminals, so that every other character,
//! control characters and the bidirectional ones with it, is written as `\u`; bytes that are no UTF-8 become the
//! four characters `\xNN` (in JSON `\\xNN`), as other servers log them.
//!
//! Source: RFC 8259 §7.

use std::fmt::{Display, Write};

/// One object under construction at the end of a buffer.
#[derive(Debug)]
pub(crate) struct Object<'b> {
    buffer: &'b mut String,
    separator: char,
}

impl<'b> Object<'b> {
    /// Opens an object.
    pub(crate) fn open(buffer: &'b mut String) -> Self {
        Self { buffer, separator: '{' }
    }

    /// Closes it.
    pub(crate) fn close(self) {
        if self.separator == '{' {
            self.buffer.push('{');
        }
        self.buffer.push('}');
    }

    /// Adds a member whose text is JSON already: a number, `true`, `null`.
    pub(crate) fn bare(&mut self, name: &str, value: impl Display) {
        self.name(name);
        put(self.buffer, format_args!("{value}"));
    }

    /// Adds a text from outside.
    pub(crate) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.buffer.push('"');
        for chunk in value.utf8_chunks() {
            chunk.valid().chars().for_each(|c| push_char(self.buffer, c));
            for byte in chunk.invalid() {
                put(self.buffer, format_args!("\\\\x{byte:02x}"));
            }
        }
        self.buffer.push('"');
    }

    /// Adds a text of ours that needs no escaping: an address, a time, a name from a closed set.
    pub(crate) fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        put(self.buffer, format_args!("\"{value}\""));
    }

    /// Adds an object.
    pub(crate) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        let mut inner = Object::open(self.buffer);
        fill(&mut inner);
        inner.close();
    }

    fn name(&mut self, name: &str) {
        put(self.buffer, format_args!("{}\"{name}\":", self.separator));
        self.separator = ',';
    }
}

fn push_char(buffer: &mut String, c: char) {
    match c {
        '"' => buffer.push_str("\\\""),
        '\\' => buffer.push_str("\\\\"),
        ' '..='~' => buffer.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                put(buffer, format_args!("\\u{unit:04x}"));
            }
        }
    }
}

fn put(buffer: &mut String, text: std::fmt::Arguments<'_>) {
    buffer.write_fmt(text).expect("a String takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut buffer = String::new();
        let mut object = Object::open(&mut buffer);
        fill(&mut object);
        object.close();
        buffer
    }

    #[test]
    fn objects_nest_and_may_be_empty() {
        assert_eq!(object(|_| ()), "{}");
        let text = object(|object| {
            object.bare("a", 1);
            object.object("b", |inner| inner.plain("c", "d"));
            object.object("e", |_| ());
        });
        assert_eq!(text, r#"{"a":1,"b":{"c":"d"},"e":{}}"#);
    }

    #[test]
    fn every_byte_string_becomes_ascii_that_json_readers_take() {
        let all: Vec<u8> = (0..=255).collect();
        for value in [all.as_slice(), "é\u{202e}\u{1f600}\u{7f}\n\"\\".as_bytes(), b"\xf0\x9f", b""] {
            let text = object(|object| object.bytes("t", value));
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text}");
            let back: serde_json::Value = serde_json::from_str(&text).unwrap();
            if let Ok(utf8) = std::str::from_utf8(value) {
                assert_eq!(back["t"], utf8);
            }
        }
        assert_eq!(object(|object| object.bytes("t", b"a\xff")), r#"{"t":"a\\xff"}"#);
    }
}
