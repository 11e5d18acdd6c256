//! Writes one response of the admin server.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// The statuses this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 200.
    Ok,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 421: a Host that is not ours.
    Misdirected,
    /// 431.
    HeadTooLarge,
    /// 503.
    Unavailable,
}

impl Status {
    const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::Misdirected => "421 Misdirected Request",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// One response before it has become bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: Status,
    /// The media type of the body.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) body: String,
}

impl Response {
    /// Plain text.
    pub(crate) fn text(status: Status, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// The status line as a page, for everything that goes wrong; nothing of the request comes back in it.
    pub(crate) fn bare(status: Status) -> Self {
        Self::text(status, format!("{}\n", status.line()))
    }

    /// Appends the response to `output`. A HEAD request gets the head that GET would have got.
    pub(crate) fn write(&self, output: &mut Vec<u8>, is_head: bool, keep_alive: bool) {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}{}{}{}\r\n",
            self.status.line(),
            self.content_type,
            self.body.len(),
            date.map(|date| format!("Date: {date}\r\n")).unwrap_or_default(),
            if self.status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" },
            if keep_alive { "" } else { "Connection: close\r\n" },
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; \
             base-uri 'none'; form-action 'none'\r\n\
             Referrer-Policy: no-referrer\r\n",
        );
        output.extend_from_slice(head.as_bytes());
        if !is_head {
            output.extend_from_slice(self.body.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_response_has_the_length_and_not_the_body() {
        let mut output = Vec::new();
        Response::text(Status::Ok, "ok\n").write(&mut output, true, true);
        let text = String::from_utf8(output).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        assert!(text.contains("Content-Length: 3\r\n") && text.contains("Date: "), "{text}");
        assert!(!text.contains("Connection:"), "{text}");
    }

    #[test]
    fn a_refused_method_is_told_the_allowed_ones() {
        let mut output = Vec::new();
        Response::bare(Status::MethodNotAllowed).write(&mut output, false, false);
        let text = String::from_utf8(output).unwrap();
        assert!(text.contains("Allow: GET, HEAD\r\n") && text.contains("Connection: close\r\n"), "{text}");
    }
}
