//! Takes one request head from the front of the input (RFC 9112 §2–§3), as far as the origin must understand it.

use crate::http1::{Fields, Framing};
use crate::origin::fields::Manners;
use crate::origin::options::Habits;
use crate::origin::select::{Selection, select};
use crate::origin::websocket;
use crate::route::{Route, origin_form, parameter_text, spread_ms};
use crate::spread::Spread;
use core::mem::MaybeUninit;

/// The most fields in a request head. More is answered with 431.
const FIELDS_MAX: usize = 256;

/// A request whose head is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// What the path asks for.
    pub(crate) route: Route,
    /// Whether only the head is wanted.
    pub(crate) head_only: bool,
    /// Whether the method may have been meant for a WebSocket.
    pub(crate) is_get: bool,
    /// HTTP/1.`minor`.
    pub(crate) minor: u8,
    /// Whether the connection may go on afterwards.
    pub(crate) persistent: bool,
    /// How the request's own body ends.
    pub(crate) framing: Framing,
    /// Whether the client waits for leave to send its body.
    pub(crate) expect_continue: bool,
    /// The proof of a WebSocket handshake, if one was asked for properly.
    pub(crate) websocket: Option<websocket::Accept>,
    /// Silence before the answer, ms.
    pub(crate) delay_ms: Option<Spread>,
    /// Which part of the object is wanted.
    pub(crate) selection: Selection,
}

/// What a request says that has no fixed size; reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// For `/echo` the first part of the answer, which tells the head back.
    pub(crate) echo: Vec<u8>,
    /// Fields of the answer, each with its line end.
    pub(crate) fields: Vec<u8>,
    /// The ranges that are wanted, first and last byte.
    pub(crate) parts: Vec<(u64, u64)>,
}

/// What the input begins with.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Less than a head.
    Partial,
    /// Something to be refused with this status.
    Bad(u16),
    /// A whole head of so many bytes, its target at this place in the input.
    Complete {
        /// What it says.
        request: Request,
        /// Where the target lies in the input, in origin form.
        target: core::ops::Range<usize>,
        /// How long the head is.
        head_bytes: usize,
    },
}

/// Looks at the front of `input`.
pub(crate) fn parse(input: &[u8], habits: &Habits, told: &mut Told) -> Parsed {
    let mut storage = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut []);
    let head_bytes = match head.parse_with_uninit_headers(input, &mut storage) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(httparse::Error::TooManyHeaders) => return Parsed::Bad(431),
        Err(_) => return Parsed::Bad(400),
    };
    let minor = head.version.unwrap_or(1);
    let Ok(fields) = Fields::read(head.headers, minor) else {
        return Parsed::Bad(400);
    };
    let target = origin_form(head.path.unwrap_or("/"));
    let method = head.method.unwrap_or("GET");
    let route = Route::parse(target);
    let manners = Manners::read(target, habits, &mut told.fields);
    let size = route.body_bytes().filter(|_| route.status() == 200 && matches!(method, "GET" | "HEAD"));
    let selection = size.map_or(Selection::Whole, |size| {
        let has_ranges = matches!(route, Route::Bytes { .. } | Route::Delay { .. } | Route::Slow { .. });
        select(head.headers, manners.validators(), size, has_ranges, &mut told.parts)
    });
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let asked_delay = parameter_text(query, "delay").map(spread_ms);
    if asked_delay == Some(None) {
        // Silence of another length than was asked for would be measured as if it were the one.
        return Parsed::Bad(400);
    }
    let request = Request {
        route,
        delay_ms: asked_delay.flatten().or(habits.delay_ms),
        selection,
        head_only: method == "HEAD",
        is_get: method == "GET",
        minor,
        persistent: fields.persistent(minor),
        framing: fields.request_framing(),
        expect_continue: fields.expect_continue && minor >= 1,
        websocket: fields.upgrade_websocket.then(|| websocket::accept(head.headers)).flatten(),
    };
    if request.route == Route::Echo {
        tell_head(&mut told.echo, method, target, head.headers, head_bytes);
    }
    // The target is a slice of the input, or "/" for an absolute URI without a path.
    let start = (target.as_ptr() as usize).wrapping_sub(input.as_ptr() as usize);
    let target = if start < input.len() { start..start + target.len() } else { 0..0 };
    Parsed::Complete { request, target, head_bytes }
}

/// Begins the JSON answer of `/echo`; the body's size and hash follow when they are known.
fn tell_head(
    echo: &mut Vec<u8>,
    method: &str,
    target: &str,
    headers: &[httparse::Header<'_>],
    head_bytes: usize,
) {
    echo.clear();
    echo.extend_from_slice(b"{\"method\":");
    tell(echo, method);
    echo.extend_from_slice(b",\"target\":");
    tell(echo, target);
    echo.extend_from_slice(b",\"fields\":[");
    for (index, header) in headers.iter().enumerate() {
        echo.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        tell(echo, header.name);
        echo.push(b',');
        tell(echo, &String::from_utf8_lossy(header.value));
        echo.push(b']');
    }
    echo.extend_from_slice(b"],\"head_bytes\":");
    echo.extend_from_slice(head_bytes.to_string().as_bytes());
}

fn tell(echo: &mut Vec<u8>, text: &str) {
    let told = serde_json::to_writer(echo, text).is_ok();
    assert!(told, "a string in memory serializes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_partial_until_its_empty_line() {
        let head = b"GET /b128?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nrest";
        for end in 0..head.len() - 4 {
            assert!(matches!(parse(&head[..end], &Habits::default(), &mut Told::default()), Parsed::Partial));
        }
        let Parsed::Complete { request, target, head_bytes } =
            parse(head, &Habits::default(), &mut Told::default())
        else {
            panic!("the head is complete");
        };
        assert_eq!((&head[target], head_bytes), (&b"/b128?x"[..], head.len() - 4));
        assert!(!request.persistent && request.is_get && request.framing == Framing::None);
    }

    #[test]
    fn what_cannot_be_understood_is_bad() {
        for head in [
            "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "G\0T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /b128?delay=10ms HTTP/1.1\r\n\r\n",
        ] {
            assert!(
                matches!(parse(head.as_bytes(), &Habits::default(), &mut Told::default()), Parsed::Bad(400)),
                "{head:?}"
            );
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert!(matches!(parse(many.as_bytes(), &Habits::default(), &mut Told::default()), Parsed::Bad(431)));
    }

    #[test]
    fn echo_tells_the_head_as_json() {
        let head = b"POST http://h/echo?a=\"b\" HTTP/1.1\r\nX: \xff\"\r\n\r\n";
        let mut told = Told::default();
        assert!(matches!(parse(head, &Habits::default(), &mut told), Parsed::Complete { .. }));
        told.echo.push(b'}');
        let value: serde_json::Value = serde_json::from_slice(&told.echo).unwrap();
        assert_eq!(value["target"], "/echo?a=\"b\"");
        assert_eq!(value["fields"][0][1], "\u{fffd}\"");
        assert_eq!(value["head_bytes"], head.len());
    }
}
