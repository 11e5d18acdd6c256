//! What of a message may be compressed on a tunnel, judged by its head. Pure.
//!
//! Never where a secret and what an attacker can choose stand in one message: the length would tell whether they agree
//! (CRIME, BREACH). So nothing of a request that proves who asks, nothing of its answer, and no answer that gives such a
//! proof away. [EXC-35] Then: not what is compressed already. Everything else is left to the packer, which tries the first
//! 4 KiB.

use crate::compression::{Scope, Terms, Why};
use crate::http::{Fields, RequestBody, RequestHead, ResponseBody, ResponseHead, Upgrade};

/// Fields that prove who asks: HTTP's own, and the usual ones of programming interfaces.
const CREDENTIALS: [&[u8]; 5] =
    [b"cookie", b"authorization", b"proxy-authorization", b"x-api-key", b"x-auth-token"];

/// Types of bodies that are compressed in themselves, by what they begin with.
const MEDIA: [&[u8]; 14] = [
    b"image/",
    b"video/",
    b"audio/",
    b"font/",
    b"application/zip",
    b"application/gzip",
    b"application/x-gzip",
    b"application/zstd",
    b"application/x-7z",
    b"application/x-xz",
    b"application/x-bzip",
    b"application/x-rar",
    b"application/vnd.rar",
    b"application/font-woff",
];
/// Exceptions.
const TEXT_IMAGES: [&[u8]; 2] = [b"image/svg", b"image/bmp"];

/// Whether a request proves who asks.
pub(crate) fn has_credentials(fields: &Fields<'_>) -> bool {
    fields.iter().any(|field| CREDENTIALS.iter().any(|name| field.name.eq_ignore_ascii_case(name)))
}

/// What may be compressed of a request and of its answer. `said` is the word of the rule that gave it its class: `false`
/// forbids it, `true` tries bodies of any type.
pub(crate) fn of_request(head: &RequestHead<'_>, said: Option<bool>) -> Terms {
    if has_credentials(&head.fields) {
        return Terms::nothing(Why::Credentials);
    }
    if said == Some(false) {
        return Terms::nothing(Why::Rule);
    }
    if head.upgrade == Upgrade::WebSocket {
        return Terms::nothing(Why::Opaque);
    }
    let has_body = !matches!(head.body, RequestBody::None | RequestBody::Length(0));
    let own = if has_body && said.is_none() { of_body(&head.fields) } else { Scope::All };
    Terms { own, answer_may: true }
}

/// What may be compressed of a plain TCP connection: only what a rule asks for.
pub(crate) fn of_connection(said: Option<bool>) -> Terms {
    match said {
        Some(true) => Terms { own: Scope::All, answer_may: true },
        Some(false) => Terms::nothing(Why::Rule),
        None => Terms::nothing(Why::Opaque),
    }
}

/// What may be compressed of an answer.
pub(crate) fn of_answer(head: &ResponseHead<'_>, request_has_credentials: bool) -> Scope {
    if request_has_credentials {
        Scope::Nothing(Why::Credentials)
    } else if head.fields.find(b"set-cookie").is_some() {
        Scope::Nothing(Why::SetCookie)
    } else if head.status == 101 {
        Scope::Nothing(Why::Opaque)
    } else if matches!(head.body, ResponseBody::None | ResponseBody::Length(0)) {
        Scope::All
    } else {
        of_body(&head.fields)
    }
}

fn of_body(fields: &Fields<'_>) -> Scope {
    let coding = fields.find(b"content-encoding").unwrap_or_default();
    if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") {
        return Scope::Head(Why::Encoded);
    }
    let kind = fields.find(b"content-type").unwrap_or_default();
    let begins = |with: &&[u8]| kind.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if MEDIA.iter().any(begins) && !TEXT_IMAGES.iter().any(begins) {
        return Scope::Head(Why::Media);
    }
    Scope::All
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Asked, FieldTable, Limits, Parsed, parse_request, parse_response};

    fn request(fields: &str, said: Option<bool>) -> Terms {
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n{fields}\r\n");
        let Parsed::Complete { head, .. } = parse_request(text.as_bytes(), &limits, &mut table) else {
            panic!("{text}")
        };
        of_request(&head, said)
    }

    fn answer(status: u16, fields: &str, has_credentials: bool) -> Scope {
        let limits = Limits::default();
        let mut table = FieldTable::new(&limits);
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n{fields}\r\n");
        let Parsed::Complete { head, .. } =
            parse_response(text.as_bytes(), Asked::Ordinary, &limits, &mut table)
        else {
            panic!("{text}")
        };
        of_answer(&head, has_credentials)
    }

    /// [EXC-35]
    #[test]
    fn nothing_is_compressed_beside_credentials_whatever_a_rule_says() {
        for field in ["Cookie: a=b\r\n", "AUTHORIZATION: Basic x\r\n", "X-Api-Key: 7\r\n"] {
            for said in [None, Some(true), Some(false)] {
                assert_eq!(request(field, said), Terms::nothing(Why::Credentials));
            }
        }
        assert_eq!(answer(200, "Content-Type: text/html\r\n", true), Scope::Nothing(Why::Credentials));
        assert_eq!(answer(200, "Set-Cookie: a=b\r\n", false), Scope::Nothing(Why::SetCookie));
    }

    #[test]
    fn bodies_that_are_compressed_already_go_as_they_are() {
        let rows = [
            ("", Scope::All),
            ("Content-Type: text/html; charset=utf-8\r\n", Scope::All),
            ("Content-Type: text/event-stream\r\n", Scope::All),
            ("Content-Type: image/svg+xml\r\n", Scope::All),
            ("Content-Type: Image/PNG\r\n", Scope::Head(Why::Media)),
            ("Content-Type: font/woff2\r\n", Scope::Head(Why::Media)),
            ("Content-Type: text/css\r\nContent-Encoding: br\r\n", Scope::Head(Why::Encoded)),
            ("Content-Encoding: identity\r\n", Scope::All),
        ];
        for (fields, scope) in rows {
            assert_eq!(answer(200, fields, false), scope, "{fields}");
            assert_eq!(request(fields, None), Terms { own: scope, answer_may: true }, "{fields}");
            assert_eq!(request(fields, Some(true)).own, Scope::All);
            assert_eq!(request(fields, Some(false)), Terms::nothing(Why::Rule));
        }
    }

    #[test]
    fn connections_are_compressed_only_if_a_rule_asks_for_it() {
        assert_eq!(of_connection(None), Terms::nothing(Why::Opaque));
        assert_eq!(of_connection(Some(true)).own, Scope::All);
    }
}
