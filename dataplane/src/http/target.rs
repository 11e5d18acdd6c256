//! Request targets (RFC 9112 §3.2): origin-form, absolute-form (brought to origin-form here) and asterisk-form.
//! Authority-form belongs to CONNECT, which is refused before.

use crate::http::host::Host;
use crate::http::method::Method;
use crate::http::refusal::Refusal;

/// What is asked for, in the parts of origin-form, so that it can be written for the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path, as sent, starting with a slash; `*` for an asterisk-form.
    pub path: &'a [u8],
    /// What follows the first question mark.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Reads a target of allowed bytes; the host comes with it if it was in absolute-form.
    pub(crate) fn parse(bytes: &'a [u8], method: Method) -> Result<(Self, Option<Host<'a>>), Refusal> {
        match bytes.first() {
            Some(b'/') => Ok((Self::split(bytes), None)),
            Some(b'*') if bytes.len() == 1 && method == Method::Options => {
                Ok((Self { path: bytes, query: None }, None))
            }
            _ => Self::parse_absolute(bytes, method),
        }
    }

    fn parse_absolute(bytes: &'a [u8], method: Method) -> Result<(Self, Option<Host<'a>>), Refusal> {
        let rest = strip_scheme(bytes).ok_or(Refusal::Target)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let host = Host::parse(authority).map_err(|_| Refusal::Target)?;
        let target = match rest.first() {
            Some(b'/') => Self::split(rest),
            Some(_) => Self { path: b"/", query: Some(&rest[1..]) },
            // RFC 9112 §3.2.4: the last proxy turns OPTIONS without a path into asterisk-form.
            None if method == Method::Options => Self { path: b"*", query: None },
            None => Self { path: b"/", query: None },
        };
        Ok((target, Some(host)))
    }

    fn split(bytes: &'a [u8]) -> Self {
        match bytes.iter().position(|&byte| byte == b'?') {
            Some(mark) => Self { path: &bytes[..mark], query: Some(&bytes[mark + 1..]) },
            None => Self { path: bytes, query: None },
        }
    }

    /// Appends the target in the form that the next hop expects.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.path);
        if let Some(query) = self.query {
            out.push(b'?');
            out.extend_from_slice(query);
        }
    }
}

fn strip_scheme(bytes: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = bytes.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8], method: Method) -> Option<(String, String)> {
        let (target, host) = Target::parse(bytes, method).ok()?;
        let mut out = Vec::new();
        target.push(&mut out);
        let host = host.map_or(&b""[..], |host| host.bytes);
        Some((String::from_utf8(out).unwrap(), String::from_utf8(host.to_vec()).unwrap()))
    }

    #[test]
    fn every_form_is_written_as_origin_form() {
        let rows: [(&[u8], Method, &str, &str); 9] = [
            (b"/a?b?c", Method::Get, "/a?b?c", ""),
            (b"/?", Method::Get, "/?", ""),
            (b"//x/y", Method::Get, "//x/y", ""),
            (b"http://h", Method::Get, "/", "h"),
            (b"HTTPS://h:1?q", Method::Get, "/?q", "h:1"),
            (b"http://h/p?q", Method::Post, "/p?q", "h"),
            (b"http://[::1]/p", Method::Get, "/p", "[::1]"),
            (b"*", Method::Options, "*", ""),
            (b"http://h", Method::Options, "*", "h"),
        ];
        for (bytes, method, target, host) in rows {
            assert_eq!(written(bytes, method), Some((target.to_owned(), host.to_owned())));
        }
    }

    #[test]
    fn other_targets_are_refused() {
        for bytes in [
            &b"*"[..],
            b"a",
            b"",
            b"h:80",
            b"ftp://h/",
            b"http:/h",
            b"http://",
            b"http:///x",
            b"http://u@h/",
            b"?q",
            b"*x",
        ] {
            assert_eq!(written(bytes, Method::Get), None, "{}", bytes.escape_ascii());
        }
    }
}
