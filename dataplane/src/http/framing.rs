//! Where a body ends (RFC 9112 §6): Content-Length, Transfer-Encoding and their refusals. Stricter than the RFC
//! wherever it lets a recipient choose: repeated or listed lengths, both fields at once, and codings other than a
//! single `chunked` are refused, because two readers that choose differently are how requests are smuggled.

use crate::http::refusal::Refusal;
use crate::http::token::{is_token, list_elements, parse_decimal};
use crate::http::version::Version;

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// Neither field is there: no body.
    None,
    /// So many bytes; zero is a stated length and is forwarded as such.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// How the body of a response is delimited, on the hop it came from or on the hop it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// No body follows, whatever the fields say.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Everything until the connection or stream ends; also what follows a 101.
    UntilClose,
}

impl From<RequestBody> for ResponseBody {
    fn from(body: RequestBody) -> Self {
        match body {
            RequestBody::None => Self::None,
            RequestBody::Length(bytes) => Self::Length(bytes),
            RequestBody::Chunked => Self::Chunked,
        }
    }
}

/// The framing fields seen so far in one head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    /// The value of the only Content-Length.
    pub(crate) length: Option<u64>,
    /// True once a Transfer-Encoding was seen; it was `chunked` then.
    pub(crate) chunked: bool,
}

impl Framing {
    /// Takes a Content-Length value.
    pub(crate) fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::ContentLengthRepeated);
        }
        if self.chunked {
            return Err(Refusal::LengthAndCoding);
        }
        self.length = Some(parse_decimal(value).ok_or(Refusal::ContentLengthInvalid)?);
        Ok(())
    }

    /// Takes a Transfer-Encoding value.
    pub(crate) fn note_coding(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        if self.chunked {
            return Err(Refusal::CodingRepeated);
        }
        if self.length.is_some() {
            return Err(Refusal::LengthAndCoding);
        }
        if version == Version::Http10 {
            return Err(Refusal::CodingInOldVersion);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(coding_refusal(value));
        }
        self.chunked = true;
        Ok(())
    }

    /// How a request with these fields is delimited.
    pub(crate) fn request_body(self) -> RequestBody {
        match (self.chunked, self.length) {
            (true, _) => RequestBody::Chunked,
            (false, Some(bytes)) => RequestBody::Length(bytes),
            (false, None) => RequestBody::None,
        }
    }

    /// How a response with these fields is delimited, if its status and request allow it a body.
    pub(crate) fn response_body(self) -> ResponseBody {
        match (self.chunked, self.length) {
            (true, _) => ResponseBody::Chunked,
            (false, Some(bytes)) => ResponseBody::Length(bytes),
            (false, None) => ResponseBody::UntilClose,
        }
    }

    /// True if these fields announce bytes after the head.
    pub(crate) fn announces_bytes(self) -> bool {
        self.chunked || self.length.is_some_and(|bytes| bytes > 0)
    }
}

/// A well-formed list of codings of which we lack one is 501; anything else that is not `chunked` is a mistake.
fn coding_refusal(value: &[u8]) -> Refusal {
    let mut last_is_chunked = false;
    let mut elements = 0;
    for element in list_elements(value) {
        // `chunked` before another coding, or twice: the body would have no end (RFC 9112 §6.1).
        if last_is_chunked || !is_token(element) {
            return Refusal::CodingInvalid;
        }
        last_is_chunked = element.eq_ignore_ascii_case(b"chunked");
        elements += 1;
    }
    let unknown = elements > usize::from(last_is_chunked);
    if unknown { Refusal::CodingUnknown } else { Refusal::CodingInvalid }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(value: &[u8]) -> Result<(), Refusal> {
        Framing::default().note_coding(value, Version::Http11)
    }

    #[test]
    fn only_a_single_chunked_is_taken() {
        assert_eq!(coding(b"chunked"), Ok(()));
        assert_eq!(coding(b"CHUNKED"), Ok(()));
        assert_eq!(coding(b"gzip, chunked"), Err(Refusal::CodingUnknown));
        assert_eq!(coding(b"identity"), Err(Refusal::CodingUnknown));
        assert_eq!(coding(b"xchunked"), Err(Refusal::CodingUnknown));
        for wrong in [
            &b""[..],
            b",",
            b"chunked,",
            b"chunked, chunked",
            b"chunked, gzip",
            b"chunked;q=1",
            b"\"chunked\"",
            b"chun ked",
        ] {
            assert_eq!(coding(wrong), Err(Refusal::CodingInvalid), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn fields_exclude_each_other_in_both_orders() {
        let mut framing = Framing::default();
        framing.note_length(b"1").unwrap();
        assert_eq!(framing.note_coding(b"chunked", Version::Http11), Err(Refusal::LengthAndCoding));
        assert_eq!(framing.note_length(b"1"), Err(Refusal::ContentLengthRepeated));
        let mut framing = Framing::default();
        framing.note_coding(b"chunked", Version::Http11).unwrap();
        assert_eq!(framing.note_length(b"1"), Err(Refusal::LengthAndCoding));
        assert_eq!(framing.note_coding(b"chunked", Version::Http11), Err(Refusal::CodingRepeated));
    }
}
