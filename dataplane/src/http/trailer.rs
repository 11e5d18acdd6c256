//! Trailer fields (RFC 9110 §6.5, RFC 9112 §7.1.2): bounded, judged as strictly as head fields, and kept only if
//! nothing that steers or describes the message is among them. What is kept is ready to be sent on.

use crate::http::field::{FieldLine, read_field_line};
use crate::http::known::Known;
use crate::http::limits::Limits;
use crate::http::refusal::Refusal;

/// The trailer fields of one body. Holds no memory until a trailer comes, which is rare, and keeps it when cleared.
#[derive(Clone, Debug)]
pub struct Trailers {
    /// Kept lines, normalised, then the line that is still arriving.
    lines: Vec<u8>,
    /// Where the arriving line starts.
    line_start: usize,
    seen_bytes: usize,
    seen_fields: u8,
    bytes_max: usize,
    fields_max: u8,
}

impl Trailers {
    /// None yet, and room for what `limits` allow.
    pub fn new(limits: &Limits) -> Self {
        Self {
            lines: Vec::new(),
            line_start: 0,
            seen_bytes: 0,
            seen_fields: 0,
            bytes_max: limits.trailer_bytes_max,
            fields_max: limits.trailer_fields_max,
        }
    }

    /// Forgets everything, for the next body.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.line_start = 0;
        self.seen_bytes = 0;
        self.seen_fields = 0;
    }

    /// The kept fields, each as `Name: value CR LF`; whole once the body is done.
    pub fn lines(&self) -> &[u8] {
        &self.lines[..self.line_start]
    }

    /// Takes bytes of the arriving line, up to and with its line feed if that is there.
    /// Answers with how many bytes it took and whether the line is whole and judged.
    pub(crate) fn take(&mut self, input: &[u8]) -> Result<(usize, bool), Refusal> {
        let line_feed = input.iter().position(|&byte| byte == b'\n');
        let taken = line_feed.map_or(input.len(), |at| at + 1);
        self.seen_bytes += taken;
        if self.seen_bytes > self.bytes_max {
            return Err(Refusal::TrailersLong);
        }
        self.lines.extend_from_slice(&input[..taken]);
        if line_feed.is_some() {
            self.end_line()?;
        }
        Ok((taken, line_feed.is_some()))
    }

    fn end_line(&mut self) -> Result<(), Refusal> {
        if self.seen_fields == self.fields_max {
            return Err(Refusal::TrailersLong);
        }
        self.seen_fields += 1;
        let line = read_field_line(&self.lines[self.line_start..])?;
        if line.known == Known::Other {
            self.normalise(&line);
        } else {
            self.lines.truncate(self.line_start);
        }
        Ok(())
    }

    /// Rewrites the arriving line as `Name: value CR LF` and keeps it.
    fn normalise(&mut self, line: &FieldLine) {
        let name_end = self.line_start + line.name_bytes;
        let (value_start, value_end) = (self.line_start + line.value.start, self.line_start + line.value.end);
        self.lines.truncate(value_end.max(name_end + 1));
        // All blanks between colon and value, perhaps none, become one.
        self.lines.splice(name_end + 1..value_start, [b' ']);
        self.lines.extend_from_slice(b"\r\n");
        self.line_start = self.lines.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(input: &[u8]) -> Result<String, Refusal> {
        let mut trailers = Trailers::new(&Limits::default());
        let mut rest = input;
        while !rest.is_empty() {
            let (taken, _) = trailers.take(rest)?;
            rest = &rest[taken..];
        }
        Ok(String::from_utf8(trailers.lines().to_vec()).unwrap())
    }

    #[test]
    fn lines_are_normalised_and_steering_fields_dropped() {
        assert_eq!(kept(b"a:1\r\nB:  two words\t \r\n").unwrap(), "a: 1\r\nB: two words\r\n");
        assert_eq!(kept(b"a:\r\nb: \r\nc:  \r\n").unwrap(), "a: \r\nb: \r\nc: \r\n");
        for dropped in [
            "Content-Length: 1",
            "host: x",
            "Transfer-Encoding: chunked",
            "Set-Cookie: a=b",
            "authorization: x",
            "Trailer: x",
            "Connection: close",
            "X-Forwarded-For: 1",
            "content_length: 3",
        ] {
            assert_eq!(
                kept(format!("x: 1\r\n{dropped}\r\ny: 2\r\n").as_bytes()).unwrap(),
                "x: 1\r\ny: 2\r\n"
            );
        }
    }

    #[test]
    fn wrong_lines_and_too_many_are_refused() {
        assert_eq!(kept(b"a: 1\n"), Err(Refusal::BareLf));
        assert_eq!(kept(b"a : 1\r\n"), Err(Refusal::SpaceBeforeColon));
        assert_eq!(kept(b"a: 1\rb\n"), Err(Refusal::BareCr));
        assert_eq!(kept(b" a: 1\r\n"), Err(Refusal::Fold));
        assert_eq!(kept(&b"host: 1\r\n".repeat(33)), Err(Refusal::TrailersLong));
        assert_eq!(kept(&[b'a'; 5000]), Err(Refusal::TrailersLong));
    }
}
