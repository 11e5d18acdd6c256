//! The answer that sends a client elsewhere (RFC 9110 §15.4), without a body. Its place is the other machine's own name and
//! the target that was asked for, which was checked byte by byte when it was read.

use crate::http::status::reason_phrase;
use crate::http::target::Target;
use crate::http::token::push_decimal;

/// A redirection.
#[derive(Clone, Copy, Debug)]
pub struct Redirection<'a> {
    /// 302 or 307.
    pub status: u16,
    /// Scheme and authority of the other machine: `http://fra1.shop.example`.
    pub base: &'a [u8],
    /// What was asked for; its path begins with a slash.
    pub target: Target<'a>,
    /// The value of Alt-Svc, if there is one.
    pub alternative: Option<&'a [u8]>,
    /// True if the connection ends after it.
    pub close: bool,
    /// The time, from [`format_imf_fixdate`](crate::http::format_imf_fixdate).
    pub date: &'a [u8],
}

/// Appends the whole response. It holds for this client at this moment, so nobody may keep it.
pub fn redirection(answer: &Redirection<'_>, out: &mut Vec<u8>) {
    assert!(answer.target.path.starts_with(b"/"), "only what has a path is asked for elsewhere");
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(u64::from(answer.status), out);
    out.push(b' ');
    out.extend_from_slice(reason_phrase(answer.status).as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(answer.date);
    out.extend_from_slice(b"\r\nLocation: ");
    out.extend_from_slice(answer.base);
    answer.target.push(out);
    if let Some(alternative) = answer.alternative {
        out.extend_from_slice(b"\r\nAlt-Svc: ");
        out.extend_from_slice(alternative);
    }
    out.extend_from_slice(b"\r\nCache-Control: no-store\r\nContent-Length: 0\r\n");
    if answer.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::field::FieldTable;
    use crate::http::framing::ResponseBody;
    use crate::http::limits::Limits;
    use crate::http::parsed::Parsed;
    use crate::http::response::{Asked, parse_response};

    #[test]
    fn it_is_a_whole_answer_that_keeps_path_and_query() {
        for (status, close) in [(302, false), (307, true)] {
            let mut out = Vec::new();
            let answer = Redirection {
                status,
                base: b"http://fra1.shop.example:8080",
                target: Target { path: b"//a", query: Some(b"b=c?d") },
                alternative: Some(b"http%2F1.1=\"fra1.shop.example:8080\"; ma=60"),
                close,
                date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            };
            redirection(&answer, &mut out);
            let limits = Limits::default();
            let mut table = FieldTable::new(&limits);
            let Parsed::Complete { head, bytes } = parse_response(&out, Asked::Ordinary, &limits, &mut table)
            else {
                panic!("it parses");
            };
            assert_eq!((head.status, head.keep_alive, bytes), (status, !close, out.len()));
            assert_eq!(head.body, ResponseBody::Length(0));
            assert_eq!(head.fields.find(b"location"), Some(&b"http://fra1.shop.example:8080//a?b=c?d"[..]));
            assert_eq!(head.fields.find(b"cache-control"), Some(&b"no-store"[..]));
            assert!(head.fields.find(b"alt-svc").is_some());
        }
    }
}
