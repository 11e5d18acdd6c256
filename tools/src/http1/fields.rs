//! The header fields that decide how a message is framed and what happens to its connection (RFC 9112 §6, §9).
//! Everything ambiguous is refused.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes.
    Length(u64),
    /// By the chunked coding's terminator.
    Chunked,
    /// When the connection ends.
    UntilClose,
}

/// The framing cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldsError {
    /// Content-Length is no number, or there are several that differ.
    ContentLength,
    /// Transfer-Encoding is something else than `chunked`, once.
    TransferEncoding,
    /// Content-Length and Transfer-Encoding together, or Transfer-Encoding in HTTP/1.0.
    Both,
}

/// What the fields of one head say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Content-Length.
    pub content_length: Option<u64>,
    /// Transfer-Encoding: chunked.
    pub chunked: bool,
    /// Connection: close.
    pub close: bool,
    /// Connection: keep-alive.
    pub keep_alive: bool,
    /// Expect: 100-continue.
    pub expect_continue: bool,
    /// Upgrade: websocket.
    pub upgrade_websocket: bool,
}

impl Fields {
    /// Reads all fields of a head whose version is HTTP/1.`minor`.
    pub fn read(headers: &[httparse::Header<'_>], minor: u8) -> Result<Self, FieldsError> {
        let mut fields = Self::default();
        for header in headers {
            fields.take(header.name, header.value)?;
        }
        if fields.chunked && (fields.content_length.is_some() || minor == 0) {
            return Err(FieldsError::Both);
        }
        Ok(fields)
    }

    /// How the body of a request with these fields ends (RFC 9112 §6.3).
    pub fn request_framing(&self) -> Framing {
        match (self.chunked, self.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(0) | None) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        }
    }

    /// How the body of an answer with these fields ends.
    pub fn answer_framing(&self, status: u16, asked_head_only: bool) -> Framing {
        match (self.chunked, self.content_length) {
            _ if asked_head_only || status < 200 || status == 204 || status == 304 => Framing::None,
            (true, _) => Framing::Chunked,
            (false, Some(0)) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        }
    }

    /// Whether the connection may carry another message after this one.
    pub fn persistent(&self, minor: u8) -> bool {
        !self.close && (minor >= 1 || self.keep_alive)
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), FieldsError> {
        // The length decides first: most fields are none of ours.
        match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => self.take_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(FieldsError::TransferEncoding);
                }
                self.chunked = true;
            }
            10 if name.eq_ignore_ascii_case("connection") => self.take_connection(value),
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expect_continue = value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
            }
            7 if name.eq_ignore_ascii_case("upgrade") => {
                self.upgrade_websocket = value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            }
            _ => {}
        }
        Ok(())
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), FieldsError> {
        let digits = value.trim_ascii();
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let length = core::str::from_utf8(digits).ok().filter(|_| plain).and_then(|text| text.parse().ok());
        let length = length.ok_or(FieldsError::ContentLength)?;
        if self.content_length.is_some_and(|before| before != length) {
            return Err(FieldsError::ContentLength);
        }
        self.content_length = Some(length);
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)], minor: u8) -> Result<Fields, FieldsError> {
        let headers: Vec<_> =
            fields.iter().map(|(name, value)| httparse::Header { name, value: value.as_bytes() }).collect();
        Fields::read(&headers, minor)
    }

    #[test]
    fn framing_follows_the_fields() {
        let plain = read(&[("Content-Length", "5")], 1).unwrap();
        assert_eq!(plain.request_framing(), Framing::Length(5));
        assert_eq!(plain.answer_framing(200, true), Framing::None);
        assert_eq!(plain.answer_framing(304, false), Framing::None);
        let chunked = read(&[("transfer-encoding", "Chunked")], 1).unwrap();
        assert_eq!(chunked.answer_framing(200, false), Framing::Chunked);
        let none = read(&[], 1).unwrap();
        assert_eq!(none.request_framing(), Framing::None);
        assert_eq!(none.answer_framing(200, false), Framing::UntilClose);
    }

    #[test]
    fn ambiguity_is_refused() {
        assert_eq!(read(&[("Content-Length", "+5")], 1), Err(FieldsError::ContentLength));
        assert_eq!(read(&[("Content-Length", "")], 1), Err(FieldsError::ContentLength));
        let two = [("Content-Length", "5"), ("Content-Length", "6")];
        assert_eq!(read(&two, 1), Err(FieldsError::ContentLength));
        assert_eq!(read(&[("Transfer-Encoding", "gzip, chunked")], 1), Err(FieldsError::TransferEncoding));
        let both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
        assert_eq!(read(&both, 1), Err(FieldsError::Both));
        assert_eq!(read(&[("Transfer-Encoding", "chunked")], 0), Err(FieldsError::Both));
    }

    #[test]
    fn persistence_follows_version_and_connection() {
        assert!(read(&[], 1).unwrap().persistent(1));
        assert!(!read(&[], 0).unwrap().persistent(0));
        assert!(read(&[("Connection", "x, Keep-Alive")], 0).unwrap().persistent(0));
        assert!(!read(&[("Connection", "Close")], 1).unwrap().persistent(1));
    }
}
