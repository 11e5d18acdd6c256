//! What we answer ourselves: error pages and the interim 100. A page names the status, the reason and the decision
//! that can be looked up, and echoes nothing of the request, so it cannot be made to carry a script.

use crate::http::status::reason_phrase;
use crate::http::token::push_decimal;

/// The interim answer that lets a waiting client send its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An error to tell a client.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage<'a> {
    /// The status, 400 to 599.
    pub status: u16,
    /// One sentence for a person, of ours and without markup.
    pub reason: &'static str,
    /// The decision record that explains it.
    pub decision_id: u64,
    /// True if the request was HEAD: the head alone is sent.
    pub is_head: bool,
    /// True if the connection ends after it.
    pub close: bool,
    /// Seconds after which to try again.
    pub retry_after_s: Option<u32>,
    /// The time, from [`format_imf_fixdate`](crate::http::format_imf_fixdate).
    pub date: &'a [u8],
}

/// Appends the whole response.
pub fn error_page(page: &ErrorPage<'_>, out: &mut Vec<u8>) {
    assert!((400..=599).contains(&page.status), "an error has an error status");
    let body = Body::new(page);
    push_head(page, body.parts().iter().map(|part| part.len()).sum(), out);
    if !page.is_head {
        body.parts().iter().for_each(|part| out.extend_from_slice(part));
    }
}

fn push_head(page: &ErrorPage<'_>, body_bytes: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(u64::from(page.status), out);
    out.push(b' ');
    out.extend_from_slice(reason_phrase(page.status).as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(page.date);
    out.extend_from_slice(
        b"\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: ",
    );
    push_decimal(body_bytes as u64, out);
    out.extend_from_slice(b"\r\n");
    if let Some(seconds) = page.retry_after_s {
        out.extend_from_slice(b"Retry-After: ");
        push_decimal(u64::from(seconds), out);
        out.extend_from_slice(b"\r\n");
    }
    // RFC 9110 §15.5.6 wants it; the list is of what we know, any other token passes too.
    if page.status == 405 {
        out.extend_from_slice(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
    }
    if page.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The variable parts of the page as text, between which the fixed ones stand.
struct Body {
    status: [u8; 3],
    phrase: &'static str,
    reason: &'static str,
    decision: [u8; 16],
}

impl Body {
    fn new(page: &ErrorPage<'_>) -> Self {
        let digit = |power: u16| b'0' + (page.status / power % 10) as u8;
        Self {
            status: [digit(100), digit(10), digit(1)],
            phrase: reason_phrase(page.status),
            reason: page.reason,
            decision: core::array::from_fn(|at| {
                b"0123456789abcdef"[(page.decision_id >> (60 - 4 * at) & 15) as usize]
            }),
        }
    }

    fn parts(&self) -> [&[u8]; 13] {
        [
            b"<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>",
            &self.status,
            b" ",
            self.phrase.as_bytes(),
            b"</title></head>\n<body>\n<h1>",
            &self.status,
            b" ",
            self.phrase.as_bytes(),
            b"</h1>\n<p>",
            self.reason.as_bytes(),
            b"</p>\n<p>Decision <code>",
            &self.decision,
            b"</code></p>\n</body>\n</html>\n",
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::BodyReader;
    use crate::http::field::FieldTable;
    use crate::http::framing::ResponseBody;
    use crate::http::limits::Limits;
    use crate::http::parsed::Parsed;
    use crate::http::refusal::Refusal;
    use crate::http::response::{Asked, parse_response};

    const PAGE: ErrorPage<'static> = ErrorPage {
        status: 503,
        reason: "All servers of this site are busy.",
        decision_id: 0x0123_4567_89ab_cdef,
        is_head: false,
        close: true,
        retry_after_s: Some(7),
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
    };

    #[test]
    fn a_page_is_a_whole_answer_and_names_what_it_must() {
        let mut out = Vec::new();
        error_page(&PAGE, &mut out);
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        let Parsed::Complete { head, bytes } = parse_response(&out, Asked::Ordinary, &limits, &mut table)
        else {
            panic!("a page parses");
        };
        assert_eq!(head.status, 503);
        assert_eq!(head.body, ResponseBody::Length((out.len() - bytes) as u64));
        assert!(!head.keep_alive);
        assert_eq!(head.fields.find(b"retry-after"), Some(&b"7"[..]));
        assert_eq!(head.fields.find(b"cache-control"), Some(&b"no-store"[..]));
        let text = String::from_utf8(out[bytes..].to_vec()).unwrap();
        for part in ["503 Service Unavailable", "All servers of this site are busy.", "0123456789abcdef"] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn head_gets_the_same_head_and_nothing_more() {
        let (mut whole, mut head) = (Vec::new(), Vec::new());
        error_page(&PAGE, &mut whole);
        error_page(&ErrorPage { is_head: true, ..PAGE }, &mut head);
        assert!(whole.starts_with(&head) && head.ends_with(b"\r\n\r\n"));
        assert!(BodyReader::for_response(ResponseBody::None).is_done());
    }

    #[test]
    fn every_refusal_makes_a_page() {
        for refusal in Refusal::ALL {
            let mut out = Vec::new();
            error_page(&ErrorPage { status: refusal.status(), reason: refusal.reason(), ..PAGE }, &mut out);
            assert_eq!(refusal.status() == 405, out.windows(7).any(|part| part == b"Allow: "));
        }
    }
}
