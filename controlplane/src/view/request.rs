//! Reads one request head for the admin server: as much of RFC 9112 as a read-only server needs.
//!
//! Bodies are not accepted at all, so a request ends where its head ends and nothing can be smuggled in one.

use crate::view::response::Status;

/// Largest request head, in bytes. The pages take no cookies and no long targets.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most header fields in a head; scrapers send fewer than ten, browsers fewer than thirty.
const FIELDS_MAX: usize = 64;

/// A request that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// The target without its query.
    pub(crate) path: &'a str,
    /// The one Host field.
    pub(crate) host: &'a str,
    /// HEAD instead of GET.
    pub(crate) is_head: bool,
    /// Whether the client wants to go on with this connection.
    pub(crate) keep_alive: bool,
    /// Bytes of input that the request takes.
    pub(crate) bytes: usize,
}

/// What the input holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// Not yet a whole head.
    Partial,
    /// A whole request.
    Complete(Request<'a>),
    /// Nothing that we answer otherwise than so; the connection ends with it.
    Refused(Status),
}

/// Looks at what has come in so far.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    match head.parse(input) {
        Ok(httparse::Status::Complete(bytes)) => examine(&head, bytes).unwrap_or_else(Parsed::Refused),
        Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => Parsed::Partial,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Parsed::Refused(Status::HeadTooLarge)
        }
        Err(_) => Parsed::Refused(Status::BadRequest),
    }
}

fn examine<'a>(head: &httparse::Request<'_, 'a>, bytes: usize) -> Result<Parsed<'a>, Status> {
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(Status::BadRequest);
    };
    let is_head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Status::MethodNotAllowed),
    };
    let has_body = field(head, "transfer-encoding").next().is_some()
        || field(head, "content-length").any(|length| length != "0");
    if has_body || !target.starts_with('/') {
        return Err(Status::BadRequest);
    }
    let mut hosts = field(head, "host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Status::BadRequest) };
    let keep_alive = version == 1 && !field(head, "connection").any(|value| has_token(value, "close"));
    let path = target.split_once('?').map_or(target, |(path, _query)| path);
    Ok(Parsed::Complete(Request { path, host, is_head, keep_alive, bytes }))
}

/// The values of a field. One that is no text counts as empty, which no caller takes for a good value.
fn field<'h, 'a: 'h>(
    head: &'h httparse::Request<'_, 'a>,
    name: &'h str,
) -> impl Iterator<Item = &'a str> + 'h {
    let of_name = head.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    of_name.map(|header| core::str::from_utf8(header.value).unwrap_or_default().trim_ascii())
}

fn has_token(value: &str, token: &str) -> bool {
    value.split(',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(input: &str) -> Status {
        match parse(input.as_bytes()) {
            Parsed::Refused(status) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_whole_and_without_its_query() {
        let input = b"GET /metrics?a=b HTTP/1.1\r\nHost: localhost\r\n\r\nGET";
        let want = Request {
            path: "/metrics",
            host: "localhost",
            is_head: false,
            keep_alive: true,
            bytes: input.len() - 3,
        };
        assert_eq!(parse(input), Parsed::Complete(want));
        for cut in 0..input.len() - 4 {
            assert_eq!(parse(&input[..cut]), Parsed::Partial, "{cut}");
        }
    }

    #[test]
    fn connections_end_when_asked_or_old() {
        for input in [
            "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
            "HEAD / HTTP/1.0\r\nHost: a\r\n\r\n",
        ] {
            match parse(input.as_bytes()) {
                Parsed::Complete(request) => assert!(request.is_head && !request.keep_alive),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_served_is_refused() {
        assert_eq!(refused("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), Status::MethodNotAllowed);
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), Status::BadRequest);
        assert_eq!(
            refused("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Status::BadRequest
        );
        assert_eq!(refused("\x16\x03\x01"), Status::BadRequest);
        assert_eq!(refused(&format!("GET /{} HTTP/1.1", "a".repeat(HEAD_BYTES_MAX))), Status::HeadTooLarge);
        let many = "a: b\r\n".repeat(FIELDS_MAX + 1);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Status::HeadTooLarge);
    }
}
